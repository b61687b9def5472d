//! Reading from a peer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use calculator::{CallError, ErrorKind};
use tokio::task::JoinSet;

use super::call::{Progress, handle_message};
use super::peer::{Peer, ReplyTo};
use super::state::ServerState;
use crate::wire::Event;
use crate::zmtp::{FillEnd, Flush, Inbox, Incoming, LinkError};

/// Reads and answers calls until the peer disconnects or reading is stopped. After a stop, calls in progress are
/// finished.
///
/// # Errors
/// [`LinkError`]: why the connection ended.
pub(super) async fn serve(
    state: &Arc<ServerState>,
    peer: &Arc<Peer>,
    mut inbox: Inbox,
) -> Result<(), LinkError> {
    let mut calls = JoinSet::new();
    loop {
        while let Some(incoming) = inbox.next()? {
            match incoming {
                Incoming::Message { envelope, payload } => {
                    if let Progress::Waiting(call) = handle_message(state, peer, envelope, payload).await {
                        call.spawn(state, peer, &mut calls).await?;
                    }
                }
                Incoming::Command(command) => peer.link.on_command(command),
                Incoming::TooLarge { envelope, head } => refuse_too_large(state, peer, envelope, head),
            }
            // A peer that sends without a pause must not starve the others.
            tokio::task::consume_budget().await;
        }
        if inbox.is_inside_message() {
            peer.received_part.store(true, Ordering::Relaxed);
        }
        if peer.link.fill(&mut inbox).await? == FillEnd::Stopped {
            break;
        }
    }
    // Stopping ends streams, but completes other calls.
    peer.link.flush_until(async { while calls.join_next().await.is_some() {} }).await?;
    peer.link.flush().await
}

/// Replies to a call whose message is above the limits, if its first bytes contain the id.
fn refuse_too_large(state: &ServerState, peer: &Peer, envelope: &[u8], head: &[u8]) {
    let limit = state.limits.max_body;
    state.dropped.add(format_args!("a message above the limit of {limit} bytes"));
    let Ok(event) = Event::decode(head, state.limits.max_depth) else { return };
    if let (Some(id), None) = (event.message_id, event.response_to) {
        let message = format!("the message is above the limit of {limit} bytes");
        let refused = Err(CallError::new(ErrorKind::TooLarge, message));
        let to = ReplyTo { envelope, id, method: &event.name, v1: event.is_v1() };
        peer.reply(state, Flush::ByReader, to, &refused);
    }
}
