//! The options of a server.

use std::time::Duration;

use calculator::Limits;

use crate::cors::AllowedOrigins;

/// Limits and timeouts of an HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Limits on the size of requests and on the number of concurrent calls.
    pub limits: Limits,
    /// How long a client may take to send the head of a request, and how long a connection may be idle between requests.
    /// Default 30 s.
    pub head_timeout: Duration,
    /// How long a client may take to send the body of a request. Default 30 s.
    pub body_timeout: Duration,
    /// How long a client may read nothing of a response. Default 30 s.
    pub write_timeout: Duration,
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
        let timeout = Duration::from_secs(30);
        HttpOptions {
            limits,
            head_timeout: timeout,
            body_timeout: timeout,
            write_timeout: timeout,
            allowed_origins: AllowedOrigins::default(),
        }
    }
}
