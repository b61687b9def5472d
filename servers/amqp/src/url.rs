//! Where the broker is and how to reach it. Credentials go in and never come out in text.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};

use crate::queues::{QueueKind, Queues};

const DEFAULT_PORT: u16 = 5672;
const DEFAULT_HOST: &str = "localhost";
/// What RabbitMQ accepts on loopback when a URL names nobody.
const GUEST: &str = "guest";

/// A transport URL: `rabbit://user:password@host:port[,user2:password2@host2:port2]/vhost?heartbeat=60`, with the
/// schemes `rabbit` and `kombu` of oslo.messaging and `amqp` of RabbitMQ as equals.
///
/// Credentials and the virtual host are percent-encoded; a host without a port has 5672, a host without credentials
/// `guest:guest`. Of several hosts the first one that answers is used. An empty path, `/`, `//` and `/%2f` all mean the virtual host `/`, as they do to oslo.messaging.
///
/// Options, by the names of oslo.messaging's configuration:
///
/// | option | effect |
/// |---|---|
/// | `heartbeat`, `heartbeat_timeout_threshold` | seconds between heartbeats; 0 for none, by default what the broker offers |
/// | `frame_max` | bytes of the largest frame; by default what the broker offers |
/// | `amqp_durable_queues=true` | [`QueueKind::Durable`] |
/// | `rabbit_quorum_queue=true` | [`QueueKind::Quorum`] |
/// | `rabbit_transient_quorum_queue=true` | [`Queues::transient_quorum`] |
/// | `amqp_auto_delete=true` | [`Queues::auto_delete`] |
/// | `rabbit_transient_queues_ttl` | [`Queues::unused_ttl`] in seconds; 0 keeps them for ever |
/// | `rabbit_qos_prefetch_count` | the most messages ahead of their acknowledgement, per queue of a server |
///
/// Neither [`Display`](fmt::Display) nor [`Debug`] shows credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct TransportUrl {
    hosts: Vec<Host>,
    vhost: String,
    /// Seconds; `None` takes what the broker offers, 0 switches heartbeats off.
    heartbeat: Option<u16>,
    /// Bytes; `None` takes what the broker offers.
    frame_max: Option<u32>,
    queues: Queues,
    prefetch: Option<u16>,
}

#[derive(Clone, PartialEq, Eq)]
struct Host {
    user: String,
    password: String,
    name: String,
    port: u16,
}

/// A text that is no transport URL. The message never repeats the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("a transport URL begins with rabbit:// or amqp:// (TLS is not supported)")]
    Scheme,
    /// A host's port is no number between 0 and 65535.
    #[error("the port after `{0}` is no port number")]
    Port(String),
    /// A percent sign without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the {0} is not properly percent-encoded")]
    Encoding(&'static str),
    /// An option that is not supported, or one whose value is of another kind.
    #[error(
        "cannot use the option `{0}`; supported are heartbeat, frame_max, rabbit_transient_queues_ttl and \
         rabbit_qos_prefetch_count with a number, and amqp_durable_queues, amqp_auto_delete, rabbit_quorum_queue and \
         rabbit_transient_quorum_queue with true or false"
    )]
    Option(String),
}

impl TransportUrl {
    /// What the URL's options say of queues.
    #[must_use]
    pub fn queues(&self) -> Queues {
        self.queues
    }

    /// The most messages that the broker may send ahead of their acknowledgement, where an option says so.
    #[must_use]
    pub fn prefetch(&self) -> Option<u16> {
        self.prefetch
    }

    /// The host and port that are tried first.
    pub(crate) fn first_host(&self) -> Option<(&str, u16)> {
        self.hosts.first().map(|host| (host.name.as_str(), host.port))
    }

    /// What lapin needs for each host, in the order of the URL.
    pub(crate) fn uris(&self) -> impl Iterator<Item = AMQPUri> {
        self.hosts.iter().map(|host| self.uri(host))
    }

    /// `None` for an option that is not known, or a value that is none of it.
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "heartbeat" | "heartbeat_timeout_threshold" => self.heartbeat = Some(value.parse().ok()?),
            "frame_max" => self.frame_max = Some(value.parse().ok()?),
            "rabbit_qos_prefetch_count" => {
                self.prefetch = Some(value.parse().ok()?).filter(|count| *count > 0);
            }
            "rabbit_transient_queues_ttl" => {
                let seconds: u32 = value.parse().ok()?;
                self.queues.unused_ttl = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
            }
            "amqp_auto_delete" => self.queues.auto_delete = truth(value)?,
            "rabbit_transient_quorum_queue" => self.queues.transient_quorum = truth(value)?,
            "amqp_durable_queues" if truth(value)? => {
                self.queues.kind = self.queues.kind.max(QueueKind::Durable);
            }
            "rabbit_quorum_queue" if truth(value)? => self.queues.kind = QueueKind::Quorum,
            "amqp_durable_queues" | "rabbit_quorum_queue" => {}
            _ => return None,
        }
        Some(())
    }

    fn uri(&self, host: &Host) -> AMQPUri {
        AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo { username: host.user.clone(), password: host.password.clone() },
                host: host.name.clone(),
                port: host.port,
            },
            vhost: self.vhost.clone(),
            query: AMQPQueryString {
                heartbeat: self.heartbeat,
                frame_max: self.frame_max,
                ..AMQPQueryString::default()
            },
        }
    }
}

