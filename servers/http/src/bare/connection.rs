//! One connection of a server.

use std::io;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::Poll;

use bytes::Bytes;
use futures_util::poll;
use http::{Method, StatusCode, Uri, Version, header};
use tokio::io::AsyncWriteExt;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::outbox::{Outbox, ResponseForm};
use super::read::{discard, read};
use super::request::{Opened, RequestHead, Service};
use super::wire::{
    BodyFault, BodyReader, Framing, HeadError, Inbox, Persistence, Progress, field_space, may_be_complete,
    parse_request,
};
use crate::fields::Fields;
use crate::gzip::Coding;
use crate::intake::UNCOUNTED_BYTES;
use crate::rules;
use crate::server::{HEAD_TIMEOUT, may_leave_body_unread};
use crate::server_stream::LINGER_TIMEOUT;
use crate::timer::SharedTimer;
use crate::{Answer, BodyError, Intake};

/// Answers the requests of one connection until either end closes it or `stop` is cancelled.
///
/// # Errors
/// Why the connection failed.
pub(super) async fn serve<S: Service>(
    service: &S,
    stream: net::Stream,
    stop: &CancellationToken,
) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    let mut stopped = pin!(stop.cancelled());
    let mut head_deadline = None;
    loop {
        match connection.next_request(service) {
            Ok(Some(request)) => {
                head_deadline = None;
                if connection.respond(service, request, stop).await? == Persistence::Close {
                    return Ok(());
                }
            }
            Ok(None) => {
                connection.flush().await?;
                let deadline = *head_deadline.get_or_insert_with(|| Instant::now() + HEAD_TIMEOUT);
                if !connection.receive(stopped.as_mut(), deadline).await? {
                    return Ok(());
                }
            }
            Err(error) => return connection.refuse(error).await,
        }
    }
}

/// A request whose head has arrived, and what is to be done with it.
struct Request<C> {
    opened: Opened<C>,
    /// The content coding of the body, or why it is not supported.
    coding: Result<Coding, BodyError>,
    framing: Framing,
    expects_continue: bool,
    form: ResponseForm,
}

/// A connection with its buffers.
struct Connection {
    stream: net::Stream,
    inbox: Inbox,
    outbox: Outbox,
    /// The number of bytes that have been searched for the end of a head, in vain.
    searched: usize,
    /// A valid `host` field of this connection.
    host: OnceLock<Box<[u8]>>,
    target: Target,
    idle: SharedTimer,
}

/// The target of the last request, so that the next one need not be parsed if it is the same.
#[derive(Default)]
struct Target {
    text: String,
    uri: Uri,
}

impl Target {
    fn resolve(&mut self, text: &str) -> Result<&Uri, HeadError> {
        if self.text != text {
            let mut uri = Uri::try_from(text).map_err(|_| HeadError::Target)?;
            rules::decode_unreserved(&mut uri);
            self.uri = uri;
            text.clone_into(&mut self.text);
        }
        Ok(&self.uri)
    }
}

impl Connection {
    fn new(stream: net::Stream) -> Self {
        Connection {
            stream,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            searched: 0,
            host: OnceLock::new(),
            target: Target::default(),
            idle: SharedTimer::default(),
        }
    }

    /// The next request whose head has arrived; `None` if none has.
    fn next_request<S: Service>(&mut self, service: &S) -> Result<Option<Request<S::Call>>, HeadError> {
        let bytes = self.inbox.unread();
        if bytes.is_empty() || !may_be_complete(bytes, self.searched) {
            self.searched = bytes.len();
            return Ok(None);
        }
        let mut space = field_space();
        let Some((line, len)) = parse_request(bytes, &mut space)? else {
            self.searched = bytes.len();
            return Ok(None);
        };
        let fields = line.fields;
        let method = Method::from_bytes(line.method.as_bytes());
        let method = method.map_err(|_| HeadError::Syntax(httparse::Error::Token))?;
        let uri = self.target.resolve(line.target)?;
        rules::check_host(line.version, fields.values(header::HOST), &self.host)
            .map_err(|reason| HeadError::Host { reason, is_head: method == Method::HEAD })?;
        let request = Request {
            opened: service.open(&RequestHead { method: &method, uri, fields }),
            coding: Coding::from_header(fields.first(header::CONTENT_ENCODING)),
            framing: line.framing,
            expects_continue: line.expects_continue,
            form: ResponseForm {
                version: line.version,
                is_head: method == Method::HEAD,
                persistence: line.persistence,
            },
        };
        self.inbox.advance(len);
        self.searched = 0;
        Ok(Some(request))
    }

    /// Executes a request and adds the response to the outbox. Returns whether the connection stays open; it has been shut
    /// down otherwise.
    async fn respond<S: Service>(
        &mut self,
        service: &S,
        request: Request<S::Call>,
        stop: &CancellationToken,
    ) -> io::Result<Persistence> {
        let Request { opened, coding, framing, expects_continue, mut form } = request;
        let intake = service.intake();
        let has_body = !matches!(framing, Framing::None | Framing::Length(0));
        let mut is_read = !has_body;
        let answer = match opened {
            Opened::Answered(answer) => answer,
            Opened::Call(call) => self.execute(service, call, Bytes::new(), None).await?,
            Opened::CallWithBody(call) => {
                let body = match coding {
                    Ok(coding) => match self.read_body(intake, framing, expects_continue).await {
                        Ok((body, reserved)) => {
                            is_read = true;
                            coding.decode(body, intake.limits().max_body).map(|body| (body, reserved))
                        }
                        Err(error) => Err(error),
                    },
                    Err(error) => Err(error),
                };
                match body {
                    Ok((body, reserved)) => self.execute(service, call, body, reserved).await?,
                    Err(error) => service.refuse(call, error),
                }
            }
        };
        let is_refused = has_body && may_leave_body_unread(answer.status);
        is_read = is_read || (!is_refused && self.skip_body(framing, intake.limits().max_body));
        if !is_read || is_refused || stop.is_cancelled() {
            form.persistence = Persistence::Close;
        }
        let long_body = self.outbox.push(answer, form);
        if long_body.is_some() || self.outbox.is_full() || form.persistence == Persistence::Close {
            self.outbox.write(&mut self.stream, &long_body.unwrap_or_default()).await?;
        }
        if form.persistence == Persistence::Close {
            self.close(is_read).await?;
        }
        Ok(form.persistence)
    }

