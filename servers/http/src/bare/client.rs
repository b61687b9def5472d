//! The client.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use calculator::{CallError, ClientOptions, ErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use net::{TlsConnector, TlsSettings};
use tokio::io::AsyncWrite;
use tokio::sync::Mutex;

use super::outbox::{MAX_COPIED_BYTES, push_field, push_length, recycle};
use super::read::{has_event, poll_readable, read};
use super::wire::{
    BodyReader, FieldList, Framing, HeadError, Inbox, Persistence, Progress, field_space, may_be_complete,
    parse_response,
};
use crate::client::base::{Base, origin_form};
use crate::client::{ReplyHead, Settings, body_error, not_http};
use crate::fields::Fields;
use crate::timer::within;
use crate::{BodyError, Headers, Reply, Transport};

/// The maximum number of interim responses before a response.
const MAX_INTERIM_RESPONSES: u32 = 16;

/// A client over one connection, without an HTTP library.
///
/// A call writes its request, waits, and reads the response in the task that makes it. Concurrent calls take turns. A call that
/// is dropped before its response closes the connection; the next call opens another.
pub struct BareClient {
    base: Base,
    /// `None` where the URL does not ask for TLS.
    tls: Option<TlsConnector>,
    settings: Settings,
    /// The headers of every request as they are sent.
    fields: Vec<u8>,
    state: Mutex<State>,
}

impl fmt::Debug for BareClient {
    /// Without the fields, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BareClient").field("server", self.base.endpoint()).finish_non_exhaustive()
    }
}

/// What a client keeps from one call to the next.
#[derive(Default)]
struct State {
    /// `None` after a failure. A call takes the connection out, so that one that is dropped leaves no connection whose next
    /// response belongs to it.
    connection: Option<Connection>,
    /// A buffer for requests.
    request: Vec<u8>,
    /// The media type of the last response: most have the same.
    content_type: Option<HeaderValue>,
}

/// Path and query, as in the request line.
#[derive(Debug)]
pub struct RequestTarget(String);

impl Transport for BareClient {
    type Target = RequestTarget;

    async fn connect_trusting(
        url: &str,
        headers: &Headers,
        tls: impl Into<TlsSettings> + Send,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let base = Base::parse(url)?;
        let tls = base.tls(tls)?;
        let settings = Settings::new(&base, headers, options)?.with_host(&base)?;
        let mut fields = Vec::new();
        push_fields(&mut fields, &settings.headers);
        let client = BareClient { base, tls, settings, fields, state: Mutex::default() };
        client.state.lock().await.connection = Some(client.open().await?);
        Ok(client)
    }

    fn target(&self, segment: &str) -> Result<RequestTarget, CallError> {
        Ok(RequestTarget(origin_form(&self.base.join(segment)?)))
    }

    fn path_target(&self, path: &str) -> Result<RequestTarget, CallError> {
        Ok(RequestTarget(origin_form(&self.base.join_path(path)?)))
    }

    async fn request(
        &self,
        verb: Method,
        target: &RequestTarget,
        headers: Option<&HeaderMap>,
        body: Option<Vec<u8>>,
    ) -> Result<Reply, CallError> {
        let mut state = self.state.lock().await;
        let State { connection, request, content_type } = &mut *state;
        recycle(request);
        for part in [verb.as_str(), " ", &target.0, " HTTP/1.1\r\n"] {
            request.extend_from_slice(part.as_bytes());
        }
        if headers.is_none() && body.is_some() {
            request.extend_from_slice(&self.fields);
        } else {
            push_fields(request, &self.settings.headers_with(headers, body.is_some()));
        }
        let has_length = body.is_some() || matches!(verb, Method::POST | Method::PUT | Method::PATCH);
        let body = body.map(|body| self.settings.encoded(body, headers)).transpose()?.unwrap_or_default();
        // RFC 9110, section 8.6: also 0, for a verb that a body has a meaning for.
        if has_length {
            push_length(request, body.len());
        }
        request.extend_from_slice(b"\r\n");
        let is_long = body.len() > MAX_COPIED_BYTES;
        if !is_long {
            request.extend_from_slice(&body);
        }
        let separate = if is_long { &body[..] } else { &[] };
        let mut open = self.send(connection.take(), request, separate).await?;
        let reply = self.receive(&mut open, content_type).await?;
        if open.is_reusable {
            *connection = Some(open);
        }
        Ok(reply)
    }
}

