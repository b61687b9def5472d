//! JSON-RPC without HTTP: a request or a response in each line, over TCP and Unix sockets.
//!
//! JSON has no line feeds outside of white space, so that a line feed ends a message. A line holds one request: batches, which save
//! HTTP requests, are refused. White space around a message is ignored, so that lines may also end with CR LF.

use calculator::{Call, CallError, Limits, Service, Text};
use framed::{Framing, Notation, Reply, Request};
use net::Scheme;

use crate::client::FIRST_ID;
use crate::wire::{self, Envelope, Failure, Message, ReplyTo, Version};

/// The schemes of URLs.
pub const LINES_SCHEMES: [Scheme; 2] = [Scheme::TCP, Scheme::UNIX];

/// What ends a message.
const LINE_FEED: u8 = b'\n';

/// What a request has beside the call and its id.
const ENVELOPE: Envelope = Envelope { version: Version::V2, members: vec![] };

/// A client that sends requests in lines.
pub type LinesClient = framed::Client<Lines>;

/// A server that reads requests in lines.
pub type LinesServer = framed::Server<Lines>;

/// Messages in lines.
#[derive(Clone, Copy, Debug)]
pub struct Lines;

/// Whom a response answers.
#[derive(Clone, Debug)]
pub enum Addressee {
    /// The request with this id, which is JSON text, and this version.
    Request(Text, Version),
    /// No peer: a notification has no response.
    NoPeer,
    /// The sender of a line that is no request.
    Unknown(Option<Failure>),
}

impl Framing for Lines {
    const OVERHEAD: usize = 1;

    fn message_len(arrived: &[u8], seen: usize) -> Option<usize> {
        Some(seen + memchr::memchr(LINE_FEED, arrived.get(seen..)?)? + 1)
    }
}

impl Notation for Lines {
    const SCHEMES: &'static [Scheme] = &LINES_SCHEMES;
    type ReplyTo = Addressee;
    const UNREAD: Option<Addressee> = Some(Addressee::Unknown(None));

    fn encode_request(out: &mut Vec<u8>, call: &Call, number: u32) -> Result<(), CallError> {
        wire::write_call(out, &ENVELOPE, call, id_of(number))?;
        out.push(LINE_FEED);
        Ok(())
    }

    fn decode_request(message: &[u8], _: &dyn Service, limits: &Limits) -> Request<Addressee> {
        match wire::decode(message, limits) {
            Ok(Message::Single(wire::Request { call, reply })) => Request {
                to: Some(reply.map_or(Addressee::NoPeer, |to| Addressee::Request(to.id.into(), to.version))),
                call: call.map_err(error_of),
            },
            Ok(Message::Batch(_)) => {
                unreadable(Failure::invalid_request("a line holds one request; batches take HTTP"))
            }
            Err(failure) => unreadable(failure),
        }
    }

    fn encode_reply(out: &mut Vec<u8>, to: &Addressee, result: &Reply) {
        let (to, known) = match to {
            Addressee::NoPeer => return,
            Addressee::Request(id, version) => (ReplyTo { id, version: *version }, None),
            Addressee::Unknown(failure) => (ReplyTo::UNKNOWN, failure.as_ref()),
        };
        match (known, result) {
            (Some(failure), _) => wire::write_failure(out, to, failure),
            (None, Ok(value)) => wire::write_result(out, to, value),
            (None, Err(error)) => wire::write_failure(out, to, &error.clone().into()),
        }
        out.push(LINE_FEED);
    }

    fn decode_reply(message: &[u8], number: u32, limits: &Limits) -> Result<Reply, CallError> {
        match wire::decode_reply(message, id_of(number), limits) {
            // The server has executed or refused this call, and the next response is to the next one.
            Err(error) if error.remote.is_some() => Ok(Err(error)),
            result => result.map(Ok),
        }
    }
}

/// The id of the call with the number `number`. All have ten digits, so that calls do not differ in length.
fn id_of(number: u32) -> u64 {
    FIRST_ID + u64::from(number)
}

/// A line that is no request.
fn unreadable(failure: Failure) -> Request<Addressee> {
    let error = error_of(failure.clone());
    Request { to: Some(Addressee::Unknown(Some(failure))), call: Err(error) }
}

fn error_of(failure: Failure) -> CallError {
    CallError::new(failure.kind, failure.message)
}
