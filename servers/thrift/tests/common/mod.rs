//! What the tests share: servers, clients and calls.
#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use std::sync::Arc;
use std::time::Duration;

use calculator::{
    Calculator, Call, CallError, Client, ClientOptions, Dispatcher, Executor, Faults, Limits, Value,
};
use net::Endpoint;
use thrift_rpc::{Binary, Compact, Encoding, Server, wire};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Both protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Binary,
    Compact,
}

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Binary, Protocol::Compact];

impl Protocol {
    pub(crate) async fn connect(self, url: &str) -> Arc<dyn Client> {
        let options = ClientOptions { timeout: Duration::from_secs(60), ..ClientOptions::default() };
        self.connect_with(url, &options).await.unwrap()
    }

    pub(crate) async fn connect_with(
        self,
        url: &str,
        options: &ClientOptions,
    ) -> Result<Arc<dyn Client>, CallError> {
        Ok(match self {
            Protocol::Binary => Arc::new(thrift_rpc::Client::<Binary>::connect(url, options).await?),
            Protocol::Compact => Arc::new(thrift_rpc::Client::<Compact>::connect(url, options).await?),
        })
    }

    /// The request for `call` with the number 0, which is that of a client's first call.
    pub(crate) fn request(self, call: &Call) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Protocol::Binary => wire::encode_request::<Binary>(&mut out, call, 0).unwrap(),
            Protocol::Compact => wire::encode_request::<Compact>(&mut out, call, 0).unwrap(),
        }
        out
    }

    /// The reply to that request, which is one of `add`.
    pub(crate) fn reply(self, result: &Result<Value, CallError>) -> Vec<u8> {
        let to = wire::ReplyTo { method: "add".into(), sequence: 0 };
        let mut out = Vec::new();
        match self {
            Protocol::Binary => wire::encode_reply::<Binary>(&mut out, &to, result),
            Protocol::Compact => wire::encode_reply::<Compact>(&mut out, &to, result),
        }
        out
    }
}

/// A server on the runtime of the test. It ends when it is dropped.
pub(crate) struct Running {
    pub(crate) protocol: Protocol,
    pub(crate) url: String,
    pub(crate) dispatcher: Dispatcher,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn calculator(protocol: Protocol) -> Self {
        Self::start(protocol, &Endpoint::loopback(), Limits::default(), Faults::default()).await
    }

    pub(crate) async fn start(protocol: Protocol, listen: &Endpoint, limits: Limits, faults: Faults) -> Self {
        match protocol {
            Protocol::Binary => Self::serve::<Binary>(protocol, listen, limits, faults).await,
            Protocol::Compact => Self::serve::<Compact>(protocol, listen, limits, faults).await,
        }
    }

    async fn serve<E: Encoding>(
        protocol: Protocol,
        listen: &Endpoint,
        limits: Limits,
        faults: Faults,
    ) -> Self {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
        let server = Server::<E>::bind(listen, dispatcher.clone(), limits).await.unwrap();
        let (url, stop) = (server.url(), CancellationToken::new());
        let task = tokio::spawn(server.run(stop.clone()));
        Running { protocol, url, dispatcher, stop, task }
    }

    pub(crate) async fn client(&self) -> Arc<dyn Client> {
        self.protocol.connect(&self.url).await
    }

    /// A connection without any protocol.
    pub(crate) async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.url.strip_prefix("thrift://").unwrap()).await.unwrap()
    }

    /// Asserts that the server answers.
    pub(crate) async fn assert_serves(&self) {
        assert_eq!(add(&*self.client().await).await, Ok(Value::Int(5)));
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn two_and_three() -> Call {
    Call::positional("add", [2.into(), 3.into()])
}

/// Calls `add(2, 3)`.
pub(crate) async fn add(client: &dyn Client) -> Result<Value, CallError> {
    client.call(&two_and_three()).await
}
