//! Both servers, tested with raw requests.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[macro_use]
mod common;

use std::sync::Arc;
use std::time::Duration;

use calculator::Limits;
use common::{Handler, NotReading, Reading, TestServer};
use http_layer::http::{StatusCode, Uri};
use http_layer::{Answer, Bytes, HttpOptions, gzip};
use net::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

with_both_servers!(
    #[tokio::test]
    responses_have_no_headers_but_type_length_and_date,
    keeps_connections_of_http_1_1_alive_and_closes_those_of_http_1_0,
    a_request_without_exactly_one_valid_host_is_malformed,
    unreserved_characters_in_a_path_may_be_encoded,
    pipelined_requests_are_answered_in_order,
    rejects_a_content_length_above_the_limit_before_the_body_arrives,
    a_client_that_reads_only_after_sending_everything_gets_the_refusal,
    rejects_a_chunked_body_above_the_limit,
    rejects_bytes_that_are_not_http_and_keeps_serving,
    answers_a_client_that_has_shut_down_its_sending_side,
    a_stopped_server_closes_idle_connections_and_finishes_calls_in_progress,
    calls_beyond_the_limit_wait_until_another_finishes,
    announces_that_the_connection_closes_when_a_request_is_refused_with_its_body,
    rejects_a_body_that_does_not_arrive_in_time,
    rejects_a_body_that_ends_early_or_has_no_length,
    decompresses_gzip_within_the_limit_and_rejects_other_codings,
    lets_a_client_that_expects_it_send_its_body,
    a_request_that_arrives_byte_by_byte_is_answered,
    a_long_response_follows_short_ones_in_order,
);

mod on_virtual_time {
    use super::{
        a_stopped_server_abandons_calls_that_do_not_finish, closes_a_connection_whose_request_head_never_ends,
    };

    with_both_servers!(
        #[tokio::test(start_paused = true)]
        a_stopped_server_abandons_calls_that_do_not_finish,
        closes_a_connection_whose_request_head_never_ends,
    );
}

const MAX_BODY: usize = 1_000;

/// Answers with the body.
fn echo() -> impl Handler {
    Reading(|_: Uri, body: Bytes| async move { text(body) })
}

fn text(body: impl Into<Vec<u8>>) -> Answer {
    Answer::new(StatusCode::OK, "text/plain", body)
}

