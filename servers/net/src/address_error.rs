//! Why a text cannot be used as a URL.

use url::ParseError;

/// Why a text cannot be used as a URL. Messages contain only its scheme and host, because it may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `://`.
    #[error("not a URL of the form {0}")]
    NotAUrl(String),
    /// The scheme is not among those that can be used.
    #[error("the URL's scheme must be {0}")]
    Scheme(String),
    /// The scheme is one of an encrypted protocol, which is not available here.
    #[error("this protocol has no encryption here, neither TLS nor CURVE; use {0}://")]
    Tls(&'static str),
    /// The host is missing or malformed.
    #[error("not a URL of the form {form}: {source}")]
    Host {
        /// The form that was expected.
        form: String,
        /// The error of the URL parser.
        source: ParseError,
    },
    /// The port is missing.
    #[error("the URL has no port; give {0}")]
    NoPort(String),
    /// The port is not a number between 0 and 65535.
    #[error("the port after `{host}` is not a number between 0 and 65535")]
    Port {
        /// The host before it.
        host: String,
    },
    /// The text before an `@` may be a password that contains a character which ends the host.
    #[error(
        "percent-encode the password in the URL (`/` is %2F, `?` is %3F, `#` is %23, `,` is %2C), or the `@` after the host (%40)"
    )]
    UnencodedPassword,
    /// The URL has a user name or a password, which its scheme does not allow.
    #[error("a URL with credentials cannot be used here; give {0}")]
    Credentials(String),
    /// The URL has a path or a query, which its scheme does not allow.
    #[error("a URL with a path cannot be used here; give {0}")]
    Path(String),
    /// The path of a Unix socket is missing, or there is a host in its place.
    #[error("not a URL of the form {0}: no path of a Unix socket")]
    SocketPath(String),
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the {0} is not properly percent-encoded")]
    Encoding(&'static str),
}
