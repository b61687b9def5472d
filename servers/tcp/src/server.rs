//! The serving end: a thread that accepts, and one for each connection.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use calculator::{Dispatcher, Limits};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{GRACE, SCHEME, wire};

/// How long to wait before accepting again when the system has no descriptor or memory left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(10);

/// A server of the floor. It may share a runtime with whatever awaits [`run`](Server::run): calls are read, executed
/// and answered on threads of its own.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    dispatcher: Dispatcher,
    limits: Limits,
}

impl Server {
    /// Binds; port 0 picks one. Connections queue from here on and are answered once [`run`](Server::run) is polled.
    /// Of `limits`, `max_in_flight` is the number of connections, each of which has one call in flight at most.
    ///
    /// # Errors
    /// The operating system's.
    // Async to match every other protocol's server.
    #[allow(clippy::unused_async)]
    pub async fn bind(listen: SocketAddr, dispatcher: Dispatcher, limits: Limits) -> io::Result<Server> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        Ok(Server { listener, address, dispatcher, limits })
    }

    /// What a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{SCHEME}{}", self.address)
    }

    /// Serves until `stop`, then finishes the calls in hand, for at most 4 s, and returns.
    pub async fn run(self, stop: CancellationToken) {
        // Every thread holds a sender; the channel closes when the last one has ended.
        let (alive, mut all_ended) = mpsc::channel::<()>(1);
        let connections = Arc::new(Connections::new(self.limits.max_in_flight));
        // Dropped on every way out of this future, so that an aborted server leaves no thread behind.
        let threads = Threads { address: self.address, connections: Arc::clone(&connections) };
        let accepting = thread::Builder::new()
            .name("tcp-accept".to_owned())
            .spawn(move || accept(&self.listener, &self.dispatcher, &connections, &alive));
        match accepting {
            Ok(_) => stop.cancelled().await,
            Err(error) => tracing::error!("no thread to accept connections on: {error}"),
        }
        let connections = Arc::clone(&threads.connections);
        drop(threads);
        if tokio::time::timeout(GRACE, all_ended.recv()).await.is_err() {
            tracing::warn!("calls still run {} s after the stop; their answers are lost", GRACE.as_secs());
            connections.shut_down(Shutdown::Both);
        }
    }
}

/// Stops the server's threads when dropped.
struct Threads {
    address: SocketAddr,
    connections: Arc<Connections>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.connections.stopping.store(true, Ordering::Release);
        // The standard library cannot interrupt an accept; a connection does. Where the queue of connections is full
        // and this one fails, the accept has one of those to return with.
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let _ = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        // A read that waits for the next request ends; an answer under way is still written.
        self.connections.shut_down(Shutdown::Read);
    }
}

/// The open connections, to be shut down from outside their threads.
struct Connections {
    most: usize,
    stopping: AtomicBool,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Connections {
    fn new(most: usize) -> Self {
        Connections { most, stopping: AtomicBool::new(false), open: Mutex::default() }
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn with_open<T>(&self, action: impl FnOnce(&mut HashMap<u64, TcpStream>) -> T) -> T {
        action(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there was room for it.
    fn insert(&self, id: u64, stream: TcpStream) -> bool {
        self.with_open(|open| {
            let room = open.len() < self.most;
            if room {
                open.insert(id, stream);
            }
            room
        })
    }

    fn shut_down(&self, how: Shutdown) {
        self.with_open(|open| {
            for stream in open.values() {
                // A peer that has gone already needs no more.
                let _ = stream.shutdown(how);
            }
        });
    }
}

/// An entry of [`Connections`] that ends with its thread, also by a panic of a handler.
struct Entry {
    id: u64,
    connections: Arc<Connections>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.with_open(|open| open.remove(&self.id));
    }
}

fn accept(
    listener: &TcpListener,
    dispatcher: &Dispatcher,
    connections: &Arc<Connections>,
    alive: &mpsc::Sender<()>,
) {
    for id in 0.. {
        let accepted = listener.accept();
        if connections.stopping() {
            return;
        }
        let started = accepted.and_then(|(stream, _)| {
            stream.set_nodelay(true)?;
            if !connections.insert(id, stream.try_clone()?) {
                tracing::warn!("refused a connection: {} are open", connections.most);
                return Ok(());
            }
            let entry = Entry { id, connections: Arc::clone(connections) };
            let (dispatcher, alive) = (dispatcher.clone(), alive.clone());
            thread::Builder::new().name("tcp-serve".to_owned()).spawn(move || {
                let _alive = alive;
                serve(stream, &dispatcher, &entry.connections);
                drop(entry);
            })?;
            Ok(())
        });
        if let Err(error) = started {
            tracing::warn!("lost a connection before it was served: {error}");
            thread::sleep(EXHAUSTED);
        }
    }
}

/// Answers one request after another until either end stops.
fn serve(mut stream: TcpStream, dispatcher: &Dispatcher, connections: &Connections) {
    let mut request = [0; wire::LEN];
    while !connections.stopping() && stream.read_exact(&mut request).is_ok() {
        let result = wire::decode_request(&request).and_then(|call| dispatcher.call_here(call));
        if let Err(error) = stream.write_all(&wire::encode_reply(&result)) {
            tracing::debug!("an answer was not delivered: {error}");
            return;
        }
    }
}
