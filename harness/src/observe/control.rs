//! The control port of a server: what its process has used, what its sockets really are, faults on and off.
//!
//! A line of text asks, a line of JSON answers, so that `nc` will do:
//!
//! | line | answer |
//! |---|---|
//! | `stats` | [`Stats`] |
//! | `reset` | makes peak memory start anew; [`Stats`] |
//! | `faults on`, `faults off` | switches the faults that the server was started with; [`Stats`] |
//! | `clock` | [`Clock`] |
//!
//! Anything else is answered with `{"error": …}`. It works across machines and containers, where the process itself is
//! out of sight.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use calculator::Dispatcher;
use serde::{Deserialize, Serialize};

use crate::sys::{self, SocketStats, Usage};

/// The longest line that is read.
const LONGEST: u64 = 256;
/// The longest answer that is read: thousands of sockets.
const LONGEST_ANSWER: u64 = 8 << 20;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a server tells of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Its process id, on its own machine.
    pub pid: u32,
    /// What its process has used; absent where its system does not tell.
    pub usage: Option<Usage>,
    /// Its connected TCP sockets, this control's excepted; absent where its system does not tell.
    pub sockets: Option<Vec<SocketStats>>,
    /// How many threads its process has, this control's included; absent where its system does not tell.
    #[serde(default)]
    pub threads: Option<u32>,
    /// The cores that it may run on.
    #[serde(default)]
    pub cores: Vec<usize>,
    /// Which start of which machine this is; absent where its system does not tell. A container has that of its host.
    #[serde(default)]
    pub boot: Option<String>,
    /// How many calls were dispatched since its start.
    pub calls: u64,
}

/// What a server's clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Nanoseconds since the beginning of 1970, UTC.
    pub unix_ns: u64,
}

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { unix_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) }
    }
}

/// Listens on `address` and answers, on threads of its own, for as long as the process lives. Returns where it listens.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(address: SocketAddr, dispatcher: Dispatcher) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        for connection in listener.incoming().flatten() {
            // One at a time: whoever controls a server does it alone, and an idle one is not waited for.
            let _ = connection.set_read_timeout(Some(TIMEOUT)).and_then(|()| answer(connection, &dispatcher));
        }
    })?;
    Ok(bound)
}

fn answer(connection: TcpStream, dispatcher: &Dispatcher) -> io::Result<()> {
    let own = connection.local_addr()?;
    connection.set_nodelay(true)?;
    let mut lines = BufReader::new(connection.try_clone()?);
    let mut connection = connection;
    loop {
        let mut line = String::new();
        if (&mut lines).take(LONGEST).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let known = match line.trim() {
            "clock" => {
                // Before anything else: whoever asks goes by how long the answer took.
                let clock = Clock::now();
                connection.write_all(format!("{}\n", serde_json::to_string(&clock)?).as_bytes())?;
                continue;
            }
            "stats" => true,
            "reset" => {
                sys::reset_peak_memory(std::process::id());
                true
            }
            "faults on" => {
                dispatcher.set_faults(true);
                true
            }
            "faults off" => {
                dispatcher.set_faults(false);
                true
            }
            _ => false,
        };
        let mut reply = if known {
            serde_json::to_string(&stats(dispatcher, own))?
        } else {
            r#"{"error": "expected stats, reset, clock, faults on, or faults off"}"#.to_owned()
        };
        reply.push('\n');
        connection.write_all(reply.as_bytes())?;
    }
}

fn stats(dispatcher: &Dispatcher, own: SocketAddr) -> Stats {
    let pid = std::process::id();
    let sockets = sys::sockets().map(|mut sockets| {
        sockets.retain(|socket| socket.local != own);
        sockets
    });
    Stats {
        pid,
        usage: sys::usage(pid),
        sockets,
        threads: sys::threads(),
        cores: sys::allowed_cores(),
        boot: sys::boot_id(),
        calls: dispatcher.calls(),
    }
}

/// Asks the control port at `address` for its server's [`Stats`].
///
/// # Errors
/// When there is no answer in time, or it is none.
pub fn ask(address: SocketAddr) -> io::Result<Stats> {
    say(address, "stats\n")
}

/// Makes the peak memory of the server whose control port is at `address` start anew, and returns its [`Stats`].
///
/// # Errors
/// When there is no answer in time, or it is none.
pub fn reset(address: SocketAddr) -> io::Result<Stats> {
    say(address, "reset\n")
}

fn say(address: SocketAddr, line: &str) -> io::Result<Stats> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(connection).take(LONGEST_ANSWER).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// Asks the control port at `address` for its clock, `times` times over one connection, and hands each answer to
/// `take` when it is there, after `ask` was called.
///
/// # Errors
/// When there is no answer in time, or it is none.
pub fn ask_clock<A>(
    address: SocketAddr,
    times: u32,
    mut ask: impl FnMut() -> A,
    mut take: impl FnMut(A, Clock),
) -> io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    let mut lines = BufReader::new(connection.try_clone()?);
    for _ in 0..times {
        let mut line = String::new();
        let asked = ask();
        connection.write_all(b"clock\n")?;
        (&mut lines).take(LONGEST).read_line(&mut line)?;
        take(asked, serde_json::from_str(&line)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::{Calculator, Call, Executor, Faults};

    fn told(address: SocketAddr, text: &str) -> String {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(connection).read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn it_tells_of_the_process_and_switches_faults() {
        let faults = Faults { fail: Some("1/1".parse().unwrap()), ..Faults::default() };
        let dispatcher = Dispatcher::new(Calculator, Executor::Blocking, faults);
        let address = serve("127.0.0.1:0".parse().unwrap(), dispatcher.clone()).unwrap();
        let call = || dispatcher.call_here(Call::positional("add", [2.into(), 3.into()]));

        assert!(call().is_err());
        assert!(told(address, "faults off\n").contains("\"calls\":1"));
        assert!(call().is_ok());
        told(address, "faults on\n");
        assert!(call().is_err());

        let stats = ask(address).unwrap();
        assert_eq!((stats.pid, stats.calls), (std::process::id(), 3));
        assert_eq!(stats.usage.is_some(), sys::FULL);
        assert_eq!((stats.cores, stats.boot), (sys::allowed_cores(), sys::boot_id()));
        let sockets = stats.sockets.unwrap_or_default();
        assert!(
            sockets.iter().all(|socket| socket.local != address),
            "its own connection is not the server's"
        );
    }

    #[test]
    fn nonsense_is_answered_and_the_next_caller_served() {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
        let address = serve("127.0.0.1:0".parse().unwrap(), dispatcher).unwrap();
        for text in ["\n", "stop\n", "faults\n", &"x".repeat(100_000)] {
            let connection = TcpStream::connect(address).unwrap();
            let mut writer = connection.try_clone().unwrap();
            // A line that is too long is cut, and what follows may find the connection closed.
            let _ = writer.write_all(text.as_bytes());
            let mut line = String::new();
            BufReader::new(connection).read_line(&mut line).unwrap();
            assert!(line.contains("expected stats"), "{line}");
        }
        assert!(ask(address).is_ok());
    }
}
