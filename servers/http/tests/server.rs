//! The server, tested with raw requests.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

use std::sync::Arc;
use std::time::Duration;

use calculator::Limits;
use http_layer::axum::Router;
use http_layer::axum::body::Body;
use http_layer::axum::extract::{Request, State};
use http_layer::axum::response::Response;
use http_layer::axum::routing::{any, post};
use http_layer::http::StatusCode;
use http_layer::{AllowedOrigins, HttpOptions, HttpServer, Intake, gzip, reply};
use net::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MAX_BODY: usize = 1_000;

async fn echo(request: Request) -> Response {
    let intake = Intake::new(&HttpOptions::from(Limits { max_body: MAX_BODY, ..Limits::default() }));
    match intake.receive(intake.open(request)).await {
        Ok((body, _)) => reply(StatusCode::OK, "text/plain", body),
        Err(error) => reply(error.status(), "text/plain", error.to_string()),
    }
}

struct Running {
    address: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(router: Router) -> Running {
    start_with(router, HttpOptions::default()).await
}

async fn start_with(router: Router, options: HttpOptions) -> Running {
    let server = HttpServer::bind(&Endpoint::loopback(), router, options).await.unwrap();
    let (address, stop) = (server.endpoint().to_string(), CancellationToken::new());
    Running { address, task: tokio::spawn(server.run(stop.clone())), stop }
}

async fn start_echo() -> Running {
    start(Router::new().fallback(echo)).await
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// Everything the server sends until it closes the connection.
    async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// One response with a body of `text`.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(text.as_bytes()) {
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "closed after {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn responses_have_no_headers_but_type_length_and_date() {
    let server = start_echo().await;
    let answer = server
        .exchange("POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").map(|line| line.split(": ").next().unwrap()).collect();
    lines.sort_unstable();
    // `connection: close` is there because the client asked for it.
    assert_eq!(lines, ["HTTP/1.1 200 OK", "connection", "content-length", "content-type", "date"]);
    assert_eq!(body, "hello");
}

#[tokio::test]
async fn keeps_connections_of_http_1_1_alive_and_closes_those_of_http_1_0() {
    let server = start_echo().await;
    let mut stream = server.connect().await;
    for text in ["one", "two", "three"] {
        let request = format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(read_until(&mut stream, text).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let answer = server.exchange("POST / HTTP/1.0\r\ncontent-length: 3\r\n\r\nold").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("old"), "{answer}");
}

#[tokio::test]
async fn a_request_without_exactly_one_valid_host_is_malformed() {
    let server = start_echo().await;
    for (version, hosts) in [
        ("1.1", ""),
        ("1.1", "host: a\r\nhost: a\r\n"),
        ("1.1", "host: a\r\nHost: b\r\n"),
        ("1.1", "host: user@a\r\n"),
        ("1.1", "host: a/b\r\n"),
        ("1.0", "host: a\r\nhost: b\r\n"),
    ] {
        // The body is not read, and the connection is closed.
        let request = format!("POST / HTTP/{version}\r\n{hosts}content-length: 2\r\n\r\nok");
        let answer = server.exchange(request).await;
        assert!(
            answer.contains(" 400 Bad Request\r\n") && answer.contains("Host header"),
            "{hosts}: {answer}"
        );
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    for hosts in ["host:\r\n", "host: [::1]:8080\r\n", "host: example.org:80\r\n"] {
        let request =
            format!("POST http://a/ HTTP/1.1\r\n{hosts}connection: close\r\ncontent-length: 2\r\n\r\nok");
        assert!(server.exchange(request).await.ends_with("ok"), "{hosts}");
    }
}

#[tokio::test]
async fn unreserved_characters_in_a_path_may_be_encoded() {
    let path = async |request: Request| reply(StatusCode::OK, "text/plain", request.uri().to_string());
    let server = start(Router::new().route("/add", any(path))).await;
    let get = async |path: &str| {
        server.exchange(format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")).await
    };
    assert!(get("/%61dd").await.ends_with("\r\n/add"));
    assert!(get("/a%64%64?x=%61").await.ends_with("\r\n/add?x=%61"));
    for other in ["/%41dd", "/add%2F", "/%zzadd", "/add%"] {
        assert!(get(other).await.starts_with("HTTP/1.1 404 "), "{other}");
    }
}

#[tokio::test]
async fn web_pages_of_allowed_origins_may_call_and_others_get_no_permission() {
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /add HTTP/1.1\r\nhost: h\r\nconnection: close\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: content-type,x-token\r\n\r\n"
        )
    };
    let call = |origin: &str| {
        format!(
            "POST /add HTTP/1.1\r\nhost: h\r\nconnection: close\r\norigin: {origin}\r\ncontent-length: 2\r\n\r\nok"
        )
    };
    let router = || Router::new().route("/add", post(echo));
    let with = |origins: &'static [&'static str]| {
        let allowed_origins = AllowedOrigins::parse(origins.iter().copied()).unwrap();
        start_with(router(), HttpOptions { allowed_origins, ..HttpOptions::default() })
    };
    let server = with(&["http://a:3000", "http://b"]).await;
    let answer = server.exchange(preflight("http://a:3000")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for line in [
        "access-control-allow-origin: http://a:3000\r\n",
        "access-control-allow-methods: GET,HEAD,POST\r\n",
        "access-control-allow-headers: content-type,x-token\r\n",
        "access-control-max-age: 3600\r\n",
    ] {
        assert!(answer.contains(line), "{answer}");
    }
    let answer = server.exchange(call("http://a:3000")).await;
    assert!(
        answer.contains("access-control-allow-origin: http://a:3000\r\n") && answer.ends_with("ok"),
        "{answer}"
    );
    for other in [preflight("http://c"), call("http://c")] {
        let answer = server.exchange(other).await;
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
    let answer = with(&["*"]).await.exchange(preflight("http://c")).await;
    assert!(answer.contains("access-control-allow-origin: *\r\n"), "{answer}");

    let closed = start(router()).await;
    assert!(closed.exchange(preflight("http://a:3000")).await.starts_with("HTTP/1.1 405 "));
    assert!(!closed.exchange(call("http://a:3000")).await.contains("access-control"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start_echo().await;
    let requests = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n1".to_owned()
        + "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 1\r\n\r\n2";
    let answer = server.exchange(requests).await;
    let bodies: Vec<_> = answer.split("\r\n\r\n").skip(1).map(|part| &part[..1]).collect();
    assert_eq!(bodies, ["1", "2"]);
}

#[tokio::test]
async fn rejects_a_content_length_above_the_limit_before_the_body_arrives() {
    let server = start_echo().await;
    // No byte of the body is sent. If the server waited for one, this would hang.
    for length in ["1001", "9000000000000"] {
        let mut stream = server.connect().await;
        let head = format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "the body exceeds the limit of 1000 bytes").await;
        assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_reads_only_after_sending_everything_gets_the_refusal() {
    let server = start_echo().await;
    // More than the sockets' buffers hold; Python's http.client sends like this.
    let body = vec![b'x'; 20 << 20];
    let mut stream = server.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
}

#[tokio::test]
async fn rejects_a_chunked_body_above_the_limit() {
    let server = start_echo().await;
    let head = "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = server.exchange(format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("abcde"), "{answer}");

    let mut stream = server.connect().await;
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    stream.write_all(format!("{head}{chunk}{chunk}{chunk}").as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "the body exceeds the limit of 1000 bytes").await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
}

#[tokio::test]
async fn rejects_bytes_that_are_not_http_and_keeps_serving() {
    let server = start_echo().await;
    let answer = server.exchange("\x16\x03\x01\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let answer = server.exchange("POST / HTTP/1.0\r\ncontent-length: 2\r\n\r\nok").await;
    assert!(answer.ends_with("ok"));
}

#[tokio::test]
async fn answers_a_client_that_has_shut_down_its_sending_side() {
    let server = start_echo().await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("ok"));
}

#[tokio::test]
async fn a_stopped_server_closes_idle_connections_and_finishes_calls_in_progress() {
    static ENTERED: Semaphore = Semaphore::const_new(0);
    static LEAVE: Semaphore = Semaphore::const_new(0);
    async fn held(_: Request) -> Response<Body> {
        ENTERED.add_permits(1);
        LEAVE.acquire().await.unwrap().forget();
        reply(StatusCode::OK, "text/plain", "done")
    }
    let server = start(Router::new().fallback(held)).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    ENTERED.acquire().await.unwrap().forget();

    server.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(TcpStream::connect(&server.address).await.is_err());
    assert!(!server.task.is_finished());
    LEAVE.add_permits(1);
    assert!(read_to_end(&mut busy).await.ends_with("done"));
    server.task.await.unwrap();
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_until_another_finishes() {
    static ENTERED: Semaphore = Semaphore::const_new(0);
    static LEAVE: Semaphore = Semaphore::const_new(0);
    async fn held(State(intake): State<Arc<Intake>>, request: Request) -> Response<Body> {
        let (_, _admission) = intake.receive(intake.open(request)).await.unwrap();
        ENTERED.add_permits(1);
        LEAVE.acquire().await.unwrap().forget();
        reply(StatusCode::OK, "text/plain", "done")
    }
    let intake = Arc::new(Intake::new(&Limits { max_in_flight: 2, ..Limits::default() }.into()));
    let server = start(Router::new().fallback(held).with_state(intake)).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        stream.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        streams.push(stream);
    }
    ENTERED.acquire_many(2).await.unwrap().forget();
    // The third begins only when one of the others has finished.
    assert_eq!(ENTERED.available_permits(), 0);
    LEAVE.add_permits(1);
    ENTERED.acquire().await.unwrap().forget();
    LEAVE.add_permits(2);
    for mut stream in streams {
        read_until(&mut stream, "done").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_abandons_calls_that_do_not_finish() {
    static ENTERED: Semaphore = Semaphore::const_new(0);
    async fn endless(_: Request) -> Response<Body> {
        ENTERED.add_permits(1);
        std::future::pending().await
    }
    let server = start(Router::new().fallback(endless)).await;
    let mut busy = server.connect().await;
    busy.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    ENTERED.acquire().await.unwrap().forget();
    server.stop.cancel();
    let begun = tokio::time::Instant::now();
    server.task.await.unwrap();
    assert!(begun.elapsed() <= Duration::from_millis(4_010), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn announces_that_the_connection_closes_when_a_request_is_refused_with_its_body() {
    async fn refuse() -> Response {
        reply(StatusCode::NOT_FOUND, "text/plain", "refused")
    }
    let server = start(Router::new().fallback(refuse)).await;
    let refused = server.exchange("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok").await;
    assert!(refused.contains("connection: close\r\n") && refused.ends_with("refused"), "{refused}");
    // Without a body, the second request is answered on the same connection.
    let both = "GET / HTTP/1.1\r\nhost: h\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let answers = server.exchange(both).await;
    assert_eq!(
        (answers.matches("refused").count(), answers.matches("connection: close").count()),
        (2, 1),
        "{answers}"
    );
}

#[tokio::test(start_paused = true)]
async fn closes_a_connection_whose_request_head_never_ends() {
    let server = start_echo().await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost:").await.unwrap();
    read_to_end(&mut stream).await;
}

#[tokio::test]
async fn rejects_a_body_that_does_not_arrive_in_time() {
    async fn impatient(request: Request) -> Response {
        let options = HttpOptions { body_timeout: Duration::from_millis(50), ..HttpOptions::default() };
        let intake = Intake::new(&options);
        let refused = intake.receive(intake.open(request)).await.unwrap_err();
        reply(refused.status(), "text/plain", refused.to_string())
    }
    let server = start(Router::new().fallback(impatient)).await;
    let head = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc";
    let answer = server.exchange(head).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.ends_with("the body did not arrive within 50ms"), "{answer}");
}

#[tokio::test]
async fn rejects_a_body_that_ends_early_or_has_no_length() {
    let server = start_echo().await;
    for (request, status) in [
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc", "400 Bad Request"),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\nabc", "400 Bad Request"),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nabc",
            "400 Bad Request",
        ),
        ("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request"),
        ("POST / HTTP/1.1\r\nhost: h\r\n\r\n", "411 Length Required"),
        ("POST / HTTP/1.0\r\n\r\n", "411 Length Required"),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.contains(&format!(" {status}\r\n")), "{request}: {answer}");
    }
    assert!(server.exchange("POST / HTTP/1.0\r\ncontent-length: 2\r\n\r\nok").await.ends_with("ok"));
}

#[tokio::test]
async fn decompresses_gzip_within_the_limit_and_rejects_other_codings() {
    let server = start_echo().await;
    let post = async |coding: &str, body: &[u8]| {
        let head = format!(
            "POST / HTTP/1.0\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        server.exchange([head.as_bytes(), body].concat()).await
    };
    assert!(post("gzip", &gzip(b"hello")).await.ends_with("\r\nhello"));
    let bomb = gzip(&vec![0; 100 << 10]);
    assert!(bomb.len() < MAX_BODY);
    for (coding, body, status) in [
        ("gzip", bomb.as_slice(), "413 Payload Too Large"),
        ("gzip", b"hello", "400 Bad Request"),
        ("gzip", &gzip(b"hello")[..12], "400 Bad Request"),
        ("deflate", b"hello", "415 Unsupported Media Type"),
    ] {
        let answer = post(coding, body).await;
        assert!(answer.contains(&format!(" {status}\r\n")), "{answer}");
    }
}
