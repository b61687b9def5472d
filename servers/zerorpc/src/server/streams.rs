//! Methods whose results are streams.

use calculator::{CallError, MethodInfo, Params, Value};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::Serving;
use super::peer::{Asked, OpenChannel, Peer};
use crate::wire::Say;
use crate::zmtp::{Flush, SendError};

/// The items of one call. An error ends the stream.
pub type ValueStream = BoxStream<'static, Result<Value, CallError>>;

/// A set of methods whose results are streams, as those that zerorpc-python decorates with `zerorpc.stream`. They are
/// served besides a [`Service`](calculator::Service), and run as tasks of the server's runtime.
pub trait Streams: Send + Sync + 'static {
    /// The methods.
    fn methods(&self) -> &[MethodInfo];

    /// Begins a call of one of [`methods`](Self::methods). The stream is polled only as its caller lets items come.
    ///
    /// # Errors
    /// [`InvalidArguments`](calculator::ErrorKind::InvalidArguments), or what the method itself reports.
    fn open(&self, method: &str, params: Params) -> Result<ValueStream, CallError>;
}

/// Sends the items of a stream as the caller lets them come and reads them, and the end.
pub(super) async fn send(
    serving: &Serving,
    peer: &Peer,
    channel: &OpenChannel,
    asked: Asked<'_>,
    items: ValueStream,
) {
    tokio::select! {
        () = send_all(serving, peer, channel, asked, items) => {}
        () = channel.lost.cancelled() => tracing::debug!("the caller of `{}` was lost", asked.method),
        () = serving.stop.cancelled() => {}
    }
}

async fn send_all(
    serving: &Serving,
    peer: &Peer,
    channel: &OpenChannel,
    asked: Asked<'_>,
    mut items: ValueStream,
) {
    loop {
        let item = items.next().await;
        channel.credit().await;
        // Whatever a peer lets come, no more is put ready than it reads.
        if peer.link.room().await.is_err() {
            return;
        }
        let failed = |error| Say::Failed { method: asked.method, error, v1: asked.v1 };
        let says = match &item {
            Some(Ok(value)) => Say::Item(value),
            Some(Err(error)) => failed(error),
            None => Say::Done,
        };
        let sent = peer.say(serving, Flush::Wake, asked.envelope, asked.id, says);
        if let Err(SendError::Encode(error)) = &sent {
            // The item's place is free for the error.
            let _ = peer.say(serving, Flush::Wake, asked.envelope, asked.id, failed(error));
        }
        if sent.is_err() || !matches!(item, Some(Ok(_))) {
            return;
        }
        tokio::task::consume_budget().await;
    }
}
