//! The options of a server.

use std::time::Duration;

use calculator::Limits;

use crate::cors::AllowedOrigins;

/// Options of an HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Limits on the size of requests and on the number of concurrent calls.
    pub limits: Limits,
    /// How long a client may take to send the body of a request. Default 30 s.
    pub body_timeout: Duration,
    /// The origins of web pages that may call the server from a browser. Default: none.
    pub allowed_origins: AllowedOrigins,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Limits::default().into()
    }
}

impl From<Limits> for HttpOptions {
    fn from(limits: Limits) -> Self {
        let allowed_origins = AllowedOrigins::default();
        HttpOptions { limits, body_timeout: Duration::from_secs(30), allowed_origins }
    }
}
