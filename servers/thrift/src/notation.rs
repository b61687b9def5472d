//! Thrift's messages as clients and servers of framed messages use them.

use std::marker::PhantomData;

use calculator::{Call, CallError, Limits, Service};
use framed::{Framing, Notation, Reply, Request};
use net::Scheme;

use crate::encoding::Encoding;
use crate::wire::ReplyTo;
use crate::{SCHEMES, wire};

/// Messages in the protocol `E`, each with its length before it.
#[derive(Clone, Copy, Debug)]
pub struct Messages<E>(PhantomData<E>);

impl<E: Encoding> Framing for Messages<E> {
    const OVERHEAD: usize = wire::PREFIX_LEN;

    fn message_len(arrived: &[u8], _: usize) -> Option<usize> {
        arrived.get(..wire::PREFIX_LEN).map(wire::frame_len)
    }
}

impl<E: Encoding> Notation for Messages<E> {
    const SCHEMES: &'static [Scheme] = SCHEMES;
    type ReplyTo = ReplyTo;
    /// A reply repeats the name and the number of the request.
    const UNREAD: Option<ReplyTo> = None;

    fn encode_request(out: &mut Vec<u8>, call: &Call, number: u32) -> Result<(), CallError> {
        wire::encode_request::<E>(out, call, wire::sequence_number(number))
    }

    fn decode_request(message: &[u8], service: &dyn Service, limits: &Limits) -> Request<ReplyTo> {
        wire::decode_request::<E>(message, service, limits)
    }

    fn encode_reply(out: &mut Vec<u8>, to: &ReplyTo, result: &Reply) {
        wire::encode_reply::<E>(out, to, result);
    }

    fn decode_reply(message: &[u8], number: u32, limits: &Limits) -> Result<Reply, CallError> {
        wire::decode_reply::<E>(message, wire::sequence_number(number), limits)
    }
}
