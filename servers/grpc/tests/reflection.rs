//! Server reflection and health checking, from a client that knows none of the definitions.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

mod common;

use calculator::{Call, CallError, Client, ClientOptions, ErrorKind, Value, json};
use common::Running;
use grpc::{AnyClient, ReflectedClient};
use net::Trust;

async fn replies(client: &ReflectedClient, call: &Call) -> Result<Vec<String>, CallError> {
    let mut replies = client.call(call).await?;
    let mut texts = Vec::new();
    while let Some(value) = replies.next().await? {
        let mut text = Vec::new();
        json::write(&mut text, &value)?;
        texts.push(String::from_utf8(text).unwrap());
    }
    Ok(texts)
}

fn with_json(method: &'static str, argument: &str) -> Call {
    Call::positional(method, [serde_json::from_str::<Value>(argument).unwrap()])
}

#[tokio::test]
async fn a_method_is_called_as_the_server_describes_it() {
    let server = Running::calculator().await;
    let client = ReflectedClient::connect(&server.url, &ClientOptions::default()).await.unwrap();
    let add = with_json("rpcbench.Calculator/Add", r#"{"x":{"int":2},"y":{"int":"3"}}"#);
    assert_eq!(replies(&client, &add).await.unwrap(), [r#"{"int":"5"}"#]);
    let fields = serde_json::from_str::<Value>(r#"{"string":"RPC"}"#).unwrap();
    let hello = Call::named("rpcbench.Calculator/Hello", [("name".into(), fields)]);
    assert_eq!(replies(&client, &hello).await.unwrap(), [r#"{"string":"hello, RPC"}"#]);
    let health = with_json("grpc.health.v1.Health/Check", r#"{"service":"rpcbench.Calculator"}"#);
    assert_eq!(replies(&client, &health).await.unwrap(), [r#"{"status":"SERVING"}"#]);
    // A method with a stream of replies: the description of the service itself.
    let list =
        with_json("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", r#"{"listServices":""}"#);
    let listed = replies(&client, &list).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].contains("rpcbench.Calculator"), "{listed:?}");
}

#[tokio::test]
async fn wrong_calls_are_refused_with_the_reason() {
    let server = Running::calculator().await;
    let client = ReflectedClient::connect(&server.url, &ClientOptions::default()).await.unwrap();
    for (call, kind) in [
        (with_json("rpcbench.Calculator/Nosuch", "{}"), ErrorKind::UnknownMethod),
        (with_json("nosuch.Service/Add", "{}"), ErrorKind::UnknownMethod),
        (with_json("Add", "{}"), ErrorKind::UnknownMethod),
        (with_json("rpcbench.Calculator/Add", r#"{"z":1}"#), ErrorKind::InvalidArguments),
        (with_json("rpcbench.Calculator/Add", r#"{"x":{"int":"two"}}"#), ErrorKind::InvalidArguments),
        (Call::positional("rpcbench.Calculator/Add", [2.into(), 3.into()]), ErrorKind::InvalidArguments),
        (with_json("rpcbench.Calculator/Add", r#"{"x":{"int":1}}"#), ErrorKind::InvalidArguments),
        (
            with_json("rpcbench.Calculator/Divide", r#"{"x":{"int":1},"y":{"int":0}}"#),
            ErrorKind::ZeroDivision,
        ),
    ] {
        let error = replies(&client, &call).await.unwrap_err();
        assert_eq!(error.kind, kind, "{call:?}: {error}");
    }
}

#[tokio::test]
async fn all_methods_are_listed() {
    let server = Running::calculator().await;
    let client = ReflectedClient::connect(&server.url, &ClientOptions::default()).await.unwrap();
    let methods = client.methods().await.unwrap();
    let signature = |name: &str| {
        let found = methods.iter().find(|method| method.name == name);
        found.unwrap_or_else(|| panic!("{methods:?}")).signature.as_str()
    };
    assert_eq!(signature("rpcbench.Calculator/Add"), "AddRequest returns Value");
    assert_eq!(
        signature("grpc.health.v1.Health/Watch"),
        "HealthCheckRequest returns stream HealthCheckResponse"
    );
}

#[tokio::test]
async fn a_stream_has_all_its_items_and_ends() {
    let server = Running::calculator().await;
    let client = ReflectedClient::connect(&server.url, &ClientOptions::default()).await.unwrap();
    let count = |limit: &str| with_json("rpcbench.Calculator/Count", &format!(r#"{{"limit":{limit}}}"#));
    let items = replies(&client, &count(r#"{"int":100000}"#)).await.unwrap();
    let expected: Vec<_> = (0..100_000).map(|number| format!(r#"{{"int":"{number}"}}"#)).collect();
    assert!(items == expected, "{} items", items.len());
    assert_eq!(replies(&client, &count(r#"{"int":0}"#)).await.unwrap(), Vec::<String>::new());
    for limit in [r#"{"string":"3"}"#, "null"] {
        let error = replies(&client, &count(limit)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArguments, "{limit}: {error}");
    }
    // A client that stops reading an endless stream leaves nothing behind that keeps the server busy.
    let mut endless = client.call(&count(r#"{"int":"9223372036854775807"}"#)).await.unwrap();
    assert!(endless.next().await.unwrap().is_some());
    drop(endless);
    server.assert_serves().await;
}

#[tokio::test]
async fn requests_have_values_for_their_fields_that_one_client_sends_beside_typed_calls() {
    let server = Running::calculator().await;
    let options = ClientOptions::default();
    let reflected = ReflectedClient::connect(&server.url, &options).await.unwrap();
    let methods = reflected.methods().await.unwrap();
    let method = |name: &str| methods.iter().find(|method| method.name == name).unwrap();
    let add = method("rpcbench.Calculator/Add");
    assert_eq!(serde_json::to_string(&add.fields).unwrap(), r#"{"x":{"int":1},"y":{"int":1}}"#);
    assert!(!add.has_streams && method("rpcbench.Calculator/Count").has_streams);
    assert_eq!(
        serde_json::to_string(&method("grpc.health.v1.Health/Check").fields).unwrap(),
        r#"{"service":"text"}"#
    );

    let client = AnyClient::connect_trusting(&server.url, &Trust::System, &options).await.unwrap();
    // The second time, the method is known already.
    for _ in 0..2 {
        let call = with_json("rpcbench.Calculator/Add", &serde_json::to_string(&add.fields).unwrap());
        let sum = client.call(&call).await.unwrap();
        assert_eq!(sum, Value::map(vec![("int".into(), "2".into())]));
    }
    assert_eq!(client.call(&Call::positional("add", [2.into(), 3.into()])).await, Ok(Value::Int(5)));
    for (limit, expected) in [("2", "more than one reply"), ("0", "no reply")] {
        let count = with_json("rpcbench.Calculator/Count", &format!(r#"{{"limit":{{"int":{limit}}}}}"#));
        let error = client.call(&count).await.unwrap_err();
        assert!(error.kind == ErrorKind::Malformed && error.to_string().contains(expected), "{error}");
    }
}
