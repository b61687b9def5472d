//! Helpers of the tests: a server in a task, and a peer that sends arbitrary bytes.

// Clippy lets test functions unwrap, but not their helpers. No test uses all of these helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use calculator::{
    Calculator, Call, CallError, Client, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits,
    MethodInfo, Params, Remote, Value,
};
use futures_util::{StreamExt, stream};
use net::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zerorpc::wire::{Event, Ids, write_call};
use zerorpc::zmtp::wire::{DELIMITER, MessageLimits, SocketType, greeting, write_message, write_ready};
use zerorpc::zmtp::{Inbox, Incoming};
use zerorpc::{Items, Reply, Server, ServerOptions, Streams, ValueStream, ZerorpcClient};

/// The timeout of events that must happen. Only a defect reaches it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// A server that runs in a task.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(dispatcher: Dispatcher, options: ServerOptions) -> Self {
        let server = Server::bind(&Endpoint::loopback(), dispatcher.clone(), options).await.unwrap();
        Self::run(server, dispatcher)
    }

    pub(crate) fn run(server: Server, dispatcher: Dispatcher) -> Self {
        let (url, stop) = (server.url(), CancellationToken::new());
        let task = tokio::spawn(server.run(stop.clone()));
        Running { url, dispatcher, stop, task }
    }

    pub(crate) async fn calculator(executor: &str, delay: Option<Duration>) -> Self {
        let faults = Faults { delay, ..Faults::default() };
        let dispatcher = Dispatcher::new(Calculator, executor.parse().unwrap(), faults);
        Self::start(dispatcher, ServerOptions::default()).await
    }

    pub(crate) async fn client(&self) -> ZerorpcClient {
        ZerorpcClient::connect(&self.url, &ClientOptions::default()).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

pub(crate) fn calculator() -> Dispatcher {
    Dispatcher::new(Calculator, Executor::Async, Faults::default())
}

pub(crate) fn with_limits(limits: Limits) -> ServerOptions {
    ServerOptions { limits, ..ServerOptions::default() }
}

pub(crate) fn add(x: i64, y: i64) -> Call {
    Call::positional("add", [x.into(), y.into()])
}

pub(crate) async fn sum(client: &ZerorpcClient, x: i64, y: i64) -> Result<Value, CallError> {
    client.call(&add(x, y)).await
}

/// Streams for tests. `count(n)` streams 0 … n−1. `fails(n)` then fails, and `unsendable(n)` streams an item that cannot be encoded.
#[derive(Clone, Default)]
pub(crate) struct CountingStreams {
    pub(crate) produced: Arc<AtomicUsize>,
    /// Notified when a stream is dropped.
    pub(crate) dropped: Arc<Notify>,
}

/// Notifies when it is dropped.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Streams for CountingStreams {
    fn methods(&self) -> &[MethodInfo] {
        &[
            MethodInfo { name: "count", params: &["n"], doc: "Count." },
            MethodInfo { name: "fails", params: &["n"], doc: "Count, then fail." },
            MethodInfo {
                name: "unsendable",
                params: &["n"],
                doc: "Count, then stream an item that cannot be encoded.",
            },
        ]
    }

    fn open(&self, method: &str, params: Params) -> Result<ValueStream, CallError> {
        let [n] = params.bind(method, ["n"])?;
        let Value::Int(n) = n else {
            return Err(CallError::new(ErrorKind::InvalidArguments, "n is not an integer"));
        };
        let (produced, dropped) = (Arc::clone(&self.produced), NotifyOnDrop(Arc::clone(&self.dropped)));
        let items = stream::iter(0..n).map(move |i| {
            let _held = &dropped;
            produced.fetch_add(1, Ordering::SeqCst);
            Ok(Value::Int(i))
        });
        let class = Remote { class: Some("LookupError".to_owned()), ..Remote::default() };
        let end = match method {
            "fails" => vec![Err(CallError::remote(ErrorKind::Internal, "no more", class)), Ok(Value::Null)],
            "unsendable" => vec![Ok(Value::BigInt("18446744073709551616".into())), Ok(Value::Null)],
            _ => vec![],
        };
        Ok(items.chain(stream::iter(end)).boxed())
    }
}

/// Calls a method that streams.
pub(crate) async fn open(
    client: &ZerorpcClient,
    method: &'static str,
    n: i64,
    slots: usize,
) -> Result<Items, CallError> {
    match client.open(&Call::positional(method, [n.into()]), slots).await? {
        Reply::Items(items) => Ok(items),
        Reply::Value(value) => panic!("not a stream but {value:?}"),
    }
}

/// A DEALER that sends arbitrary bytes.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    inbox: Inbox,
    ids: Ids,
}

impl Peer {
    pub(crate) async fn connect(url: &str) -> Self {
        let mut stream = TcpStream::connect(url.strip_prefix("tcp://").unwrap()).await.unwrap();
        let mut handshake = greeting().to_vec();
        write_ready(&mut handshake, SocketType::Dealer);
        stream.write_all(&handshake).await.unwrap();
        let mut greeting = [0; 64];
        stream.read_exact(&mut greeting).await.unwrap();
        let inbox = Inbox::new(MessageLimits { bytes: 1 << 20, frames: 32 });
        let mut peer = Peer { stream, inbox, ids: Ids::new() };
        assert!(peer.receive().await.unwrap().starts_with("Command(Ready("));
        peer
    }

    /// Sends `payload` as zerorpc frames it.
    pub(crate) async fn send(&mut self, payload: &[u8]) {
        let mut message = Vec::new();
        write_message(&mut message, &[DELIMITER], |out| {
            out.extend_from_slice(payload);
            Ok::<_, CallError>(())
        })
        .unwrap();
        self.stream.write_all(&message).await.unwrap();
    }

    pub(crate) fn call(&self, method: &str, args: &[Value]) -> Vec<u8> {
        let mut payload = Vec::new();
        write_call(&mut payload, &self.ids.id(self.ids.next()), method, args).unwrap();
        payload
    }

    /// The next event, as its name and arguments; `None` at the end of the connection.
    pub(crate) async fn receive(&mut self) -> Option<String> {
        tokio::time::timeout(TIMEOUT, async {
            loop {
                if let Some(incoming) = self.inbox.next().unwrap() {
                    return Some(match incoming {
                        Incoming::Message { payload, .. } => event_text(payload),
                        other => format!("{other:?}"),
                    });
                }
                match self.stream.read_buf(self.inbox.buffer()).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
        .expect("nothing arrives")
    }

    /// Asserts that the peer is still served and receives nothing else. Two pings are sent, because a task of the
    /// server may reply to something earlier after the first one.
    pub(crate) async fn assert_served(&mut self) {
        for _ in 0..2 {
            let ping = self.call("_zerorpc_ping", &[]);
            self.send(&ping).await;
            assert_eq!(self.receive().await.as_deref(), Some(r#"OK [["pong", "Calculator"]]"#));
        }
    }
}

/// An event as its name and arguments.
pub(crate) fn event_text(payload: &[u8]) -> String {
    let event = Event::decode(payload, 64).unwrap();
    match &*event.name {
        "OK" => format!("OK [{:?}]", event.reply(64).unwrap()),
        "ERR" => format!("ERR {}", event.reply(64).unwrap_err()),
        name => format!("{name} {:?}", event.item(64).unwrap()),
    }
}
