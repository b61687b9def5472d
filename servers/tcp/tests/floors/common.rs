//! What the tests of all servers and clients share.

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use calculator::{
    Call, CallError, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Limits, Value, conformance,
    document::document,
};
use tcp_floor::wire;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A server on the runtime of the test.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    /// Runs the server at `url`, and lets it start its threads: a client that blocks occupies this runtime.
    pub(crate) async fn new<R: Future<Output = ()> + Send + 'static>(
        url: String,
        dispatcher: Dispatcher,
        run: impl FnOnce(CancellationToken) -> R,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        tokio::task::yield_now().await;
        Running { url, dispatcher, stop, task }
    }

    /// Waits until `calls` calls have been dispatched.
    pub(crate) async fn dispatched(&self, calls: u64) {
        while self.dispatcher.calls() < calls {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

pub(crate) fn one_second() -> ClientOptions {
    ClientOptions { timeout: Duration::from_secs(1), ..ClientOptions::default() }
}

pub(crate) async fn add(client: &impl Client) -> Result<Value, CallError> {
    client.call(&Call::positional("add", [2.into(), 3.into()])).await
}

pub(crate) fn request(call: &Call) -> Vec<u8> {
    let mut out = Vec::new();
    wire::encode_request(&mut out, call).unwrap();
    out
}

pub(crate) fn reply(result: &Result<Value, CallError>) -> Vec<u8> {
    let mut out = Vec::new();
    wire::encode_reply(&mut out, result);
    out
}

/// The result in the bytes of a reply.
pub(crate) fn reply_of(message: &[u8]) -> Result<Value, CallError> {
    wire::decode_reply(message, &Limits::default())
}

pub(crate) async fn assert_conformance(client: &impl Client) {
    let mut deadline = Deadline::new(Duration::from_secs(60));
    let outcomes = conformance::run(client, conformance::Profile::default(), &mut deadline).await;
    assert_eq!(outcomes.len(), conformance::vectors(conformance::Profile::default()).len());
    for outcome in outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
}

/// Echoes values up to `max_body` bytes, the limit of the server, and checks that a larger one is refused and that the
/// connection can be used afterwards.
pub(crate) async fn assert_echoes(client: &impl Client, max_body: usize) {
    let echo = async |value: Value| client.call(&Call::positional("echo", [value])).await;
    let texts = [0, 56, 57, 10_000, max_body].map(|len| Value::from("x".repeat(len)));
    let documents = [10_000, max_body / 2].map(|bytes| document(1, bytes));
    for value in texts.into_iter().chain(documents) {
        assert!(echo(value.clone()).await == Ok(value), "the value was changed");
    }
    let error = echo(Value::from("x".repeat(max_body + 1))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    assert_eq!(add(client).await, Ok(Value::Int(5)));
    let hello = Call::positional("hello", ["y".repeat(100).into()]);
    assert_eq!(client.call(&hello).await, Ok(format!("hello, {}", "y".repeat(100)).into()));
}

/// Checks the client that `connect` returns with a server that never answers, with one that has gone, and with the URL of
/// another protocol.
pub(crate) async fn assert_silent_and_missing_servers<C: Client>(
    connect: impl AsyncFn(&str, &ClientOptions) -> Result<C, CallError>,
) {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("tcp://{}", silent.local_addr().unwrap());
    let options = ClientOptions { timeout: Duration::from_millis(50), ..ClientOptions::default() };
    let client = connect(&url, &options).await.unwrap();
    assert_eq!(add(&client).await.unwrap_err().kind, ErrorKind::Timeout);
    drop(silent);
    assert_eq!(add(&client).await.unwrap_err().kind, ErrorKind::Undeliverable);
    assert!(connect(&url, &options).await.is_err_and(|error| error.kind == ErrorKind::Undeliverable));
    let wrong = connect("http://127.0.0.1:1/", &options).await;
    assert!(wrong.is_err_and(|error| error.kind == ErrorKind::Undeliverable));
}
