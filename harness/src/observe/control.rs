//! The control port of a server: reports the resource usage and the sockets of its process, and switches faults on and off.
//!
//! The protocol is a line of text for a line of JSON, so that `nc` can speak it. It works across machines and containers,
//! where the process cannot be observed from outside.
//!
//! | line | reply |
//! |---|---|
//! | `stats` | [`Stats`] |
//! | `reset` | resets the recorded peak memory to the current memory; [`Stats`] |
//! | `faults on`, `faults off` | switches the faults that the server was started with; [`Stats`] |
//! | `clock` | [`Clock`] |
//!
//! The reply to any other line is `{"error": …}`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use calculator::Dispatcher;
use serde::{Deserialize, Serialize};

use super::wire::StreamBytes;
use crate::sys::{self, SocketStats, Usage, UsageReading};

/// Maximum length of a request line; the rest of a longer one is read as the next line.
const MAX_REQUEST_BYTES: u64 = 256;
/// Maximum length of a reply: enough for thousands of sockets.
const MAX_REPLY_BYTES: u64 = 8 << 20;
/// How long to wait for a connection, a request, or a reply.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a server reports about its process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Process id on the server's machine.
    pub pid: u32,
    /// Resource usage; absent where the system does not report it.
    pub usage: Option<Usage>,
    /// When the usage was read, by the monotonic clock of the server's machine, in nanoseconds.
    #[serde(default)]
    pub usage_at_ns: Option<u64>,
    /// Connected TCP sockets, without those of this control port; absent where the system does not report them.
    pub sockets: Option<Vec<SocketStats>>,
    /// Bytes over Unix sockets, as the server counted them; absent in replies of older versions.
    #[serde(default)]
    pub streams: Option<StreamBytes>,
    /// Number of threads, including that of this control port; absent where the system does not report it.
    #[serde(default)]
    pub threads: Option<u32>,
    /// The cores that the process may run on.
    #[serde(default)]
    pub cores: Vec<usize>,
    /// Identifies the boot of the server's machine; a container has that of its host. Absent where the system does not
    /// report it.
    #[serde(default)]
    pub boot: Option<String>,
    /// Number of calls dispatched since the server started.
    pub calls: u64,
}

/// The time by a server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Nanoseconds since the beginning of 1970, UTC.
    pub unix_ns: u64,
}

impl Clock {
    /// The time by the clock of this machine.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { unix_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) }
    }
}

/// Starts a control port on `address`, served by a background thread until the process ends. Returns the bound address.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(address: SocketAddr, dispatcher: Dispatcher) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        for connection in listener.incoming().flatten() {
            // One connection at a time; one that stays idle is closed after the timeout.
            let _ = connection
                .set_read_timeout(Some(TIMEOUT))
                .and_then(|()| serve_connection(connection, &dispatcher));
        }
    })?;
    Ok(bound)
}

fn serve_connection(connection: TcpStream, dispatcher: &Dispatcher) -> io::Result<()> {
    let local = connection.local_addr()?;
    connection.set_nodelay(true)?;
    let mut lines = BufReader::new(connection.try_clone()?);
    let mut connection = connection;
    loop {
        let mut line = String::new();
        if (&mut lines).take(MAX_REQUEST_BYTES).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut reply = match line.trim() {
            // The peer computes the offset of the clocks from the round trip, so this must take no time.
            "clock" => serde_json::to_string(&Clock::now())?,
            "stats" => stats(dispatcher, local)?,
            "reset" => {
                sys::reset_peak_memory(std::process::id());
                stats(dispatcher, local)?
            }
            "faults on" => {
                dispatcher.set_faults(true);
                stats(dispatcher, local)?
            }
            "faults off" => {
                dispatcher.set_faults(false);
                stats(dispatcher, local)?
            }
            _ => r#"{"error": "expected stats, reset, clock, faults on, or faults off"}"#.to_owned(),
        };
        reply.push('\n');
        connection.write_all(reply.as_bytes())?;
    }
}

/// The [`Stats`] of this process as JSON. `control` is the local address of the control connection.
fn stats(dispatcher: &Dispatcher, control: SocketAddr) -> io::Result<String> {
    let pid = std::process::id();
    let sockets = sys::sockets().map(|mut sockets| {
        sockets.retain(|socket| socket.local != control);
        sockets
    });
    let reading = sys::usage(pid);
    Ok(serde_json::to_string(&Stats {
        pid,
        usage: reading.map(|reading| reading.usage),
        usage_at_ns: reading.and_then(|reading| sys::to_monotonic_ns(reading.at)),
        sockets,
        streams: Some(StreamBytes::of_this_process()),
        threads: sys::threads(),
        cores: sys::allowed_cores(),
        boot: sys::boot_id(),
        calls: dispatcher.calls(),
    })?)
}

/// Requests the [`Stats`] of the server whose control port is at `address`.
///
/// # Errors
/// When there is no reply in time, or it is malformed.
pub fn request_stats(address: SocketAddr) -> io::Result<Stats> {
    Ok(exchange(address, "stats\n")?.stats)
}

/// Requests the resource usage of the server whose control port is at `address`; `None` if its system does not report it.
///
/// The instant of the reading is that inside the server if it runs on this machine, and else the middle of the exchange.
///
/// # Errors
/// When there is no reply in time, or it is malformed.
pub fn read_usage(address: SocketAddr) -> io::Result<Option<UsageReading>> {
    let exchange = exchange(address, "stats\n")?;
    Ok(exchange.stats.usage.map(|usage| UsageReading { usage, at: exchange.usage_read_at() }))
}

