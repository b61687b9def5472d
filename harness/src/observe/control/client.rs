//! The client's end of a control port.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Clock, ControlPort, Stats, TIMEOUT, UsageReport};
use crate::sys::{self, UsageReading};

/// Maximum length of a reply: enough for thousands of sockets.
const MAX_REPLY_BYTES: usize = 8 << 20;

/// Requests the [`Stats`] of the server that has the control port `port`.
///
/// # Errors
/// When there is no reply in time, it is malformed, or the token is wrong.
pub fn request_stats(port: &ControlPort) -> io::Result<Stats> {
    Ok(exchange(port, "stats\n")?.reply)
}

/// Requests the resource usage of the server that has the control port `port`; `None` if its system does not report it.
///
/// The instant of the reading is that inside the server if it runs on this machine, and else the middle of the exchange.
///
/// # Errors
/// As of [`request_stats`].
pub fn read_usage(port: &ControlPort) -> io::Result<Option<UsageReading>> {
    // Not `stats`: the server is measured, and would look at every socket.
    let exchange: Exchange<UsageReport> = exchange(port, "usage\n")?;
    Ok(exchange.reply.usage.map(|usage| UsageReading { usage, at: exchange.usage_read_at() }))
}

/// Resets the recorded peak memory of the server that has the control port `port` to its current memory, and returns the
/// [`Stats`] of the server.
///
/// # Errors
/// As of [`request_stats`].
pub fn reset_peak_memory(port: &ControlPort) -> io::Result<Stats> {
    Ok(exchange(port, "reset\n")?.reply)
}

/// Requests the time of the control port `port`, `times` times over one connection. Calls `before` just before each
/// request is sent, and `after` with its result and the reply as soon as that has arrived.
///
/// # Errors
/// As of [`request_stats`].
pub fn sample_clock<B>(
    port: &ControlPort,
    times: u32,
    mut before: impl FnMut() -> B,
    mut after: impl FnMut(B, Clock),
) -> io::Result<()> {
    let mut connection = Connection::open(port)?;
    for _ in 0..times {
        let started = before();
        connection.send("clock\n")?;
        let reply = connection.receive()?;
        after(started, parse(&reply)?);
    }
    Ok(())
}

/// A request and its reply.
pub(super) struct Exchange<T> {
    pub(super) reply: T,
    pub(super) sent_at: Instant,
    pub(super) received_at: Instant,
}

impl Exchange<UsageReport> {
    /// When the server read its usage, by the clock of this process.
    pub(super) fn usage_read_at(&self) -> Instant {
        let Exchange { reply, sent_at, received_at } = self;
        let same_machine = reply.boot.is_some() && reply.boot == sys::boot_id();
        let reported = reply.usage_at_ns.filter(|_| same_machine).and_then(sys::from_monotonic_ns);
        // A container may have a monotonic clock with an offset (time_namespaces(7)).
        reported
            .filter(|at| (*sent_at..=*received_at).contains(at))
            .unwrap_or(*sent_at + (*received_at - *sent_at) / 2)
    }
}

fn exchange<T: DeserializeOwned>(port: &ControlPort, line: &str) -> io::Result<Exchange<T>> {
    let mut connection = Connection::open(port)?;
    let sent_at = Instant::now();
    connection.send(line)?;
    let reply = connection.receive()?;
    let received_at = Instant::now();
    Ok(Exchange { reply: parse(&reply)?, sent_at, received_at })
}

/// A reply as the server sends it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reply<T> {
    Error { error: String },
    Done(T),
}

fn parse<T: DeserializeOwned>(reply: &[u8]) -> io::Result<T> {
    match serde_json::from_slice(reply)? {
        Reply::Done(value) => Ok(value),
        Reply::Error { error } => Err(io::Error::other(error)),
    }
}

/// A connection that has sent the token.
struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    fn open(port: &ControlPort) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&port.address, TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut connection = Connection { stream: BufReader::new(stream) };
        connection.send(&format!("token {}\n", port.token.reveal()))?;
        Ok(connection)
    }

    fn send(&mut self, line: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(line.as_bytes())
    }

    /// Reads a line, which must be complete within [`TIMEOUT`].
    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + TIMEOUT;
        let mut line = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.get_ref().set_read_timeout(Some(left))?;
            let received = self.stream.fill_buf()?;
            let end = received.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(received.len(), |end| end + 1);
            line.extend_from_slice(&received[..length]);
            self.stream.consume(length);
            if end.is_some() {
                return Ok(line);
            }
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.len() > MAX_REPLY_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the reply is too long"));
            }
        }
    }
}