struct Running {
    address: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start<S: TestServer>(handler: impl Handler) -> Running {
    start_with::<S>(handler, HttpOptions::from(Limits { max_body: MAX_BODY, ..Limits::default() })).await
}

async fn start_with<S: TestServer>(handler: impl Handler, options: HttpOptions) -> Running {
    run(S::bind(&Endpoint::loopback(), handler, options).await)
}

fn run(server: impl TestServer) -> Running {
    let (address, stop) = (server.endpoint().to_string(), CancellationToken::new());
    Running { address, task: tokio::spawn(server.run(stop.clone())), stop }
}

async fn start_echo<S: TestServer>() -> Running {
    start::<S>(echo()).await
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

async fn responses_have_no_headers_but_type_length_and_date<S: TestServer>() {
    let server = start_echo::<S>().await;
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

async fn keeps_connections_of_http_1_1_alive_and_closes_those_of_http_1_0<S: TestServer>() {
    let server = start_echo::<S>().await;
    let mut stream = server.connect().await;
    for text in ["one", "two", "three"] {
        let request = format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(read_until(&mut stream, text).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let answer = server.exchange("POST / HTTP/1.0\r\ncontent-length: 3\r\n\r\nold").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("old"), "{answer}");
}

async fn a_request_without_exactly_one_valid_host_is_malformed<S: TestServer>() {
    let server = start_echo::<S>().await;
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

async fn unreserved_characters_in_a_path_may_be_encoded<S: TestServer>() {
    let path = Reading(|target: Uri, _: Bytes| async move {
        match target.path() {
            "/add" => text(target.to_string()),
            _ => Answer::new(StatusCode::NOT_FOUND, "text/plain", "no such page"),
        }
    });
    let server = start::<S>(path).await;
    let get = async |path: &str| {
        server
            .exchange(format!(
                "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            ))
            .await
    };
    assert!(get("/%61dd").await.ends_with("\r\n/add"));
    assert!(get("/a%64%64?x=%61").await.ends_with("\r\n/add?x=%61"));
    for other in ["/%41dd", "/add%2F", "/%zzadd", "/add%"] {
        assert!(get(other).await.starts_with("HTTP/1.1 404 "), "{other}");
    }
}

async fn pipelined_requests_are_answered_in_order<S: TestServer>() {
    let server = start_echo::<S>().await;
    let requests = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n1".to_owned()
        + "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 1\r\n\r\n2";
    let answer = server.exchange(requests).await;
    let bodies: Vec<_> = answer.split("\r\n\r\n").skip(1).map(|part| &part[..1]).collect();
    assert_eq!(bodies, ["1", "2"]);
}

async fn rejects_a_content_length_above_the_limit_before_the_body_arrives<S: TestServer>() {
    let server = start_echo::<S>().await;
    // No byte of the body is sent. If the server waited for one, this would hang.
    for length in ["1001", "9000000000000"] {
        let mut stream = server.connect().await;
        let head = format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "the body exceeds the limit of 1000 bytes").await;
        assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
    }
}

async fn a_client_that_reads_only_after_sending_everything_gets_the_refusal<S: TestServer>() {
    let server = start_echo::<S>().await;
    // More than the sockets' buffers hold; Python's http.client sends like this.
    let body = vec![b'x'; 20 << 20];
    let mut stream = server.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
}

async fn rejects_a_chunked_body_above_the_limit<S: TestServer>() {
    let server = start_echo::<S>().await;
    let head = "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = server.exchange(format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("abcde"), "{answer}");

    let mut stream = server.connect().await;
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    stream.write_all(format!("{head}{chunk}{chunk}{chunk}").as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "the body exceeds the limit of 1000 bytes").await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
}

async fn rejects_bytes_that_are_not_http_and_keeps_serving<S: TestServer>() {
    let server = start_echo::<S>().await;
    let answer = server.exchange("\x16\x03\x01\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let answer = server.exchange("POST / HTTP/1.0\r\ncontent-length: 2\r\n\r\nok").await;
    assert!(answer.ends_with("ok"));
}

async fn answers_a_client_that_has_shut_down_its_sending_side<S: TestServer>() {
    let server = start_echo::<S>().await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("ok"));
}

async fn a_stopped_server_closes_idle_connections_and_finishes_calls_in_progress<S: TestServer>() {
    let calls = Held::default();
    let server = start::<S>(calls.handler()).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    calls.entered.acquire().await.unwrap().forget();

    server.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(TcpStream::connect(&server.address).await.is_err());
    assert!(!server.task.is_finished());
    calls.leave.add_permits(1);
    assert!(read_to_end(&mut busy).await.ends_with("done"));
    server.task.await.unwrap();
}

async fn calls_beyond_the_limit_wait_until_another_finishes<S: TestServer>() {
    let calls = Held::default();
    let options = HttpOptions::from(Limits { max_in_flight: 2, ..Limits::default() });
    let server = start_with::<S>(calls.handler(), options).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        stream.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        streams.push(stream);
    }
    calls.entered.acquire_many(2).await.unwrap().forget();
    // The third begins only when one of the others has finished.
    assert_eq!(calls.entered.available_permits(), 0);
    calls.leave.add_permits(1);
    calls.entered.acquire().await.unwrap().forget();
    calls.leave.add_permits(2);
    for mut stream in streams {
        read_until(&mut stream, "done").await;
    }
}

async fn a_stopped_server_abandons_calls_that_do_not_finish<S: TestServer>() {
    let calls = Held::default();
    let server = start::<S>(calls.handler()).await;
    let mut busy = server.connect().await;
    busy.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    calls.entered.acquire().await.unwrap().forget();
    server.stop.cancel();
    let begun = tokio::time::Instant::now();
    server.task.await.unwrap();
    assert!(begun.elapsed() <= Duration::from_millis(4_010), "{:?}", begun.elapsed());
}

async fn announces_that_the_connection_closes_when_a_request_is_refused_with_its_body<S: TestServer>() {
    let refuse = |_: Uri| async { Answer::new(StatusCode::NOT_FOUND, "text/plain", "refused") };
    let server = start::<S>(NotReading(refuse)).await;
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

async fn closes_a_connection_whose_request_head_never_ends<S: TestServer>() {
    let server = start_echo::<S>().await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost:").await.unwrap();
    read_to_end(&mut stream).await;
}

async fn rejects_a_body_that_does_not_arrive_in_time<S: TestServer>() {
    let options = HttpOptions { body_timeout: Duration::from_millis(50), ..HttpOptions::default() };
    let server = start_with::<S>(echo(), options).await;
    let head = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc";
    let answer = server.exchange(head).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.ends_with("the body did not arrive within 50ms"), "{answer}");
}

async fn rejects_a_body_that_ends_early_or_has_no_length<S: TestServer>() {
    let server = start_echo::<S>().await;
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

async fn decompresses_gzip_within_the_limit_and_rejects_other_codings<S: TestServer>() {
    let server = start_echo::<S>().await;
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

/// Calls that wait until the test lets them finish.
#[derive(Clone)]
struct Held {
    entered: Arc<Semaphore>,
    leave: Arc<Semaphore>,
}

impl Default for Held {
    fn default() -> Self {
        Held { entered: Arc::new(Semaphore::new(0)), leave: Arc::new(Semaphore::new(0)) }
    }
}

impl Held {
    fn handler(&self) -> impl Handler {
        let held = self.clone();
        Reading(move |_: Uri, _: Bytes| {
            let held = held.clone();
            async move {
                held.entered.add_permits(1);
                held.leave.acquire().await.unwrap().forget();
                text("done")
            }
        })
    }
}

async fn lets_a_client_that_expects_it_send_its_body<S: TestServer>() {
    let server = start_echo::<S>().await;
    let head = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-Continue\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut stream = server.connect().await;
    stream.write_all(head(4).as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("\r\n\r\nbody"));
    // A body that is refused is not asked for.
    let mut stream = server.connect().await;
    stream.write_all(head(MAX_BODY + 1).as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

async fn a_request_that_arrives_byte_by_byte_is_answered<S: TestServer>() {
    let server = start_echo::<S>().await;
    for body in [
        "content-length: 5\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\n3;x\r\nhel\r\n2\r\nlo\r\n0\r\na: b\r\n\r\n",
    ] {
        let request = format!("\r\nPOST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{body}");
        let mut stream = server.connect().await;
        for byte in request.as_bytes() {
            stream.write_all(&[*byte]).await.unwrap();
            // Lets the server read it.
            tokio::task::yield_now().await;
        }
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    }
}

async fn a_long_response_follows_short_ones_in_order<S: TestServer>() {
    let answers = Reading(|target: Uri, _: Bytes| async move {
        text(target.path().trim_start_matches('/').repeat(if target.query().is_some() { 200_000 } else { 1 }))
    });
    let server = start::<S>(answers).await;
    let get = |target: &str, fields: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n{fields}\r\n")
    };
    let requests =
        [get("/a", ""), get("/b?long", ""), get("/c", ""), get("/d?long", "connection: close\r\n")];
    let answer = server.exchange(requests.concat()).await;
    let bodies: Vec<_> =
        answer.split("HTTP/1.1 200 OK").skip(1).map(|part| part.split_once("\r\n\r\n").unwrap().1).collect();
    assert_eq!(bodies, ["a", &"b".repeat(200_000), "c", &"d".repeat(200_000)]);
}
