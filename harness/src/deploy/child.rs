//! Child processes that print lines and end when their standard input does.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::sys;

/// How often it is checked whether a child has ended whose output has.
const END_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// A child process whose standard input and output are pipes.
///
/// Closing the child's standard input asks it to end; the end of its standard output shows that it has. The child
/// therefore ends even if this process is killed, and, on Linux, even if the child was stopped (SIGSTOP) before. Dropping
/// this value ends the child. It has a separate process group, so that Ctrl-C in a terminal reaches only this process,
/// which then ends its children in order.
#[derive(Debug)]
pub(super) struct PipedChild {
    child: Child,
    lines: Receiver<String>,
    stop_timeout: Duration,
}

impl PipedChild {
    /// Starts `command` on `cores` (on any if empty). [`Self::stop`] kills the child if it has not ended after
    /// `stop_timeout`.
    ///
    /// # Errors
    /// When the program cannot be started or the cores are rejected.
    pub(super) fn spawn(mut command: Command, cores: &[usize], stop_timeout: Duration) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        sys::continue_with_parent(&mut command);
        let child = sys::spawn_on(command, cores)?;
        let (sender, lines) = mpsc::channel();
        // Before anything else can fail, so that the child is ended in any case.
        let mut child = PipedChild { child, lines, stop_timeout };
        if let Some(out) = child.child.stdout.take() {
            std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            })?;
        }
        Ok(child)
    }

    /// Returns the next line of the child's standard output.
    ///
    /// # Errors
    /// When the child prints no line within `timeout`, or its output has ended.
    pub(super) fn next_line(&self, timeout: Duration) -> Result<String, RecvTimeoutError> {
        self.lines.recv_timeout(timeout)
    }

    /// Writes a line to the child's standard input.
    ///
    /// # Errors
    /// When the child has closed its standard input, or has ended.
    pub(super) fn send_line(&mut self, line: &str) -> io::Result<()> {
        let input = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{line}")?;
        input.flush()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Whether the child has neither ended nor been stopped (SIGSTOP).
    pub(super) fn is_running(&self) -> bool {
        sys::is_running(self.pid()).unwrap_or(true)
    }

    /// The child's exit status as text, if it has ended.
    pub(super) fn exit_status(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// The child's exit status as text, if it ends within `timeout`: its output ends slightly before the status is
    /// available.
    pub(super) fn exit_status_within(&mut self, timeout: Duration) -> Option<String> {
        if self.output_ends_within(timeout) {
            self.child.wait().ok().map(|status| status.to_string())
        } else {
            self.exit_status()
        }
    }

    /// Whether the child's output ends within `timeout`, after lines that are dropped.
    pub(super) fn output_ends_within(&self, timeout: Duration) -> bool {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(timeout.saturating_sub(begun.elapsed())) {
                Ok(_) => {}
                Err(error) => return error == RecvTimeoutError::Disconnected,
            }
        }
    }

    /// Kills the child, and waits until it has ended.
    pub(super) fn kill(&mut self) {
        // An error means that it has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the child to end, and waits until it has; kills it and its process group when that takes too long.
    pub(super) fn stop(&mut self) {
        drop(self.child.stdin.take());
        if self.exit_status().is_some() {
            return;
        }
        sys::continue_child(&self.child);
        if !self.output_ends_within(self.stop_timeout) {
            sys::signal_group(&self.child, Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }

    /// As [`Self::stop`], and kills what is left of the child's process group, even if the child itself ended before.
    pub(super) fn stop_group(&mut self) {
        drop(self.child.stdin.take());
        sys::continue_child(&self.child);
        let begun = Instant::now();
        self.output_ends_within(self.stop_timeout);
        // The child may have closed its output long before, or be about to end.
        while sys::is_running(self.pid()) == Some(true) && begun.elapsed() < self.stop_timeout {
            std::thread::sleep(END_POLL_INTERVAL);
        }
        // The process id of the child is that of its group until it has been waited for.
        sys::signal_group(&self.child, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for PipedChild {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    use nix::sys::signal::kill;
    #[cfg(target_os = "linux")]
    use nix::unistd::Pid;

    fn shell(script: &str, stop_timeout: Duration) -> PipedChild {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        PipedChild::spawn(command, &[], stop_timeout).unwrap()
    }

    #[test]
    fn lines_are_received_and_the_child_ends_with_its_input() {
        let mut child = shell("echo one; cat >/dev/null", Duration::from_secs(60));
        assert_eq!(child.next_line(Duration::from_secs(60)).unwrap(), "one");
        assert_eq!(child.exit_status(), None);
        child.stop();
        assert!(child.exit_status().unwrap().contains("exit status: 0"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_stopped_child_is_noticed_and_ends_with_its_input() {
        let mut child = shell("echo one; cat >/dev/null", Duration::from_secs(60));
        child.next_line(Duration::from_secs(60)).unwrap();
        let pid = Pid::from_raw(child.pid().try_into().unwrap());
        assert!(child.is_running());
        kill(pid, Signal::SIGSTOP).unwrap();
        let flags = nix::sys::wait::WaitPidFlag::WUNTRACED;
        nix::sys::wait::waitpid(pid, Some(flags)).unwrap();
        assert_eq!(child.is_running(), !sys::FULL);
        child.stop();
        assert!(child.exit_status().unwrap().contains("exit status: 0"));
    }

    #[test]
    fn the_group_of_a_child_ends_with_it_or_after_it() {
        let deaf = "trap '' TERM; exec sleep 600";
        for script in [
            format!("({deaf}) & echo started; cat >/dev/null"),
            format!("({deaf}) & echo started"),
            format!("({deaf}) & echo started; exec {}", "sleep 600"),
        ] {
            let mut child = shell(&script, Duration::from_millis(20));
            child.next_line(Duration::from_secs(60)).unwrap();
            child.stop_group();
            // Would take ten minutes if the child of the child were left.
            assert!(child.output_ends_within(Duration::from_secs(60)), "{script}");
        }
    }

    #[test]
    fn a_child_that_is_killed_has_ended() {
        let mut child = shell("echo one; exec sleep 600", Duration::from_secs(60));
        child.next_line(Duration::from_secs(60)).unwrap();
        child.kill();
        assert!(child.exit_status().unwrap().contains("signal: 9"));
    }

    #[test]
    fn a_child_that_ignores_the_end_of_its_input_is_killed() {
        let mut child = shell("trap '' TERM; exec sleep 600", Duration::from_millis(20));
        child.stop();
        assert!(child.exit_status().unwrap().contains("signal: 9"));
    }
}
