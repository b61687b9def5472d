//! Where a client finds its server.

use std::fmt;
use std::sync::Arc;

use calculator::{CallError, Client};
use futures_util::future::BoxFuture;

use super::options::Options;

/// A client that is ready to call, or why there is none.
pub type Connecting = BoxFuture<'static, Result<Arc<dyn Client>, CallError>>;

/// Where a client finds its server, and how it addresses it.
#[derive(Clone, PartialEq, Default)]
pub struct Destination {
    /// The server's URL, or the broker's. May hold credentials: never printed.
    pub url: String,
    /// The protocol's own options: AMQP's topic, headers over HTTP. May hold credentials: never printed.
    pub options: Options,
}

impl Destination {
    /// The server at `url`, with the protocol's default options.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Destination { url: url.into(), options: Options::default() }
    }
}

/// Without the URL and the values of options.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").field("options", &self.options).finish_non_exhaustive()
    }
}
