//! A remote service as a local type.

use amqp::{Context, RpcClient, Target, Transport};
use calculator::{Call, CallError, Value};

/// Calls the methods of the example server.
pub(crate) struct TestClient {
    client: RpcClient,
}

impl TestClient {
    /// A client of `topic`.
    pub(crate) fn new(transport: &Transport, topic: &str) -> Self {
        TestClient { client: RpcClient::new(transport, Target::topic(topic)).version("1.0") }
    }

    /// Has the server give back `arg`.
    pub(crate) async fn test(&self, context: &Context, arg: Value) -> Result<Value, CallError> {
        self.client.call(context, &Call::named("test", [("arg".to_owned(), arg)])).await
    }

    /// Has the server called `name` stop.
    pub(crate) async fn stop(&self, context: &Context, name: &str) -> Result<(), CallError> {
        let control = self.client.prepare().namespace("control").version("2.0").server(name);
        control.cast(context, &Call::named("stop", [])).await
    }
}
