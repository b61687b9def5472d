//! What a server asks of the protocol that it serves.

use bytes::Bytes;
use http::{Method, Uri};

use super::wire::FieldList;
use crate::{Answer, BodyError, Intake};

/// The head of a request, as a [`Service`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target. Unreserved characters of its path are decoded.
    pub uri: &'a Uri,
    /// The fields.
    pub fields: FieldList<'a>,
}

/// What is to be done with a request whose head has arrived.
#[derive(Debug)]
pub enum Opened<C> {
    /// Send this answer. The body, if there is one, is not read.
    Answered(Answer),
    /// Execute a call that needs no body.
    Call(C),
    /// Read the body, and execute the call that it completes.
    CallWithBody(C),
}

/// A protocol over HTTP, as the handlers that a [`Server`](super::Server) calls. Another server can call the same ones.
pub trait Service: Send + Sync + 'static {
    /// What is known of a call from the head of its request.
    type Call: Send;

    /// The limits on requests.
    fn intake(&self) -> &Intake;

    /// Decides what to do with a request.
    fn open(&self, head: &RequestHead<'_>) -> Opened<Self::Call>;

    /// Executes a call. `body` is empty for [`Opened::Call`].
    fn answer(&self, call: Self::Call, body: Bytes) -> impl Future<Output = Answer> + Send;

    /// The answer to a request whose body cannot be read.
    fn refuse(&self, call: Self::Call, error: BodyError) -> Answer;
}
