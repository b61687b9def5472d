//! Brokers that send what no broker sends: garbage, wrong lengths, wrong subjects, nothing at all.

use std::time::Duration;

use calculator::{CallError, Client, ClientOptions, ErrorKind, Limits, Value};
use nats::bare::BareClient;
use nats::{Broker, NatsClient};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{TIMEOUT, add, five, options, subject};

const INFO: &str =
    "INFO {\"server_id\":\"x\",\"version\":\"2.9.10\",\"max_payload\":1048576,\"headers\":true}\r\n";

/// A request that a client has published.
pub(crate) struct Request {
    pub(crate) inbox: String,
    /// The id of the client's subscription to replies.
    pub(crate) subscription: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A reply with `body`.
    pub(crate) fn reply(&self, body: &[u8]) -> Vec<u8> {
        let line = format!("MSG {} {} {}\r\n", self.inbox, self.subscription, body.len());
        [line.as_bytes(), body, b"\r\n"].concat()
    }

    /// The right reply, in the form of the client that has sent the request.
    pub(crate) fn right_reply(&self) -> Vec<u8> {
        let is_bare = !self.body.windows(7).any(|part| part == b"_msg_id");
        let body: &[u8] = if is_bare {
            b"{\"result\":5}"
        } else {
            b"{\"result\":5,\"failure\":null,\"ending\":true,\"_msg_id\":\"00000000\"}"
        };
        self.reply(body)
    }
}

/// Starts a broker that answers each request with the bytes that `answer` returns, and ends the connection where that is
/// `None`.
pub(crate) async fn broker(answer: impl FnMut(Request) -> Option<Vec<u8>> + Send + 'static) -> Broker {
    broker_in_pieces(usize::MAX, answer).await
}

/// Like [`broker`], and writes the answers in pieces of so many bytes.
async fn broker_in_pieces(
    piece: usize,
    mut answer: impl FnMut(Request) -> Option<Vec<u8>> + Send + 'static,
) -> Broker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = session(stream, piece, &mut answer).await;
        }
    });
    url.parse().unwrap()
}

async fn session(
    stream: TcpStream,
    piece: usize,
    answer: &mut impl FnMut(Request) -> Option<Vec<u8>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.write_all(INFO.as_bytes()).await?;
    let (mut line, mut subscription) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["PING"] => stream.write_all(b"PONG\r\n").await?,
            ["SUB", .., id] => subscription = id.to_owned(),
            ["PUB", _, inbox, length] => {
                let mut body = vec![0; length.parse::<usize>().unwrap() + 2];
                stream.read_exact(&mut body).await?;
                body.truncate(body.len() - 2);
                let request = Request { inbox: inbox.to_owned(), subscription: subscription.clone(), body };
                match answer(request) {
                    Some(bytes) => {
                        for bytes in bytes.chunks(piece) {
                            stream.write_all(bytes).await?;
                            tokio::task::yield_now().await;
                        }
                    }
                    None => return Ok(()),
                }
            }
            _ => {}
        }
    }
}

/// Starts a peer that sends `bytes` on each connection, and ends it if `closes`.
async fn peer(bytes: &'static [u8], closes: bool) -> Broker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(bytes).await;
            if !closes {
                open.push(stream);
            }
        }
    });
    url.parse().unwrap()
}

/// Both clients of `broker`.
async fn clients(broker: &Broker, options: &ClientOptions) -> [Result<Box<dyn Client>, CallError>; 2] {
    let usual = NatsClient::connect(broker, &subject("calc"), options).await;
    let bare = BareClient::connect(broker, &subject("calc"), options).await;
    [usual.map(|client| Box::new(client) as _), bare.map(|client| Box::new(client) as _)]
}

