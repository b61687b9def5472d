//! Our client with jsonrpsee's server.
#![cfg(feature = "jsonrpsee")]

use std::time::Duration;

use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, Executor, Faults, Limits, Value,
    conformance,
};
use http::HeaderMap;
use http_layer::HyperClient;
use jsonrpc::{JsonRpcClient, JsonrpseeServer};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn passes_the_conformance_table_and_stops_on_request() {
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = JsonrpseeServer::bind(&listen, dispatcher, Limits::default()).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    let running = tokio::spawn(server.run(stop.clone()));

    let options = ClientOptions { timeout: Duration::from_secs(60), ..ClientOptions::default() };
    let client: JsonRpcClient<HyperClient> =
        JsonRpcClient::connect(&url, &HeaderMap::new(), &options).await.unwrap();
    let outcomes =
        conformance::run(&client, conformance::Profile::default(), &mut Deadline::new(options.timeout)).await;
    assert_eq!(outcomes.len(), conformance::vectors(conformance::Profile::default()).len());
    for outcome in outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
    let named = Call::named("divide", [("y".into(), 2.into()), ("x".into(), Value::Int(-7))]);
    assert_eq!(client.call(&named).await, Ok(Value::Int(-4)));

    stop.cancel();
    running.await.unwrap();
    assert!(client.call(&named).await.is_err());
}
