//! What the tests share: servers, clients and calls.
#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use std::sync::Arc;

use calculator::{
    Calculator, Call, CallError, Client, ClientOptions, Dispatcher, Executor, Faults, Limits, Service, Value,
};
use grpc::{H2Client, Server, TonicClient};
use net::Endpoint;
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Both clients, by name.
pub(crate) const CLIENTS: [&str; 2] = ["tonic", "h2"];

/// A server that is stopped when it is dropped.
pub(crate) struct Running {
    pub(crate) url: String,
    _stop: DropGuard,
}

impl Running {
    pub(crate) async fn calculator() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::at(&Endpoint::loopback(), dispatcher(Calculator), limits).await
    }

    pub(crate) async fn at(listen: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> Self {
        let server = Server::bind(listen, dispatcher, limits).await.unwrap();
        let (url, stop) = (server.url(), CancellationToken::new());
        tokio::spawn(server.run(stop.clone()));
        Running { url, _stop: stop.drop_guard() }
    }

    /// A connection without any protocol.
    pub(crate) async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.url.strip_prefix("grpc://").unwrap()).await.unwrap()
    }

    /// Asserts that the server answers.
    pub(crate) async fn assert_serves(&self) {
        assert_eq!(add(&*connect("h2", &self.url).await).await, Ok(Value::Int(5)));
    }
}

pub(crate) fn dispatcher(service: impl Service) -> Dispatcher {
    Dispatcher::new(service, Executor::Async, Faults::default())
}

pub(crate) async fn connect(client: &str, url: &str) -> Arc<dyn Client> {
    connect_with(client, url, &ClientOptions::default()).await.unwrap()
}

pub(crate) async fn connect_with(
    client: &str,
    url: &str,
    options: &ClientOptions,
) -> Result<Arc<dyn Client>, CallError> {
    Ok(match client {
        "tonic" => Arc::new(TonicClient::connect(url, options).await?),
        _ => Arc::new(H2Client::connect(url, options).await?),
    })
}

pub(crate) fn call(method: &'static str, arguments: impl IntoIterator<Item = Value>) -> Call {
    Call::positional(method, arguments)
}

/// Calls `add(2, 3)`.
pub(crate) async fn add(client: &dyn Client) -> Result<Value, CallError> {
    client.call(&call("add", [2.into(), 3.into()])).await
}

/// The items of a call whose result is a stream.
pub(crate) async fn receive(client: &dyn Client, call: &Call) -> Result<Vec<Value>, CallError> {
    let mut items = vec![];
    let mut on_item = |item| {
        items.push(item);
        Ok(())
    };
    client.call_stream(call, &mut on_item).unwrap().await?;
    Ok(items)
}
