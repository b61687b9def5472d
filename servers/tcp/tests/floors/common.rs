//! What the tests of all servers and clients share.

use std::time::Duration;

use calculator::{
    Call, CallError, Client, ClientOptions, Deadline, ErrorKind, Limits, Value, conformance,
    document::document,
};
use tcp_floor::wire;

pub(crate) fn one_second() -> ClientOptions {
    ClientOptions { timeout: Duration::from_secs(1), ..ClientOptions::default() }
}

pub(crate) async fn add(client: &impl Client) -> Result<Value, CallError> {
    client.call(&Call::positional("add", [2.into(), 3.into()])).await
}

pub(crate) fn request(call: &Call) -> Vec<u8> {
    let mut out = Vec::new();
    wire::encode_request(&mut out, call).unwrap();
    out
}

pub(crate) fn reply(result: &Result<Value, CallError>) -> Vec<u8> {
    let mut out = Vec::new();
    wire::encode_reply(&mut out, result);
    out
}

/// The result in the bytes of a reply.
pub(crate) fn reply_of(message: &[u8]) -> Result<Value, CallError> {
    wire::decode_reply(message, &Limits::default())
}

pub(crate) async fn assert_conformance(client: &impl Client) {
    let mut deadline = Deadline::new(Duration::from_secs(60));
    let outcomes = conformance::run(client, conformance::Profile::default(), &mut deadline).await;
    assert_eq!(outcomes.len(), conformance::vectors(conformance::Profile::default()).len());
    for outcome in outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
}

/// Echoes values up to `max_body` bytes, the limit of the server, and checks that a larger one is refused and that the
/// connection can be used afterwards.
pub(crate) async fn assert_echoes(client: &impl Client, max_body: usize) {
    let echo = async |value: Value| client.call(&Call::positional("echo", [value])).await;
    let texts = [0, 56, 57, 10_000, max_body].map(|len| Value::from("x".repeat(len)));
    let documents = [10_000, max_body / 2].map(|bytes| document(1, bytes));
    for value in texts.into_iter().chain(documents) {
        assert!(echo(value.clone()).await == Ok(value), "the value was changed");
    }
    let error = echo(Value::from("x".repeat(max_body + 1))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    assert_eq!(add(client).await, Ok(Value::Int(5)));
    let hello = Call::positional("hello", ["y".repeat(100).into()]);
    assert_eq!(client.call(&hello).await, Ok(format!("hello, {}", "y".repeat(100)).into()));
}
