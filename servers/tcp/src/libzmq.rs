//! The same requests and replies over libzmq: a DEALER and a ROUTER that play ping-pong with one frame each way, and
//! nothing of zerorpc. It is what a library of ZeroMQ takes of a call before any protocol does.
//!
//! The sockets block, as the floor's do. Those of the callers share libzmq's one I/O thread, which is its default.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use calculator::{Call, CallError, CallFuture, ClientOptions, Dispatcher, ErrorKind, Limits, Value};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use zmq::{Context, DEALER, DONTWAIT, Error, ROUTER, SNDMORE, Socket};

use crate::{GRACE, SCHEME, client, wire};

/// Where the server's socket is told to stop, inside its process.
const STOP: &str = "inproc://stop";

/// How long what was answered may still be written when the server has ended.
const LINGER: Duration = Duration::from_secs(1);

/// Of all clients of this process.
static CONTEXT: LazyLock<Context> = LazyLock::new(Context::new);

/// A client with one blocking DEALER, to be driven as [`TcpClient`](crate::TcpClient) is.
pub struct Client {
    url: String,
    timeout: Duration,
    /// `None` after a failure, until the next call: nothing in an answer tells whose it is, and a late one shall not be
    /// taken for that of the next call.
    socket: Mutex<Option<Socket>>,
}

impl Client {
    /// Connects to `tcp://HOST:PORT`, blocking. Connecting, and later each call, may take `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] where nobody listens or the URL is none of this protocol,
    /// [`ErrorKind::Timeout`] where connecting takes too long.
    // Async to match every other protocol's client; the floor itself waits for nothing but the kernel.
    #[allow(clippy::unused_async)]
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let socket = open(url, options.timeout)?;
        Ok(Client { url: url.to_owned(), timeout: options.timeout, socket: Mutex::new(Some(socket)) })
    }

    fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let request = wire::encode_request(call)?;
        let mut slot = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match slot.take() {
            Some(socket) => socket,
            None => open(&self.url, self.timeout)?,
        };
        let mut reply = [0; wire::LEN];
        let len = socket.send(&request[..], 0).and_then(|()| socket.recv_into(&mut reply, 0));
        if len.map_err(on_the_way)? != wire::LEN {
            return Err(CallError::new(ErrorKind::Malformed, "a frame of another length than a reply has"));
        }
        *slot = Some(socket);
        wire::decode_reply(&reply)
    }
}

impl calculator::Client for Client {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.exchange(call) })
    }
}

fn open(url: &str, timeout: Duration) -> Result<Socket, CallError> {
    // libzmq hides that nobody listens, and tries for ever. A first connection is made without it, to be told.
    drop(client::open(client::address_of(url)?, timeout)?);
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let connected = || {
        let socket = CONTEXT.socket(DEALER)?;
        socket.set_linger(0)?;
        socket.set_sndtimeo(millis)?;
        socket.set_rcvtimeo(millis)?;
        socket.connect(url)?;
        Ok(socket)
    };
    connected().map_err(on_the_way)
}

fn on_the_way(error: Error) -> CallError {
    match error {
        Error::EAGAIN => CallError::new(ErrorKind::Timeout, "no answer in time"),
        error => CallError::new(ErrorKind::Undeliverable, format!("libzmq: {error}")),
    }
}

/// A server with one ROUTER for all peers, and one thread that executes their calls one after the other.
pub struct Server {
    context: Context,
    socket: Socket,
    url: String,
    dispatcher: Dispatcher,
}

impl Server {
    /// Binds; port 0 picks one. Requests queue from here on and are answered once [`run`](Server::run) is polled.
    /// A peer that sends a frame above a request's length is dropped, whatever `limits` allow.
    ///
    /// # Errors
    /// The operating system's.
    // Async to match every other protocol's server.
    #[allow(clippy::unused_async)]
    pub async fn bind(listen: SocketAddr, dispatcher: Dispatcher, _limits: Limits) -> io::Result<Server> {
        let context = Context::new();
        let socket = context.socket(ROUTER)?;
        socket.set_linger(i32::try_from(LINGER.as_millis()).unwrap_or(0))?;
        socket.set_maxmsgsize(i64::try_from(wire::LEN).unwrap_or(i64::MAX))?;
        socket.bind(&format!("{SCHEME}{listen}"))?;
        let url = socket.get_last_endpoint()?.map_err(|_| io::ErrorKind::InvalidData)?;
        socket.bind(STOP)?;
        Ok(Server { context, socket, url, dispatcher })
    }

    /// What a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Serves until `stop`, then finishes the call in hand, for at most 4 s, and returns.
    pub async fn run(self, stop: CancellationToken) {
        let Server { context, socket, dispatcher, .. } = self;
        let stopping = Arc::new(AtomicBool::new(false));
        // Dropped on every way out of this future, so that an aborted server leaves no thread behind.
        let stopper = Stopper { context, stopping: Arc::clone(&stopping) };
        let (alive, ended) = oneshot::channel::<()>();
        let serving = thread::Builder::new().name("libzmq-serve".to_owned()).spawn(move || {
            serve(&socket, &dispatcher, &stopping);
            // The context ends with the last that holds it, once libzmq has written what was answered and closed the port.
            drop(socket);
            drop(alive);
        });
        match serving {
            Ok(_) => stop.cancelled().await,
            Err(error) => tracing::error!("no thread to answer calls on: {error}"),
        }
        drop(stopper);
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("a call still runs {} s after the stop; its answer is lost", GRACE.as_secs());
        }
    }
}

/// Stops the server's thread when dropped.
struct Stopper {
    context: Context,
    stopping: Arc<AtomicBool>,
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Any message wakes the thread; where this one cannot be sent, its socket has gone already.
        let told = self.context.socket(DEALER).and_then(|socket| {
            socket.connect(STOP)?;
            socket.send("", DONTWAIT)
        });
        if let Err(error) = told {
            tracing::debug!("the server could not be told to stop: {error}");
        }
    }
}

/// Answers one request after another until the stop.
fn serve(socket: &Socket, dispatcher: &Dispatcher, stopping: &AtomicBool) {
    loop {
        let exchanged = exchange(socket, dispatcher, stopping);
        match exchanged {
            // A signal.
            Err(Error::EINTR) => {}
            Err(error) => return tracing::debug!("the socket has ended: {error}"),
            Ok(()) if stopping.load(Ordering::Acquire) => return,
            Ok(()) => {}
        }
    }
}

/// Waits for a message, and answers it where it is a request.
fn exchange(socket: &Socket, dispatcher: &Dispatcher, stopping: &AtomicBool) -> zmq::Result<()> {
    let peer = socket.recv_msg(0)?;
    let mut request = [0; wire::LEN];
    let mut frames = 0_usize;
    let mut len = 0;
    while socket.get_rcvmore()? {
        len = socket.recv_into(&mut request, 0)?;
        frames = frames.saturating_add(1);
    }
    if stopping.load(Ordering::Acquire) || (frames, len) != (1, wire::LEN) {
        return Ok(());
    }
    let result = wire::decode_request(&request).and_then(|call| dispatcher.call_here(call));
    socket.send(peer, SNDMORE)?;
    socket.send(&wire::encode_reply(&result)[..], 0)
}
