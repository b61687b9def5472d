//! Execution of one request, from the decoded message to the encoded reply.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::dispatcher::RpcDispatcher;
use super::reply_sender::{Recipient, ReplySender};
use crate::wire::{self, Envelope, Failure, Request, WireError};

/// A longer call monitor timeout is treated as this one, a day in seconds.
const MAX_CALL_MONITOR_TIMEOUT_S: u64 = 86_400;

/// Executes a request. Returns the encoded reply and its recipient, or `None` for a request without a recipient.
pub(super) async fn execute(
    dispatcher: &Arc<RpcDispatcher>,
    mut request: Request,
    recipient: Option<Recipient>,
    replies: &Arc<ReplySender>,
) -> Option<(Recipient, Vec<u8>)> {
    let (msg_id, monitor, envelope) = (request.msg_id.take(), request.call_monitor_timeout, request.envelope);
    let dispatched = AssertUnwindSafe(dispatcher.dispatch(request)).catch_unwind();
    let (Some(msg_id), Some(recipient)) = (msg_id, recipient) else {
        if dispatched.await.is_err() {
            tracing::error!("a handler panicked");
        }
        return None;
    };
    let result = match monitor {
        None => dispatched.await,
        Some(seconds) => {
            let mut dispatched = pin!(dispatched);
            tokio::select! {
                biased;
                result = &mut dispatched => result,
                () = send_heartbeats(seconds, &msg_id, &recipient, replies) => dispatched.await,
            }
        }
    };
    let result = result.unwrap_or_else(|_| {
        tracing::error!("a handler panicked");
        Err(Failure::builtin("Exception", "the handler panicked"))
    });
    let mut buffer = [0; wire::ID_LEN];
    let (unique_id, envelope) = reply_form(&recipient, envelope, &mut buffer);
    let encoded = result.and_then(|value| Ok(wire::encode_result(&value, &msg_id, unique_id, envelope)?));
    let body = encoded.unwrap_or_else(|failure| wire::encode_failure(&failure, &msg_id, unique_id, envelope));
    Some((recipient, body))
}

/// Encodes the reply to a request that could not be read.
pub(super) fn encode_refusal(
    error: &WireError,
    msg_id: &str,
    recipient: &Recipient,
    envelope: Envelope,
) -> Vec<u8> {
    let mut buffer = [0; wire::ID_LEN];
    let (unique_id, envelope) = reply_form(recipient, envelope, &mut buffer);
    wire::encode_failure(&error.into(), msg_id, unique_id, envelope)
}

/// The unique id and the envelope of a reply to `recipient`, whose request came in `envelope`.
fn reply_form<'a>(
    recipient: &Recipient,
    envelope: Envelope,
    buffer: &'a mut [u8; wire::ID_LEN],
) -> (&'a str, Envelope) {
    match recipient {
        Recipient::Queue(_) => (wire::new_id(buffer), Envelope::V2),
        // Messages that are not acknowledged are never redelivered, and need no unique id.
        Recipient::Channel(_) => ("", envelope),
    }
}

/// Sends two heartbeats per call monitor timeout, which is given in seconds. Never returns.
async fn send_heartbeats(timeout: u64, msg_id: &str, recipient: &Recipient, replies: &ReplySender) {
    let interval = Duration::from_secs(timeout.min(MAX_CALL_MONITOR_TIMEOUT_S)) / 2;
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut buffer = [0; wire::ID_LEN];
        let body = wire::encode_heartbeat(msg_id, wire::new_id(&mut buffer), Envelope::V2);
        replies.send_heartbeat(recipient, body).await;
    }
}
