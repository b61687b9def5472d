//! URL schemes and the forms of their URLs.

/// A URL scheme and the form of its URLs.
///
/// ```
/// use net::Scheme;
///
/// const RABBIT: Scheme =
///     Scheme::host("rabbit").default_port(5672).default_host("localhost").several_hosts().login().path();
/// assert_eq!(RABBIT.form(), "rabbit://HOST:PORT/PATH");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// The position of the endpoint in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `NAME://HOST:PORT`.
    Host(HostForm),
    /// `NAME://%2FSOCKET/PATH`: the path of a Unix socket, percent-encoded, in place of the host.
    SocketAsHost,
    /// `NAME:///SOCKET`: the path of a Unix socket, percent-encoded.
    SocketAsPath,
    /// `NAME:///SOCKET`: the path of a Unix socket through which pipes are agreed on, percent-encoded.
    PipesAsPath,
    /// `NAME://SOCKET`: the path of a Unix socket, nothing encoded.
    SocketUnencoded,
}

/// The parts, other than a host and a port, that a URL may have, and the defaults of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostForm {
    pub(crate) default_port: Option<u16>,
    pub(crate) default_host: Option<&'static str>,
    pub(crate) several_hosts: bool,
    pub(crate) wildcards: bool,
    pub(crate) login: bool,
    pub(crate) path: bool,
    pub(crate) tls: bool,
}

impl Scheme {
    /// `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`.
    pub const HTTP: Scheme = Scheme::host("http").default_port(80).login().path();
    /// `https://[USER:PASSWORD@]HOST[:PORT][/PATH]`: HTTP over TLS.
    pub const HTTPS: Scheme = Scheme::host("https").default_port(443).login().path().tls();
    /// `http+unix://%2FSOCKET[/PATH]`: HTTP over the Unix socket at `/SOCKET`.
    pub const HTTP_UNIX: Scheme = Scheme { name: "http+unix", kind: Kind::SocketAsHost };
    /// `ws://HOST[:PORT][/PATH]`: WebSocket (RFC 6455, section 3).
    pub const WS: Scheme = Scheme::host("ws").default_port(80).path();
    /// `wss://HOST[:PORT][/PATH]`: WebSocket over TLS.
    pub const WSS: Scheme = Scheme::host("wss").default_port(443).path().tls();
    /// `ws+unix://%2FSOCKET[/PATH]`: WebSocket over the Unix socket at `/SOCKET`.
    pub const WS_UNIX: Scheme = Scheme { name: "ws+unix", kind: Kind::SocketAsHost };
    /// `tcp://HOST:PORT`.
    pub const TCP: Scheme = Scheme::host("tcp");
    /// `tls://HOST:PORT`: TLS over TCP.
    pub const TLS: Scheme = Scheme::host("tls").tls();
    /// `pipe:///SOCKET`: pairs of pipes that are agreed on through the Unix socket at `/SOCKET`.
    pub const PIPE: Scheme = Scheme { name: "pipe", kind: Kind::PipesAsPath };
    /// `unix:///SOCKET`.
    pub const UNIX: Scheme = Scheme { name: "unix", kind: Kind::SocketAsPath };
    /// `ipc://SOCKET`, as ZeroMQ writes it: nothing is percent-encoded, and `ipc://s` is a relative path.
    pub const IPC: Scheme = Scheme { name: "ipc", kind: Kind::SocketUnencoded };

    /// A scheme with URLs of the form `NAME://HOST:PORT`. The methods below allow further parts.
    #[must_use]
    pub const fn host(name: &'static str) -> Scheme {
        let form = HostForm {
            default_port: None,
            default_host: None,
            several_hosts: false,
            wildcards: false,
            login: false,
            path: false,
            tls: false,
        };
        Scheme { name, kind: Kind::Host(form) }
    }

    /// Sets the default port. Without one, URLs must have a port.
    #[must_use]
    pub const fn default_port(self, port: u16) -> Scheme {
        self.with(HostForm { default_port: Some(port), ..self.host_form() })
    }

    /// Sets the default host. Without one, URLs must have a host.
    #[must_use]
    pub const fn default_host(self, host: &'static str) -> Scheme {
        self.with(HostForm { default_host: Some(host), ..self.host_form() })
    }

    /// Allows several hosts separated by commas, each with its own port and credentials, as oslo.messaging does.
    #[must_use]
    pub const fn several_hosts(self) -> Scheme {
        self.with(HostForm { several_hosts: true, ..self.host_form() })
    }

    /// Allows `*` for any free port, as ZeroMQ does. The host `*`, which means every address, needs no permission.
    #[must_use]
    pub const fn wildcards(self) -> Scheme {
        self.with(HostForm { wildcards: true, ..self.host_form() })
    }

    /// Allows `USER:PASSWORD@` before the host.
    #[must_use]
    pub const fn login(self) -> Scheme {
        self.with(HostForm { login: true, ..self.host_form() })
    }

    /// Allows a path and a query after the host.
    #[must_use]
    pub const fn path(self) -> Scheme {
        self.with(HostForm { path: true, ..self.host_form() })
    }

    /// Marks its connections as being over TLS.
    #[must_use]
    pub const fn tls(self) -> Scheme {
        self.with(HostForm { tls: true, ..self.host_form() })
    }

    /// Whether its connections are over TLS.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        matches!(self.kind, Kind::Host(HostForm { tls: true, .. }))
    }

    const fn host_form(&self) -> HostForm {
        match self.kind {
            Kind::Host(form) => form,
            _ => panic!("only URLs with a host can be extended"),
        }
    }

    const fn with(self, form: HostForm) -> Scheme {
        Scheme { name: self.name, kind: Kind::Host(form) }
    }

    /// The name of the scheme, which precedes `://`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The usual form of its URLs, for messages: `tcp://HOST:PORT`. What is optional is left out.
    #[must_use]
    pub fn form(&self) -> String {
        let name = self.name;
        match self.kind {
            Kind::Host(form) => {
                let path = if form.path { "/PATH" } else { "" };
                format!("{name}://HOST:PORT{path}")
            }
            Kind::SocketAsHost => format!("{name}://%2FSOCKET/PATH"),
            Kind::SocketAsPath | Kind::PipesAsPath => format!("{name}:///SOCKET"),
            Kind::SocketUnencoded => format!("{name}://SOCKET"),
        }
    }
}
