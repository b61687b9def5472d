//! What a protocol says of each of its stacks.

use std::sync::Arc;

use calculator::{CallError, Client, ClientOptions};
use futures_util::FutureExt;

use super::destination::{Connecting, Destination};
use super::facts::{Driver, End, Role};
use super::protocol::{Connect, ConnectAll, Protocol, ProtocolRef, Serve, ServedBy, Stack};
use super::reference::Reference;
use super::serve::{ServeContext, ServeError, Serving};
use super::transport::Transport;

/// Erases the type of the clients that `connect` opens.
fn erased<F, C>(connect: impl Fn(Destination, ClientOptions) -> F + Send + Sync + 'static) -> Connect
where
    F: Future<Output = Result<C, CallError>> + Send + 'static,
    C: Client + 'static,
{
    Arc::new(move |destination, options| -> Connecting {
        connect(destination, options)
            .map(|client| client.map(|client| Arc::new(client) as Arc<dyn Client>))
            .boxed()
    })
}

impl Stack {
    /// A stack of `protocol` whose clients `connect` opens. It has no server yet.
    pub fn new<F, C>(
        protocol: &'static dyn Protocol,
        name: &'static str,
        role: Role,
        client: End,
        connect: impl Fn(Destination, ClientOptions) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<C, CallError>> + Send + 'static,
        C: Client + 'static,
    {
        Stack {
            name,
            protocol: ProtocolRef::new(protocol),
            client,
            server: End::new("same process", &[]),
            role,
            multiplexes: false,
            driver: Driver::Tokio,
            transport: Transport::Tcp,
            transports: &[],
            connect: erased(connect),
            other_clients: vec![],
            connect_all: None,
            served_by: ServedBy::None,
        }
    }

    /// Lets one component call several servers over the connections that `connect_all` opens once. It returns a client for each
    /// destination, in their order.
    #[must_use]
    pub fn sharing_connections<F, C>(
        self,
        connect_all: impl Fn(Vec<Destination>, ClientOptions) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<C>, CallError>> + Send + 'static,
        C: Client + 'static,
    {
        let connect_all: ConnectAll = Arc::new(move |destinations, options| {
            let clients = connect_all(destinations, options);
            let shared = |client: C| Arc::new(client) as Arc<dyn Client>;
            clients.map(move |clients| clients.map(|all| all.into_iter().map(shared).collect())).boxed()
        });
        Stack { connect_all: Some(connect_all), ..self }
    }

    /// Sets the server of this program that `serve` starts, over the library `server`.
    #[must_use]
    pub fn served_by<F>(self, server: End, serve: impl Fn(ServeContext) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Serving, ServeError>> + Send + 'static,
    {
        let serve: Serve = Arc::new(move |context| serve(context).boxed());
        Stack { server, served_by: ServedBy::Own(serve), ..self }
    }

    /// Sets a reference implementation as the server, which listens on TCP ports only.
    #[must_use]
    pub fn served_by_reference(self, reference: &'static Reference) -> Self {
        Stack {
            server: End::new(reference.title, &[]),
            served_by: ServedBy::Reference(reference),
            role: Role::Reference,
            transports: &[],
            ..self
        }
    }

    /// Makes clients connect by `connect` over `transports`.
    #[must_use]
    pub fn with_client<F, C>(
        mut self,
        transports: &[Transport],
        connect: impl Fn(Destination, ClientOptions) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<C, CallError>> + Send + 'static,
        C: Client + 'static,
    {
        let connect = erased(connect);
        self.other_clients.extend(transports.iter().map(|transport| (*transport, Arc::clone(&connect))));
        self
    }

    /// A copy of this stack with another name and role, over `transport`.
    #[must_use]
    pub fn variant(&self, name: &'static str, role: Role, transport: Transport) -> Self {
        let other = self.other_clients.iter().find(|(of, _)| *of == transport);
        let connect = other.map_or(&self.connect, |(_, connect)| connect);
        Stack { name, role, transport, connect: Arc::clone(connect), ..self.clone() }
    }

    /// Runs callers on threads instead of a runtime.
    #[must_use]
    pub fn on_threads(self) -> Self {
        Stack { driver: Driver::Threads, ..self }
    }

    /// Allows any number of calls in flight on one connection.
    #[must_use]
    pub fn multiplexing(self) -> Self {
        Stack { multiplexes: true, ..self }
    }
}
