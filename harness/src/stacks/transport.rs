//! What carries the bytes of a stack between client and server.

use std::fmt;
use std::str::FromStr;

/// What carries the bytes of a stack whose server a run starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A TCP connection over the loopback interface. Every stack has it, and no name says so.
    #[default]
    Tcp,
    /// A Unix socket in a folder that only this user can access.
    Unix,
    /// A pair of pipes for each connection, like the standard input and output of a child process.
    Stdio,
    /// TLS over a TCP connection, with a certificate that is made for the run and a whole handshake for each connection.
    Tls,
    /// The same, but a connection resumes the session of an earlier one.
    TlsResumed,
    /// HTTP/2 over a TCP connection over the loopback interface, without TLS.
    H2,
    /// HTTP/2 over TLS, with a whole handshake for each connection.
    H2Tls,
}

/// The text is not a transport.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown transport `{0}`, expected {names}", names = quoted_names())]
pub struct UnknownTransport(String);

impl Transport {
    /// Every transport.
    pub const ALL: [Transport; 7] = [
        Transport::Tcp,
        Transport::Unix,
        Transport::Stdio,
        Transport::Tls,
        Transport::TlsResumed,
        Transport::H2,
        Transport::H2Tls,
    ];

    /// The name on command lines, and in names of stacks after their `+`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
            Transport::Stdio => "stdio",
            Transport::Tls => "tls",
            Transport::TlsResumed => "tls-resumed",
            Transport::H2 => "h2",
            Transport::H2Tls => "h2-tls",
        }
    }

    /// Whether it encrypts what it carries.
    #[must_use]
    pub fn has_tls(self) -> bool {
        matches!(self, Transport::Tls | Transport::TlsResumed | Transport::H2Tls)
    }

    /// Whether protocols that use HTTP/1.1 over TCP use HTTP/2 over it. (gRPC uses HTTP/2 over every transport.)
    #[must_use]
    pub fn has_http2(self) -> bool {
        matches!(self, Transport::H2 | Transport::H2Tls)
    }

    /// Whether its connections are those of TCP, which the system lists and whose bytes it counts.
    #[must_use]
    pub fn is_over_tcp(self) -> bool {
        match self {
            Transport::Tcp | Transport::Tls | Transport::TlsResumed | Transport::H2 | Transport::H2Tls => {
                true
            }
            Transport::Unix | Transport::Stdio => false,
        }
    }

    /// What it is, for sentences and tables.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Unix => "a Unix socket",
            Transport::Stdio => "pipes",
            Transport::Tls => "TLS",
            Transport::TlsResumed => "TLS with resumed sessions",
            Transport::H2 => "HTTP/2",
            Transport::H2Tls => "HTTP/2 with TLS",
        }
    }

    /// The name of the stack `stack`, which is over TCP, over this transport.
    #[must_use]
    pub fn of(self, stack: &str) -> String {
        match self {
            Transport::Tcp => stack.to_owned(),
            other => format!("{stack}+{other}"),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Transport::ALL.into_iter().find(|transport| transport.name() == text);
        found.ok_or_else(|| UnknownTransport(text.to_owned()))
    }
}

fn quoted_names() -> String {
    Transport::ALL.map(|transport| format!("`{transport}`")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_is_read_back_as_it_was_written() {
        for transport in Transport::ALL {
            assert_eq!(transport.to_string().parse(), Ok(transport));
        }
        let error = "unux".parse::<Transport>().unwrap_err().to_string();
        let names = "`tcp`, `unix`, `stdio`, `tls`, `tls-resumed`, `h2`, `h2-tls`";
        assert_eq!(error, format!("unknown transport `unux`, expected {names}"));
    }
}
