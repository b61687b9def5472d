//! The client and the server over a socket.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use std::time::Duration;

use calculator::conformance::{self, Profile};
use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use http::HeaderMap;
use http_layer::bare::BareClient;
use http_layer::{HyperClient, ReqwestClient, Transport};
use net::Endpoint;
use rest::{BareServer, RestClient, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Starts a server on a free TCP port. Returns its URL, and a guard that stops it.
async fn start(limits: Limits) -> (String, DropGuard) {
    start_at(&Endpoint::loopback(), limits).await
}

async fn start_at(listen: &Endpoint, limits: Limits) -> (String, DropGuard) {
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let server = Server::bind(listen, dispatcher, limits).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    (url, stop.drop_guard())
}

/// Starts a server without an HTTP library.
async fn start_bare(limits: Limits) -> (String, DropGuard) {
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let server = BareServer::bind(&Endpoint::loopback(), dispatcher, limits).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    (url, stop.drop_guard())
}

async fn connect<T: Transport>(url: &str) -> RestClient<T> {
    RestClient::connect(url, &HeaderMap::new(), &ClientOptions::default()).await.unwrap()
}

async fn passes_the_conformance_table<T: Transport>() {
    for (url, _stop) in [start(Limits::default()).await, start_bare(Limits::default()).await] {
        assert_conformant::<T>(&url).await;
    }
}

async fn assert_conformant<T: Transport>(url: &str) {
    let client: RestClient<T> = connect(url).await;
    let outcomes =
        conformance::run(&client, Profile::default(), &mut Deadline::new(Duration::from_secs(5))).await;
    assert_eq!(outcomes.len(), conformance::vectors(Profile::default()).len());
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
async fn bare_passes_the_conformance_table() {
    passes_the_conformance_table::<BareClient>().await;
}

async fn sends_requests_with_any_verb_and_path<T: Transport>() {
    let (url, _stop) = start(Limits::default()).await;
    let client: RestClient<T> = connect(&url).await;
    let five = Value::map(vec![("result".into(), 5.into())]);
    let arguments = Value::map(vec![("x".into(), 2.into()), ("y".into(), 3.into())]);
    for (head, body, expected) in [
        ("GET /add?x=2&y=3", vec![], Ok(five.clone())),
        ("GET /add?x=2&y=3 200\naccept: application/json", vec![], Ok(five.clone())),
        ("POST /add", vec![arguments], Ok(five)),
        ("GET /openapi.json 201", vec![], Err(ErrorKind::Malformed)),
        ("GET /nosuch", vec![], Err(ErrorKind::UnknownMethod)),
    ] {
        let answer = client.call(&Call::positional(head, body)).await;
        assert_eq!(answer.map_err(|error| error.kind), expected, "{head}");
    }
    // A status that is expected is no error; the result is then the body.
    let problem = client.call(&Call::positional("GET /nosuch 404", [])).await.unwrap();
    assert_eq!(problem.get("kind"), Some(&"unknown-method".into()));
}

#[tokio::test]
async fn reqwest_sends_requests_with_any_verb_and_path() {
    sends_requests_with_any_verb_and_path::<ReqwestClient>().await;
}

#[tokio::test]
async fn hyper_sends_requests_with_any_verb_and_path() {
    sends_requests_with_any_verb_and_path::<HyperClient>().await;
}

#[tokio::test]
async fn bare_sends_requests_with_any_verb_and_path() {
    sends_requests_with_any_verb_and_path::<BareClient>().await;
}

/// Answers a request with `answer`, byte for byte, and closes the connection. Returns the URL.
async fn answer_once(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    url
}

async fn needs_the_whole_body_of_an_expected_status<T: Transport>() {
    for (answer, expected) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone", Ok("gone".into())),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", Ok(Value::Null)),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 400\r\n\r\ngone", Err(ErrorKind::Undeliverable)),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\ngone",
            Err(ErrorKind::Malformed),
        ),
    ] {
        let client: RestClient<T> = connect(&answer_once(answer).await).await;
        let got = client.call(&Call::positional("GET /users/7 404", [])).await;
        assert_eq!(got.map_err(|error| error.kind), expected, "{answer}");
    }
}

#[tokio::test]
async fn reqwest_needs_the_whole_body_of_an_expected_status() {
    needs_the_whole_body_of_an_expected_status::<ReqwestClient>().await;
}

