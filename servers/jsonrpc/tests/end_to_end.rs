//! The client and the server over a socket.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use calculator::{
    Calculator, Call, Client, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::axum::routing::post as post_to;
use http_layer::bare::BareClient;
use http_layer::{Headers, HttpServer, HyperClient, Reply, ReqwestClient, Transport, read_body, reply};
use jsonrpc::wire::Envelope;
use jsonrpc::{BatchCall, JsonRpcClient, Server, ServerOptions};
use net::Endpoint;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Starts a server on a free TCP port. Returns its URL, and a guard that stops it.
async fn start(limits: Limits) -> (String, DropGuard) {
    start_with(ServerOptions { http: limits.into(), ..ServerOptions::default() }).await
}

async fn start_with(options: ServerOptions) -> (String, DropGuard) {
    start_at(&Endpoint::loopback(), options).await
}

async fn start_at(listen: &Endpoint, options: ServerOptions) -> (String, DropGuard) {
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let server = Server::bind(listen, dispatcher, options).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    (url, stop.drop_guard())
}

async fn connect<T: Transport>(url: &str) -> JsonRpcClient<T> {
    JsonRpcClient::connect(url, &HeaderMap::new(), &ClientOptions::default()).await.unwrap()
}

async fn calls_over_a_unix_socket<T: Transport>() {
    let folder = tempfile::tempdir().unwrap();
    let listen = Endpoint::Unix(folder.path().join("calculator.sock"));
    let (url, _stop) = start_at(&listen, ServerOptions::default()).await;
    assert!(url.starts_with("http+unix://%2F"), "{url}");
    let client: JsonRpcClient<T> = connect(&url).await;
    assert_eq!(client.call(&Call::positional("add", [2.into(), 3.into()])).await, Ok(5.into()));
}

#[tokio::test]
async fn reqwest_calls_over_a_unix_socket() {
    calls_over_a_unix_socket::<ReqwestClient>().await;
}

#[tokio::test]
async fn hyper_calls_over_a_unix_socket() {
    calls_over_a_unix_socket::<HyperClient>().await;
}

#[tokio::test]
async fn bare_calls_over_a_unix_socket() {
    calls_over_a_unix_socket::<BareClient>().await;
}

#[tokio::test]
async fn calls_with_named_arguments() {
    let (url, _stop) = start(Limits::default()).await;
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    let call = Call::named("divide", [("y".into(), 2.into()), ("x".into(), Value::Int(-7))]);
    assert_eq!(client.call(&call).await, Ok(Value::Int(-4)));
    let call = Call::named("divide", [("x".into(), 2.into()), ("z".into(), 3.into())]);
    assert_eq!(client.call(&call).await.unwrap_err().kind, ErrorKind::InvalidArguments);
}