impl BareClient {
    async fn open(&self) -> Result<Connection, CallError> {
        let connecting = net::connect_over(self.tls.as_ref(), self.base.endpoint());
        Ok(Connection::new(self.base.opened(connecting, self.settings.connect_timeout).await?))
    }

    /// Sends a request on the open connection, or on a new one if that has ended before a byte of the request was written.
    async fn send(
        &self,
        open: Option<Connection>,
        head: &[u8],
        body: &[u8],
    ) -> Result<Connection, CallError> {
        if let Some(mut connection) = open
            && !poll_fn(|context| Poll::Ready(has_event(&mut connection.stream, context))).await
            && connection.send(head, body).await.is_ok()
        {
            return Ok(connection);
        }
        let mut connection = self.open().await?;
        connection.send(head, body).await.map_err(|error| lost(&error))?;
        Ok(connection)
    }

    async fn receive(
        &self,
        connection: &mut Connection,
        content_type: &mut Option<HeaderValue>,
    ) -> Result<Reply, CallError> {
        let ResponseStart { head, framing, persistence } = loop {
            if let Some(start) = connection.response_start(content_type).map_err(not_http)? {
                break start;
            }
            if read(&mut connection.stream, &mut connection.inbox, 0).await.map_err(|error| lost(&error))?
                == 0
            {
                return Err(lost(&"the server closed it before it had answered"));
            }
        };
        let is_framed = framing != Framing::UntilClose;
        let (body, is_complete) = if head.status.is_success() {
            let mut reader = BodyReader::new(framing, self.settings.max_body)
                .map_err(BodyError::from)
                .map_err(body_error)?;
            (connection.read_body(&mut reader).await.map_err(body_error)?, true)
        } else {
            // Of a body that is too long the beginning is read. It only explains the status.
            let until_close = || BodyReader::until_close(self.settings.max_body);
            let mut reader =
                BodyReader::new(framing, self.settings.max_body).unwrap_or_else(|_| until_close());
            match within(self.settings.failed_body_timeout, connection.read_body(&mut reader)).await {
                Ok(Ok(body)) => (body, true),
                Ok(Err(_)) | Err(_) => (reader.partial(&mut connection.inbox), false),
            }
        };
        // What follows a response was not asked for.
        connection.is_reusable &=
            is_complete && is_framed && persistence == Persistence::KeepAlive && connection.inbox.is_empty();
        Reply::new(head, (body, is_complete), self.settings.max_body)
    }
}

/// An open connection.
struct Connection {
    stream: net::Stream,
    inbox: Inbox,
    /// The beginning of a response that has arrived before its request was sent.
    early: Option<ResponseStart>,
    interim_responses: u32,
    /// The number of bytes that have been searched for the end of a head, in vain.
    searched: usize,
    /// Whether the whole request was sent, and the response has left nothing behind.
    is_reusable: bool,
}

/// The beginning of a response.
struct ResponseStart {
    head: ReplyHead,
    framing: Framing,
    persistence: Persistence,
}

/// What the connection of a request that is being sent is ready for.
enum Event {
    Written(usize),
    Readable,
}

impl Connection {
    fn new(stream: net::Stream) -> Self {
        Connection {
            stream,
            inbox: Inbox::default(),
            early: None,
            interim_responses: 0,
            searched: 0,
            is_reusable: true,
        }
    }