#[tokio::test]
async fn a_peer_that_is_no_broker_is_reported() {
    let long = Box::leak(vec![b'x'; 200_000].into_boxed_slice());
    for (bytes, closes) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], true),
        (b"", true),
        (b"INFO {\r\n", true),
        (b"INFO {}", true),
        (b"PING\r\n", true),
        (b"\0\xff\0\xff\r\n", true),
        (b"-ERR 'Authorization Violation'\r\n", true),
        (long, true),
    ] {
        let broker = peer(bytes, closes).await;
        for client in clients(&broker, &options()).await {
            let error = client.err().unwrap();
            let kinds = [ErrorKind::Undeliverable, ErrorKind::Malformed, ErrorKind::Timeout];
            assert!(kinds.contains(&error.kind), "{}: {error}", bytes.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_broker_that_says_nothing_ends_connecting_at_its_timeout() {
    let broker = peer(b"", false).await;
    let options = ClientOptions { timeout: Duration::from_millis(100), ..ClientOptions::default() };
    for client in clients(&broker, &options).await {
        assert_eq!(client.err().unwrap().kind, ErrorKind::Timeout);
    }
}

#[tokio::test]
async fn a_broker_that_requires_tls_is_refused_by_the_bare_client() {
    let broker = peer(b"INFO {\"tls_required\":true}\r\n", false).await;
    let refused = BareClient::connect(&broker, &subject("calc"), &options()).await.err().unwrap();
    assert!(refused.message.contains("TLS"), "{refused}");
}

/// What both clients get for a call whose reply is `answer`.
async fn results_of(
    limits: Limits,
    answer: impl Fn(Request) -> Option<Vec<u8>> + Send + Clone + 'static,
) -> Vec<Result<Value, CallError>> {
    let options = ClientOptions { limits, ..options() };
    let mut results = Vec::new();
    // A broker for each: the library connects again and again.
    for index in 0..2 {
        let broker = broker(answer.clone()).await;
        let client: Box<dyn Client> = match index {
            0 => Box::new(NatsClient::connect(&broker, &subject("calc"), &options).await.unwrap()),
            _ => Box::new(BareClient::connect(&broker, &subject("calc"), &options).await.unwrap()),
        };
        let call = add(2, 3);
        results.push(tokio::time::timeout(TIMEOUT, client.call(&call)).await.unwrap());
    }
    results
}

#[tokio::test]
async fn replies_to_other_calls_are_ignored() {
    let results = results_of(Limits::default(), |request| {
        let (inbox, subscription) = (&request.inbox, &request.subscription);
        let others = format!("MSG {inbox}0 {subscription} 2\r\n{{}}\r\nMSG {inbox} 99999 2\r\n{{}}\r\n");
        Some([others.as_bytes(), &request.right_reply()].concat())
    });
    for result in results.await {
        assert_eq!(result, five());
    }
}

#[tokio::test]
async fn lengths_that_no_broker_sends_end_the_call() {
    for length in ["99999999999999999999999999", "1152921504606846976", "-1", "x"] {
        let broker = broker(move |Request { inbox, subscription, .. }| {
            Some(format!("MSG {inbox} {subscription} {length}\r\n").into_bytes())
        });
        let client = BareClient::connect(&broker.await, &subject("calc"), &options()).await.unwrap();
        let error = client.call(&add(2, 3)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Undeliverable, "{length}: {error}");
        // Later calls fail, too: the connection cannot be read any further.
        assert_eq!(client.call(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

#[tokio::test]
async fn a_reply_beyond_the_limit_is_too_large() {
    let limits = Limits { max_body: 1_000, ..Limits::default() };
    let results = results_of(limits, |request| Some(request.reply(&[b' '; 2_000])));
    for result in results.await {
        assert_eq!(result.unwrap_err().kind, ErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn a_connection_that_ends_fails_the_call() {
    for result in results_of(Limits::default(), |_| None).await {
        assert_eq!(result.unwrap_err().kind, ErrorKind::Undeliverable);
    }
    for result in results_of(Limits::default(), |_| Some(b"nonsense\r\n".to_vec())).await {
        assert_eq!(result.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

#[tokio::test]
async fn a_reply_in_small_pieces_is_read() {
    for piece in [1, 7] {
        let broker = broker_in_pieces(piece, |request| Some(request.right_reply())).await;
        let usual = NatsClient::connect(&broker, &subject("calc"), &options()).await.unwrap();
        assert_eq!(usual.call(&add(2, 3)).await, five());
        drop(usual);
        let broker = broker_in_pieces(piece, |request| Some(request.right_reply())).await;
        let bare = BareClient::connect(&broker, &subject("calc"), &options()).await.unwrap();
        assert_eq!(bare.call(&add(2, 3)).await, five());
    }
}
