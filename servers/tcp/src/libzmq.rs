//! The same requests and replies over libzmq: a DEALER and a ROUTER exchange one frame each way, without zerorpc. It
//! measures the share of a ZeroMQ library in the time of a call, without any protocol on top.
//!
//! The sockets block, as the floor's do. Those of all clients of a process share one I/O thread of libzmq, which is its
//! default.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use calculator::{Call, CallError, CallFuture, ClientOptions, Dispatcher, ErrorKind, Limits, Value};
use framed::{ClientState, endpoint_of, recycle};
use net::{Endpoint, Scheme, drain};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use zmq::{Context, DEALER, DONTWAIT, Error, ROUTER, SNDMORE, Socket};

use crate::fixed::Fixed;
use crate::{client, wire};

/// The endpoint, inside the process of the server, at which its socket receives the message that stops it.
const STOP: &str = "inproc://stop";

/// How long replies may still be written when the server has ended.
const LINGER: Duration = Duration::from_secs(1);

/// Shared by all clients of this process.
static CONTEXT: LazyLock<Context> = LazyLock::new(Context::new);

/// A client with one blocking DEALER. It blocks the calling thread as [`TcpClient`](crate::TcpClient) does.
pub struct Client {
    server: Endpoint,
    options: ClientOptions,
    /// Without a socket after a failure, until the next call: a reply does not say which request it answers, and a late
    /// reply must not be mistaken for the reply to the next call.
    state: Mutex<ClientState<Fixed, Socket>>,
}

impl Client {
    /// Connects to `tcp://HOST:PORT`, blocking. Connecting, and later each call, may take `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if no server listens or the URL cannot be used, [`ErrorKind::Timeout`] if
    /// connecting takes too long.
    // Async to match the client of every other protocol; the floor waits only for the kernel.
    #[allow(clippy::unused_async)]
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let server = endpoint_of(url, &[Scheme::TCP])?;
        let state = Mutex::new(ClientState::new(open(&server, options)?));
        Ok(Client { server, options: options.clone(), state })
    }

    fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (request, _) = state.encode(call)?;
        let socket = match state.connection.take() {
            Some(socket) => socket,
            None => open(&self.server, &self.options)?,
        };
        socket.send(request.as_slice(), 0).map_err(call_error)?;
        state.reuse(request);
        let reply = socket.recv_msg(0).map_err(call_error)?;
        state.connection = Some(socket);
        wire::decode_reply(&reply, &self.options.limits)
    }
}

impl calculator::Client for Client {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.exchange(call) })
    }
}

fn open(server: &Endpoint, options: &ClientOptions) -> Result<Socket, CallError> {
    // libzmq does not report a refused connection but tries again forever. A plain connection, made first, reports it.
    drop(client::open(server, options)?);
    let millis = i32::try_from(options.timeout.as_millis()).unwrap_or(i32::MAX);
    let connected = || {
        let socket = CONTEXT.socket(DEALER)?;
        socket.set_linger(0)?;
        socket.set_sndtimeo(millis)?;
        socket.set_rcvtimeo(millis)?;
        socket.set_maxmsgsize(max_message_len(&options.limits))?;
        socket.connect(&format!("tcp://{server}"))?;
        Ok(socket)
    };
    connected().map_err(call_error)
}

/// The largest message within `limits`, for libzmq.
fn max_message_len(limits: &Limits) -> i64 {
    i64::try_from(limits.max_body.saturating_add(wire::LEN)).unwrap_or(i64::MAX)
}

fn call_error(error: Error) -> CallError {
    match error {
        Error::EAGAIN => CallError::new(ErrorKind::Timeout, "no reply in time"),
        error => CallError::new(ErrorKind::Undeliverable, format!("libzmq: {error}")),
    }
}

/// A server with one ROUTER for all peers, and one thread that executes their calls one after the other.
pub struct Server {
    context: Context,
    socket: Socket,
    url: String,
    dispatcher: Dispatcher,
    limits: Limits,
}

