//! One call: begun where it is read, and made a task only where its handler waits.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use calculator::{Call, CallError, ErrorKind, Method, Params, Value};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::Serving;
use super::peer::{Asked, OpenChannel, Peer};
use super::streams::{self, ValueStream};
use crate::introspection;
use crate::wire::Event;
use crate::zmtp::{Flush, LinkError};

/// Octets of a message for which its call counts once against [`Limits::max_in_flight`](calculator::Limits).
const OCTETS_OF_A_PERMIT: usize = 16 << 10;

type Handler = Pin<Box<dyn Future<Output = Result<Value, CallError>> + Send>>;

/// How far a message has come.
pub(super) enum Began {
    /// It is done with: answered, or dropped.
    Done,
    /// Its handler waits.
    Waits(Waiting),
}

/// A call whose handler waits.
pub(super) struct Waiting {
    channel: OpenChannel,
    method: Cow<'static, str>,
    v1: bool,
    work: Work,
}

enum Work {
    /// A call, and the permits that it takes.
    Call(Handler, usize),
    Stream(ValueStream, OwnedSemaphorePermit),
}

/// Handles one message: a call, or an event on a channel that is open.
pub(super) async fn begin(
    serving: &Arc<Serving>,
    peer: &Arc<Peer>,
    envelope: &[u8],
    payload: &[u8],
) -> Began {
    match accept(serving, peer, envelope, payload).await {
        Ok(began) => began,
        Err(reason) => {
            serving.dropped.add(reason);
            Began::Done
        }
    }
}

async fn accept(
    serving: &Arc<Serving>,
    peer: &Arc<Peer>,
    envelope: &[u8],
    payload: &[u8],
) -> Result<Began, Dropped> {
    let max_depth = serving.limits.max_depth;
    let event = Event::decode(payload, max_depth)?;
    if let Some(channel) = event.response_to {
        peer.on_channel(serving, &event, channel, envelope);
        return Ok(Began::Done);
    }
    let id = event.message_id.ok_or(Dropped::NoId)?;
    let asked = Asked { envelope, id, method: &event.name, v1: event.is_v1() };
    let answer = |result| {
        peer.reply(serving, Flush::Own, asked, &result);
        Ok(Began::Done)
    };
    let args = match event.call_args(max_depth)? {
        Ok(args) => args,
        Err(refused) => return answer(Err(refused)),
    };
    if let Some(result) = introspection::answer(&serving.catalog, &event.name, &args) {
        return answer(result);
    }
    let method = match Method::from_name(&event.name) {
        Some(method) => Cow::Borrowed(method.name()),
        None => Cow::Owned(event.name.to_string()),
    };
    let waits = |method, work| {
        let channel = peer.open(serving, &event, id, envelope).ok_or(Dropped::DuplicateId)?;
        Ok(Began::Waits(Waiting { channel, method, v1: asked.v1, work }))
    };
    if let Some(streams) = &serving.streams
        && streams.methods().iter().any(|info| info.name == event.name)
    {
        let Ok(permit) = Arc::clone(&peer.streaming).try_acquire_owned() else {
            return answer(Err(CallError::new(ErrorKind::TooLarge, "too many streams are open")));
        };
        return match streams.open(&event.name, Params::Positional(args)) {
            Ok(items) => waits(method, Work::Stream(items, permit)),
            Err(error) => answer(Err(error)),
        };
    }
    let mut handler = handler(serving, Call { method: method.clone(), params: Params::Positional(args) });
    if serving.alone
        && let Some(result) = poll_once(handler.as_mut()).await
    {
        return answer(result);
    }
    waits(method, Work::Call(handler, 1 + payload.len() / OCTETS_OF_A_PERMIT))
}

/// Why a message was dropped.
#[derive(Debug, thiserror::Error)]
enum Dropped {
    #[error(transparent)]
    NoEvent(#[from] crate::wire::DecodeError),
    #[error("a call without a message_id")]
    NoId,
    #[error("a call with the id of one in flight")]
    DuplicateId,
}

/// The handler of a call, which may panic.
fn handler(serving: &Arc<Serving>, call: Call) -> Handler {
    let dispatcher = serving.dispatcher.clone();
    let handled = AssertUnwindSafe(async move { dispatcher.call(call).await }).catch_unwind();
    Box::pin(handled.map(|finished| {
        finished.unwrap_or_else(|_| Err(CallError::new(ErrorKind::Internal, "the handler panicked")))
    }))
}

/// Polls `future` once; `None` where it is not ready.
async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

impl Waiting {
    /// Makes it a task, once there is a permit for it. Nothing more is read from the peer until then.
    ///
    /// # Errors
    /// When the connection has ended meanwhile.
    pub(super) async fn spawn(
        self,
        serving: &Arc<Serving>,
        peer: &Arc<Peer>,
        calls: &mut JoinSet<()>,
    ) -> Result<(), LinkError> {
        let Waiting { channel, method, v1, work } = self;
        let (serving, peer) = (Arc::clone(serving), Arc::clone(peer));
        match work {
            Work::Stream(items, permit) => {
                calls.spawn(async move {
                    let asked = Asked { envelope: channel.envelope(), id: channel.id(), method: &method, v1 };
                    streams::send(&serving, &peer, &channel, asked, items).await;
                    drop(permit);
                });
            }
            Work::Call(handler, permits) => {
                let permit = permits_for(&serving, &peer, permits).await?;
                calls.spawn(async move {
                    tokio::select! {
                        result = handler => {
                            let asked = Asked { envelope: channel.envelope(), id: channel.id(), method: &method, v1 };
                            peer.reply(&serving, Flush::Wake, asked, &result);
                        }
                        () = channel.lost.cancelled() => tracing::debug!("the caller of `{method}` was lost"),
                    }
                    drop(permit);
                });
            }
        }
        while calls.try_join_next().is_some() {}
        Ok(())
    }
}

/// Waits for permits of the peer and of the server. Calls that have theirs do not wait for anything that this peer has
/// yet to send, so that they finish while it is not read from.
async fn permits_for(
    serving: &Serving,
    peer: &Peer,
    permits: usize,
) -> Result<[Option<OwnedSemaphorePermit>; 2], LinkError> {
    let permits = u32::try_from(permits.min(serving.share)).unwrap_or(u32::MAX);
    let semaphores: [&Arc<Semaphore>; 2] = [&peer.waiting, &serving.waiting];
    let mut acquired = [None, None];
    for (semaphore, permit) in semaphores.into_iter().zip(&mut acquired) {
        *permit = match Arc::clone(semaphore).try_acquire_many_owned(permits) {
            Ok(permit) => Some(permit),
            Err(_) => {
                peer.paused.store(true, Ordering::Relaxed);
                let permit = peer.link.flush_until(Arc::clone(semaphore).acquire_many_owned(permits)).await;
                peer.paused.store(false, Ordering::Relaxed);
                // Nobody closes these semaphores.
                permit?.ok()
            }
        };
    }
    Ok(acquired)
}
