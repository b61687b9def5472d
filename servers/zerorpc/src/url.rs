//! URLs of zerorpc endpoints, as ZeroMQ writes them: `tcp://HOST:PORT` and `ipc://PATH`.

use net::{Address, AddressError, Endpoint, Scheme};

/// The URLs of zerorpc. In `tcp://*:*`, the host `*` is every address of the machine and the port `*` any free port.
/// The path of `ipc://PATH` may be relative, and nothing in it is percent-encoded.
pub const SCHEMES: &[Scheme] = &[Scheme::TCP.wildcards(), Scheme::IPC];

/// Parses a URL that has one of [`SCHEMES`].
///
/// # Errors
/// [`AddressError`].
pub fn parse_url(url: &str) -> Result<Endpoint, AddressError> {
    Address::parse(url, SCHEMES).map(|address| address.endpoint().clone())
}

/// The URL of `endpoint`.
#[must_use]
pub fn url_of(endpoint: &Endpoint) -> String {
    // One of the schemes is for TCP and the other for Unix sockets, so there is always a URL.
    Address::from_endpoint(endpoint, SCHEMES, "")
        .map_or_else(|| endpoint.to_string(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_survive_parsing() {
        for url in ["tcp://127.0.0.1:4242", "tcp://[::1]:1", "tcp://host:65535", "ipc:///tmp/s", "ipc://s"] {
            assert_eq!(url_of(&parse_url(url).unwrap()), url);
        }
        assert_eq!(parse_url("ipc://relative/s"), Ok(Endpoint::Unix("relative/s".into())));
    }

    #[test]
    fn wildcards_are_every_address_and_any_port() {
        assert_eq!(parse_url("tcp://*:*"), Ok(Endpoint::Tcp { host: "*".to_owned(), port: 0 }));
        assert_eq!(
            parse_url("tcp://127.0.0.1:*"),
            Ok(Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 0 })
        );
    }

    #[test]
    fn rejects_other_urls() {
        for url in
            ["", "http://h:1", "tcp://", "tcp://h", "tcp://:1", "tcp://h:65536", "ipc://", "127.0.0.1:1"]
        {
            assert!(parse_url(url).is_err(), "{url}");
        }
    }
}
