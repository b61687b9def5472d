//! Sending the items of a stream.

use futures_util::StreamExt;

use super::peer::{OpenChannel, Peer, ReplyTo};
use super::state::ServerState;
use crate::streams::ValueStream;
use crate::wire::ChannelEvent;
use crate::zmtp::{Flush, SendError};

/// Sends the items and the end of a stream, only as fast as the caller gives credit and reads. Ends early if the caller
/// is lost or the server stops.
pub(super) async fn send(
    state: &ServerState,
    peer: &Peer,
    channel: &OpenChannel,
    to: ReplyTo<'_>,
    items: ValueStream,
) {
    tokio::select! {
        biased;
        () = send_all(state, peer, channel, to, items) => {}
        () = channel.peer_lost.cancelled() => tracing::debug!("the caller of `{}` was lost", to.method),
        () = state.stop.cancelled() => {}
    }
}

async fn send_all(
    state: &ServerState,
    peer: &Peer,
    channel: &OpenChannel,
    to: ReplyTo<'_>,
    mut items: ValueStream,
) {
    loop {
        let item = items.next().await;
        channel.spend_credit().await;
        // Whatever the credit, items are queued only as fast as the peer reads them.
        if peer.link.space_available().await.is_err() {
            return;
        }
        let event = match &item {
            Some(Ok(value)) => ChannelEvent::Item(value),
            Some(Err(error)) => to.error_event(error),
            None => ChannelEvent::Done,
        };
        let sent = peer.send_event(state, Flush::WakeReader, to.envelope, to.id, event);
        if let Err(SendError::Encode(error)) = &sent {
            // The credit that was spent on the item is used for the error.
            let _ = peer.send_event(state, Flush::WakeReader, to.envelope, to.id, to.error_event(error));
        }
        if sent.is_err() || !matches!(item, Some(Ok(_))) {
            return;
        }
        tokio::task::consume_budget().await;
    }
}