#[tokio::test]
async fn hyper_needs_the_whole_body_of_an_expected_status() {
    needs_the_whole_body_of_an_expected_status::<HyperClient>().await;
}

#[tokio::test]
async fn bare_needs_the_whole_body_of_an_expected_status() {
    needs_the_whole_body_of_an_expected_status::<BareClient>().await;
}

async fn calls_over_a_unix_socket<T: Transport>() {
    let folder = tempfile::tempdir().unwrap();
    let listen = Endpoint::Unix(folder.path().join("calculator.sock"));
    let (url, _stop) = start_at(&listen, Limits::default()).await;
    assert!(url.starts_with("http+unix://%2F"), "{url}");
    let client: RestClient<T> = connect(&url).await;
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

/// Sends a request on a new connection and returns the status, the head and the body of the response.
async fn exchange(url: &str, line: &str, headers: &str, body: &str) -> (String, String, String) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, head) = head.split_once("\r\n").unwrap();
    (status.strip_prefix("HTTP/1.1 ").unwrap()[..3].to_owned(), head.to_owned(), body.to_owned())
}

const TYPED: &str = "content-type: application/json; charset=utf-8\r\n";

#[tokio::test]
async fn accepts_arguments_in_the_body_and_in_the_query() {
    let (url, _stop) = start(Limits::default()).await;
    for (line, headers, body, expected) in [
        ("POST /add", TYPED, r#"{"x":2,"y":3}"#, r#"{"result":5}"#),
        ("POST /add", "", r#"{"y":3,"x":2.0}"#, r#"{"result":5.0}"#),
        ("GET /add?x=2&y=3", "", "", r#"{"result":5}"#),
        ("GET /add?x=2&y=3.0", "", "", r#"{"result":5.0}"#),
        ("GET /hello?name=z%C3%BCrich+1", "", "", r#"{"result":"hello, zürich 1"}"#),
        ("GET /hello?name=5", "accept: application/*\r\n", "", r#"{"result":"hello, 5"}"#),
        ("POST /%61d%64", TYPED, r#"{"x":2,"y":3}"#, r#"{"result":5}"#),
    ] {
        let (status, head, answer) = exchange(&url, line, headers, body).await;
        assert_eq!((status.as_str(), answer.as_str()), ("200", expected), "{line}");
        assert!(head.contains("content-type: application/json"), "{head}");
    }
}

#[tokio::test]
async fn every_failure_is_a_problem_document_with_a_status_and_a_kind() {
    let limits = Limits { max_body: 100, ..Limits::default() };
    for (url, _stop) in [start(limits).await, start_bare(limits).await] {
        assert_failures(&url).await;
    }
}

async fn assert_failures(url: &str) {
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(100));
    for (line, headers, body, status, kind) in [
        ("POST /divide", TYPED, r#"{"x":1,"y":0}"#, "422", "zero-division"),
        ("POST /multiply", TYPED, r#"{"x":9223372036854775807,"y":2}"#, "422", "overflow"),
        ("POST /add", TYPED, r#"{"x":99999999999999999999,"y":2}"#, "422", "overflow"),
        ("POST /multiply", TYPED, r#"{"x":1e308,"y":10}"#, "422", "not-representable"),
        ("POST /add", TYPED, r#"{"x":1}"#, "422", "invalid-arguments"),
        ("POST /add", TYPED, r#"{"x":1,"y":2,"z":3}"#, "422", "invalid-arguments"),
        ("GET /add?x=1", "", "", "422", "invalid-arguments"),
        ("GET /add?x=1&y=2&x=3", "", "", "422", "invalid-arguments"),
        ("POST /nosuch", TYPED, "{}", "404", "unknown-method"),
        ("GET /", "", "", "404", "unknown-method"),
        ("POST /add/", TYPED, "{}", "404", "unknown-method"),
        ("POST /add", TYPED, "{", "400", "malformed"),
        ("POST /add", TYPED, "", "400", "malformed"),
        ("POST /add", TYPED, "[2,3]", "400", "malformed"),
        ("GET /hello?name=%FF", "", "", "400", "malformed"),
        ("POST /hello", TYPED, &long, "413", "too-large"),
        ("POST /add", "content-type: text/plain\r\n", "{}", "415", "malformed"),
        ("POST /add", "content-encoding: br\r\n", "{}", "415", "malformed"),
        ("POST /add", "content-encoding: gzip\r\n", "{}", "400", "malformed"),
        ("POST /add", "accept: text/html\r\n", r#"{"x":1,"y":2}"#, "406", "malformed"),
        ("GET /add?x=1&y=2", "accept: image/png\r\n", "", "406", "malformed"),
        ("GET /openapi.json", "accept: text/html\r\n", "", "406", "malformed"),
        ("GET /hello?name=5&name2=6", "", "", "422", "invalid-arguments"),
        ("POST /echo", TYPED, "{\"value\":\"\u{7f}\\u0000\"}\u{1}", "400", "malformed"),
        ("PUT /add", TYPED, "{}", "405", "malformed"),
        ("DELETE /openapi.json", "", "", "405", "malformed"),
    ] {
        let (actual, head, answer) = exchange(url, line, headers, body).await;
        assert_eq!(actual, status, "{line} {body}: {answer}");
        assert!(head.contains("content-type: application/problem+json"), "{line}: {head}");
        let problem: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(problem["kind"], kind, "{line} {body}");
        assert_eq!(problem["status"].to_string(), status);
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string());
    }
}

#[tokio::test]
async fn other_http_methods_are_answered_with_the_allowed_ones() {
    let (url, _stop) = start(Limits::default()).await;
    let (_, head, _) = exchange(&url, "PUT /add", TYPED, "{}").await;
    let allow = head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
    let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
    methods.sort_unstable();
    assert_eq!(methods, ["GET", "HEAD", "OPTIONS", "POST"]);
    for (line, status, allow) in [
        ("OPTIONS /add", "204", "GET,HEAD,POST,OPTIONS"),
        ("OPTIONS *", "204", "GET,HEAD,POST,OPTIONS"),
        ("OPTIONS /openapi.json", "204", "GET,HEAD,OPTIONS"),
        ("POST /openapi.json", "405", "GET,HEAD,OPTIONS"),
    ] {
        let (actual, head, _) = exchange(&url, line, "", "").await;
        assert_eq!(actual, status, "{line}");
        assert_eq!(head.matches("allow: ").count(), 1);
        assert!(head.contains(&format!("allow: {allow}\r\n")), "{head}");
    }
    assert_eq!(exchange(&url, "OPTIONS /nosuch", "", "").await.0, "404");
}

#[tokio::test]
async fn rejects_deeply_nested_arguments_and_keeps_the_connection() {
    let (url, _stop) = start(Limits { max_depth: 8, ..Limits::default() }).await;
    let client: RestClient<HyperClient> = connect(&url).await;
    let deep = |levels| (0..levels).fold(Value::Int(1), |value, _| Value::list(vec![value]));
    assert_eq!(client.call(&Call::positional("echo", [deep(8)])).await, Ok(deep(8)));
    let error = client.call(&Call::positional("echo", [deep(9)])).await.unwrap_err();
    assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::TooLarge, Some(413)));
    assert_eq!(client.call(&Call::positional("add", [2.into(), 3.into()])).await, Ok(5.into()));
}

#[tokio::test]
async fn any_unknown_method_name_is_reported_as_unknown() {
    let (url, _stop) = start(Limits::default()).await;
    let client: RestClient<HyperClient> = connect(&url).await;
    for method in ["", ".", "..", "a/b", "../add", "ü?x=1#", "_private", "add/", "%61dd"] {
        let error = client.call(&Call::positional(method, [])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnknownMethod, "{method}");
    }
}

#[tokio::test]
async fn values_that_json_cannot_represent_are_rejected_before_they_are_sent() {
    let (url, _stop) = start(Limits::default()).await;
    let client: RestClient<HyperClient> = connect(&url).await;
    for (value, kind) in [
        (Value::Float(f64::NAN), ErrorKind::NotRepresentable),
        (Value::from(vec![1]), ErrorKind::NotRepresentable),
        (Value::BigInt("9223372036854775808".into()), ErrorKind::Overflow),
    ] {
        let error = client.call(&Call::positional("echo", [value])).await.unwrap_err();
        assert_eq!((error.kind, error.remote), (kind, None));
    }
}

#[tokio::test]
async fn the_openapi_document_lists_every_method() {
    let (url, _stop) = start(Limits::default()).await;
    let (status, _, answer) = exchange(&url, "GET /openapi.json", "", "").await;
    assert_eq!(status, "200");
    let document: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(paths, ["/add", "/divide", "/echo", "/hello", "/multiply", "/openapi.json", "/subtract"]);
    let arguments =
        &document["paths"]["/add"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(arguments["required"], serde_json::json!(["x", "y"]));
}

#[tokio::test]
async fn reads_and_writes_xml_as_the_headers_ask() {
    let (url, _stop) = start(Limits::default()).await;
    let arguments = "<arguments><x>-7</x><y>2</y></arguments>";
    let (status, head, answer) =
        exchange(&url, "POST /divide", "content-type: application/xml\r\n", arguments).await;
    assert_eq!((status.as_str(), answer.as_str()), ("200", r#"{"result":-4}"#));
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    let headers = "content-type: text/xml\r\naccept: application/json;q=0.5, application/xml\r\n";
    let (status, head, answer) = exchange(&url, "POST /divide", headers, arguments).await;
    assert_eq!(status, "200");
    assert!(head.contains("content-type: application/xml\r\n"), "{head}");
    assert!(answer.ends_with("<result type=\"integer\">-4</result>"), "{answer}");
    for (line, body, expected) in [
        ("POST /divide", "<arguments><x>1</x><y>0</y></arguments>", "<status>422</status>"),
        ("POST /divide", "<arguments>", "<kind>malformed</kind>"),
        ("GET /add?x=1", "", "<kind>invalid-arguments</kind>"),
        ("GET /nosuch", "", "<kind>unknown-method</kind>"),
        ("PUT /add", "", "<status>405</status>"),
    ] {
        let (_, head, answer) = exchange(&url, line, headers, body).await;
        assert!(head.contains("content-type: application/problem+xml\r\n"), "{line}: {head}");
        assert!(answer.contains(expected), "{line}: {answer}");
    }
}

#[tokio::test]
async fn responses_to_get_have_cache_headers_and_head_omits_the_body() {
    let (url, _stop) = start(Limits::default()).await;
    let (_, head, description) = exchange(&url, "GET /openapi.json", "", "").await;
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    assert!(head.contains("cache-control: no-cache"), "{head}");
    for known in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let (status, head, body) =
            exchange(&url, "GET /openapi.json", &format!("if-none-match: {known}\r\n"), "").await;
        assert!(status == "304" && body.is_empty() && head.contains(tag), "{known}: {head}");
    }
    assert_eq!(exchange(&url, "GET /openapi.json", "if-none-match: \"other\"\r\n", "").await.0, "200");
    assert!(exchange(&url, "GET /add?x=1&y=2", "", "").await.1.contains("cache-control: no-store"));

    let (status, head, body) = exchange(&url, "HEAD /openapi.json", "", "").await;
    assert!(status == "200" && body.is_empty(), "{body}");
    assert!(head.contains(&format!("content-length: {}", description.len())), "{head}");
    let (status, head, body) = exchange(&url, "HEAD /add?x=1&y=2", "", "").await;
    assert!(status == "200" && body.is_empty() && head.contains("content-length: 12"), "{head}");
}

#[tokio::test]
async fn hostile_requests_are_rejected_and_the_server_keeps_running() {
    let (url, _stop) = start(Limits::default()).await;
    let deep = |open: &str, close: &str| open.repeat(10_000) + &close.repeat(10_000);
    let xml = "content-type: application/xml\r\n";
    for (headers, body, status) in [
        (TYPED, format!(r#"{{"value":{}}}"#, deep("[", "]")), "413"),
        (TYPED, format!(r#"{{"value":{}}}"#, deep(r#"{"a":"#, "}")), "413"),
        (TYPED, r#"{"value":1e999}"#.to_owned(), "400"),
        (TYPED, r#"{"value":99999999999999999999999}"#.to_owned(), "422"),
        (xml, format!("<arguments><value>{}</value></arguments>", deep("<item>", "</item>")), "413"),
        (xml, format!("<arguments><value {}>1</value></arguments>", "a='' ".repeat(100_000)), "400"),
        (xml, "<!DOCTYPE a [<!ENTITY b 'c'>]><arguments><value>&b;</value></arguments>".to_owned(), "400"),
    ] {
        let (actual, head, answer) = exchange(&url, "POST /echo", headers, &body).await;
        assert_eq!(actual, status, "{body:.60}: {answer}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
    }
    let client: RestClient<HyperClient> = connect(&url).await;
    assert_eq!(client.call(&Call::positional("add", [2.into(), 3.into()])).await, Ok(5.into()));
}
