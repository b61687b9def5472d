//! The conformance table, with each client at each server.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use std::time::Duration;

use calculator::conformance::{self, Profile};
use calculator::{Calculator, ClientOptions, Deadline, Dispatcher, Executor, Faults};
use http::HeaderMap;
use http_layer::bare::BareClient;
use http_layer::{HyperClient, ReqwestClient, Transport};
use jsonrpc::{BareServer, JsonRpcClient, Server, ServerOptions};
use net::Endpoint;
use tokio_util::sync::CancellationToken;

async fn passes_the_conformance_table<T: Transport>() {
    let dispatcher = || Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let (listen, options, stop) = (Endpoint::loopback(), ServerOptions::default(), CancellationToken::new());
    let server = Server::bind(&listen, dispatcher(), options.clone()).await.unwrap();
    let bare = BareServer::bind(&listen, dispatcher(), options).await.unwrap();
    let urls = [server.url(), bare.url()];
    tokio::spawn(server.run(stop.clone()));
    tokio::spawn(bare.run(stop.clone()));
    for url in urls {
        let client = JsonRpcClient::<T>::connect(&url, &HeaderMap::new(), &ClientOptions::default()).await;
        let mut deadline = Deadline::new(Duration::from_secs(5));
        let outcomes = conformance::run(&client.unwrap(), Profile::default(), &mut deadline).await;
        assert_eq!(outcomes.len(), conformance::vectors(Profile::default()).len());
        for outcome in outcomes {
            assert!(outcome.passed(), "{url} {}: {}", outcome.vector.title(), outcome.answer());
        }
    }
    stop.cancel();
}

#[tokio::test]
async fn reqwest_passes_the_conformance_table() {
    passes_the_conformance_table::<ReqwestClient>().await;
}

#[tokio::test]
async fn hyper_passes_the_conformance_table() {
    passes_the_conformance_table::<HyperClient>().await;
}

#[tokio::test]
async fn bare_passes_the_conformance_table() {
    passes_the_conformance_table::<BareClient>().await;
}
