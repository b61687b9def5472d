//! Tests of both ends of a control port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use calculator::{Calculator, Call, Dispatcher, Executor, Faults};

use super::client::Exchange;
use super::server::MAX_PEERS;
use super::*;
use crate::sys;

fn start(executor: Executor, faults: Faults) -> (ControlPort, Dispatcher) {
    let dispatcher = Dispatcher::new(Calculator, executor, faults);
    let token = Token::random();
    let any = ControlPort { address: "127.0.0.1:0".parse().unwrap(), token: token.clone() };
    let address = serve(any, dispatcher.clone()).unwrap();
    (ControlPort { address, token }, dispatcher)
}

/// Sends the token and `text`, and returns the first line of the reply.
fn send(port: &ControlPort, text: &str) -> String {
    send_bytes(port, format!("token {}\n{text}", port.token.reveal()).as_bytes())
}

fn send_bytes(port: &ControlPort, bytes: &[u8]) -> String {
    let connection = TcpStream::connect(port.address).unwrap();
    // The peer reads only part of an overlong line, and may have closed the connection before all is written.
    let _ = (&connection).write_all(bytes);
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).unwrap();
    line
}

#[test]
fn reports_the_process_and_switches_faults() {
    let faults = Faults { fail: Some("1/1".parse().unwrap()), ..Faults::default() };
    let (port, dispatcher) = start(Executor::Blocking, faults);
    let call = || dispatcher.call_blocking(Call::positional("add", [2.into(), 3.into()]));

    assert!(call().is_err());
    assert!(send(&port, "faults off\n").contains("\"calls\":1"));
    assert!(call().is_ok());
    send(&port, "faults on\n");
    assert!(call().is_err());

    let stats = request_stats(&port).unwrap();
    assert_eq!((stats.pid, stats.calls), (std::process::id(), 3));
    let UsageReport { usage, usage_at_ns, boot } = stats.usage;
    assert_eq!((usage.is_some(), usage_at_ns.is_some()), (sys::FULL, sys::FULL));
    assert_eq!((stats.cores, boot), (sys::allowed_cores(), sys::boot_id()));
    let sockets = stats.sockets.unwrap_or_default();
    assert!(sockets.iter().all(|socket| socket.local != port.address), "the control connection is left out");
}

#[test]
fn rejects_unknown_lines_and_serves_the_next_connection() {
    let (port, _) = start(Executor::Async, Faults::default());
    for text in ["\n", "stop\n", "faults\n", &"x".repeat(100_000)] {
        let line = send(&port, text);
        assert!(line.contains("expected stats"), "{line}");
    }
    assert!(request_stats(&port).is_ok());
}

#[test]
fn a_usage_reading_has_an_instant_within_the_exchange() {
    let (port, _) = start(Executor::Async, Faults::default());
    assert!(send(&port, "usage\n").starts_with("{\"usage\":"));
    let before = Instant::now();
    let reading = read_usage(&port).unwrap();
    assert_eq!(reading.is_some(), sys::FULL);
    assert!(reading.is_none_or(|reading| (before..=Instant::now()).contains(&reading.at)));
}

#[test]
fn the_instant_of_another_machine_is_the_middle_of_the_exchange() {
    let (port, _) = start(Executor::Async, Faults::default());
    let report = request_stats(&port).unwrap().usage;
    let sent_at = Instant::now();
    let (received_at, within) = (sent_at + Duration::from_secs(4), sent_at + Duration::from_secs(1));
    let middle = sent_at + Duration::from_secs(2);
    let read_at = |boot: Option<String>, at: Instant| {
        let reply = UsageReport { boot, usage_at_ns: sys::to_monotonic_ns(at), ..report.clone() };
        Exchange { reply, sent_at, received_at }.usage_read_at()
    };
    assert_eq!(read_at(Some("another boot".to_owned()), within), middle);
    assert_eq!(read_at(None, within), middle);
    assert_eq!(read_at(sys::boot_id(), received_at + Duration::from_secs(9)), middle);
    assert_eq!(read_at(sys::boot_id(), within) < middle, sys::FULL);
}

#[test]
fn without_the_token_nothing_is_answered_or_switched() {
    let faults = Faults { fail: Some("1/1".parse().unwrap()), ..Faults::default() };
    let (port, dispatcher) = start(Executor::Blocking, faults);
    for text in [
        "faults off\n",
        "stats\n",
        "usage\n",
        "clock\n",
        "token\nfaults off\n",
        "token \nfaults off\n",
        "token 0123456789abcdef\nfaults off\n",
    ] {
        let line = send_bytes(&port, text.as_bytes());
        assert!(line.contains("wrong token"), "{text:?}: {line}");
    }
    assert!(send_bytes(&port, &[0xff; 1000]).contains("wrong token"));
    let wrong = ControlPort { token: Token::random(), ..port.clone() };
    assert!(request_stats(&wrong).unwrap_err().to_string().contains("wrong token"));
    assert!(dispatcher.call_blocking(Call::positional("add", [2.into(), 3.into()])).is_err());
    assert!(request_stats(&port).is_ok());
}

#[test]
fn peers_that_send_nothing_do_not_keep_others_out() {
    let (port, _) = start(Executor::Async, Faults::default());
    // Each sends the beginning of a line and then stays silent.
    let slow: Vec<_> = (0..3 * MAX_PEERS)
        .map(|_| {
            let mut connection = TcpStream::connect(port.address).unwrap();
            connection.write_all(b"tok").unwrap();
            connection
        })
        .collect();
    let started = Instant::now();
    assert!(request_stats(&port).is_ok());
    assert!(started.elapsed() < TIMEOUT, "it waited for another peer");
    // The oldest have made place for the others.
    let mut oldest = &slow[0];
    oldest.set_read_timeout(Some(TIMEOUT * 4)).unwrap();
    assert!(matches!(oldest.read(&mut [0]), Ok(0) | Err(_)));
}
