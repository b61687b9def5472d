//! A TCP relay that keeps what passes: a count of the bytes on a call's way that owes nothing to the kernel's.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

/// Only a defect takes that long.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What passed on one connection in both directions.
#[derive(Clone, Default)]
pub(crate) struct Passed {
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Passed>>,
    news: Notify,
    stopping: AtomicBool,
}

/// Listens on a separate port and passes everything on to another.
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let accepting = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for client in listener.incoming() {
                    if shared.stopping.load(Ordering::Relaxed) {
                        return;
                    }
                    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                    relay(client.unwrap(), server, &shared);
                }
            })
        };
        Relay { port: own, shared, accepting: Some(accepting) }
    }

    /// `url` with the relay's port in place of the original one.
    pub(crate) fn in_place_of(&self, url: &str) -> String {
        let port = port_of(url);
        let through = url.replacen(&format!(":{port}"), &format!(":{}", self.port), 1);
        assert_ne!(through, url);
        through
    }

    /// What has passed on each connection on which the client said anything.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        let connections = self.shared.connections.lock().unwrap();
        connections.iter().filter(|passed| !passed.up.is_empty()).cloned().collect()
    }

    /// How many bytes have passed each way, over all connections that a call can have gone over: the client of zerorpc
    /// opens one before, on which it sends nothing, to find out whether the server listens.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let connections = self.shared.connections.lock().unwrap();
        let used = || connections.iter().filter(|passed| !passed.up.is_empty());
        (
            used().map(|passed| passed.up.len() as u64).sum(),
            used().map(|passed| passed.down.len() as u64).sum(),
        )
    }

    /// Waits until exactly `expected` have passed: what follows an answer may still be on its way.
    pub(crate) async fn wait_for(&self, expected: (u64, u64)) {
        let passed = async {
            loop {
                let (up, down) = self.totals();
                if up >= expected.0 && down >= expected.1 {
                    break;
                }
                self.shared.news.notified().await;
            }
        };
        let _ = tokio::time::timeout(TEST_TIMEOUT, passed).await;
        assert_eq!(self.totals(), expected);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// One of the directions of what passed.
type Side = fn(&mut Passed) -> &mut Vec<u8>;

fn relay(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let index = {
        let mut connections = shared.connections.lock().unwrap();
        connections.push(Passed::default());
        connections.len() - 1
    };
    let ways: [(_, _, Side); 2] = [
        (client.try_clone().unwrap(), server.try_clone().unwrap(), |passed| &mut passed.up),
        (server, client, |passed| &mut passed.down),
    ];
    for (from, to, side) in ways {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || copy(from, to, &shared, index, side));
    }
}

/// Until either end closes; then both are closed.
fn copy(mut from: TcpStream, mut to: TcpStream, shared: &Shared, index: usize, side: Side) {
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        // Stored before it is passed on: a caller that has its answer finds it here.
        side(&mut shared.connections.lock().unwrap()[index]).extend_from_slice(&buffer[..length]);
        shared.news.notify_one();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// The port in `url`, which names one.
pub(crate) fn port_of(url: &str) -> u16 {
    let authority = url.split_once("://").unwrap().1.split(['/', '?']).next().unwrap();
    authority.rsplit_once(':').unwrap().1.parse().unwrap()
}
