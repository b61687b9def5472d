//! The client and the server over a socket, with all HTTP clients, and each of them with messages of CPython.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use std::time::Duration;

use calculator::conformance;
use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use http_layer::bare::BareClient;
use http_layer::http::{HeaderMap, HeaderValue, header};
use http_layer::{HyperClient, ReqwestClient, Transport};
use net::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use xmlrpc::{BareServer, Server, ServerOptions, XmlRpcClient};

/// Runs each test with each HTTP client.
macro_rules! with_all_clients {
    ($($test:ident),* $(,)?) => {
        mod with_hyper {
            $(#[tokio::test] async fn $test() { super::$test::<super::HyperClient>().await; })*
        }
        mod with_reqwest {
            $(#[tokio::test] async fn $test() { super::$test::<super::ReqwestClient>().await; })*
        }
        mod with_bare {
            $(#[tokio::test] async fn $test() { super::$test::<super::BareClient>().await; })*
        }
    };
}

with_all_clients!(
    every_row_of_the_conformance_table_passes,
    calls_over_a_unix_socket,
    null_is_sent_only_if_both_client_and_server_allow_it,
    a_request_above_a_limit_is_rejected_as_too_large,
    requests_and_responses_are_compressed_within_the_limits,
    a_date_is_preserved,
    a_wrong_path_is_reported_by_its_status,
    reconnects_to_a_server_that_closes_after_each_response,
    a_response_that_is_not_xml_rpc_is_malformed,
    calls_in_flight_are_completed_when_the_server_stops,
    a_multicall_has_a_result_for_each_call,
    a_response_to_a_multicall_of_another_shape_is_malformed,
);

/// A running server, which `stop` stops.
struct Running {
    url: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn serve(executor: Executor, faults: Faults, options: ServerOptions) -> Running {
    let dispatcher = Dispatcher::new(Calculator, executor, faults);
    let server = Server::bind(&"127.0.0.1:0".parse().unwrap(), dispatcher, options).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    let task = tokio::spawn(server.run(stop.clone()));
    Running { url, stop, task }
}

/// A server without an HTTP library.
async fn serve_bare(executor: Executor) -> Running {
    let dispatcher = Dispatcher::new(Calculator, executor, Faults::default());
    let options = ServerOptions::default();
    let server = BareServer::bind(&Endpoint::loopback(), dispatcher, options).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    let task = tokio::spawn(server.run(stop.clone()));
    Running { url, stop, task }
}

async fn serve_with_defaults() -> Running {
    serve(Executor::Async, Faults::default(), ServerOptions::default()).await
}

async fn connect<T: Transport>(url: &str) -> XmlRpcClient<T> {
    XmlRpcClient::connect(url, &HeaderMap::new(), &ClientOptions::default()).await.unwrap()
}

fn add() -> Call {
    Call::positional("add", [Value::Int(2), Value::Int(3)])
}

async fn every_row_of_the_conformance_table_passes<T: Transport>() {
    for executor in ["async", "blocking", "threads:2"] {
        let executor: Executor = executor.parse().unwrap();
        let options = ServerOptions::default();
        for server in [serve(executor, Faults::default(), options).await, serve_bare(executor).await] {
            assert_conformant::<T>(&server.url).await;
        }
    }
}

async fn assert_conformant<T: Transport>(url: &str) {
    let client = connect::<T>(url).await;
    let mut deadline = Deadline::new(Duration::from_secs(30));
    let outcomes = conformance::run(&client, xmlrpc::CONFORMANCE_PROFILE, &mut deadline).await;
    assert_eq!(outcomes.len(), conformance::vectors(xmlrpc::CONFORMANCE_PROFILE).len());
    for outcome in outcomes {
        // One row has an integer that XML-RPC cannot carry, and is not sent.
        assert!(!outcome.failed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
}

async fn calls_over_a_unix_socket<T: Transport>() {
    let folder = tempfile::tempdir().unwrap();
    let listen = Endpoint::Unix(folder.path().join("calculator.sock"));
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let server = Server::bind(&listen, dispatcher, ServerOptions::default()).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    let running = tokio::spawn(server.run(stop.clone()));
    let base = url.strip_suffix("/RPC2").unwrap();
    assert!(base.starts_with("http+unix://%2F"), "{url}");
    for url in [&url, base] {
        assert_eq!(connect::<T>(url).await.call(&add()).await, Ok(Value::Int(5)));
    }
    stop.cancel();
    running.await.unwrap();
}

async fn null_is_sent_only_if_both_client_and_server_allow_it<T: Transport>() {
    let echo = Call::positional("echo", [Value::list(vec![Value::Null, Value::from(vec![0, 255])])]);
    let open = ServerOptions { allow_none: true, ..ServerOptions::default() };
    let (strict, open) = (serve_with_defaults().await, serve(Executor::Async, Faults::default(), open).await);

    let client = connect::<T>(&open.url).await;
    assert_eq!(client.call(&echo).await.unwrap_err().kind, ErrorKind::NotRepresentable);
    let client = client.allow_none(true);
    assert_eq!(client.call(&echo).await.unwrap(), echo.params.as_positional().unwrap()[0]);

    let error = connect::<T>(&strict.url).await.allow_none(true).call(&echo).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotRepresentable);
    assert_eq!(error.remote.unwrap().class.as_deref(), Some("TypeError"));
}

async fn a_request_above_a_limit_is_rejected_as_too_large<T: Transport>() {
    let limits = Limits { max_body: 1_000, ..Limits::default() };
    let server = serve(
        Executor::Async,
        Faults::default(),
        ServerOptions { http: limits.into(), ..ServerOptions::default() },
    )
    .await;
    let client = connect::<T>(&server.url).await;
    let long = Call::positional("hello", ["x".repeat(1_000).into()]);
    assert_eq!(client.call(&long).await.unwrap_err().kind, ErrorKind::TooLarge);
    let limits = Limits { max_depth: 3, ..Limits::default() };
    let options = ServerOptions { http: limits.into(), ..ServerOptions::default() };
    let shallow = serve(Executor::Async, Faults::default(), options).await;
    let deep = (0..4).fold(Value::Int(1), |value, _| Value::list(vec![value]));
    let error = connect::<T>(&shallow.url).await.call(&Call::positional("echo", [deep])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(error.message.contains("the limit is 3"), "{error}");
    assert_eq!(client.call(&add()).await, Ok(Value::Int(5)));
}

async fn requests_and_responses_are_compressed_within_the_limits<T: Transport>() {
    let limits = Limits { max_body: 20_000, ..Limits::default() };
    let server = serve(
        Executor::Async,
        Faults::default(),
        ServerOptions { http: limits.into(), ..ServerOptions::default() },
    )
    .await;
    let gzip = HeaderValue::from_static("gzip");
    let headers =
        HeaderMap::from_iter([(header::CONTENT_ENCODING, gzip.clone()), (header::ACCEPT_ENCODING, gzip)]);
    let connect = async |max_body| {
        let options =
            ClientOptions { limits: Limits { max_body, ..Limits::default() }, ..ClientOptions::default() };
        XmlRpcClient::<T>::connect(&server.url, &headers, &options).await.unwrap()
    };
    let echo = |length: usize| Call::positional("echo", ["x".repeat(length).into()]);
    let client = connect(1 << 20).await;
    assert_eq!(client.call(&add()).await, Ok(Value::Int(5)));
    assert_eq!(client.call(&echo(10_000)).await, Ok("x".repeat(10_000).into()));
    // Compressed, both bodies are only a few hundred bytes.
    let error = client.call(&echo(30_000)).await.unwrap_err();
    assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::TooLarge, Some(413)));
    let error = connect(5_000).await.call(&echo(10_000)).await.unwrap_err();
    assert!(error.kind == ErrorKind::TooLarge && error.message.contains("5000 bytes"), "{error}");
}

async fn a_date_is_preserved<T: Transport>() {
    let server = serve_with_defaults().await;
    let client = connect::<T>(&server.url).await;
    let date = Value::DateTime("19980717T14:08:55".into());
    assert_eq!(client.call(&Call::positional("echo", [date.clone()])).await, Ok(date.clone()));
    assert_eq!(
        client.call(&Call::positional("hello", [date])).await.unwrap_err().kind,
        ErrorKind::InvalidArguments
    );
}

async fn a_wrong_path_is_reported_by_its_status<T: Transport>() {
    let server = serve_with_defaults().await;
    let base = server.url.strip_suffix("/RPC2").unwrap();
    for path in ["", "/", "/RPC2"] {
        assert_eq!(connect::<T>(&format!("{base}{path}")).await.call(&add()).await, Ok(Value::Int(5)));
    }
    for path in ["/rpc", "/RPC2/", "/RPC2?x=1", "/?x=1"] {
        let error = connect::<T>(&format!("{base}{path}")).await.call(&add()).await.unwrap_err();
        assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::UnknownMethod, Some(404)), "{path}");
    }
}

/// Starts a server that sends `response` to the first request of each connection, then closes it. Returns its URL.
async fn answer_and_close(response: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"</methodCall>\n") {
                if stream.read_buf(&mut request).await.unwrap() == 0 {
                    break;
                }
            }
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    });
    url
}

