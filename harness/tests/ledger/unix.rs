//! Bytes over Unix sockets and pipes, which the kernel does not count, compared with those of the same stack over TCP.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use calculator::conformance::Numbers;
use rpcbench::deploy::CONTROL_LINE;
use rpcbench::observe::control::{ControlPort, TOKEN_VARIABLE, Token};
use rpcbench::observe::wire::Traffic;
use rpcbench::record::{CountedBy, Wire};
use rpcbench::run::ledger;
use rpcbench::stacks::Stack;
use rpcbench::trial::{RunningServer, ServerCopy, TrialContext};

use super::{Operation, TIMEOUT, with_context};

const TOKEN: &str = "0123456789abcdef";

/// A server on a Unix socket or with pipes, and with a control port.
struct UnixServer {
    child: Child,
    url: String,
    control: ControlPort,
    _folder: tempfile::TempDir,
}

impl UnixServer {
    /// `transport` is `unix` or `pipe`.
    fn start(stack: &str, transport: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = format!("{transport}:{}", folder.path().join("socket").display());
        let mut child = Command::new(env!("CARGO_BIN_EXE_rpcbench"))
            .args(["serve", stack, "--listen", &listen, "--control", "127.0.0.1:0"])
            .env(TOKEN_VARIABLE, TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let first_line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let url = first_line.rsplit_once(' ').unwrap().1.to_owned();
        let address = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .find_map(|line| line.unwrap().strip_prefix(CONTROL_LINE).map(str::to_owned))
            .unwrap();
        let token: Token = TOKEN.parse().unwrap();
        let control = ControlPort { address: address.parse().unwrap(), token };
        UnixServer { child, url, control, _folder: folder }
    }
}

impl Drop for UnixServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count(stack: &'static Stack, context: &TrialContext<'_>) -> (Wire, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let running = RunningServer::start(stack, context, None, &[], ServerCopy::default()).unwrap();
    let counted =
        runtime.block_on(ledger::count(stack, Operation::ADD, 1, TIMEOUT, Numbers::Exact, &running)).unwrap();
    (counted.wire.unwrap(), running.location.destination.url)
}

#[test]
fn over_unix_sockets_and_pipes_the_bytes_are_those_of_tcp_but_for_the_host() {
    for (stack, protocol, transport, counted_by) in [
        ("tcp", "tcp", "unix", CountedBy::Stream),
        ("tcp-async", "tcp-async", "unix", CountedBy::Stream),
        ("rest-hyper", "rest", "unix", CountedBy::Stream),
        ("rest-bare", "rest", "unix", CountedBy::Stream),
        ("rest", "rest", "unix", CountedBy::Peer),
        ("jsonrpc-lines", "jsonrpc-lines", "unix", CountedBy::Stream),
        ("jsonrpc-lines", "jsonrpc-lines", "pipe", CountedBy::Stream),
    ] {
        let stack = Stack::named(stack).unwrap();
        let (over_tcp, url) = with_context(|context| count(stack, context));
        assert_eq!(over_tcp.counted_by, CountedBy::Kernel);
        // HTTP names the host in each request; over a Unix socket it is `localhost`.
        let host = url.strip_prefix("http://").map_or("", |rest| rest.trim_end_matches('/'));
        let saved = host.len().saturating_sub(if host.is_empty() { 0 } else { "localhost".len() });

        let server = UnixServer::start(protocol, transport);
        let targets = [(stack.name.to_owned(), server.url.clone())].into();
        let controls = [(stack.name.to_owned(), server.control.clone())].into();
        let (over_unix, _) = with_context(|context| {
            count(stack, &TrialContext { targets: &targets, controls: &controls, ..*context })
        });
        assert_eq!(over_unix.counted_by, counted_by, "{}", stack.name);
        assert!(over_unix.exact, "{over_unix:?}");
        let expected = Traffic { up: over_tcp.per_call.up - saved as f64, ..over_tcp.per_call };
        assert_eq!(over_unix.per_call, expected, "{}", stack.name);
        for hop in &over_unix.hops {
            let parts = hop.parts.unwrap();
            assert_eq!(parts.arguments + parts.envelope + parts.framing, hop.bytes, "{}", stack.name);
        }
    }
}
