//! The serving end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calculator::{Dispatcher, Limits};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::session::{Ending, Session, Work};
use crate::transport::TransportError;
use crate::{RpcDispatcher, Target, TargetError, Transport};

/// A lost broker is looked for after this time, and then after twice as long each time up to the longest.
/// oslo.messaging's wait grows to 30 s; a server that is back as soon as its broker spares its callers those.
const RECONNECT_DELAY: Duration = Duration::from_millis(125);
const RECONNECT_DELAY_MOST: Duration = Duration::from_millis(500);

/// When a server acknowledges a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledge {
    /// Before it is executed, as oslo.messaging does: at most once. A request in a server that dies is lost.
    #[default]
    Before,
    /// When it has been executed and its answer is the broker's: at least once. The requests in a server that dies go
    /// to another one, or to the same when it is back, and may have been executed already.
    After,
}

/// What a server can be told besides whom it serves and how.
#[derive(Clone, Copy, Debug)]
pub struct RpcServerOptions {
    /// What the server accepts. Requests beyond [`Limits::max_in_flight`] stay at the broker.
    pub limits: Limits,
    /// Messages that the broker sends ahead of their acknowledgement, per queue (basic.qos); at least 1. oslo.messaging
    /// sets no bound by default and buffers a whole queue in memory; clients cannot tell the difference. Default 256.
    pub prefetch: u16,
    /// Whether compressed requests are read, as oslo.messaging sends them with `kombu_compression=gzip`, up to
    /// [`Limits::max_body`] octets of what they unpack to. Others are refused, and by default these are, too.
    pub decompress: bool,
    /// When a request is acknowledged.
    pub acknowledge: Acknowledge,
    /// How long connecting may take. Default 10 s.
    pub timeout: Duration,
}

impl Default for RpcServerOptions {
    fn default() -> Self {
        RpcServerOptions {
            limits: Limits::default(),
            prefetch: 256,
            decompress: false,
            acknowledge: Acknowledge::default(),
            timeout: Duration::from_secs(10),
        }
    }
}

impl RpcServerOptions {
    /// The bound on messages ahead of their acknowledgement, where there are acknowledgements to bound; what the URL
    /// says goes before the option.
    pub(crate) fn prefetch_on(&self, transport: &Transport) -> Option<u16> {
        let bound = transport.url().prefetch().unwrap_or(self.prefetch).max(1);
        transport.acknowledges().then_some(bound)
    }
}

/// Why a server cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The target is no server's.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// There is no broker, or it refused.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A server of one target in the manner of oslo.messaging: it consumes the queue of its topic, the queue of its own
/// name and a fanout queue, and answers on a second connection with a publisher confirm each.
///
/// All clones are one server; it stops when the last one is dropped. A lost connection is made anew.
#[derive(Clone)]
pub struct RpcServer {
    work: Arc<Work>,
    running: Arc<Mutex<Option<Running>>>,
}

/// A start that has not been stopped and waited for.
struct Running {
    token: CancellationToken,
    /// Stops it when the last handle goes.
    _stop: DropGuard,
    ended: watch::Receiver<bool>,
}

impl RpcServer {
    /// A server that is not started yet.
    ///
    /// # Errors
    /// [`TargetError`]; a target needs a topic and a server name.
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
        let work = Work::new(transport.clone(), target, dispatcher, options);
        Ok(RpcServer { work, running: Arc::default() })
    }

    /// Connects, declares the target's exchanges and queues, and returns when the broker has registered the three
    /// consumers: from then on requests are executed. Nothing where it is running already. A server that was stopped
    /// and waited for can be started again.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn start(&self) -> Result<(), TransportError> {
        if self.lock().is_some() {
            return Ok(());
        }
        let session = Session::open(&self.work).await?;
        let token = CancellationToken::new();
        let (ends, ended) = watch::channel(false);
        let (work, stop) = (Arc::clone(&self.work), token.clone());
        let running = Running { _stop: token.clone().drop_guard(), token, ended };
        // A start that came between is stopped by being replaced.
        *self.lock() = Some(running);
        tokio::spawn(async move {
            serve(&work, session, &stop).await;
            ends.send_replace(true);
        });
        Ok(())
    }

    /// Tells it to take no more requests, and returns at once.
    pub fn stop(&self) {
        if let Some(running) = &*self.lock() {
            running.token.cancel();
        }
    }

    /// Waits until it was stopped, the requests in hand are finished (at most 4 s), its fanout queue is deleted and its
    /// connections are closed. Nothing where it is not running.
    pub async fn wait(&self) {
        let Some(mut ended) = self.lock().as_ref().map(|running| running.ended.clone()) else { return };
        // An error means that it ended in a panic, which is an end too.
        let _ = ended.wait_for(|ended| *ended).await;
        let mut running = self.lock();
        if running.as_ref().is_some_and(|running| running.token.is_cancelled()) {
            *running = None;
        }
    }

    /// Has it forget which messages came last, by which it recognises repeated ones.
    pub fn reset(&self) {
        self.work.forget();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until `stop`, over one session after another.
async fn serve(work: &Arc<Work>, mut session: Session, stop: &CancellationToken) {
    while session.serve(work, stop).await == Ending::Lost {
        tracing::warn!(broker = %work.transport.url(), "lost the broker; connecting anew");
        drop(session);
        match stop.run_until_cancelled(reopen(work)).await {
            Some(reopened) => session = reopened,
            None => return,
        }
        tracing::info!(broker = %work.transport.url(), "connected again");
    }
    session.end(work).await;
}

async fn reopen(work: &Work) -> Session {
    let mut delay = RECONNECT_DELAY;
    loop {
        tokio::time::sleep(delay).await;
        match Session::open(work).await {
            Ok(session) => return session,
            Err(error) => tracing::warn!(%error, "still no broker"),
        }
        delay = (delay * 2).min(RECONNECT_DELAY_MOST);
    }
}

/// An [`RpcServer`] of one service of the suite's contract, such as the calculator.
pub struct Server(RpcServer);

impl Server {
    /// Starts a server of `dispatcher`'s service, in the null namespace and version 1.0.
    ///
    /// # Errors
    /// [`ServerError`]; a target needs a topic and a server name.
    pub async fn bind(
        transport: &Transport,
        target: Target,
        dispatcher: Dispatcher,
        options: RpcServerOptions,
    ) -> Result<Self, ServerError> {
        // The service's own executor is the one that counts.
        let dispatcher = RpcDispatcher::new().endpoint(dispatcher).build();
        let server = RpcServer::new(transport, target, dispatcher, options)?;
        server.start().await?;
        Ok(Server(server))
    }

    /// The broker's URL, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.work.transport.url().to_string()
    }

    /// Serves until `stop`, then finishes the calls in hand, at most 4 s, and leaves the broker as it was but for the
    /// topic's queues.
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
        self.0.stop();
        self.0.wait().await;
    }
}
