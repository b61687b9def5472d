//! A calculator server that uses jsonrpsee, for comparison with our own.

use std::io;

use calculator::{Call, Dispatcher, Limits, Params, Value};
use http_layer::net::Endpoint;
use jsonrpsee::RpcModule;
use jsonrpsee::server::{Server, ServerConfig};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned, Params as Sent};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::wire::Failure;

/// A JSON-RPC server of the library jsonrpsee, over HTTP only. It serves the methods of a service at any path, without
/// the `system.*` methods.
///
/// Calls go to a [`Dispatcher`], and failures have the codes and kinds of our own server. Parsing, encoding and the
/// handling of connections are jsonrpsee's.
pub struct JsonrpseeServer {
    server: Server,
    endpoint: Endpoint,
    methods: RpcModule<Dispatcher>,
}

impl JsonrpseeServer {
    /// Listens on `listen`, which is a TCP port; port 0 picks a free port. Calls are answered once [`run`](Self::run)
    /// is polled.
    ///
    /// # Errors
    /// The errors of the operating system; [`io::ErrorKind::Unsupported`] for a Unix socket.
    pub async fn bind(listen: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> io::Result<Self> {
        let Endpoint::Tcp { host, port } = listen else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "jsonrpsee's server listens on TCP only"));
        };
        let as_u32 = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let config = ServerConfig::builder()
            .http_only()
            .max_request_body_size(as_u32(limits.max_body))
            .max_response_body_size(as_u32(limits.max_body))
            // The default of 100 is below what our servers accept.
            .max_connections(u32::MAX)
            .build();
        let server = Server::builder().set_config(config).build((host.as_str(), *port)).await?;
        let endpoint = server.local_addr()?.into();
        let names: Vec<_> = dispatcher.service().methods().iter().map(|method| method.name).collect();
        let mut methods = RpcModule::new(dispatcher);
        for name in names {
            methods
                .register_async_method(name, move |sent, dispatcher, _| async move {
                    let params = decode_params(&sent)?;
                    let result = dispatcher.call(Call { method: name.into(), params }).await;
                    result.map_err(|error| error_object(&error.into()))
                })
                .map_err(io::Error::other)?;
        }
        Ok(JsonrpseeServer { server, endpoint, methods })
    }

    /// The URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/jsonrpc", self.endpoint)
    }

    /// Serves until `stop` is cancelled, then completes the calls in flight.
    pub async fn run(self, stop: CancellationToken) {
        let serving = self.server.start(self.methods);
        stop.cancelled().await;
        // Fails only if the server has already stopped.
        let _ = serving.stop();
        serving.stopped().await;
    }
}

fn decode_params(sent: &Sent<'_>) -> Result<Params, ErrorObjectOwned> {
    if !sent.is_object() {
        return Ok(Params::Positional(sent.parse()?));
    }
    match sent.parse()? {
        Value::Map(members) => Ok(Params::Named(members.into_vec())),
        _ => Err(error_object(&Failure::invalid_request("`params` must be an array or an object"))),
    }
}

fn error_object(failure: &Failure) -> ErrorObjectOwned {
    #[derive(Serialize)]
    struct Data<'a> {
        kind: &'a str,
    }
    let code = i32::try_from(failure.code).unwrap_or(jsonrpsee::types::error::INTERNAL_ERROR_CODE);
    ErrorObject::owned(code, failure.message.clone(), Some(Data { kind: failure.kind.name() }))
}