    /// Sends a request. Stops if the response arrives before all of it is sent, as that of a server that refuses a large body
    /// does, or the server has left: reading shows what it has sent before.
    ///
    /// # Errors
    /// Why no byte was sent, or over TLS only a part of the first records.
    async fn send(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        self.interim_responses = 0;
        let mut sent = 0;
        while sent < head.len() + body.len() {
            let rest = [
                head.get(sent..).unwrap_or_default(),
                body.get(sent.saturating_sub(head.len())..).unwrap_or_default(),
            ];
            match poll_fn(|context| self.poll_send(context, rest)).await {
                Ok(Event::Written(len)) => sent += len,
                Ok(Event::Readable) => {
                    let read = read(&mut self.stream, &mut self.inbox, 0).await;
                    let has_ended = !read.is_ok_and(|len| len > 0);
                    self.early = self.response_start(&mut None).unwrap_or_default();
                    if has_ended || self.early.is_some() {
                        break;
                    }
                }
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.is_reusable = sent == head.len() + body.len();
        Ok(())
    }

    /// Writes as much of `rest` as possible, with one system call; only if nothing can be written, looks for a response.
    fn poll_send(&mut self, context: &mut Context<'_>, rest: [&[u8]; 2]) -> Poll<io::Result<Event>> {
        let stream = Pin::new(&mut self.stream);
        let written = match rest {
            [bytes, []] | [[], bytes] => stream.poll_write(context, bytes),
            slices => stream.poll_write_vectored(context, &slices.map(IoSlice::new)),
        };
        match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(written) => Poll::Ready(written.map(Event::Written)),
            Poll::Pending => poll_readable(&self.stream, context).map(|()| Ok(Event::Readable)),
        }
    }

    /// The beginning of the response, once it has arrived. Interim responses before it are skipped.
    fn response_start(
        &mut self,
        content_type: &mut Option<HeaderValue>,
    ) -> Result<Option<ResponseStart>, HeadError> {
        if let Some(early) = self.early.take() {
            return Ok(Some(early));
        }
        loop {
            let bytes = self.inbox.unread();
            let mut space = field_space();
            let parsed = if bytes.is_empty() || !may_be_complete(bytes, self.searched) {
                None
            } else {
                parse_response(bytes, &mut space)?
            };
            let Some((line, len)) = parsed else {
                self.searched = bytes.len();
                return Ok(None);
            };
            self.searched = 0;
            if line.status.is_informational() && self.interim_responses < MAX_INTERIM_RESPONSES {
                self.interim_responses += 1;
                self.inbox.advance(len);
                continue;
            }
            if line.status.is_informational() {
                return Err(HeadError::Syntax(httparse::Error::Status));
            }
            let start = ResponseStart {
                head: reply_head(line.status, &line.fields, content_type),
                framing: line.framing,
                persistence: line.persistence,
            };
            self.inbox.advance(len);
            return Ok(Some(start));
        }
    }

    async fn read_body(&mut self, reader: &mut BodyReader) -> Result<Bytes, BodyError> {
        loop {
            let missing = match reader.read(&mut self.inbox)? {
                Progress::Complete(body) => return Ok(body),
                Progress::Incomplete { missing, .. } => missing.unwrap_or(0),
            };
            let lost = |reason: &str| BodyError::Incomplete(reason.to_owned());
            let read = read(&mut self.stream, &mut self.inbox, missing).await;
            if read.map_err(|error| lost(&error.to_string()))? == 0 {
                return reader.end(&mut self.inbox).ok_or_else(|| lost("the connection ended before it"));
            }
        }
    }
}

/// What a reply needs of the head of a response.
fn reply_head(status: StatusCode, fields: &FieldList<'_>, known_type: &mut Option<HeaderValue>) -> ReplyHead {
    let value = |name: HeaderName| fields.first(name).and_then(|value| HeaderValue::from_bytes(value).ok());
    let content_type = match fields.first(header::CONTENT_TYPE) {
        Some(bytes) if known_type.as_ref().is_some_and(|known| known.as_bytes() == bytes) => {
            known_type.clone()
        }
        Some(bytes) => {
            *known_type = HeaderValue::from_bytes(bytes).ok();
            known_type.clone()
        }
        None => None,
    };
    ReplyHead {
        status,
        content_type,
        content_encoding: value(header::CONTENT_ENCODING),
        location: if status.is_success() { None } else { value(header::LOCATION) },
    }
}

/// Adds all fields, `host` first (RFC 9110, section 7.2).
fn push_fields(out: &mut Vec<u8>, headers: &HeaderMap) {
    let (host, others): (Vec<_>, Vec<_>) = headers.iter().partition(|(name, _)| *name == header::HOST);
    for (name, value) in host.into_iter().chain(others) {
        push_field(out, name.as_str(), value.as_bytes());
    }
}

fn lost(reason: &dyn fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, format!("the connection was lost: {reason}"))
}
