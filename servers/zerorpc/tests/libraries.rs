//! The same protocol through ZeroMQ sockets of other libraries, as client and as server.
#![cfg(any(feature = "zeromq", feature = "libzmq"))]
// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Value,
    conformance,
};
use common::{Running, calculator, sum};
use futures_util::future::join_all;
use net::Endpoint;
use zerorpc::{Library, Server, ServerOptions, ZerorpcClient};

const LIBRARIES: &[Library] = &[
    Library::Own,
    #[cfg(feature = "zeromq")]
    Library::Zeromq,
    #[cfg(feature = "libzmq")]
    Library::Libzmq,
];

async fn serve(library: Library, dispatcher: Dispatcher, options: ServerOptions) -> Running {
    let server = Server::bind_by(library, &Endpoint::loopback(), dispatcher.clone(), options).await.unwrap();
    Running::run(server, dispatcher)
}

async fn connect(library: Library, url: &str, heartbeat: Option<Duration>) -> ZerorpcClient {
    ZerorpcClient::connect_by(library, url, &ClientOptions::default(), heartbeat).await.unwrap()
}

#[tokio::test]
async fn every_library_works_with_every_other() {
    for served in LIBRARIES {
        let server = serve(*served, calculator(), ServerOptions::default()).await;
        for calling in LIBRARIES {
            let client = connect(*calling, &server.url, Some(zerorpc::DEFAULT_PERIOD)).await;
            let mut deadline = Deadline::new(Duration::from_secs(10));
            for outcome in conformance::run(&client, conformance::Profile::default(), &mut deadline).await {
                assert!(
                    outcome.passed(),
                    "{calling:?} → {served:?}: {}: {}",
                    outcome.vector.title(),
                    outcome.answer()
                );
            }
            let calls: Vec<_> = (0..300).map(|x| common::add(x, 1)).collect();
            let answers = join_all(calls.iter().map(|call| client.call(call))).await;
            for (x, answer) in (0..).zip(answers) {
                assert_eq!(answer, Ok(Value::Int(x + 1)), "{calling:?} → {served:?}");
            }
            let document = calculator::document::document(1, 300_000);
            assert_eq!(client.call(&Call::positional("echo", [document.clone()])).await, Ok(document));
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn calls_outlast_heartbeats_and_each_client_gets_its_own_answer() {
    let period = Some(Duration::from_millis(50));
    for library in LIBRARIES {
        let faults = Faults { delay: Some(Duration::from_millis(400)), ..Faults::default() };
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
        let options = ServerOptions { heartbeat: period, ..ServerOptions::default() };
        let server = serve(*library, dispatcher, options).await;
        let clients = join_all((0..3).map(|_| connect(*library, &server.url, period))).await;
        let answers = join_all(clients.iter().zip(0..).map(|(client, x)| sum(client, x, x))).await;
        for (answer, x) in answers.into_iter().zip(0..) {
            assert_eq!(answer, Ok(Value::Int(2 * x)), "{library:?}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn calls_fail_when_the_server_is_gone() {
    let period = Some(Duration::from_millis(50));
    for library in LIBRARIES {
        let server = serve(*library, calculator(), ServerOptions::default()).await;
        let client = connect(*library, &server.url, period).await;
        assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
        server.stop().await;
        assert_eq!(sum(&client, 2, 3).await.unwrap_err().kind, ErrorKind::Undeliverable, "{library:?}");
    }
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("ipc://{}", folder.path().join("none").display());
    // A library that waits for the server would wait for this long.
    let options = ClientOptions { timeout: Duration::from_secs(3_600), ..ClientOptions::default() };
    for library in LIBRARIES {
        let refused = ZerorpcClient::connect_by(*library, &url, &options, None).await.map(drop);
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Undeliverable, "{library:?}");
    }
}
