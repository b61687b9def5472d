//! What a client needs to be let in by a server.

use http::HeaderMap;
use net::TlsSettings;

/// What a client needs to be let in by a server, in addition to the server's URL.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Headers of every request in addition to those of the protocol.
    pub headers: HeaderMap,
    /// How the client uses TLS, where the URL begins with `https`.
    pub tls: TlsSettings,
}

impl From<&HeaderMap> for Access {
    /// With the authorities of the system.
    fn from(headers: &HeaderMap) -> Self {
        Access { headers: headers.clone(), tls: TlsSettings::default() }
    }
}
