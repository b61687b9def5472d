//! The server's endpoints.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use amqp::wire::Failure;
use amqp::{
    Context, Endpoint, Interface, MethodFuture, Methods, RpcDispatcher, RpcServer, RpcServerOptions,
    ServerError, Target, Transport,
};
use calculator::{Params, Value};

/// Stops the server on request.
struct ServerControlEndpoint {
    /// Set once the server exists, which is created with this endpoint.
    server: Arc<OnceLock<RpcServer>>,
}

impl Endpoint for ServerControlEndpoint {
    fn interface(&self) -> Interface {
        Interface { namespace: Some("control".to_owned()), version: "2.0".to_owned() }
    }

    fn has(&self, method: &str) -> bool {
        method == "stop"
    }

    fn call<'a>(&'a self, _: &'a Context, _: Cow<'static, str>, arguments: Params) -> MethodFuture<'a> {
        Box::pin(async move {
            let [] = arguments.bind("stop", [])?;
            if let Some(server) = self.server.get() {
                server.stop();
            }
            Ok(Value::Null)
        })
    }
}

/// Returns its argument.
fn test_endpoint() -> Methods {
    Methods::new().method("test", |_context, arguments| {
        let [arg] = arguments.bind("test", ["arg"])?;
        Ok(arg)
    })
}

/// Fails with an application-defined exception.
fn kitchen_endpoint() -> Methods {
    Methods::new().namespace("kitchen").method("brew", |_context, _arguments| {
        Err(Failure::new("kitchen.errors", "Teapot", "short and stout"))
    })
}

/// Starts the server `name` of `topic`.
pub(crate) async fn serve(transport: &Transport, topic: &str, name: &str) -> Result<RpcServer, ServerError> {
    let handle = Arc::new(OnceLock::new());
    let dispatcher = RpcDispatcher::new()
        .endpoint(ServerControlEndpoint { server: Arc::clone(&handle) })
        .endpoint(test_endpoint())
        .endpoint(kitchen_endpoint());
    let target = Target::topic(topic).server(name);
    let server = RpcServer::new(transport, target, dispatcher.build(), RpcServerOptions::default())?;
    handle.get_or_init(|| server.clone());
    server.start().await?;
    Ok(server)
}