/// A response with the headers of SimpleXMLRPCServer of CPython 3.11.
fn response_of_cpython(body: &str) -> String {
    format!(
        "HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11.7\r\nDate: Sat, 01 Jan 2022 00:00:00 GMT\r\n\
         Content-type: text/xml\r\nContent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn reconnects_to_a_server_that_closes_after_each_response<T: Transport>() {
    let body = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><int>5</int></value>\n</param>\n\
        </params>\n</methodResponse>\n";
    let url = answer_and_close(response_of_cpython(body)).await;
    let client = connect::<T>(&url).await;
    for _ in 0..100 {
        assert_eq!(client.call(&add()).await, Ok(Value::Int(5)));
    }
}

async fn a_response_that_is_not_xml_rpc_is_malformed<T: Transport>() {
    for response in [
        response_of_cpython(""),
        response_of_cpython("<html>"),
        response_of_cpython("<methodResponse/>"),
        "HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x08\0\0".to_owned(),
    ] {
        let client = connect::<T>(&answer_and_close(response.clone()).await).await;
        assert_eq!(client.call(&add()).await.unwrap_err().kind, ErrorKind::Malformed, "{response}");
    }
    let url = answer_and_close("HTTP/1.0 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let error = connect::<T>(&url).await.call(&add()).await.unwrap_err();
    assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::Internal, Some(500)));
}

