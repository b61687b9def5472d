//! One DEALER connection: opening it, and the tasks that read from it and send heartbeats.

use std::sync::Arc;
use std::time::Duration;

use calculator::{CallError, ClientOptions, ErrorKind};
use net::AddressError;
use tokio::task::AbortHandle;

use super::session::{Session, SilenceDetector};
use crate::heartbeat::{self, HeartbeatPeriod, lost_remote_message};
use crate::library::Library;
use crate::url::parse_url;
use crate::zmtp::wire::{MAX_FRAMES, MessageLimits, SocketType};
use crate::zmtp::{Inbox, Incoming, Link, LinkError};

/// A connection to a server. It ends when the server closes it or is lost, and another one then replaces it.
pub(super) struct Connection {
    session: Arc<Session>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Connection {
    /// Connects within `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if no server listens or `url` is not valid, [`ErrorKind::Timeout`] if it takes too
    /// long.
    pub(super) async fn open(
        url: &str,
        options: &ClientOptions,
        period: HeartbeatPeriod,
        library: Library,
    ) -> Result<Self, CallError> {
        let connecting = connect(url, options.limits.max_body, library);
        let connecting = tokio::time::timeout(options.timeout, connecting);
        let timed_out =
            || CallError::new(ErrorKind::Timeout, format!("{url} did not answer the handshake in time"));
        let (link, inbox) = connecting.await.map_err(|_| timed_out())?.map_err(|error| match error {
            ConnectError::Link(LinkError::HandshakeTimeout) => timed_out(),
            error => CallError::new(ErrorKind::Undeliverable, format!("cannot connect to {url}: {error}")),
        })?;
        let session = Arc::new(Session::new(link, options.limits));
        let mut tasks = vec![tokio::spawn(read(Arc::clone(&session), inbox)).abort_handle()];
        if let Some(period) = period {
            tasks.push(tokio::spawn(send_heartbeats(Arc::clone(&session), period)).abort_handle());
        }
        Ok(Connection { session, tasks })
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}

#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error(transparent)]
    Url(#[from] AddressError),
    #[error("{}", net::describe_connect_error(.0))]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Link(#[from] LinkError),
}

async fn connect(url: &str, max_body: usize, library: Library) -> Result<(Link, Inbox), ConnectError> {
    let transport = library.connect(&parse_url(url)?).await?;
    let limits = MessageLimits { bytes: max_body, frames: MAX_FRAMES };
    Ok(Link::establish(transport, SocketType::Dealer, limits).await?)
}

/// Reads and handles messages until the connection ends.
async fn read(session: Arc<Session>, mut inbox: Inbox) {
    let reason = loop {
        if let Err(error) = handle_all(&session, &mut inbox).await {
            break error;
        }
        if inbox.is_inside_message() {
            session.record_transfer();
        }
        match session.link().fill(&mut inbox).await {
            Ok(_) => session.record_heard(),
            Err(error) => break error,
        }
    };
    session.close(&format!("the connection was lost: {reason}"));
}

/// Handles all messages and commands in `inbox`.
async fn handle_all(session: &Session, inbox: &mut Inbox) -> Result<(), LinkError> {
    while let Some(incoming) = inbox.next()? {
        match incoming {
            Incoming::Message { payload, .. } => session.handle_message(payload),
            Incoming::Command(command) => session.link().on_command(command),
            Incoming::TooLarge { head, .. } => session.handle_too_large(head),
        }
        tokio::task::consume_budget().await;
    }
    Ok(())
}

/// Sends heartbeats until the connection ends or the server is lost.
async fn send_heartbeats(session: Arc<Session>, period: Duration) {
    let mut timer = heartbeat::timer(period);
    let mut silence = SilenceDetector::new(&session);
    loop {
        timer.tick().await;
        if session.link().is_closed() {
            return;
        }
        if !session.on_tick(period, &mut silence) {
            return session.close(&lost_remote_message(period));
        }
    }
}
