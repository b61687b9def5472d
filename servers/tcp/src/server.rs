//! The server with blocking sockets: a thread that accepts, and one for each connection.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use calculator::{Dispatcher, Limits};
use framed::{Inbox, recycle};
use net::blocking::{Listener, Stream};
use net::{ACCEPT_PAUSE, Address, AnomalyCounter, Endpoint, drain};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::fixed::Fixed;
use crate::{SCHEMES, wire};

/// A server of the floor. Calls are read, executed and answered on threads of the server, whatever runtime
/// [`run`](Server::run) is awaited on.
pub struct Server {
    listener: Listener,
    dispatcher: Dispatcher,
    limits: Limits,
}

impl Server {
    /// Listens on `listen`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](Server::run) is polled. `limits.max_in_flight` is the maximum number of connections, each of which has
    /// at most one call in progress.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    // Async to match the server of every other protocol.
    #[allow(clippy::unused_async)]
    pub async fn bind(listen: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> io::Result<Server> {
        Ok(Server { listener: Listener::bind(listen)?, dispatcher, limits })
    }

    /// The URL that a client connects to: `tcp://HOST:PORT` or `unix:///SOCKET`.
    #[must_use]
    pub fn url(&self) -> String {
        let address = Address::from_endpoint(self.listener.endpoint(), &SCHEMES, "");
        address.map(|address| address.to_string()).unwrap_or_default()
    }

    /// Serves until `stop` is cancelled, then finishes calls in progress for at most [`DRAIN_TIMEOUT`](net::DRAIN_TIMEOUT),
    /// and returns.
    pub async fn run(self, stop: CancellationToken) {
        // Every thread holds a sender; the channel closes when the last one has ended.
        let (alive, mut all_ended) = mpsc::channel::<()>(1);
        let listener = Arc::new(self.listener);
        let connections = Arc::new(Connections::new(self.limits));
        // Dropped however this future ends, so that an aborted server leaves no thread behind.
        let stopper = Stopper { listener: Arc::clone(&listener), connections: Arc::clone(&connections) };
        let accepting = thread::Builder::new()
            .name("tcp-accept".to_owned())
            .spawn(move || accept(&listener, &self.dispatcher, &connections, &alive));
        match accepting {
            Ok(_) => stop.cancelled().await,
            Err(error) => tracing::error!("cannot start the thread that accepts connections: {error}"),
        }
        let connections = Arc::clone(&stopper.connections);
        drop(stopper);
        if !drain(all_ended.recv()).await {
            connections.shut_down(Shutdown::Both);
        }
    }
}

/// Stops the server's threads when dropped.
struct Stopper {
    listener: Arc<Listener>,
    connections: Arc<Connections>,
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.connections.stopping.store(true, Ordering::Release);
        self.listener.wake();
        // Ends a read that waits for the next request; a reply in progress is still written.
        self.connections.shut_down(Shutdown::Read);
    }
}

/// The open connections, which other threads can shut down.
struct Connections {
    limits: Limits,
    stopping: AtomicBool,
    open: Mutex<HashMap<u64, Arc<Stream>>>,
    /// Connections that were closed because too many were open.
    refused: AnomalyCounter,
}

impl Connections {
    fn new(limits: Limits) -> Self {
        Connections {
            limits,
            stopping: AtomicBool::new(false),
            open: Mutex::default(),
            refused: AnomalyCounter::new("refused a connection", "connections were refused"),
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn with_open<T>(&self, action: impl FnOnce(&mut HashMap<u64, Arc<Stream>>) -> T) -> T {
        action(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a connection, unless as many as the limit are open. Returns whether it did.
    fn insert(&self, id: u64, stream: Arc<Stream>) -> bool {
        self.with_open(|open| {
            let has_capacity = open.len() < self.limits.max_in_flight;
            if has_capacity {
                open.insert(id, stream);
            }
            has_capacity
        })
    }

    fn shut_down(&self, how: Shutdown) {
        self.with_open(|open| {
            for stream in open.values() {
                // This fails if the peer has already closed the connection.
                let _ = stream.shutdown(how);
            }
        });
    }
}

/// Removes a connection from [`Connections`] when its thread ends, also when a handler panics.
struct Entry {
    id: u64,
    connections: Arc<Connections>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.with_open(|open| open.remove(&self.id));
    }
}

/// Accepts connections until the server is stopped.
fn accept(
    listener: &Listener,
    dispatcher: &Dispatcher,
    connections: &Arc<Connections>,
    alive: &mpsc::Sender<()>,
) {
    for id in 0.. {
        let accepted = listener.accept();
        if connections.is_stopping() {
            return;
        }
        match accepted.and_then(|stream| start_thread(id, stream, dispatcher, connections, alive)) {
            Ok(()) => {}
            Err(error) if net::is_connection_error(&error) => {
                tracing::debug!("a connection failed before it was accepted: {error}");
            }
            Err(error) => {
                tracing::warn!("cannot serve a connection: {error}");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Serves a connection on a thread, or closes it when too many are open.
fn start_thread(
    id: u64,
    stream: Stream,
    dispatcher: &Dispatcher,
    connections: &Arc<Connections>,
    alive: &mpsc::Sender<()>,
) -> io::Result<()> {
    let stream = Arc::new(stream);
    if !connections.insert(id, Arc::clone(&stream)) {
        connections.refused.add(format_args!("{} are open", connections.limits.max_in_flight));
        return Ok(());
    }
    let entry = Entry { id, connections: Arc::clone(connections) };
    let (dispatcher, alive) = (dispatcher.clone(), alive.clone());
    thread::Builder::new().name("tcp-serve".to_owned()).spawn(move || {
        let _alive = alive;
        serve(&stream, &dispatcher, &entry.connections);
        drop(entry);
    })?;
    Ok(())
}

/// Answers one request after another until either end stops.
fn serve(mut stream: &Stream, dispatcher: &Dispatcher, connections: &Connections) {
    let limits = &connections.limits;
    let mut inbox = Inbox::<Fixed>::new(limits.max_body);
    let mut reply = Vec::new();
    while !connections.is_stopping() {
        let Some(request) = inbox.next() else {
            match stream.read(inbox.space()) {
                Ok(0) => return,
                Ok(len) => inbox.add(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return tracing::debug!("a connection failed: {error}"),
            }
            continue;
        };
        let call = request.and_then(|request| wire::decode_request(request, limits));
        let result = call.and_then(|call| dispatcher.call_blocking(call));
        wire::encode_reply(&mut reply, &result);
        if let Err(error) = stream.write_all(&reply) {
            return tracing::debug!("a reply was not delivered: {error}");
        }
        recycle(&mut reply);
    }
}
