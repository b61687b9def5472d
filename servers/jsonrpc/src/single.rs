//! Messages of one request or one response each, for transports that delimit messages: lines and WebSocket.

use calculator::{Call, CallError, Limits, Text, Value};

use crate::client::FIRST_ID;
use crate::wire::{self, Envelope, Failure, Message, ReplyTo, Version};

/// What a request has beside the call and its id.
const ENVELOPE: Envelope = Envelope { version: Version::V2, members: vec![] };

/// Whom a response answers.
#[derive(Clone, Debug)]
pub enum Addressee {
    /// The request with this id, which is JSON text, and this version.
    Request(Text, Version),
    /// No peer: a notification has no response.
    NoPeer,
    /// The sender of a message that is not a request.
    Unknown(Option<Failure>),
}

/// A request, as far as it can be read.
#[derive(Debug)]
pub(crate) struct Request {
    /// Whom the response answers.
    pub(crate) to: Addressee,
    /// The call, or why there is none.
    pub(crate) call: Result<Call, CallError>,
}

/// Appends the request for `call` to `out`; nothing if that fails. `number` counts the calls of a client.
///
/// # Errors
/// For a call that JSON cannot represent.
pub(crate) fn write_request(out: &mut Vec<u8>, call: &Call, number: u32) -> Result<(), CallError> {
    wire::write_call(out, &ENVELOPE, call, id_of(number))
}

/// Decodes a request. A batch is refused.
pub(crate) fn read_request(message: &[u8], limits: &Limits) -> Request {
    match wire::decode(message, limits) {
        Ok(Message::Single(wire::Request { call, reply })) => Request {
            to: reply.map_or(Addressee::NoPeer, |to| Addressee::Request(to.id.into(), to.version)),
            call: call.map_err(error_of),
        },
        Ok(Message::Batch(_)) => unreadable(Failure::invalid_request(
            "a message must hold one request; batches are supported over HTTP only",
        )),
        Err(failure) => unreadable(failure),
    }
}

/// Appends the response to `to` to `out`. Returns whether there is one.
pub(crate) fn write_response(out: &mut Vec<u8>, to: &Addressee, result: &Result<Value, CallError>) -> bool {
    let (to, known) = match to {
        Addressee::NoPeer => return false,
        Addressee::Request(id, version) => (ReplyTo { id, version: *version }, None),
        Addressee::Unknown(failure) => (ReplyTo::UNKNOWN, failure.as_ref()),
    };
    match (known, result) {
        (Some(failure), _) => wire::write_failure(out, to, failure),
        (None, Ok(value)) => wire::write_result(out, to, value),
        (None, Err(error)) => wire::write_failure(out, to, &error.clone().into()),
    }
    true
}

/// Decodes the response to the call with the number `number`.
///
/// # Errors
/// If it is not a response to that call. The connection can then not be used any further.
pub(crate) fn read_response(
    message: &[u8],
    number: u32,
    limits: &Limits,
) -> Result<Result<Value, CallError>, CallError> {
    match wire::decode_reply(message, id_of(number), limits) {
        // The server has executed or refused this call, and the next response is to the next one.
        Err(error) if error.remote.is_some() => Ok(Err(error)),
        result => result.map(Ok),
    }
}

/// The id of the call with the number `number`. All have ten digits, so that calls do not differ in length.
fn id_of(number: u32) -> u64 {
    FIRST_ID + u64::from(number)
}

/// A message that is not a request.
fn unreadable(failure: Failure) -> Request {
    let error = error_of(failure.clone());
    Request { to: Addressee::Unknown(Some(failure)), call: Err(error) }
}

fn error_of(failure: Failure) -> CallError {
    CallError::new(failure.kind, failure.message)
}
