//! The calling end of each stack.

use std::sync::Arc;

use amqp::AmqpClient;
use calculator::{
    Calculator, Call, CallError, CallFuture, Client, ClientOptions, Dispatcher, ErrorKind, Executor, Faults,
};
use futures_util::FutureExt;
use http_layer::Transport;

use super::way::Way;
use super::{Address, Connecting};

/// Boxes a connecting future and the client it gives.
fn connecting<C: Client + 'static>(
    client: impl Future<Output = Result<C, CallError>> + Send + 'static,
) -> Connecting {
    client.map(|client| client.map(|client| Arc::new(client) as Arc<dyn Client>)).boxed()
}

/// The calculator called as a function, by way of everything else that a call passes.
struct Inproc(Dispatcher);

impl Client for Inproc {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.0.call_here(call.clone()) })
    }
}

pub(super) fn inproc(_: Address, _: ClientOptions) -> Connecting {
    connecting(async { Ok(Inproc(Dispatcher::new(Calculator, Executor::Async, Faults::default()))) })
}

pub(super) fn tcp(address: Address, options: ClientOptions) -> Connecting {
    connecting(async move { tcp_floor::TcpClient::connect(&address.url, &options).await })
}

#[cfg(feature = "libzmq")]
pub(super) fn tcp_libzmq(address: Address, options: ClientOptions) -> Connecting {
    connecting(async move { tcp_floor::libzmq::Client::connect(&address.url, &options).await })
}

pub(super) fn rest<T: Transport + 'static>(address: Address, options: ClientOptions) -> Connecting {
    connecting(async move { rest::RestClient::<T>::connect(&address.url, &address.headers, &options).await })
}

pub(super) fn xmlrpc<T: Transport + 'static>(address: Address, options: ClientOptions) -> Connecting {
    connecting(
        async move { xmlrpc::XmlRpcClient::<T>::connect(&address.url, &address.headers, &options).await },
    )
}

pub(super) fn jsonrpc<T: Transport + 'static>(address: Address, options: ClientOptions) -> Connecting {
    connecting(
        async move { jsonrpc::JsonRpcClient::<T>::connect(&address.url, &address.headers, &options).await },
    )
}

pub(super) fn zerorpc(address: Address, options: ClientOptions) -> Connecting {
    zerorpc_by(zerorpc::Library::Own, address, options)
}

fn zerorpc_by(library: zerorpc::Library, address: Address, options: ClientOptions) -> Connecting {
    connecting(async move {
        let heartbeat = Some(zerorpc::DEFAULT_PERIOD);
        zerorpc::ZerorpcClient::connect_by(library, &address.url, &options, heartbeat).await
    })
}

pub(super) fn zerorpc_zeromq(address: Address, options: ClientOptions) -> Connecting {
    zerorpc_by(zerorpc::Library::Zeromq, address, options)
}

#[cfg(feature = "libzmq")]
pub(super) fn zerorpc_libzmq(address: Address, options: ClientOptions) -> Connecting {
    zerorpc_by(zerorpc::Library::Libzmq, address, options)
}

/// A broker's URL that cannot be used; told without the URL, which may hold a password.
fn transport(url: &str) -> Result<amqp::TransportUrl, CallError> {
    url.parse().map_err(|error: amqp::UrlError| CallError::new(ErrorKind::Undeliverable, error.to_string()))
}

fn amqp_by(way: Way, address: Address, options: ClientOptions) -> Connecting {
    connecting(async move {
        let transport = way.on(transport(&address.url)?);
        let transport = address.queues.into_iter().fold(transport, amqp::Transport::queue_kind);
        AmqpClient::connect(&transport, address.target, &options).await
    })
}

pub(super) fn amqp(address: Address, options: ClientOptions) -> Connecting {
    amqp_by(Way::Oslo, address, options)
}

pub(super) fn amqp_unconfirmed(address: Address, options: ClientOptions) -> Connecting {
    amqp_by(Way::Unconfirmed, address, options)
}

pub(super) fn amqp_unacknowledged(address: Address, options: ClientOptions) -> Connecting {
    amqp_by(Way::Unacknowledged, address, options)
}

pub(super) fn amqp_enveloped(address: Address, options: ClientOptions) -> Connecting {
    amqp_by(Way::Enveloped, address, options)
}

pub(super) fn amqp_direct(address: Address, options: ClientOptions) -> Connecting {
    amqp_by(Way::Direct, address, options)
}

pub(super) fn amqp_bare(address: Address, options: ClientOptions) -> Connecting {
    connecting(async move {
        amqp::direct::BareClient::connect(&transport(&address.url)?, &address.target.topic, &options).await
    })
}
