//! Servers that a command of the user starts.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::child::PipedChild;
use crate::sys;

/// The word in a command that is replaced by the port.
pub const PORT: &str = "{port}";

/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to end on SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is tried whether the server listens.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Runs a command, prints its process id, and ends it with its own standard input: even if the parent is killed.
const SHELL: &str = r#"eval "exec $1" </dev/null >&2 & echo "$!"; cat >/dev/null; kill "$!"; wait"#;

/// A server that was started by a command. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct CommandServer {
    _child: PipedChild,
    pid: u32,
    port: u16,
}

impl CommandServer {
    /// Runs `command` with the shell on `cores`, with a free port of the loopback interface in place of [`PORT`], and waits
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
        let pid = child.next_line(START_TIMEOUT).ok().and_then(|line| line.trim().parse().ok());
        let pid = pid.ok_or("could not be started")?;
        let server = CommandServer { _child: child, pid, port };
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
        self.pid
    }

    /// The port of the loopback interface on which it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether the command has not ended.
    pub(crate) fn is_running(&self) -> bool {
        sys::cpu_time(self.pid).is_some() && sys::is_running(self.pid) != Some(false)
    }
}

/// A port on which nothing listens. Another process may take it before the server does, which then fails to start.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(all(test, target_os = "linux", not(rpcbench_portable)))]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_ends_at_once_is_reported() {
        let error = CommandServer::start("true {port}", &[]).unwrap_err();
        assert!(error.starts_with("ended before it listened on port "), "{error}");
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
        assert!(sys::cpu_time(pid).is_none() && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }
}