/// Resets the recorded peak memory of the server whose control port is at `address` to its current memory, and returns the
/// [`Stats`] of the server.
///
/// # Errors
/// When there is no reply in time, or it is malformed.
pub fn reset_peak_memory(address: SocketAddr) -> io::Result<Stats> {
    Ok(exchange(address, "reset\n")?.stats)
}

/// A request and its reply.
struct Exchange {
    stats: Stats,
    sent_at: Instant,
    received_at: Instant,
}

impl Exchange {
    /// When the server read its usage, by the clock of this process.
    fn usage_read_at(&self) -> Instant {
        let Exchange { stats, sent_at, received_at } = self;
        let same_machine = stats.boot.is_some() && stats.boot == sys::boot_id();
        let reported = stats.usage_at_ns.filter(|_| same_machine).and_then(sys::from_monotonic_ns);
        // A container may have a monotonic clock with an offset (time_namespaces(7)).
        reported
            .filter(|at| (*sent_at..=*received_at).contains(at))
            .unwrap_or(*sent_at + (*received_at - *sent_at) / 2)
    }
}

fn exchange(address: SocketAddr, line: &str) -> io::Result<Exchange> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    let sent_at = Instant::now();
    connection.write_all(line.as_bytes())?;
    let mut reply = String::new();
    BufReader::new(connection).take(MAX_REPLY_BYTES).read_line(&mut reply)?;
    let received_at = Instant::now();
    Ok(Exchange { stats: serde_json::from_str(&reply)?, sent_at, received_at })
}

/// Requests the time of the control port at `address`, `times` times over one connection. Calls `before` just before each
/// request is sent, and `after` with its result and the reply as soon as that has arrived.
///
/// # Errors
/// When there is no reply in time, or it is malformed.
pub fn sample_clock<B>(
    address: SocketAddr,
    times: u32,
    mut before: impl FnMut() -> B,
    mut after: impl FnMut(B, Clock),
) -> io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    let mut lines = BufReader::new(connection.try_clone()?);
    for _ in 0..times {
        let mut line = String::new();
        let started = before();
        connection.write_all(b"clock\n")?;
        (&mut lines).take(MAX_REQUEST_BYTES).read_line(&mut line)?;
        after(started, serde_json::from_str(&line)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::{Calculator, Call, Executor, Faults};

    fn start(executor: Executor, faults: Faults) -> (SocketAddr, Dispatcher) {
        let dispatcher = Dispatcher::new(Calculator, executor, faults);
        let address = serve("127.0.0.1:0".parse().unwrap(), dispatcher.clone()).unwrap();
        (address, dispatcher)
    }

    fn send(address: SocketAddr, text: &str) -> String {
        let connection = TcpStream::connect(address).unwrap();
        // The peer reads only part of an overlong line, and may have closed the connection before all is written.
        let _ = (&connection).write_all(text.as_bytes());
        let mut line = String::new();
        BufReader::new(connection).read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn reports_the_process_and_switches_faults() {
        let faults = Faults { fail: Some("1/1".parse().unwrap()), ..Faults::default() };
        let (address, dispatcher) = start(Executor::Blocking, faults);
        let call = || dispatcher.call_blocking(Call::positional("add", [2.into(), 3.into()]));

        assert!(call().is_err());
        assert!(send(address, "faults off\n").contains("\"calls\":1"));
        assert!(call().is_ok());
        send(address, "faults on\n");
        assert!(call().is_err());

        let stats = request_stats(address).unwrap();
        assert_eq!((stats.pid, stats.calls), (std::process::id(), 3));
        assert_eq!((stats.usage.is_some(), stats.usage_at_ns.is_some()), (sys::FULL, sys::FULL));
        assert_eq!((stats.cores, stats.boot), (sys::allowed_cores(), sys::boot_id()));
        let sockets = stats.sockets.unwrap_or_default();
        assert!(sockets.iter().all(|socket| socket.local != address), "the control connection is left out");
    }

    #[test]
    fn rejects_unknown_lines_and_serves_the_next_connection() {
        let (address, _) = start(Executor::Async, Faults::default());
        for text in ["\n", "stop\n", "faults\n", &"x".repeat(100_000)] {
            let line = send(address, text);
            assert!(line.contains("expected stats"), "{line}");
        }
        assert!(request_stats(address).is_ok());
    }

    #[test]
    fn a_usage_reading_has_an_instant_within_the_exchange() {
        let (address, _) = start(Executor::Async, Faults::default());
        let before = Instant::now();
        let reading = read_usage(address).unwrap();
        assert_eq!(reading.is_some(), sys::FULL);
        assert!(reading.is_none_or(|reading| (before..=Instant::now()).contains(&reading.at)));
    }

    #[test]
    fn the_instant_of_another_machine_is_the_middle_of_the_exchange() {
        let (address, _) = start(Executor::Async, Faults::default());
        let stats = request_stats(address).unwrap();
        let sent_at = Instant::now();
        let (received_at, within) = (sent_at + Duration::from_secs(4), sent_at + Duration::from_secs(1));
        let middle = sent_at + Duration::from_secs(2);
        let read_at = |boot: Option<String>, at: Instant| {
            let stats = Stats { boot, usage_at_ns: sys::to_monotonic_ns(at), ..stats.clone() };
            Exchange { stats, sent_at, received_at }.usage_read_at()
        };
        assert_eq!(read_at(Some("another boot".to_owned()), within), middle);
        assert_eq!(read_at(None, within), middle);
        assert_eq!(read_at(sys::boot_id(), received_at + Duration::from_secs(9)), middle);
        assert_eq!(read_at(sys::boot_id(), within) < middle, sys::FULL);
    }
}
