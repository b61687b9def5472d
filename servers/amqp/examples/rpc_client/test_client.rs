//! A typed client of the example server.

use amqp::{Context, RpcClient, Target, Transport};
use calculator::{Call, CallError, Value};

/// Calls the methods of the example server.
pub(crate) struct TestClient {
    client: RpcClient,
}

impl TestClient {
    /// Creates a client of `topic`.
    pub(crate) fn new(transport: &Transport, topic: &str) -> Self {
        TestClient { client: RpcClient::new(transport, Target::topic(topic)).version("1.0") }
    }

    /// Calls `test`, which returns `arg`.
    pub(crate) async fn test(&self, context: &Context, arg: Value) -> Result<Value, CallError> {
        self.client.call(context, &Call::named("test", [("arg".into(), arg)])).await
    }

    /// Stops the server `name`.
    pub(crate) async fn stop(&self, context: &Context, name: &str) -> Result<(), CallError> {
        let control = self.client.prepare().namespace("control").version("2.0").server(name);
        control.cast(context, &Call::named("stop", [])).await
    }
}
