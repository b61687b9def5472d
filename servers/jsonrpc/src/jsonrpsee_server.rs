//! The calculator served by jsonrpsee, to hold our server against it.

use std::io;

use calculator::{Call, Dispatcher, Limits, Params, Value};
use http_layer::net::Endpoint;
use jsonrpsee::RpcModule;
use jsonrpsee::server::{Server, ServerConfig};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned, Params as Sent};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::wire::Failure;

/// A JSON-RPC server by jsonrpsee, over HTTP alone, with the methods of a service and nothing beside them. It answers at
/// any path.
///
/// It executes what a [`Dispatcher`] executes, and fails with the codes and kinds of our own server. What else it does
/// is jsonrpsee's: how it reads, writes and handles connections.
pub struct JsonrpseeServer {
    server: Server,
    endpoint: Endpoint,
    methods: RpcModule<Dispatcher>,
}

impl JsonrpseeServer {
    /// Listens on `listen`, which is a TCP port; port 0 picks one. Calls are answered once [`run`](Self::run) is polled.
    ///
    /// # Errors
    /// Those of the operating system; [`io::ErrorKind::Unsupported`] for a Unix socket.
    pub async fn bind(listen: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> io::Result<Self> {
        let Endpoint::Tcp { host, port } = listen else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "jsonrpsee's server listens on TCP only"));
        };
        let most = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let config = ServerConfig::builder()
            .http_only()
            .max_request_body_size(most(limits.max_body))
            .max_response_body_size(most(limits.max_body))
            // Its default of 100 would refuse what our servers accept.
            .max_connections(u32::MAX)
            .build();
        let server = Server::builder().set_config(config).build((host.as_str(), *port)).await?;
        let endpoint = server.local_addr()?.into();
        let names: Vec<_> = dispatcher.service().methods().iter().map(|method| method.name).collect();
        let mut methods = RpcModule::new(dispatcher);
        for name in names {
            methods
                .register_async_method(name, move |sent, dispatcher, _| async move {
                    let params = params_of(&sent)?;
                    let result = dispatcher.call(Call { method: name.into(), params }).await;
                    result.map_err(|error| refused(&error.into()))
                })
                .map_err(io::Error::other)?;
        }
        Ok(JsonrpseeServer { server, endpoint, methods })
    }

    /// What a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/jsonrpc", self.endpoint)
    }

    /// Serves until `stop`, then finishes calls in hand.
    pub async fn run(self, stop: CancellationToken) {
        let serving = self.server.start(self.methods);
        stop.cancelled().await;
        // It fails where the server has ended already.
        let _ = serving.stop();
        serving.stopped().await;
    }
}

fn params_of(sent: &Sent<'_>) -> Result<Params, ErrorObjectOwned> {
    if !sent.is_object() {
        return Ok(Params::Positional(sent.parse()?));
    }
    match sent.parse()? {
        Value::Map(members) => Ok(Params::Named(members)),
        _ => Err(refused(&Failure::invalid_request("params is neither an array nor an object"))),
    }
}

fn refused(failure: &Failure) -> ErrorObjectOwned {
    #[derive(Serialize)]
    struct Data<'a> {
        kind: &'a str,
    }
    let code = i32::try_from(failure.code).unwrap_or(jsonrpsee::types::error::INTERNAL_ERROR_CODE);
    ErrorObject::owned(code, failure.message.clone(), Some(Data { kind: failure.kind.name() }))
}