/// Posts `body` unchanged, with a media type that is not JSON.
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
async fn serves_the_paths_of_existing_clients() {
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
async fn the_response_to_notifications_is_empty() {
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
async fn an_integer_beyond_64_bits_fails_only_its_own_call() {
    let (url, _stop) = start(Limits::default()).await;
    let text =
        answer(&url, r#"{"jsonrpc":"2.0","method":"add","params":[99999999999999999999,1],"id":"big"}"#)
            .await;
    assert!(text.contains(r#""code":-32603"#) && text.contains(r#""kind":"overflow""#), "{text}");
    assert!(text.ends_with(r#","id":"big"}"#), "{text}");
}

#[tokio::test]
async fn too_large_requests_are_rejected_as_too_large() {
    let (url, _stop) = start(Limits { max_body: 1_000, max_depth: 8, ..Limits::default() }).await;
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    let error = client.call(&Call::positional("hello", ["x".repeat(1_000).into()])).await.unwrap_err();
    assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::TooLarge, Some(-32600)));
    let deep = (0..20).fold(Value::Int(1), |value, _| Value::list(vec![value]));
    let error = client.call(&Call::positional("echo", [deep])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(client.call(&Call::positional("add", [2.into(), 3.into()])).await, Ok(5.into()));
}

#[tokio::test]
async fn a_wrong_path_is_reported_by_its_status() {
    let (url, _stop) = start(Limits::default()).await;
    // Our own server sends a JSON-RPC error with its 404.
    let client: JsonRpcClient<HyperClient> = connect(&format!("{url}/nosuch")).await;
    let error = client.call(&Call::positional("add", [2.into(), 3.into()])).await.unwrap_err();
    assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::UnknownMethod, Some(-32601)));
}

#[tokio::test]
async fn python_constants_are_floats_and_an_unreadable_request_fails_alone() {
    let (url, _stop) = start(Limits::default()).await;
    let request =
        |params: &str, id: u32| format!(r#"{{"jsonrpc":"2.0","method":"add","params":{params},"id":{id}}}"#);
    let text = answer(&url, &request("[Infinity, 1]", 1)).await;
    assert!(text.contains("not-representable") && text.ends_with(r#""id":1}"#), "{text}");
    let batch = [
        request("[1, 2]", 1),
        request(r#"["\ud800", 1]"#, 2),
        request("[1e400, 1]", 3),
        request("[3, 4]", 4),
    ];
    let text = answer(&url, &format!("[{}]", batch.join(","))).await;
    let answers: serde_json::Value = serde_json::from_str(&text).unwrap();
    let outcomes: Vec<_> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| (answer["id"].as_u64(), answer["result"].as_i64(), answer["error"]["code"].as_i64()))
        .collect();
    let failed = |id| (Some(id), None, Some(-32700));
    assert_eq!(outcomes, [(Some(1), Some(3), None), failed(2), failed(3), (Some(4), Some(7), None)]);
}

#[tokio::test]
async fn a_batch_of_calls_has_a_result_for_each_and_none_for_a_notification() {
    let (url, _stop) = start(Limits { max_batch: 4, ..Limits::default() }).await;
    let client: JsonRpcClient<ReqwestClient> = connect(&url).await;
    let call = |method: &'static str, values: [i64; 2]| Call::positional(method, values.map(Value::Int));
    let results = client
        .batch(&[
            BatchCall::Call(call("add", [2, 3])),
            BatchCall::Notification(call("add", [2, 3])),
            BatchCall::Call(call("divide", [1, 0])),
            BatchCall::Call(Call::named("hello", [("name".into(), "a".into())])),
        ])
        .await
        .unwrap();
    let results: Vec<_> = results.into_iter().map(|result| result.map(|r| r.map_err(|e| e.kind))).collect();
    assert_eq!(
        results,
        [Some(Ok(5.into())), None, Some(Err(ErrorKind::ZeroDivision)), Some(Ok("hello, a".into()))]
    );
    let notification = BatchCall::Notification(call("add", [2, 3]));
    assert_eq!(client.batch(&[notification]).await, Ok(vec![None]));
    assert_eq!(client.batch(&[]).await.unwrap_err().kind, ErrorKind::InvalidArguments);
    let too_many = vec![BatchCall::Call(call("add", [2, 3])); 5];
    let error = client.batch(&too_many).await.unwrap_err();
    assert!(error.kind == ErrorKind::TooLarge && error.message.contains("the limit is 4"), "{error}");
}

#[tokio::test]
async fn a_notification_is_executed_without_a_result() {
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let watched = dispatcher.clone();
    let server =
        Server::bind(&"127.0.0.1:0".parse().unwrap(), dispatcher, ServerOptions::default()).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    assert_eq!(client.notify(&Call::positional("add", [2.into(), 3.into()])).await, Ok(()));
    assert_eq!(client.notify(&Call::positional("nosuch", [])).await, Ok(()));
    assert_eq!(watched.calls(), 2);
    let deep = (0..100).fold(Value::Int(1), |value, _| Value::list(vec![value]));
    assert_eq!(client.notify(&Call::positional("echo", [deep])).await.unwrap_err().kind, ErrorKind::TooLarge);
    stop.cancel();
}

#[tokio::test]
async fn calls_by_get_are_accepted_only_if_configured() {
    let options = ServerOptions { allow_get: true, ..ServerOptions::default() };
    let ((open, _stop), (closed, _stop_too)) = (start_with(options).await, start(Limits::default()).await);
    // A query as python-jsonrpc's server accepts it.
    let query = "jsonrpc=2.0&id=1&method=add&params=%5B2,+3%5D";
    let answered = get(&open, &format!("?{query}")).await;
    assert!(
        answered.starts_with("HTTP/1.1 200 OK") && answered.contains("cache-control: no-store"),
        "{answered}"
    );
    assert!(answered.ends_with(r#"{"jsonrpc":"2.0","result":5,"id":1}"#), "{answered}");
    for (query, status, text) in [
        (
            "?method=hello&params=%7B%22name%22:%22z%C3%BC%22%7D&id=a-b",
            "200 OK",
            r#""result":"hello, zü","id":"a-b"}"#,
        ),
        ("?method=add&params=[2,3]", "200 OK", ""),
        ("?method=add&params=[2&id=1", "200 OK", r#""code":-32700"#),
        ("?method=nosuch&id=1", "200 OK", r#""code":-32601"#),
        ("?method=add&params=[2,3]&id=1&jsonrpc=3", "200 OK", r#""code":-32600"#),
        ("?method=add&id=1,%22a%22:1", "200 OK", r#""id":"1,\"a\":1"}"#),
        ("?method=%ff", "200 OK", r#""code":-32700"#),
        ("?method=add&params=[2,3]&id=1&id=1", "200 OK", r#""code":-32600"#),
        ("", "400 Bad Request", r#""code":-32600"#),
        ("?id=1", "400 Bad Request", r#""code":-32600"#),
    ] {
        let answered = get(&open, query).await;
        assert!(
            answered.starts_with(&format!("HTTP/1.1 {status}")) && answered.contains(text),
            "{query}: {answered}"
        );
    }
    let refused = get(&closed, &format!("?{query}")).await;
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: POST"), "{refused}");
}

/// Sends a GET and returns the whole response.
async fn get(url: &str, query: &str) -> String {
    let target = url.strip_prefix("http://").unwrap();
    let (address, path) = target.split_once('/').unwrap();
    let request = format!("GET /{path}{query} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    exchange(address, request.as_bytes()).await
}

async fn exchange(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn accepts_the_arguments_of_python_jsonrpc() {
    let (url, _stop) = start(Limits::default()).await;
    for (body, expected) in [
        // Positional arguments together with named ones.
        (r#"{"jsonrpc":"2.0","method":"divide","params":{"y":2,"__args":[-7]},"id":1}"#, r#""result":-4,"#),
        (r#"{"jsonrpc":"2.0","method":"add","params":{"__args":[2,3]},"id":1}"#, r#""result":5,"#),
        (r#"{"jsonrpc":"2.0","method":"add","params":{"x":1,"__args":[2,3]},"id":1}"#, r#""code":-32602"#),
        (r#"{"jsonrpc":"2.0","method":"add","params":{"y":1,"__args":[2,3]},"id":1}"#, r#""code":-32602"#),
        (r#"{"jsonrpc":"2.0","method":"add","params":{"y":1,"__args":2},"id":1}"#, r#""code":-32602"#),
        // A notification in a batch of one.
        (r#"[{"method":"add","jsonrpc":"2.0","params":[1,2]}]"#, ""),
    ] {
        let answered = answer(&url, body).await;
        assert!(
            answered.contains(expected) && answered.is_empty() == expected.is_empty(),
            "{body}: {answered}"
        );
    }
}

#[tokio::test]
async fn the_system_methods_are_those_of_jsonrpclib() {
    let (url, _stop) = start(Limits::default()).await;
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    let call =
        async |method: &'static str, values: Vec<Value>| client.call(&Call::positional(method, values)).await;
    let Ok(Value::List(names)) = call("system.listMethods", vec![]).await else { panic!("no list") };
    assert!(
        names.contains(&"add".into())
            && names.contains(&"system.multicall".into())
            && names.is_sorted_by_key(|name| format!("{name:?}"))
    );
    assert_eq!(call("system.methodHelp", vec!["add".into()]).await, Ok("Return x + y.".into()));
    assert_eq!(
        call("system.methodSignature", vec!["add".into()]).await,
        Ok("signatures not supported".into())
    );
    assert_eq!(call("system.nosuch", vec![]).await.unwrap_err().kind, ErrorKind::UnknownMethod);
    let several = answer(
        &url,
        r#"{"jsonrpc":"2.0","method":"system.multicall","params":[[{"methodName":"add","params":[1,2]},{"methodName":"divide","params":[1,0]}]],"id":1}"#,
    )
    .await;
    assert_eq!(
        several,
        r#"{"jsonrpc":"2.0","result":[[3],{"faultCode":1,"faultString":"<class 'ZeroDivisionError'>:integer division or modulo by zero"}],"id":1}"#
    );
}

/// Responds as Zabbix's frontend does, according to its sources `api_jsonrpc.php` and `CJsonRpc.php`.
async fn zabbix(request: Request) -> Response {
    let headers = request.headers().clone();
    let header =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let content_type = header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().to_owned();
    if content_type != "application/json-rpc" {
        return reply(StatusCode::PRECONDITION_FAILED, "text/plain", "");
    }
    let token = header(header::AUTHORIZATION).strip_prefix("Bearer ").unwrap_or_default().to_owned();
    let body = read_body(request.into_body(), 1_000).await.unwrap();
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let error = |code: i64, message: &str, data: &str| json!({ "error": { "code": code, "message": message, "data": data } });
    let mut answer = match request["method"].as_str().unwrap() {
        _ if !(request["params"].is_array() || request["params"].is_object()) => {
            error(-32600, "Invalid request.", "The \"params\" must be an array or an object.")
        }
        "apiinfo.version" if token.is_empty() => json!({ "result": "7.0.5" }),
        "apiinfo.version" => error(
            -32602,
            "Invalid params.",
            "The \"apiinfo.version\" method must be called without authorization.",
        ),
        "host.get" if token == "secret" => json!({ "result": [{ "hostid": "10084" }] }),
        _ => error(-32602, "Invalid params.", "Not authorized."),
    };
    answer["jsonrpc"] = "2.0".into();
    answer["id"] = request["id"].clone();
    reply(StatusCode::OK, "application/json", answer.to_string())
}

#[tokio::test]
async fn calls_zabbix_with_the_media_type_and_token_that_it_requires() {
    let router = Router::new().route("/zabbix/api_jsonrpc.php", post_to(zabbix));
    let server = HttpServer::bind(&"127.0.0.1:0".parse().unwrap(), router, Limits::default()).await.unwrap();
    let url = server.url("/zabbix/api_jsonrpc.php");
    let stop = CancellationToken::new();
    tokio::spawn(server.run(stop.clone()));

    let client: JsonRpcClient<ReqwestClient> = connect(&url).await;
    assert_eq!(client.call(&Call::positional("apiinfo.version", [])).await, Ok("7.0.5".into()));
    let hosts = Call::named("host.get", [("output".into(), Value::list(vec!["hostid".into()]))]);
    let error = client.call(&hosts).await.unwrap_err();
    assert_eq!(error.remote.unwrap().data, Some("Not authorized.".into()));

    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"))]);
    let client =
        JsonRpcClient::<HyperClient>::connect(&url, &headers, &ClientOptions::default()).await.unwrap();
    let Ok(Value::List(found)) = client.call(&hosts).await else { panic!("no hosts") };
    assert_eq!(found[0].get("hostid"), Some(&"10084".into()));
    stop.cancel();
}

/// Responds as the frontend of Zabbix up to 6.2 does: the token is a member of the request.
async fn old_zabbix(request: Request) -> Response {
    let body = read_body(request.into_body(), 1_000).await.unwrap();
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let answer = if request["auth"] == "038e" {
        json!({ "jsonrpc": "2.0", "result": [], "id": request["id"] })
    } else {
        let error = json!({ "code": -32602, "message": "Invalid params.", "data": "Not authorised." });
        json!({ "jsonrpc": "2.0", "error": error, "id": request["id"] })
    };
    reply(StatusCode::OK, "application/json", answer.to_string())
}

#[tokio::test]
async fn an_envelope_carries_the_token_of_an_old_zabbix() {
    let router = Router::new().route("/api_jsonrpc.php", post_to(old_zabbix));
    let server = HttpServer::bind(&"127.0.0.1:0".parse().unwrap(), router, Limits::default()).await.unwrap();
    let url = server.url("/api_jsonrpc.php");
    let stop = CancellationToken::new();
    tokio::spawn(server.run(stop.clone()));
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    let hosts = Call::named("host.get", []);
    assert_eq!(client.call(&hosts).await.unwrap_err().remote.unwrap().data, Some("Not authorised.".into()));
    let envelope = Envelope { members: vec![("auth".to_owned(), "038e".into())], ..Envelope::default() };
    assert_eq!(client.with_envelope(envelope).call(&hosts).await, Ok(Value::list([])));
    stop.cancel();
}

#[tokio::test]
async fn hostile_requests_get_an_error_and_the_server_keeps_running() {
    let (url, _stop) = start(Limits::default()).await;
    let request = |params: &str| format!(r#"{{"jsonrpc":"2.0","method":"echo","params":{params},"id":1}}"#);
    let batch =
        format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"add","params":[1,2],"id":1}"#; 100_000].join(","));
    for (body, code, word) in [
        (request(&("[".repeat(10_000) + &"]".repeat(10_000))), -32600, "the limit is"),
        (request(&(r#"{"a":"#.repeat(10_000) + "1" + &"}".repeat(10_000))), -32600, "the limit is"),
        ("[".repeat(1_000_000), -32600, "the limit is"),
        (batch, -32600, "a batch of 100000 requests; the limit is 1000"),
        (request("[1e999]"), -32700, "not JSON"),
        (request("[NaN]"), -32603, "not-representable"),
        (request("[99999999999999999999999]"), -32603, "overflow"),
        (request(r#"["\ud800"]"#), -32700, "not JSON"),
    ] {
        let text = answer(&url, &body).await;
        assert!(text.contains(&format!(r#""code":{code}"#)) && text.contains(word), "{body:.60}: {text}");
    }
    let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    for (head, body, status, code) in [
        ("content-length: 3\r\n", b"{\"\xff".as_slice(), "200 OK", -32700),
        ("", b"", "411 Length Required", -32600),
        ("content-length: 99999999999\r\n", b"", "413 Payload Too Large", -32600),
        ("content-length: 2\r\ncontent-encoding: gzip\r\n", b"{}", "400 Bad Request", -32600),
        ("content-length: 2\r\ncontent-encoding: br\r\n", b"{}", "415 Unsupported Media Type", -32600),
    ] {
        let head = format!("POST /jsonrpc HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{head}\r\n");
        let answered = exchange(address, &[head.as_bytes(), body].concat()).await;
        assert!(answered.contains(status) && answered.contains(&format!(r#""code":{code}"#)), "{answered}");
    }
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    assert_eq!(client.call(&Call::positional("add", [2.into(), 3.into()])).await, Ok(5.into()));
}

#[tokio::test]
async fn calls_are_sent_in_a_batch_whatever_the_protocol() {
    let (url, _stop) = start(Limits::default()).await;
    let client: JsonRpcClient<HyperClient> = connect(&url).await;
    let divide = |y: i64| Call::positional("divide", [Value::Int(7), Value::Int(y)]);
    let results = client.call_batch(&[divide(2), divide(0)]).unwrap().await.unwrap();
    let results: Vec<_> = results.into_iter().map(|it| it.map_err(|error| error.kind)).collect();
    assert_eq!(results, [Ok(Value::Int(3)), Err(ErrorKind::ZeroDivision)]);
    let error = client.call_batch(&[]).unwrap().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArguments);
}
