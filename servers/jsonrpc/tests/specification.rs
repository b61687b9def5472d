//! The examples of the JSON-RPC 2.0 specification (section 7), one by one. Only the codes of errors are compared, since
//! the specification leaves their messages and data to the server.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use calculator::{
    CallError, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, MethodInfo, Params, Service, Value,
};
use http_layer::{Headers, HyperClient, Transport};
use jsonrpc::{Server, ServerOptions};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

/// The methods that the examples call.
struct Examples;

impl Service for Examples {
    fn name(&self) -> &'static str {
        "Examples"
    }

    fn methods(&self) -> &[MethodInfo] {
        &[]
    }

    fn call(&self, method: &str, params: Params) -> Result<Value, CallError> {
        let ints = |values: Vec<Value>| -> Vec<i64> {
            values.into_iter().map(|value| if let Value::Int(int) = value { int } else { 0 }).collect()
        };
        match (method, params) {
            ("subtract", params) => {
                let values = ints(params.bind("subtract", ["minuend", "subtrahend"])?.into());
                Ok(Value::Int(values[0] - values[1]))
            }
            ("sum" | "update" | "notify_sum" | "notify_hello", Params::Positional(values)) => {
                Ok(Value::Int(ints(values).iter().sum()))
            }
            ("get_data", _) => Ok(Value::list(vec!["hello".into(), Value::Int(5)])),
            (method, _) => Err(CallError::new(ErrorKind::UnknownMethod, method)),
        }
    }
}

/// The server's response, with errors reduced to their codes; `None` for an empty body.
async fn answer(request: &str) -> Option<Json> {
    let dispatcher = Dispatcher::new(Examples, Executor::Async, Faults::default());
    let options = ServerOptions::default();
    let server = Server::bind(&"127.0.0.1:0".parse().unwrap(), dispatcher, options).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    let _stop = stop.clone().drop_guard();
    tokio::spawn(server.run(stop));
    let headers = Headers::new("application/json");
    let client = HyperClient::connect(&url, &headers, &ClientOptions::default()).await.unwrap();
    let reply = client.post(&client.target("").unwrap(), request.into()).await.unwrap();
    assert_eq!(reply.status, 200);
    if reply.body.is_empty() {
        return None;
    }
    let mut answer: Json = serde_json::from_slice(&reply.body).unwrap();
    let responses = match &mut answer {
        Json::Array(responses) => responses.as_mut_slice(),
        response => std::slice::from_mut(response),
    };
    for response in responses {
        if let Some(error) = response.get_mut("error") {
            assert!(error["message"].is_string());
            *error = json!({ "code": error["code"] });
        }
    }
    Some(answer)
}

fn error(code: i64, id: Json) -> Json {
    json!({ "jsonrpc": "2.0", "error": { "code": code }, "id": id })
}

#[tokio::test]
async fn rpc_call_with_positional_parameters() {
    for (params, result) in [("[42, 23]", 19), ("[23, 42]", -19)] {
        let request = format!(r#"{{"jsonrpc": "2.0", "method": "subtract", "params": {params}, "id": 1}}"#);
        assert_eq!(answer(&request).await, Some(json!({ "jsonrpc": "2.0", "result": result, "id": 1 })));
    }
}

#[tokio::test]
async fn rpc_call_with_named_parameters() {
    for params in [r#"{"subtrahend": 23, "minuend": 42}"#, r#"{"minuend": 42, "subtrahend": 23}"#] {
        let request = format!(r#"{{"jsonrpc": "2.0", "method": "subtract", "params": {params}, "id": 3}}"#);
        assert_eq!(answer(&request).await, Some(json!({ "jsonrpc": "2.0", "result": 19, "id": 3 })));
    }
}

#[tokio::test]
async fn a_notification() {
    assert_eq!(answer(r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#).await, None);
    assert_eq!(answer(r#"{"jsonrpc": "2.0", "method": "foobar"}"#).await, None);
}

#[tokio::test]
async fn rpc_call_of_non_existent_method() {
    let request = r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#;
    assert_eq!(answer(request).await, Some(error(-32601, json!("1"))));
}

#[tokio::test]
async fn rpc_call_with_invalid_json() {
    let request = r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#;
    assert_eq!(answer(request).await, Some(error(-32700, Json::Null)));
}

#[tokio::test]
async fn rpc_call_with_invalid_request_object() {
    let request = r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#;
    assert_eq!(answer(request).await, Some(error(-32600, Json::Null)));
}

#[tokio::test]
async fn rpc_call_batch_invalid_json() {
    let request = r#"[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method"
    ]"#;
    assert_eq!(answer(request).await, Some(error(-32700, Json::Null)));
}

#[tokio::test]
async fn rpc_call_with_an_empty_array() {
    assert_eq!(answer("[]").await, Some(error(-32600, Json::Null)));
}

#[tokio::test]
async fn rpc_call_with_an_invalid_batch() {
    assert_eq!(answer("[1]").await, Some(json!([error(-32600, Json::Null)])));
    let invalid = error(-32600, Json::Null);
    assert_eq!(answer("[1,2,3]").await, Some(json!([invalid, invalid, invalid])));
}

#[tokio::test]
async fn rpc_call_batch() {
    let request = r#"[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
    ]"#;
    let expected = json!([
        { "jsonrpc": "2.0", "result": 7, "id": "1" },
        { "jsonrpc": "2.0", "result": 19, "id": "2" },
        error(-32600, Json::Null),
        error(-32601, json!("5")),
        { "jsonrpc": "2.0", "result": ["hello", 5], "id": "9" },
    ]);
    assert_eq!(answer(request).await, Some(expected));
}

#[tokio::test]
async fn rpc_call_batch_all_notifications() {
    let request = r#"[
        {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
    ]"#;
    assert_eq!(answer(request).await, None);
}
