//! The format as clients and servers of framed messages use it.

use calculator::{Call, CallError, Limits, Service};
use framed::{Framing, Notation, Reply, Request};
use net::Scheme;

use crate::{SCHEMES, wire};

/// The [format](wire) of the floors.
#[derive(Clone, Copy, Debug)]
pub struct Fixed;

impl Framing for Fixed {
    const OVERHEAD: usize = wire::LEN;

    fn message_len(arrived: &[u8], _: usize) -> Option<usize> {
        arrived.first_chunk().map(wire::message_len)
    }
}

/// A connection has one call at a time, so that requests and replies need no numbers.
impl Notation for Fixed {
    const SCHEMES: &'static [Scheme] = &SCHEMES;
    type ReplyTo = ();
    const UNREAD: Option<()> = Some(());

    fn encode_request(out: &mut Vec<u8>, call: &Call, _: u32) -> Result<(), CallError> {
        wire::encode_request(out, call)
    }

    fn decode_request(message: &[u8], _: &dyn Service, limits: &Limits) -> Request<()> {
        Request { to: Some(()), call: wire::decode_request(message, limits) }
    }

    fn encode_reply(out: &mut Vec<u8>, (): &(), result: &Reply) {
        wire::encode_reply(out, result);
    }

    fn decode_reply(message: &[u8], _: u32, limits: &Limits) -> Result<Reply, CallError> {
        Ok(wire::decode_reply(message, limits))
    }
}
