//! HTTP with and without a library treats the same bytes alike: mutated requests get the same responses from both servers, and
//! mutated responses become the same replies at both clients. The differences are those that `http_layer::bare::wire` lists.
//!
//! `RPCBENCH_MUTATIONS` is the number of mutated messages for each server and client, `RPCBENCH_SEED` the seed.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use calculator::{Calculator, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits};
use differential::Mutator;
use http_layer::bare::BareClient;
use http_layer::bare::wire::{Framing, field_space, parse_response};
use http_layer::{Headers, HyperClient, Transport};
use net::simulated::Network;
use net::{Endpoint, Listener, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The default of `RPCBENCH_MUTATIONS`.
const MUTATIONS: u64 = 10_000;
/// How many differences are printed.
const MAX_DIFFERENCES: usize = 10;
/// The limit on bodies, which some mutated messages exceed.
const MAX_BODY: usize = 300;

/// Parts of messages.
const DICTIONARY: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"content-length: 5\r\n",
    b"content-length: 13\r\n",
    b"content-length: 0\r\n",
    b"Content-Length: 301\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: gzip, chunked\r\n",
    b"connection: close\r\n",
    b"connection: keep-alive\r\n",
    b"expect: 100-continue\r\n",
    b"content-encoding: gzip\r\n",
    b"accept: application/xml\r\n",
    b"accept: text/html\r\n",
    b"host: h\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"HEAD ",
    b"OPTIONS ",
    b"GET ",
    b"PUT ",
    b"/add",
    b"/add?x=1&y=2",
    b"/openapi.json",
    b"*",
    b"http://h/",
    b"%61",
    b"100 Continue",
    b"204 No Content",
    b"404 Not Found",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b";a=b",
    b"x: y\r\n",
];

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

fn limits() -> Limits {
    Limits { max_body: MAX_BODY, ..Limits::default() }
}

/// The inputs of the fuzz targets.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/fuzz/corpus/http_head");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    // The order of a folder's files depends on the file system.
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Compares what `compared` returns for mutated messages. It returns the name of a known difference, or describes an unknown one.
async fn compare_mutations(
    what: &str,
    seeds: Vec<Vec<u8>>,
    mut compared: impl AsyncFnMut(&[u8]) -> Result<Option<&'static str>, String>,
) {
    let seed = number("RPCBENCH_SEED").unwrap_or(1);
    let mut mutator = Mutator::new(seed, seeds.clone(), DICTIONARY);
    let mutated = (0..number("RPCBENCH_MUTATIONS").unwrap_or(MUTATIONS)).map(|_| mutator.message());
    let (mut known, mut differences, mut count) = (BTreeMap::new(), Vec::new(), 0);
    for message in seeds.into_iter().chain(mutated) {
        count += 1;
        match compared(&message).await {
            Ok(None) => {}
            Ok(Some(name)) => *known.entry(name).or_insert(0) += 1,
            Err(difference) => differences.push(format!("b\"{}\"\n  {difference}", message.escape_ascii())),
        }
        if differences.len() >= MAX_DIFFERENCES {
            break;
        }
    }
    println!("{what}: {count} messages compared, seed {seed}, known differences {known:?}");
    assert!(differences.is_empty(), "with RPCBENCH_SEED={seed}:\n{}", differences.join("\n"));
}

/// A response: its status, its fields in alphabetical order without the date and the state of the connection, and its body.
type Response = (u16, Vec<String>, Vec<u8>);

/// The beginning of the reason why a body cannot be read.
const UNREADABLE: &str = "the body could not be read: ";

/// The responses in `bytes`, all of which must be complete.
fn responses(mut bytes: &[u8]) -> Vec<Response> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let mut space = field_space();
        let (head, len) =
            parse_response(bytes, &mut space).unwrap().unwrap_or_else(|| panic!("{}", bytes.escape_ascii()));
        let mut fields: Vec<_> = head
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
            .filter(|field| !field.starts_with("date: ") && !field.starts_with("connection: "))
            .collect();
        fields.sort_unstable();
        bytes = &bytes[len..];
        let body = match head.framing {
            // The response to a HEAD has the length of a body and no body.
            Framing::Length(_) if bytes.starts_with(b"HTTP/1.") => 0,
            Framing::Length(length) => usize::try_from(length).unwrap().min(bytes.len()),
            _ => 0,
        };
        let (body, rest) = bytes.split_at(body);
        bytes = rest;
        // Each library has its own words for what is wrong with a body.
        let words = body.windows(UNREADABLE.len()).position(|window| window == UNREADABLE.as_bytes());
        if words.is_some() {
            fields.retain(|field| !field.starts_with("content-length: "));
        }
        found.push((head.status.as_u16(), fields, body[..words.unwrap_or(body.len())].to_vec()));
    }
    found
}

