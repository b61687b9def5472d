//! One call: started by the task that reads it, and made a separate task only if its handler waits.

use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use calculator::{Call, CallError, ErrorKind, Method, Params, Value};
use futures_util::{FutureExt, poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::peer::{OpenChannel, Peer, ReplyTo};
use super::state::ServerState;
use super::stream;
use crate::introspection;
use crate::streams::ValueStream;
use crate::wire::{DecodeError, Event};
use crate::zmtp::{Flush, LinkError};

/// The number of bytes of a message for which its call takes one permit of
/// [`Limits::max_in_flight`](calculator::Limits).
const BYTES_PER_PERMIT: usize = 16 << 10;

type Handler = Pin<Box<dyn Future<Output = Result<Value, CallError>> + Send>>;

/// The work that remains to be done for a message.
pub(super) enum Progress {
    /// No work remains: the message was answered or dropped.
    Finished,
    /// The handler of the call waits.
    Waiting(WaitingCall),
}

/// A call whose handler waits.
pub(super) struct WaitingCall {
    channel: OpenChannel,
    method: Cow<'static, str>,
    v1: bool,
    work: Work,
}

enum Work {
    /// A call with one result, and the number of permits that it takes.
    Call(Handler, usize),
    Stream(ValueStream, OwnedSemaphorePermit),
}

/// Why a message was dropped.
#[derive(Debug, thiserror::Error)]
enum DropReason {
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    #[error("a call without a message_id")]
    NoId,
    #[error("a call with the id of one in flight")]
    DuplicateId,
}

/// Handles a message: starts a call, or handles an event on an open channel.
pub(super) async fn handle_message(
    state: &Arc<ServerState>,
    peer: &Arc<Peer>,
    envelope: &[u8],
    payload: &[u8],
) -> Progress {
    match try_handle(state, peer, envelope, payload).await {
        Ok(progress) => progress,
        Err(reason) => {
            state.dropped.add(reason);
            Progress::Finished
        }
    }
}

async fn try_handle(
    state: &Arc<ServerState>,
    peer: &Arc<Peer>,
    envelope: &[u8],
    payload: &[u8],
) -> Result<Progress, DropReason> {
    let max_depth = state.limits.max_depth;
    let event = Event::decode(payload, max_depth)?;
    if let Some(channel) = event.response_to {
        peer.handle_channel_event(state, &event, channel, envelope);
        return Ok(Progress::Finished);
    }
    let id = event.message_id.ok_or(DropReason::NoId)?;
    let to = ReplyTo { envelope, id, method: &event.name, v1: event.is_v1() };
    let answer = |result| {
        peer.reply(state, Flush::ByReader, to, &result);
        Ok(Progress::Finished)
    };
    let args = match event.call_args(max_depth) {
        Ok(Ok(args)) => args,
        Ok(Err(error)) => return answer(Err(error)),
        // zerorpc-python drops such a message, and its caller waits for the timeout.
        Err(error) => {
            state.dropped.add(format_args!("the arguments of a call: {error}"));
            return answer(Err(error.into()));
        }
    };
    if let Some(result) = introspection::call(&state.catalog, &event.name, &args) {
        return answer(result);
    }
    let method = match Method::from_name(&event.name) {
        Some(method) => Cow::Borrowed(method.name()),
        None => Cow::Owned(event.name.to_string()),
    };
    let wait = |method, work| {
        let channel = peer.open_channel(state, &event, id, envelope).ok_or(DropReason::DuplicateId)?;
        Ok(Progress::Waiting(WaitingCall { channel, method, v1: to.v1, work }))
    };
    if let Some(streams) = &state.streams
        && streams.methods().iter().any(|info| info.name == event.name)
    {
        let Ok(permit) = Arc::clone(&peer.stream_permits).try_acquire_owned() else {
            return answer(Err(CallError::new(ErrorKind::TooLarge, "too many streams are open")));
        };
        state.dispatcher.count_stream();
        return match streams.open(&event.name, Params::Positional(args)) {
            Ok(items) => wait(method, Work::Stream(items, permit)),
            Err(error) => answer(Err(error)),
        };
    }
    let mut handler = handler(state, Call { method: method.clone(), params: Params::Positional(args) });
    if state.single_threaded
        && let Poll::Ready(result) = poll!(handler.as_mut())
    {
        return answer(result);
    }
    wait(method, Work::Call(handler, 1 + payload.len() / BYTES_PER_PERMIT))
}

/// The handler of a call. A panic in it becomes an error.
fn handler(state: &Arc<ServerState>, call: Call) -> Handler {
    let dispatcher = state.dispatcher.clone();
    let handled = AssertUnwindSafe(async move { dispatcher.call(call).await }).catch_unwind();
    Box::pin(handled.map(|finished| {
        finished.unwrap_or_else(|_| Err(CallError::new(ErrorKind::Internal, "the handler panicked")))
    }))
}

impl WaitingCall {
    /// Runs the call as a task of `calls`, once it has its permits. Nothing is read from the peer until then.
    ///
    /// # Errors
    /// [`LinkError`] if the connection ends meanwhile.
    pub(super) async fn spawn(
        self,
        state: &Arc<ServerState>,
        peer: &Arc<Peer>,
        calls: &mut JoinSet<()>,
    ) -> Result<(), LinkError> {
        let WaitingCall { channel, method, v1, work } = self;
        let (state, peer) = (Arc::clone(state), Arc::clone(peer));
        match work {
            Work::Stream(items, permit) => {
                calls.spawn(async move {
                    let to = ReplyTo { envelope: channel.envelope(), id: channel.id(), method: &method, v1 };
                    stream::send(&state, &peer, &channel, to, items).await;
                    drop(permit);
                });
            }
            Work::Call(handler, permits) => {
                let permits = acquire_permits(&state, &peer, permits).await?;
                calls.spawn(async move {
                    let to = ReplyTo { envelope: channel.envelope(), id: channel.id(), method: &method, v1 };
                    tokio::select! {
                        biased;
                        result = handler => peer.reply(&state, Flush::WakeReader, to, &result),
                        () = channel.peer_lost.cancelled() => tracing::debug!("the caller of `{method}` was lost"),
                    }
                    drop(permits);
                });
            }
        }
        while calls.try_join_next().is_some() {}
        Ok(())
    }
}

/// Waits for `permits` permits of the peer and of the server. This cannot deadlock: a call that has its permits does
/// not depend on anything that is read from the peer.
async fn acquire_permits(
    state: &ServerState,
    peer: &Peer,
    permits: usize,
) -> Result<[Option<OwnedSemaphorePermit>; 2], LinkError> {
    let permits = u32::try_from(permits.min(state.permits_per_peer)).unwrap_or(u32::MAX);
    let semaphores: [&Arc<Semaphore>; 2] = [&peer.call_permits, &state.call_permits];
    let mut acquired = [None, None];
    for (semaphore, permit) in semaphores.into_iter().zip(&mut acquired) {
        *permit = match Arc::clone(semaphore).try_acquire_many_owned(permits) {
            Ok(permit) => Some(permit),
            Err(_) => {
                peer.paused.store(true, Ordering::Relaxed);
                let permit = peer.link.flush_until(Arc::clone(semaphore).acquire_many_owned(permits)).await;
                peer.paused.store(false, Ordering::Relaxed);
                // These semaphores are never closed, so this is always a permit.
                permit?.ok()
            }
        };
    }
    Ok(acquired)
}
