//! Endpoints: TCP ports, Unix sockets and pipes.

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::credentials::decode_bytes;

/// An endpoint, which a listener binds to and a client connects to.
///
/// As text it is `HOST:PORT` (`127.0.0.1:80`, `[::1]:80`, `localhost:80`), `unix:PATH` or
/// `pipe:PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A TCP port.
    Tcp {
        /// A name or an address, without the brackets of an IPv6 address. To a listener, `*` is every IPv4 address.
        host: String,
        /// The port. To a listener, 0 is any free port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
    /// A pair of pipes for each connection, like the standard input and output of a child process. Client and server agree on them through a Unix socket
    /// at this path.
    Pipes(PathBuf),
    /// A name in the [simulated network](crate::simulated) of this thread. As text it is `simulated:NAME`, in URLs the
    /// host `NAME.simulated`.
    #[cfg(feature = "simulated")]
    Simulated(String),
}

/// The text is not an [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST:PORT with a port from 0 to 65535, [IPv6]:PORT, unix:PATH or pipe:PATH")]
pub struct EndpointError;

impl Endpoint {
    /// Any free port of the loopback interface.
    #[must_use]
    pub fn loopback() -> Self {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()
    }

    /// The port, if the endpoint has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Endpoint::Tcp { port, .. } => Some(*port),
            _ => None,
        }
    }

    /// Whether the kernel counts the bytes of its connections, so that streams need not.
    #[must_use]
    pub fn is_counted_by_kernel(&self) -> bool {
        matches!(self, Endpoint::Tcp { .. })
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Endpoint::Tcp { host: host_of(&address), port: address.port() }
    }
}

/// The address without its port, with the scope of a link-local IPv6 address.
fn host_of(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        _ => address.ip().to_string(),
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path_of(path).map(Endpoint::Unix);
        }
        if let Some(path) = text.strip_prefix("pipe:") {
            return path_of(path).map(Endpoint::Pipes);
        }
        #[cfg(feature = "simulated")]
        if let Some(name) = text.strip_prefix("simulated:") {
            return Ok(Endpoint::Simulated(name.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError)?;
        let port = port.parse().map_err(|_| EndpointError)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let is_plain = |c: char| !c.is_whitespace() && !"/@[]?#".contains(c);
        let is_host = !host.is_empty() && host.chars().all(is_plain);
        if !is_host || bracketed.is_some() != host.contains(':') {
            return Err(EndpointError);
        }
        Ok(Endpoint::Tcp { host: host.to_owned(), port })
    }
}

/// The path in the text of an endpoint, behind its scheme. `unix:///SOCKET` is the URL of such an endpoint, which is percent-encoded.
fn path_of(text: &str) -> Result<PathBuf, EndpointError> {
    let path: PathBuf = match text.strip_prefix("//") {
        Some(encoded) if encoded.starts_with('/') => {
            OsString::from_vec(decode_bytes(encoded, "path").map_err(|_| EndpointError)?).into()
        }
        Some(_) => return Err(EndpointError),
        None => text.into(),
    };
    if path.as_os_str().is_empty() { Err(EndpointError) } else { Ok(path) }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
            Endpoint::Pipes(path) => write!(f, "pipe:{}", path.display()),
            #[cfg(feature = "simulated")]
            Endpoint::Simulated(name) => write!(f, "simulated:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_forms_parse_and_display() {
        for text in ["127.0.0.1:0", "[::1]:1", "[fe80::1%2]:1", "host:65535", "*:1", "unix:/tmp/s", "unix:s"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("unix:///tmp/s".parse(), Ok(Endpoint::Unix("/tmp/s".into())));
        assert_eq!("pipe:///tmp/s".parse(), Ok(Endpoint::Pipes("/tmp/s".into())));
        assert_eq!("unix:///a%20b".parse(), Ok(Endpoint::Unix("/a b".into())));
        assert_eq!("unix:/a%2".parse(), Ok(Endpoint::Unix("/a%2".into())));
        assert_eq!(Endpoint::loopback().to_string(), "127.0.0.1:0");
        assert_eq!("[::1]:7".parse::<Endpoint>().unwrap().port(), Some(7));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "h",
            ":1",
            "h:",
            "h:65536",
            "h:x",
            "::1:1",
            "[::1]",
            "[h]:1",
            "unix:",
            "http://h:1",
            "u@h:1",
            "unix:///a%2",
            "unix:///a%zz",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_socket_address_survives_as_text(address: SocketAddr) {
            let endpoint = Endpoint::from(address);
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
        }

        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,20}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
            }
        }
    }
}
