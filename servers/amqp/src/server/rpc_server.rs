//! The server's public handle: start, stop, wait, reset.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::deduplicator::Deduplicator;
use super::dispatcher::RpcDispatcher;
use super::options::RpcServerOptions;
use super::session::{ServeOutcome, Session};
use super::state::ServerState;
use crate::connect::TransportError;
use crate::reconnect::reopen;
use crate::target::{Target, TargetError};
use crate::transport::Transport;
use crate::url::TransportUrl;

/// A server of one target, as in oslo.messaging: it consumes the queue of its topic, the queue of its server name and a
/// fanout queue, and publishes replies with confirms on a second connection.
///
/// Clones are handles of the same server, which stops when the last one is dropped. It reconnects when a connection is
/// lost.
#[derive(Clone)]
pub struct RpcServer {
    state: Arc<ServerState>,
    running: Arc<Mutex<Option<RunningServer>>>,
}

/// A server that was started, and not yet stopped and waited for.
struct RunningServer {
    token: CancellationToken,
    /// Stops the server when the last handle is dropped.
    _stop: DropGuard,
    ended: watch::Receiver<bool>,
}

impl RpcServer {
    /// Creates a server without starting it.
    ///
    /// # Errors
    /// [`TargetError`]; the target needs a topic and a server name.
    pub fn new(
        transport: &Transport,
        target: Target,
        dispatcher: Arc<RpcDispatcher>,
        options: RpcServerOptions,
    ) -> Result<Self, TargetError> {
        target.check()?;
        if target.server.is_none() {
            return Err(TargetError::NoServer);
        }
        let state = ServerState::new(transport.clone(), target, dispatcher, options);
        Ok(RpcServer { state, running: Arc::default() })
    }

    /// The broker's URL.
    pub(super) fn url(&self) -> &TransportUrl {
        self.state.transport.url()
    }

    /// Connects, declares the target's exchanges and queues, and returns when the broker has registered the three
    /// consumers: from then on requests are executed. Does nothing if the server is running. A server that was stopped
    /// and waited for can be started again.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn start(&self) -> Result<(), TransportError> {
        if self.lock().is_some() {
            return Ok(());
        }
        let session = Session::open(&self.state).await?;
        let token = CancellationToken::new();
        let (ended_sender, ended) = watch::channel(false);
        let (state, stop) = (Arc::clone(&self.state), token.clone());
        let running = RunningServer { _stop: token.clone().drop_guard(), token, ended };
        // If another start was faster, replacing its entry drops the guard that stops it.
        *self.lock() = Some(running);
        tokio::spawn(async move {
            serve(&state, session, &stop).await;
            ended_sender.send_replace(true);
        });
        Ok(())
    }

    /// Stops accepting requests. Returns immediately.
    pub fn stop(&self) {
        if let Some(running) = &*self.lock() {
            running.token.cancel();
        }
    }

    /// Waits until the server was stopped, the calls in progress are finished (at most 4 s), its fanout queue is
    /// deleted and its connections are closed. Returns immediately if the server is not running.
    pub async fn wait(&self) {
        let Some(mut ended) = self.lock().as_ref().map(|running| running.ended.clone()) else { return };
        // An error means that the task panicked, so the server has ended as well.
        let _ = ended.wait_for(|ended| *ended).await;
        let mut running = self.lock();
        if running.as_ref().is_some_and(|running| running.token.is_cancelled()) {
            *running = None;
        }
    }

    /// Forgets the ids of past messages. They are used to recognise redelivered messages.
    pub fn reset(&self) {
        *self.state.deduplicator() = Deduplicator::default();
    }

    fn lock(&self) -> MutexGuard<'_, Option<RunningServer>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until `stop` is cancelled, with a new session after each lost connection.
async fn serve(state: &Arc<ServerState>, mut session: Session, stop: &CancellationToken) {
    while let ServeOutcome::ConnectionLost(reason) = session.serve(state, stop).await {
        tracing::warn!(broker = %state.transport.url(), "{reason}; reconnecting");
        drop(session);
        match stop.run_until_cancelled(reopen(|| Session::open(state))).await {
            Some(reopened) => session = reopened,
            None => return,
        }
        tracing::info!(broker = %state.transport.url(), "reconnected");
    }
    session.close(state).await;
}
