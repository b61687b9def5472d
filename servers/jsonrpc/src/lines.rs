//! JSON-RPC without HTTP: a request or a response in each line, over TCP and Unix sockets.
//!
//! JSON has no line feeds outside of white space, so that a line feed ends a message. A line holds one request: batches, which save
//! HTTP requests, are refused. White space around a message is ignored, so that lines may also end with CR LF.

use calculator::{Call, CallError, Limits, Service};
use framed::{Framing, Notation, Reply, Request};
use net::Scheme;

use crate::single::{self, Addressee};

/// The schemes of URLs.
pub const LINES_SCHEMES: [Scheme; 4] = [Scheme::TCP, Scheme::TLS, Scheme::UNIX, Scheme::PIPE];

/// What ends a message.
const LINE_FEED: u8 = b'\n';

/// A client that sends requests in lines.
pub type LinesClient = framed::Client<Lines>;

/// A server that reads requests in lines.
pub type LinesServer = framed::Server<Lines>;

/// Messages in lines.
#[derive(Clone, Copy, Debug)]
pub struct Lines;

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
        single::write_request(out, call, number)?;
        out.push(LINE_FEED);
        Ok(())
    }

    fn decode_request(message: &[u8], _: &dyn Service, limits: &Limits) -> Request<Addressee> {
        let single::Request { to, call } = single::read_request(message, limits);
        Request { to: Some(to), call }
    }

    fn encode_reply(out: &mut Vec<u8>, to: &Addressee, result: &Reply) {
        if single::write_response(out, to, result) {
            out.push(LINE_FEED);
        }
    }

    fn decode_reply(message: &[u8], number: u32, limits: &Limits) -> Result<Reply, CallError> {
        single::read_response(message, number, limits)
    }
}
