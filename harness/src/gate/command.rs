//! Commands that a gate waits for, unless it is interrupted.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::sys;

/// How often it is checked whether the gate was interrupted.
const INTERRUPT_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Runs `command` and copies what it prints, on either stream, to `output`. Once `interrupted` is set, the command and the
/// processes that it has started are ended by SIGTERM, and the result is `None`. It has a separate process group, so that
/// Ctrl-C reaches it only this way.
///
/// # Errors
/// When the command cannot be started, or `output` not written.
pub(super) fn run(
    mut command: Command,
    output: &mut (impl Write + Send),
    interrupted: &AtomicBool,
) -> io::Result<Option<ExitStatus>> {
    let is_interrupted = || interrupted.load(Ordering::Relaxed);
    if is_interrupted() {
        return Ok(None);
    }
    let (mut reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    sys::kill_with_parent(&mut command);
    let mut child = command.spawn()?;
    // It holds the pipe open.
    drop(command);
    let copied = thread::scope(|scope| {
        let (at_end, ended) = mpsc::channel::<()>();
        let copier = scope.spawn(move || {
            let _at_end = at_end;
            io::copy(&mut reader, output)
        });
        while ended.recv_timeout(INTERRUPT_POLL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            if is_interrupted() {
                sys::signal_group(&child, Signal::SIGTERM);
            }
        }
        copier.join().unwrap_or_else(|_| Err(io::Error::other("the thread that copies output panicked")))
    });
    let status = child.wait()?;
    if is_interrupted() {
        return Ok(None);
    }
    copied?;
    Ok(Some(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_are_copied() {
        let mut output = vec![];
        let status = run(shell("echo one; echo two >&2; exit 3"), &mut output, &AtomicBool::new(false));
        assert_eq!((status.unwrap().unwrap().code(), &*output), (Some(3), &b"one\ntwo\n"[..]));
    }

    #[test]
    fn an_interrupt_ends_a_command_and_its_children() {
        /// Interrupts at the first output.
        struct Interrupting<'a>(&'a AtomicBool);

        impl Write for Interrupting<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.store(true, Ordering::Relaxed);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let interrupted = AtomicBool::new(false);
        // Would take ten minutes if a child were left, which holds the pipe open.
        let script = "sleep 600 & sleep 600 & echo started; wait";
        let ended = run(shell(script), &mut Interrupting(&interrupted), &interrupted);
        assert_eq!(ended.unwrap(), None);
        // Nothing is started after an interrupt.
        assert_eq!(run(shell("exit 0"), &mut vec![], &interrupted).unwrap(), None);
    }
}