impl Server {
    /// Listens on `listen`, which is a TCP port; port 0 picks a free port. Requests are queued from now on, and
    /// answered once [`run`](Server::run) is polled. A peer that sends a frame longer than `limits` allow is
    /// disconnected.
    ///
    /// # Errors
    /// The errors of the operating system; [`io::ErrorKind::Unsupported`] for a Unix socket.
    // Async to match the server of every other protocol.
    #[allow(clippy::unused_async)]
    pub async fn bind(listen: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> io::Result<Server> {
        if listen.port().is_none() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this server listens on TCP only"));
        }
        let context = Context::new();
        let socket = context.socket(ROUTER)?;
        socket.set_linger(i32::try_from(LINGER.as_millis()).unwrap_or(0))?;
        socket.set_maxmsgsize(max_message_len(&limits))?;
        socket.bind(&format!("tcp://{listen}"))?;
        let url = socket.get_last_endpoint()?.map_err(|_| io::ErrorKind::InvalidData)?;
        socket.bind(STOP)?;
        Ok(Server { context, socket, url, dispatcher, limits })
    }

    /// The URL that a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Serves until `stop` is cancelled, then finishes the call in progress for at most [`DRAIN_TIMEOUT`](net::DRAIN_TIMEOUT),
    /// and returns.
    pub async fn run(self, stop: CancellationToken) {
        let Server { context, socket, dispatcher, limits, .. } = self;
        let stopping = Arc::new(AtomicBool::new(false));
        // Dropped however this future ends, so that an aborted server leaves no thread behind.
        let stopper = Stopper { context, stopping: Arc::clone(&stopping) };
        let (alive, ended) = oneshot::channel::<()>();
        let serving = thread::Builder::new().name("libzmq-serve".to_owned()).spawn(move || {
            serve(&socket, &dispatcher, &limits, &stopping);
            // The last owner of the context ends it, once libzmq has written the replies and closed the port.
            drop(socket);
            drop(alive);
        });
        match serving {
            Ok(_) => stop.cancelled().await,
            Err(error) => tracing::error!("cannot start the thread that answers calls: {error}"),
        }
        drop(stopper);
        drain(ended).await;
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
        // Any message wakes the thread. It cannot be sent if the thread has already dropped its socket.
        let sent = self.context.socket(DEALER).and_then(|socket| {
            socket.connect(STOP)?;
            socket.send("", DONTWAIT)
        });
        if let Err(error) = sent {
            tracing::debug!("the server's thread could not be woken: {error}");
        }
    }
}

/// Answers one request after another until the server is stopped.
fn serve(socket: &Socket, dispatcher: &Dispatcher, limits: &Limits, stopping: &AtomicBool) {
    let mut reply = Vec::new();
    loop {
        match answer_one(socket, dispatcher, limits, stopping, &mut reply) {
            // A signal interrupted the wait.
            Err(Error::EINTR) => {}
            Err(error) => return tracing::debug!("the socket failed: {error}"),
            Ok(()) if stopping.load(Ordering::Acquire) => return,
            Ok(()) => {}
        }
    }
}

/// Waits for a message, and answers it if it is a request. `reply` is an empty buffer for the answer.
fn answer_one(
    socket: &Socket,
    dispatcher: &Dispatcher,
    limits: &Limits,
    stopping: &AtomicBool,
    reply: &mut Vec<u8>,
) -> zmq::Result<()> {
    let peer = socket.recv_msg(0)?;
    let mut request = zmq::Message::new();
    let mut frames = 0_usize;
    while socket.get_rcvmore()? {
        request = socket.recv_msg(0)?;
        frames = frames.saturating_add(1);
    }
    if stopping.load(Ordering::Acquire) || frames != 1 || !wire::is_complete(&request) {
        return Ok(());
    }
    let result = wire::decode_request(&request, limits).and_then(|call| dispatcher.call_blocking(call));
    wire::encode_reply(reply, &result);
    let sent = socket.send(peer, SNDMORE).and_then(|()| socket.send(reply.as_slice(), 0));
    recycle(reply);
    sent
}
