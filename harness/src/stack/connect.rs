//! The calling end of each stack.

use std::sync::Arc;

use calculator::{
    Call, CallError, CallFuture, Calculator, Client, ClientOptions, Dispatcher, Executor, Faults,
};
use futures_util::FutureExt;

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