async fn calls_in_flight_are_completed_when_the_server_stops<T: Transport>() {
    let faults = Faults { delay: Some(Duration::from_millis(200)), ..Faults::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
    let watched = dispatcher.clone();
    let options = ServerOptions::default();
    let server = Server::bind(&"127.0.0.1:0".parse().unwrap(), dispatcher, options).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    let task = tokio::spawn(server.run(stop.clone()));
    let client = connect::<T>(&url).await;
    let call = add();
    let stop_during_the_call = async {
        while watched.calls() == 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (result, ()) = tokio::join!(client.call(&call), stop_during_the_call);
    assert_eq!(result, Ok(Value::Int(5)));
    task.await.unwrap();
}

/// Sends `request` unchanged and returns the head and the body of the response.
async fn exchange(url: &str, request: &str) -> (String, String) {
    let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn http_requests_are_answered_as_by_cpython() {
    let server = serve_with_defaults().await;
    for (request, status, text) in [
        (post("/nosuch", "", ""), "404", "No such page"),
        (
            "GET /RPC2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(),
            "501",
            "Unsupported method ('GET')",
        ),
        (
            "GET /no HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(),
            "501",
            "Unsupported method ('GET')",
        ),
        (post("/RPC2", "Content-Encoding: deflate\r\n", "x"), "501", "encoding 'deflate' not supported"),
        (post("/RPC2", "", ""), "200", "no element found: line 1, column 0"),
        (
            post("/RPC2", "Content-Encoding: identity\r\n", "<methodCall>"),
            "200",
            "no element found: line 1, column 12",
        ),
    ] {
        let (head, body) = exchange(&server.url, &request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        assert!(body.contains(text), "{request}: {body}");
    }
    let huge = "POST /RPC2 HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n";
    let (head, _) = exchange(&server.url, huge).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");

    let call = "<?xml version='1.0'?>\n<methodCall>\n<methodName>add</methodName>\n<params>\n<param>\n\
        <value><int>2</int></value>\n</param>\n<param>\n<value><int>3</int></value>\n</param>\n</params>\n\
        </methodCall>\n";
    let (head, body) = exchange(&server.url, &post("/RPC2", "Content-Type: text/xml\r\n", call)).await;
    assert!(head.contains("content-type: text/xml\r\n") && head.contains("content-length: 121"), "{head}");
    assert_eq!(
        body,
        "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><int>5</int></value>\n</param>\n\
         </params>\n</methodResponse>\n"
    );
    server.stop.cancel();
    server.task.await.unwrap();
}

#[tokio::test]
async fn malformed_and_hostile_requests_get_a_fault_and_the_server_keeps_running() {
    let server = serve_with_defaults().await;
    let value = |inner: &str| {
        format!(
            "<methodCall><methodName>echo</methodName><params><param>{inner}</param></params></methodCall>"
        )
    };
    let deep = |open: &str, close: &str| value(&(open.repeat(10_000) + &close.repeat(10_000)));
    let bomb =
        format!("<!DOCTYPE b [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>{}", value("<value>&b;</value>"));
    for (body, fault) in [
        (deep("<value><array><data>", "</data></array></value>"), "nested levels; the limit is 64"),
        (
            deep("<value><struct><member><name>n</name>", "</member></struct></value>"),
            "nested levels; the limit is 64",
        ),
        (bomb, "document type declarations are not accepted"),
        ("<?xml version='1.0' encoding='koi8-r'?><methodCall/>".to_owned(), "<int>-32701</int>"),
        (value("<value><int>99999999999999999999</int></value>"), "int exceeds XML-RPC limits"),
        (value(&format!("<value><int>{}</int></value>", "9".repeat(5_000))), "the limit is 4300"),
        (value("<value><int>0x10</int></value>"), "invalid literal"),
        (value("<value><double>1e</double></value>"), "invalid literal"),
        (value("<value><nil/></value>"), "cannot marshal None"),
        (value("<value>a\u{1}</value>"), "invalid token"),
    ] {
        let (head, answer) = exchange(&server.url, &post("/RPC2", "", &body)).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && answer.contains("<fault>"), "{head} {answer}");
        assert!(answer.contains(fault), "{fault}: {answer}");
    }
    assert_eq!(connect::<HyperClient>(&server.url).await.call(&add()).await, Ok(Value::Int(5)));
}

async fn a_multicall_has_a_result_for_each_call<T: Transport>() {
    let server = serve_with_defaults().await;
    let client = connect::<T>(&server.url).await;
    let divide = |y: i64| Call::positional("divide", [Value::Int(1), Value::Int(y)]);
    let echo = Call::positional("echo", [Value::list([Value::Int(1)])]);
    let calls = [add(), divide(0), echo, divide(1)];
    let results = client.call_batch(&calls).unwrap().await.unwrap();
    let results: Vec<_> = results.into_iter().map(|it| it.map_err(|error| error.kind)).collect();
    // A list is no fault, and no result of another call.
    let one = Value::list([Value::Int(1)]);
    assert_eq!(results, [Ok(Value::Int(5)), Err(ErrorKind::ZeroDivision), Ok(one), Ok(Value::Int(1))]);
    assert_eq!(client.multicall(&[]).await, Ok(vec![]));
    let named = Call::named("add", [("x".into(), Value::Int(1))]);
    assert_eq!(client.multicall(&[named]).await.unwrap_err().kind, ErrorKind::InvalidArguments);
    server.stop.cancel();
    server.task.await.unwrap();
}

async fn a_response_to_a_multicall_of_another_shape_is_malformed<T: Transport>() {
    for results in [
        "<int>5</int>",
        "<array><data></data></array>",
        "<array><data><value><array><data></data></array></value></data></array>",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let body = format!(
            "<?xml version='1.0'?><methodResponse><params><param><value>{results}</value></param></params></methodResponse>"
        );
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            while !received.ends_with(b"</methodCall>\n") {
                assert!(stream.read_buf(&mut received).await.unwrap() > 0);
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).await.unwrap();
            stream
        };
        let asked = async { connect::<T>(&url).await.multicall(&[add()]).await };
        let (result, _stream) = tokio::join!(asked, answer);
        let kind = match result {
            Ok(results) => results[0].as_ref().unwrap_err().kind,
            Err(error) => error.kind,
        };
        assert_eq!(kind, ErrorKind::Malformed, "{results}");
    }
}
