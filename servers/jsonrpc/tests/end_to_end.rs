//! Client and server over a socket.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

use std::time::Duration;

use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits,
    Protocol, Value, conformance,
};
use http::{HeaderMap, StatusCode};
use http_layer::{Headers, HyperClient, Reply, ReqwestClient, Transport};
use jsonrpc::{JsonRpcClient, Server};
use tokio_util::sync::{CancellationToken, DropGuard};

async fn start(limits: Limits) -> (String, DropGuard) {
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), dispatcher, limits).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    (url, stop.drop_guard())
}

async fn connect<T: Transport>(url: &str) -> JsonRpcClient<T> {
    JsonRpcClient::connect(url, &HeaderMap::new(), &ClientOptions::default()).await.unwrap()
}

async fn passes_the_conformance_table<T: Transport>() {
    let (url, _stop) = start(Limits::default()).await;
    let client: JsonRpcClient<T> = connect(&url).await;
    let outcomes =
        conformance::run(&client, Protocol::Jsonrpc, &mut Deadline::new(Duration::from_secs(5))).await;
    assert_eq!(outcomes.len(), conformance::vectors(Protocol::Jsonrpc).len());
    for outcome in outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
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
async fn named_arguments_are_calls_too() {
    let (url, _stop) = start(Limits::default()).await;
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    let call = Call::named("divide", [("y".to_owned(), 2.into()), ("x".to_owned(), Value::Int(-7))]);
    assert_eq!(client.call(&call).await, Ok(Value::Int(-4)));
    let call = Call::named("divide", [("x".to_owned(), 2.into()), ("z".to_owned(), 3.into())]);
    assert_eq!(client.call(&call).await.unwrap_err().kind, ErrorKind::InvalidArguments);
}

/// Posts `body` as it is, of a type that no JSON-RPC server asks for.
async fn post(url: &str, body: &str) -> Reply {
    let client =
        HyperClient::connect(url, &Headers::new("text/plain"), &ClientOptions::default()).await.unwrap();
    client.post(&client.target("").unwrap(), body.as_bytes().to_vec()).await.unwrap()
}

async fn answer(url: &str, body: &str) -> String {
    let reply = post(url, body).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.is("application/json"));
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn answers_on_every_path_of_the_field() {
    let (url, _stop) = start(Limits::default()).await;
    let root = url.strip_suffix("jsonrpc").unwrap();
    let request = r#"{"jsonrpc":"2.0","method":"add","params":[2,3],"id":"a"}"#;
    for path in ["", "jsonrpc", "RPC2", "api_jsonrpc.php"] {
        assert_eq!(
            answer(&format!("{root}{path}"), request).await,
            r#"{"jsonrpc":"2.0","result":5,"id":"a"}"#
        );
    }
    let reply = post(&format!("{root}nosuch"), request).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert!(reply.is("application/json") && reply.body.starts_with(br#"{"jsonrpc":"2.0","error":"#));
}

#[tokio::test]
async fn notifications_are_answered_by_an_empty_body() {
    let (url, _stop) = start(Limits::default()).await;
    for body in [
        r#"{"jsonrpc":"2.0","method":"add","params":[2,3]}"#,
        r#"{"jsonrpc":"2.0","method":"nosuch"}"#,
        r#"{"jsonrpc":"2.0","method":"divide","params":[1,0]}"#,
        r#"{"method":"add","params":[2,3],"id":null}"#,
        r#"[{"jsonrpc":"2.0","method":"add","params":[2,3]},{"jsonrpc":"2.0","method":"add","params":[2,3]}]"#,
    ] {
        assert_eq!(answer(&url, body).await, "", "{body}");
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_without_its_notifications() {
    let (url, _stop) = start(Limits { max_batch: 5, ..Limits::default() }).await;
    let batch = r#"[
        {"jsonrpc":"2.0","method":"add","params":[2,3]},
        {"jsonrpc":"2.0","method":"add","params":[2,3],"id":2},
        1,
        {"method":"add","params":{"x":2,"y":3.0},"id":"old"},
        {"jsonrpc":"2.0","method":"add","params":[2,3]}
    ]"#;
    let invalid = r#"{"code":-32600,"message":"a request must be an object","data":{"kind":"malformed"}}"#;
    assert_eq!(
        answer(&url, batch).await,
        [
            r#"[{"jsonrpc":"2.0","result":5,"id":2}"#,
            &format!(r#"{{"jsonrpc":"2.0","error":{invalid},"id":null}}"#),
            r#"{"result":5.0,"error":null,"id":"old"}]"#,
        ]
        .join(",")
    );
    assert_eq!(
        answer(&url, r#"[{"jsonrpc":"2.0","method":"hello","params":["x"],"id":1}]"#).await,
        r#"[{"jsonrpc":"2.0","result":"hello, x","id":1}]"#
    );
    for (body, kind) in [("[]", "malformed"), ("[1,2,3,4,5,6]", "too-large")] {
        let text = answer(&url, body).await;
        assert!(text.starts_with(r#"{"jsonrpc":"2.0","error":{"code":-32600,"#), "{text}");
        assert!(text.ends_with(&format!(r#""data":{{"kind":"{kind}"}}}},"id":null}}"#)), "{text}");
    }
}

#[tokio::test]
async fn an_oversized_integer_is_an_overflow_of_its_own_call() {
    let (url, _stop) = start(Limits::default()).await;
    let text =
        answer(&url, r#"{"jsonrpc":"2.0","method":"add","params":[99999999999999999999,1],"id":"big"}"#)
            .await;
    assert!(text.contains(r#""code":-32603"#) && text.contains(r#""kind":"overflow""#), "{text}");
    assert!(text.ends_with(r#","id":"big"}"#), "{text}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_its_kind() {
    let (url, _stop) = start(Limits { max_body: 1_000, max_depth: 8, ..Limits::default() }).await;
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    let error = client.call(&Call::positional("hello", ["x".repeat(1_000).into()])).await.unwrap_err();
    assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::TooLarge, Some(-32600)));
    let deep = (0..20).fold(Value::Int(1), |value, _| Value::List(vec![value]));
    let error = client.call(&Call::positional("echo", [deep])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(client.call(&Call::positional("add", [2.into(), 3.into()])).await, Ok(5.into()));
}

#[tokio::test]
async fn a_server_of_something_else_is_told_by_its_status() {
    let (url, _stop) = start(Limits::default()).await;
    // Our own server sends a JSON-RPC error along with its 404.
    let client: JsonRpcClient<HyperClient> = connect(&format!("{url}/nosuch")).await;
    let error = client.call(&Call::positional("add", [2.into(), 3.into()])).await.unwrap_err();
    assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::Malformed, Some(-32600)));
}
