//! What a protocol defines of its messages.

use calculator::{Call, CallError, Limits, Service, Value};
use net::Scheme;

/// The outcome of a call, as a reply has it.
pub type Reply = Result<Value, CallError>;

/// Where messages end: their start has a length, or a mark follows them.
pub trait Framing {
    /// The number of bytes of a message that only show where it ends. Limits do not count them.
    const OVERHEAD: usize;

    /// The length in bytes of the whole message that begins with the bytes `arrived`; `None` if more of it must arrive first.
    /// For its first `seen` bytes the answer was `None`.
    fn message_len(arrived: &[u8], seen: usize) -> Option<usize>;
}

/// The requests and replies of a protocol, as pure functions from and to bytes.
pub trait Notation: Framing + Send + Sync + 'static {
    /// The schemes of URLs, with and without TLS.
    const SCHEMES: &'static [Scheme];
    /// What a reply repeats of its request.
    type ReplyTo: Send + Sync;
    /// What can be replied to a request that is above the limit, and that is not read for that reason. `None` ends the
    /// connection.
    const UNREAD: Option<Self::ReplyTo>;

    /// Appends the request for `call` to `out`; nothing if that fails. `number` counts the calls of a client.
    ///
    /// # Errors
    /// For a call that the protocol cannot represent.
    fn encode_request(out: &mut Vec<u8>, call: &Call, number: u32) -> Result<(), CallError>;

    /// Decodes a request to `service`.
    fn decode_request(message: &[u8], service: &dyn Service, limits: &Limits) -> Request<Self::ReplyTo>;

    /// Appends the outcome of a call to `out`. A result that the protocol cannot represent becomes an error.
    fn encode_reply(out: &mut Vec<u8>, to: &Self::ReplyTo, result: &Reply);

    /// Decodes the reply to the call with the number `number`.
    ///
    /// # Errors
    /// If it is not a reply to that call. The connection can then not be used any further.
    fn decode_reply(message: &[u8], number: u32, limits: &Limits) -> Result<Reply, CallError>;
}

/// A request, as far as it can be read.
#[derive(Debug)]
pub struct Request<T> {
    /// What the reply repeats of it. `None` if that cannot be read: the request cannot be answered, and the connection ends.
    pub to: Option<T>,
    /// The call, or why there is none.
    pub call: Result<Call, CallError>,
}
