//! A child process that talks by lines and ends when its standard input does.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::sys;

/// A child process whose standard input and output are pipes. It is told to end by closing the one, and the end of the
/// other tells that it has; that works as well when this process is killed. Dropping it ends it. It is in a process
/// group of its own: a terminal's Ctrl-C is for this process, which still needs its children to end in order.
#[derive(Debug)]
pub(crate) struct PipedChild {
    child: Child,
    lines: Receiver<String>,
    patience: Duration,
}

impl PipedChild {
    /// Starts `command` on `cores` (any, where empty). When it is ended, it has `patience` to do so by itself.
    pub(crate) fn spawn(mut command: Command, cores: &[usize], patience: Duration) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = sys::spawn_on(command, cores)?;
        let (sender, lines) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(PipedChild { child, lines, patience })
    }

    /// The next line of its standard output; an error when there is none in time, or it has closed it.
    pub(crate) fn next_line(&self, timeout: Duration) -> Result<String, RecvTimeoutError> {
        self.lines.recv_timeout(timeout)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// How it ended, if it does within `patience`: the end of its output comes a moment before it can be told.
    pub(crate) fn ends_within(&mut self, patience: Duration) -> Option<String> {
        match self.lines.recv_timeout(patience) {
            Err(RecvTimeoutError::Disconnected) => self.child.wait().ok().map(|status| status.to_string()),
            Ok(_) | Err(RecvTimeoutError::Timeout) => self.ended(),
        }
    }

    /// Tells it to end, waits until it has, and kills it where it does not.
    pub(crate) fn end(&mut self) {
        drop(self.child.stdin.take());
        loop {
            match self.lines.recv_timeout(self.patience) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    break;
                }
            }
        }
        let _ = self.child.wait();
    }
}

impl Drop for PipedChild {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> PipedChild {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        PipedChild::spawn(command, &[], patience).unwrap()
    }

    #[test]
    fn a_child_is_heard_and_ends_with_its_input() {
        let mut child = shell("echo one; cat >/dev/null", Duration::from_secs(60));
        assert_eq!(child.next_line(Duration::from_secs(60)).unwrap(), "one");
        assert_eq!(child.ended(), None);
        child.end();
        assert!(child.ended().unwrap().contains("exit status: 0"));
    }

    #[test]
    fn a_child_that_does_not_listen_is_killed() {
        let mut child = shell("trap '' TERM; exec sleep 600", Duration::from_millis(20));
        child.end();
        assert!(child.ended().unwrap().contains("signal: 9"));
    }
}