    /// Executes a call once the server's limit allows it. If it does not finish at once, earlier responses are written first.
    ///
    /// # Errors
    /// When the client leaves before the call has finished.
    async fn execute<S: Service>(
        &mut self,
        service: &S,
        call: S::Call,
        body: Bytes,
        reserved: Option<SemaphorePermit<'_>>,
    ) -> io::Result<Answer> {
        let mut answering = pin!(async {
            let _admission = service.intake().admit().await;
            drop(reserved);
            service.answer(call, body).await
        });
        if let Poll::Ready(answer) = poll!(answering.as_mut()) {
            return Ok(answer);
        }
        self.flush().await?;
        tokio::select! {
            biased;
            answer = answering => Ok(answer),
            () = self.stream.departed() => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Reads the body of a request, and reserves memory for a large one.
    async fn read_body<'i>(
        &mut self,
        intake: &'i Intake,
        framing: Framing,
        expects_continue: bool,
    ) -> Result<(Bytes, Option<SemaphorePermit<'i>>), BodyError> {
        if framing == Framing::None {
            return Err(BodyError::LengthRequired);
        }
        let mut reader = BodyReader::new(framing, intake.limits().max_body)?;
        if let Progress::Complete(body) = reader.read(&mut self.inbox)? {
            return Ok((body, None));
        }
        if expects_continue && self.inbox.is_empty() {
            self.outbox.push_continue();
        }
        let limit = intake.body_timeout();
        let reading = async {
            // Nothing that the client waits for is kept back while it is waited for.
            self.flush().await.map_err(incomplete)?;
            self.read_rest(intake, reader).await
        };
        timeout(limit, reading).await.map_err(|_| BodyError::Timeout(limit))?
    }

    async fn read_rest<'i>(
        &mut self,
        intake: &'i Intake,
        mut reader: BodyReader,
    ) -> Result<(Bytes, Option<SemaphorePermit<'i>>), BodyError> {
        let mut reserved = None;
        loop {
            let (arrived, missing) = match reader.read(&mut self.inbox)? {
                Progress::Complete(body) => return Ok((body, reserved)),
                Progress::Incomplete { arrived, missing } => (arrived, missing),
            };
            if reserved.is_none() && arrived > UNCOUNTED_BYTES {
                reserved = intake.reserve(arrived, missing).await;
            }
            if read(&mut self.stream, &mut self.inbox, missing.unwrap_or(0)).await.map_err(incomplete)? == 0 {
                return Err(incomplete("the connection ended before it"));
            }
        }
    }

    /// Skips a body that no call reads. Returns whether all of it had arrived.
    fn skip_body(&mut self, framing: Framing, limit: usize) -> bool {
        let read = BodyReader::new(framing, limit).and_then(|mut reader| reader.read(&mut self.inbox));
        matches!(read, Ok(Progress::Complete(_)))
    }

    /// Waits until bytes of the client have arrived. Returns false if no further request is to be read: the client has shut
    /// down its sending side, the server is stopped, or the `deadline` has passed.
    async fn receive(
        &mut self,
        stopped: Pin<&mut WaitForCancellationFuture<'_>>,
        deadline: Instant,
    ) -> io::Result<bool> {
        tokio::select! {
            biased;
            read = read(&mut self.stream, &mut self.inbox, 0) => Ok(read? > 0),
            () = stopped => Ok(false),
            () = self.idle.until(deadline) => Ok(false),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.outbox.write(&mut self.stream, &[]).await
    }

    /// Answers a request that is not a valid message, and closes the connection.
    async fn refuse(&mut self, error: HeadError) -> io::Result<()> {
        tracing::debug!(%error, "refused a request");
        let (answer, is_head) = match error {
            HeadError::Host { reason, is_head } => {
                (Answer::new(StatusCode::BAD_REQUEST, "text/plain", reason), is_head)
            }
            error => (Answer::without_body(error.status()), false),
        };
        let form = ResponseForm { version: Version::HTTP_11, is_head, persistence: Persistence::Close };
        self.outbox.push(answer, form);
        self.flush().await?;
        self.close(false).await
    }

    /// Shuts the connection down. If a part of a request may still be on its way, it is read and discarded first: otherwise
    /// the connection would be reset, and the client would not receive the response (RFC 9112, section 9.6).
    async fn close(&mut self, is_read: bool) -> io::Result<()> {
        // Over TLS, a client that reads nothing could hold it up.
        timeout(LINGER_TIMEOUT, self.stream.shutdown()).await??;
        if !is_read {
            // Either way the connection is closed then.
            let _ = timeout(LINGER_TIMEOUT, discard(&mut self.stream)).await;
        }
        Ok(())
    }
}

fn incomplete(reason: impl ToString) -> BodyError {
    BodyError::Incomplete(reason.to_string())
}

impl From<BodyFault> for BodyError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge(limit) => BodyError::TooLarge { limit },
            fault => incomplete(fault),
        }
    }
}
