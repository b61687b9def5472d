//! Server settings.

use std::time::Duration;

use calculator::Limits;

use crate::transport::Transport;

/// When a server acknowledges a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledge {
    /// Before executing it, as oslo.messaging does: at-most-once execution. If the server dies, the requests in progress
    /// are lost.
    #[default]
    Before,
    /// After executing it and after the broker has confirmed the reply: at-least-once execution. If the server dies, the
    /// broker redelivers the requests in progress, which may have been executed already, to another server or to the
    /// restarted one.
    After,
}

/// Settings of a server besides its target and its methods.
#[derive(Clone, Copy, Debug)]
pub struct RpcServerOptions {
    /// Limits of what the server accepts. Requests beyond [`Limits::max_in_flight`] stay at the broker.
    pub limits: Limits,
    /// The maximum number of unacknowledged messages per queue that the broker sends (basic.qos); at least 1. By default
    /// oslo.messaging sets no limit and buffers entire queues in memory; clients cannot observe the difference. Default
    /// 256.
    pub prefetch: u16,
    /// Whether to accept compressed requests, which oslo.messaging sends with `kombu_compression=gzip`. Their
    /// decompressed size is limited to [`Limits::max_body`] bytes; they are decompressed one after the other, and other
    /// requests wait meanwhile. Other compressions are always rejected. A compressed request that is rejected is
    /// nevertheless decompressed, up to the same limit, one at a time on another thread, to answer its call with a failure;
    /// it counts as in progress until then. If 64 of them wait, a further one is not answered. Default: `false`.
    pub decompress: bool,
    /// When requests are acknowledged.
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
    /// The prefetch count on `transport`; `None` without acknowledgements. An option of the URL takes precedence over
    /// [`prefetch`](Self::prefetch).
    pub(crate) fn prefetch_on(&self, transport: &Transport) -> Option<u16> {
        let prefetch = transport.url().prefetch().unwrap_or(self.prefetch).max(1);
        transport.acknowledges().then_some(prefetch)
    }
}