impl FromStr for TransportUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        if !matches!(scheme, "rabbit" | "kombu" | "amqp") {
            return Err(UrlError::Scheme);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts = authority.split(',').map(Host::parse).collect::<Result<_, _>>()?;
        let vhost = match decoded(path, "virtual host")? {
            path if path.is_empty() => "/".to_owned(),
            path => path,
        };
        let (queues, prefetch) = (Queues::default(), None);
        let mut this = TransportUrl { hosts, vhost, heartbeat: None, frame_max: None, queues, prefetch };
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            this.set(name, value).ok_or_else(|| UrlError::Option(name.to_owned()))?;
        }
        Ok(this)
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, UrlError> {
        let (credentials, address) = text.rsplit_once('@').map_or((None, text), |(c, a)| (Some(c), a));
        let (user, password) = match credentials {
            Some(credentials) => credentials.split_once(':').unwrap_or((credentials, "")),
            None => (GUEST, GUEST),
        };
        // The colons inside the brackets of an IPv6 address are not the port's.
        let port_at = match address.rfind(']') {
            Some(bracket) => address[bracket..].find(':').map(|at| bracket + at),
            None => address.rfind(':'),
        };
        let (name, port) = match port_at {
            Some(at) => {
                let (name, port) = (&address[..at], &address[at + 1..]);
                (name, port.parse().map_err(|_| UrlError::Port(name.to_owned()))?)
            }
            None => (address, DEFAULT_PORT),
        };
        let name = name.trim_matches(['[', ']']);
        Ok(Host {
            user: decoded(user, "user name")?,
            password: decoded(password, "password")?,
            name: if name.is_empty() { DEFAULT_HOST } else { name }.to_owned(),
            port,
        })
    }
}

/// A truth value as oslo.config writes one.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Undoes percent-encoding.
fn decoded(text: &str, what: &'static str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => bytes.extend(u8::try_from(high << 4 | low)),
            _ => return Err(UrlError::Encoding(what)),
        }
    }
    String::from_utf8(bytes).map_err(|_| UrlError::Encoding(what))
}

/// Without credentials and options.
impl fmt::Display for TransportUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rabbit://")?;
        for (i, host) in self.hosts.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (open, close) = if host.name.contains(':') { ("[", "]") } else { ("", "") };
            write!(f, "{comma}{open}{}{close}:{}", host.name, host.port)?;
        }
        f.write_str("/")?;
        if self.vhost == "/" {
            return Ok(());
        }
        for byte in self.vhost.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TransportUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> TransportUrl {
        text.parse().unwrap()
    }

    #[test]
    fn schemes_and_virtual_hosts_are_read_as_oslo_messaging_does() {
        for text in ["rabbit://h", "rabbit://h:5672/", "kombu://h:5672//", "amqp://h/%2f", "amqp://h/%2F"] {
            assert_eq!(url(text), url("rabbit://guest:guest@h:5672/"), "{text}");
        }
        assert_eq!(url("rabbit://h/name").vhost, "name");
        assert_eq!(url("rabbit://h/a%20b").to_string(), "rabbit://h:5672/a%20b");
        assert_eq!(url("rabbit://").to_string(), "rabbit://localhost:5672/");
        assert_eq!(url("rabbit://[::1]:5673/").to_string(), "rabbit://[::1]:5673/");
        assert_eq!(url("rabbit://[::1]/").hosts[0].name, "::1");
        assert_eq!(url("amqp://h?heartbeat=0&frame_max=16384").heartbeat, Some(0));
    }

    #[test]
    fn options_have_the_names_of_oslo_messaging() {
        let queues = |options: &str| url(&format!("rabbit://h/?{options}")).queues();
        assert_eq!(queues(""), Queues::default());
        assert_eq!(queues("amqp_durable_queues=true").kind, QueueKind::Durable);
        assert_eq!(queues("amqp_durable_queues=False").kind, QueueKind::Transient);
        assert_eq!(queues("rabbit_quorum_queue=true&amqp_durable_queues=1").kind, QueueKind::Quorum);
        assert!(queues("amqp_auto_delete=true").auto_delete);
        assert!(queues("rabbit_transient_quorum_queue=yes").transient_quorum);
        assert_eq!(queues("rabbit_transient_queues_ttl=5").unused_ttl, Some(Duration::from_secs(5)));
        assert_eq!(queues("rabbit_transient_queues_ttl=0").unused_ttl, None);
        assert_eq!(url("rabbit://h/?rabbit_qos_prefetch_count=7").prefetch(), Some(7));
    }

    #[test]
    fn credentials_go_in_and_never_come_out() {
        let url = url("rabbit://bob:s%3Acr%40t@a:1,eve:hidden@b/v");
        assert_eq!((url.hosts[0].user.as_str(), url.hosts[0].password.as_str()), ("bob", "s:cr@t"));
        assert_eq!(url.to_string(), "rabbit://a:1,b:5672/v");
        for shown in [format!("{url}"), format!("{url:?}"), format!("{url:#?}")] {
            for secret in ["bob", "eve", "s:cr", "s%3A", "hidden"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }

    #[test]
    fn what_is_no_transport_url_is_refused_without_repeating_it() {
        for (text, error) in [
            ("localhost:5672", UrlError::Scheme),
            ("amqps://u:secret@h", UrlError::Scheme),
            ("http://u:secret@h", UrlError::Scheme),
            ("rabbit://u:secret@h:port/", UrlError::Port("h".into())),
            ("rabbit://u:secret@h:70000/", UrlError::Port("h".into())),
            ("rabbit://u:secret%2@h", UrlError::Encoding("password")),
            ("rabbit://u:secret@h/%ff", UrlError::Encoding("virtual host")),
            ("rabbit://u:secret@h?ssl=1", UrlError::Option("ssl".into())),
            ("rabbit://u:secret@h?heartbeat=often", UrlError::Option("heartbeat".into())),
            ("rabbit://u:secret@h?amqp_durable_queues=2", UrlError::Option("amqp_durable_queues".into())),
        ] {
            let refused = text.parse::<TransportUrl>().unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("secret"));
        }
    }
}
