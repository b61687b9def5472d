//! Servers that a command of the user starts.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::child::PipedChild;
use super::log_tail::LogTail;
use super::server::format_log;

/// The word in a command that is replaced by the port.
pub(crate) const PORT: &str = "{port}";

/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to end on SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is tried whether the server listens.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a command may take to end that its client could not reach any more.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the log may take to end after the command.
const LOG_TIMEOUT: Duration = Duration::from_secs(1);

/// Becomes the command, after it has started a watcher that ends the process group, which is that of the command and its
/// children, when standard input ends, even if the parent is killed. What the command prints goes to the log; it and its
/// children only hold the pipe of standard output, whose end shows that all have ended.
const SHELL: &str = r#"exec 3<&0 4>&1 1>&2
(
    cat <&3 >/dev/null
    kill -TERM 0
) >/dev/null 2>&1 4>&- &
exec 3<&- </dev/null
eval "exec $1""#;

/// A server that was started by a command. Dropping it ends it and the processes that it has started.
#[derive(Debug)]
pub(crate) struct CommandServer {
    child: PipedChild,
    log: Option<LogTail>,
    port: u16,
    is_stopped: bool,
}

impl CommandServer {
    /// Runs the simple command `command` with the shell on `cores`, with a free port of the loopback interface in place of
    /// [`PORT`], and waits until something listens there.
    ///
    /// # Errors
    /// What happened, in words that follow the command, with the end of its log.
    pub(crate) fn start(command: &str, cores: &[usize]) -> Result<Self, String> {
        let failed = |error: io::Error| format!("could not be started: {error}");
        let port = free_port().map_err(failed)?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "sh", &command.replace(PORT, &port.to_string())]);
        shell.stderr(Stdio::piped());
        let child = PipedChild::spawn(shell, cores, STOP_TIMEOUT).map_err(failed)?;
        let mut server = CommandServer { child, log: None, port, is_stopped: false };
        server.log =
            server.child.take_stderr().map(|err| LogTail::read(err, |_| true)).transpose().map_err(failed)?;
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if !server.child.is_running() {
                let (status, log) = server.stop();
                return Err(format!(
                    "ended before it listened on port {port} ({status}){}",
                    format_log(&log)
                ));
            }
            if begun.elapsed() > START_TIMEOUT {
                let log = format_log(&server.stop().1);
                return Err(format!("did not listen on port {port} within {START_TIMEOUT:?}{log}"));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(server)
    }

    /// The process id of the command.
    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The port of the loopback interface on which it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How the command ended, if it does soon, and the end of its log. Its children are then ended, too.
    pub(crate) fn end(&mut self) -> (Option<String>, String) {
        self.child.output_ends_within(EXIT_TIMEOUT);
        if self.child.is_running() {
            return (None, self.log.as_ref().map(LogTail::text).unwrap_or_default());
        }
        let (status, log) = self.stop();
        (Some(status), log)
    }

    /// Ends the command and its children. The exit status as text, and the end of the log.
    fn stop(&mut self) -> (String, String) {
        // After that, its process id may be that of another group.
        if !std::mem::replace(&mut self.is_stopped, true) {
            self.child.stop_group();
        }
        let status = self.child.exit_status().unwrap_or_default();
        (status, self.log.as_ref().map(|log| log.text_at_end(LOG_TIMEOUT)).unwrap_or_default())
    }
}

impl Drop for CommandServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port on which nothing listens. Another process may take it before the server does, which then fails to start.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(all(test, target_os = "linux", not(rpcbench_portable)))]
mod tests {
    use super::*;
    use crate::sys;

    #[test]
    fn a_command_that_ends_at_once_is_reported_with_what_it_printed() {
        let error = CommandServer::start("sh -c 'echo out; echo err >&2; exit 3' {port}", &[]).unwrap_err();
        assert!(error.starts_with("ended before it listened on port "), "{error}");
        assert!(error.ends_with(" (exit status: 3); its log ends:\n  out\n  err"), "{error}");
    }

    #[test]
    fn the_server_of_a_command_that_waits_for_it_ends_with_the_command() {
        let Some(python) = crate::stacks::Language::Python.version().and(Some("python3")) else { return };
        let command = format!("sh -c '{python} -m http.server {PORT} --bind 127.0.0.1 & wait'");
        let server = CommandServer::start(&command, &[]).unwrap();
        let port = server.port();
        drop(server);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn the_watcher_of_a_command_that_has_ended_ends_no_other_process() {
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, "sh", "true"]);
        let mut child = PipedChild::spawn(command, &[], STOP_TIMEOUT).unwrap();
        assert!(child.exit_status_within(START_TIMEOUT).unwrap().contains("exit status: 0"));
        // Would fail if the watcher held the output, too.
        child.stop();
    }

    #[test]
    fn a_server_is_found_and_ends_when_it_is_dropped() {
        let Some(python) = crate::stacks::Language::Python.version().and(Some("python3")) else { return };
        let server = CommandServer::start(
            &format!("{python} -m http.server {PORT} --bind 127.0.0.1"),
            &sys::allowed_cores(),
        )
        .unwrap();
        assert!(server.child.is_running());
        let (pid, port) = (server.pid(), server.port());
        drop(server);
        assert!(
            sys::is_running(pid) == Some(false) && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
        );
    }
}
