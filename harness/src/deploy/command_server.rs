//! Servers that a command of the user starts.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::child::PipedChild;

/// The word in a command that is replaced by the port.
pub const PORT: &str = "{port}";

/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to end on SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is tried whether the server listens.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Becomes the command, after it has started a watcher that ends the command when standard input ends, even if the parent
/// is killed. The watcher makes sure that its parent is still the command: another process may have got its id.
const SHELL: &str = r#"exec 3<&0
(
    cat <&3 >/dev/null
    read -r _ _ _ parent _ </proc/self/stat && [ "$parent" = "$$" ] && kill "$$"
) >/dev/null 2>&1 &
exec 3<&- </dev/null
eval "exec $1""#;

/// A server that was started by a command. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct CommandServer {
    child: PipedChild,
    port: u16,
}

impl CommandServer {
    /// Runs the simple command `command` with the shell on `cores`, with a free port of the loopback interface in place of [`PORT`], and waits
    /// until something listens there.
    ///
    /// # Errors
    /// What happened, in words that follow the command.
    pub(crate) fn start(command: &str, cores: &[usize]) -> Result<Self, String> {
        let failed = |error: io::Error| format!("could not be started: {error}");
        let port = free_port().map_err(failed)?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "sh", &command.replace(PORT, &port.to_string())]);
        let child = PipedChild::spawn(shell, cores, STOP_TIMEOUT).map_err(failed)?;
        let server = CommandServer { child, port };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if !server.is_running() {
                return Err(format!("ended before it listened on port {port}"));
            }
            if begun.elapsed() > START_TIMEOUT {
                return Err(format!("did not listen on port {port} within {START_TIMEOUT:?}"));
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

    /// Whether the command has not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_running()
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
    fn a_command_that_ends_at_once_is_reported() {
        let error = CommandServer::start("true {port}", &[]).unwrap_err();
        assert!(error.starts_with("ended before it listened on port "), "{error}");
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
        let Some(python) = crate::stacks::interpreter_version().and(Some("python3")) else { return };
        let server = CommandServer::start(
            &format!("{python} -m http.server {PORT} --bind 127.0.0.1"),
            &sys::allowed_cores(),
        )
        .unwrap();
        assert!(server.is_running());
        let (pid, port) = (server.pid(), server.port());
        drop(server);
        assert!(
            sys::is_running(pid) == Some(false) && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
        );
    }
}