/// Everything that the server at `endpoint` sends to a client that sends `request` and then no more.
async fn exchange(endpoint: &Endpoint, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(endpoint).await.unwrap();
    // Either fails if the server has closed the connection early.
    let _ = stream.write_all(request).await;
    let _ = stream.shutdown().await;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    received
}

/// The name of the difference in how the request was refused, if it is a known one. `library` are the responses of the server
/// with a library, `bare` those of the other.
fn known_of_server(request: &[u8], library: &[Response], bare: &[Response]) -> Option<&'static str> {
    let text = request.to_ascii_lowercase();
    let has = |word: &str| text.windows(word.len()).any(|window| window == word.as_bytes());
    if !text.is_ascii() && has("connection") && library.starts_with(bare) {
        return Some("connection beyond ASCII");
    }
    // A server may leave out 100 Continue where the body has arrived already (RFC 9110, section 10.1.1).
    let final_ones = |response: &&Response| response.0 != 100;
    if has("100-continue") && library.iter().filter(final_ones).eq(bare.iter().filter(final_ones)) {
        return Some("no need to continue");
    }
    // Both agree until the request that is refused, which is the last one.
    let (refusal, before) = bare.split_last()?;
    if library.get(..before.len()) != Some(before) {
        return None;
    }
    match refusal.0 {
        501 if has("transfer-encoding") => Some("transfer coding"),
        400 if has("transfer-encoding") && has("content-length") => Some("two lengths"),
        // The length of such a response is left out: see `responses`. Line feeds alone end no line of a chunked body.
        400 if has("chunked") && !refusal.1.iter().any(|field| field.starts_with("content-length: ")) => {
            Some("chunked body")
        }
        _ => None,
    }
}

fn bind_endpoints() -> [Endpoint; 2] {
    ["library", "bare"].map(|name| Endpoint::Simulated(name.to_owned()))
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(Calculator, Executor::Async, Faults::default())
}

/// A request with a body.
fn with_body(line: &str, fields: &str, body: &str) -> String {
    format!("{line}\r\nhost: h\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}

/// A request without a body.
fn without_body(line: &str) -> String {
    format!("{line}\r\nhost: h\r\n\r\n")
}

/// Compares the servers that have been bound to [`bind_endpoints`].
async fn compare_servers(what: &str, seeds: &[String]) {
    let [library, bare] = bind_endpoints();
    let mut all: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    // Two requests on one connection.
    all.push(seeds.concat().into_bytes());
    all.extend(corpus().into_iter().filter(|message| !message.starts_with(b"HTTP/")));
    compare_mutations(what, all, async |request| {
        let answers = [exchange(&library, request).await, exchange(&bare, request).await];
        let [of_library, of_bare] = [&answers[0], &answers[1]].map(|bytes| responses(bytes));
        if of_library == of_bare {
            return Ok(None);
        }
        known_of_server(request, &of_library, &of_bare).map(Some).ok_or_else(|| {
            let [library, bare] = answers.map(|bytes| bytes.escape_ascii().to_string());
            format!("library: {library}\n  bare:    {bare}")
        })
    })
    .await;
}

/// Runs a server until the guard is dropped.
macro_rules! serve {
    ($server:expr) => {{
        let stop = CancellationToken::new();
        tokio::spawn($server.await.unwrap().run(stop.clone()));
        stop.drop_guard()
    }};
}

#[tokio::test(start_paused = true)]
async fn rest_servers_respond_alike() {
    let _network = Network::new().enter();
    let [library, bare] = bind_endpoints();
    let _stop: [DropGuard; 2] = [
        serve!(rest::Server::bind(&library, dispatcher(), limits())),
        serve!(rest::BareServer::bind(&bare, dispatcher(), limits())),
    ];
    compare_servers(
        "rest",
        &[
            with_body(
                "POST /add HTTP/1.1",
                "content-type: application/json\r\naccept: */*\r\n",
                r#"{"x":2,"y":3}"#,
            ),
            without_body("GET /add?x=2&y=3 HTTP/1.1"),
            without_body("HEAD /openapi.json HTTP/1.1"),
            without_body("OPTIONS * HTTP/1.1"),
            "POST /divide HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"x\r\na\r\n\":1,\"y\":0}\r\n0\r\n\r\n".to_owned(),
            with_body("PUT /add HTTP/1.0", "", "{}"),
            with_body("POST /nosuch HTTP/1.1", "", "{}"),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn jsonrpc_servers_respond_alike() {
    let _network = Network::new().enter();
    let [library, bare] = bind_endpoints();
    let options = || jsonrpc::ServerOptions { http: limits().into(), allow_get: true };
    let _stop: [DropGuard; 2] = [
        serve!(jsonrpc::Server::bind(&library, dispatcher(), options())),
        serve!(jsonrpc::BareServer::bind(&bare, dispatcher(), options())),
    ];
    compare_servers(
        "jsonrpc",
        &[
            with_body(
                "POST /jsonrpc HTTP/1.1",
                "content-type: application/json\r\n",
                r#"{"jsonrpc":"2.0","method":"add","params":[2,3],"id":"ab"}"#,
            ),
            without_body("GET /?method=add&params=%5B2%2C3%5D&id=1 HTTP/1.1"),
            without_body("PUT /RPC2 HTTP/1.1"),
            with_body("POST /other HTTP/1.1", "", "{}"),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn xmlrpc_servers_respond_alike() {
    let _network = Network::new().enter();
    let [library, bare] = bind_endpoints();
    let options = || xmlrpc::ServerOptions { http: limits().into(), allow_none: false };
    let _stop: [DropGuard; 2] = [
        serve!(xmlrpc::Server::bind(&library, dispatcher(), options())),
        serve!(xmlrpc::BareServer::bind(&bare, dispatcher(), options())),
    ];
    compare_servers(
        "xmlrpc",
        &[
            with_body(
                "POST /RPC2 HTTP/1.1",
                "content-type: text/xml\r\naccept-encoding: gzip\r\n",
                "<methodCall><methodName>hello</methodName><params><param>a</param></params></methodCall>",
            ),
            without_body("GET / HTTP/1.1"),
            with_body("POST /other HTTP/1.1", "", "<>"),
        ],
    )
    .await;
}

/// What a client makes of a response: the status, the media type, the body and whether all of it has arrived.
type Outcome = Result<(u16, Option<Vec<u8>>, Vec<u8>, bool), ErrorKind>;

async fn call<T: Transport>(url: &str) -> Outcome {
    let options = ClientOptions { limits: limits(), ..ClientOptions::default() };
    let client = T::connect(url, &Headers::new("text/plain"), &options).await.unwrap();
    let reply =
        client.post(&client.target("").unwrap(), b"body".to_vec()).await.map_err(|error| error.kind)?;
    let content_type = reply.content_type.map(|value| value.as_bytes().to_vec());
    Ok((reply.status.as_u16(), content_type, reply.body.to_vec(), reply.is_complete))
}

/// Answers one request with `response` and closes the connection.
async fn answer(listener: &Listener, response: &[u8]) {
    let mut stream = listener.next().await;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nbody") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
    // Fails if the client has closed the connection early.
    let _ = stream.write_all(response).await;
    let _ = stream.shutdown().await;
}

/// Whether `bytes` have a control character other than those between words and lines.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| byte.is_ascii_control() && !b"\t\r\n".contains(byte))
}

/// The name of the difference, if it is a known one.
fn known_of_client(response: &[u8], bare: &Outcome) -> Option<&'static str> {
    let text = response.to_ascii_lowercase();
    let has = |word: &str| text.windows(word.len()).any(|window| window == word.as_bytes());
    match bare {
        Err(ErrorKind::Malformed) if has("transfer-encoding") => Some("transfer coding or two lengths"),
        Err(ErrorKind::Malformed) if has("content-length") => Some("form of a length"),
        Err(ErrorKind::Undeliverable) if has("transfer-encoding") && has_control(response) => {
            Some("control character in an extension")
        }
        Err(ErrorKind::Undeliverable) if has("transfer-encoding") && has("\r\n\n") => {
            Some("line feed alone in trailers")
        }
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn clients_read_responses_alike() {
    let _network = Network::new().enter();
    let listener = Listener::bind(&Endpoint::Simulated("server".to_owned())).await.unwrap();
    let seeds = [
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n",
        "HTTP/1.0 200 OK\r\nserver: x\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 20\r\n\r\nno such page",
        "HTTP/1.1 204 No Content\r\nx: y\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ];
    let mut all: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    all.extend(corpus().into_iter().filter(|message| message.starts_with(b"HTTP/")));
    let url = "http://server.simulated/";
    compare_mutations("clients", all, async |response| {
        let (library, ()) = tokio::join!(call::<HyperClient>(url), answer(&listener, response));
        let (bare, ()) = tokio::join!(call::<BareClient>(url), answer(&listener, response));
        if library == bare {
            return Ok(None);
        }
        let different = || format!("library: {library:?}\n  bare:    {bare:?}");
        known_of_client(response, &bare).map(Some).ok_or_else(different)
    })
    .await;
}
