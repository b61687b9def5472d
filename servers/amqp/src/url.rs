//! Transport URLs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use net::{Address, AddressError, Credentials, Endpoint, Host, Scheme};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::queues::{QueueKind, Queues};

const DEFAULT_PORT: u16 = 5672;
const DEFAULT_HOST: &str = "localhost";
/// The user and the password for a host without credentials. By default RabbitMQ accepts them on loopback only.
const GUEST: &str = "guest";
/// The schemes of oslo.messaging, and that of RabbitMQ. They are synonyms.
pub const SCHEMES: &[Scheme] = &[scheme("rabbit"), scheme("kombu"), scheme("amqp")];
/// All characters except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const fn scheme(name: &'static str) -> Scheme {
    Scheme::host(name).default_port(DEFAULT_PORT).default_host(DEFAULT_HOST).several_hosts().login().path()
}

/// A transport URL: `rabbit://user:password@host:port[,user2:password2@host2:port2]/vhost?heartbeat=60`. The schemes
/// `rabbit` and `kombu` of oslo.messaging and `amqp` of RabbitMQ are synonyms.
///
/// Credentials and the virtual host are percent-encoded. The default port is 5672, the default credentials are
/// `guest:guest`. If there are several hosts, the first one that answers is used. As in oslo.messaging, an empty path,
/// `/`, `//` and `/%2f` all mean the virtual host `/`.
///
/// Options have the names of oslo.messaging's configuration:
///
/// | option | effect |
/// |---|---|
/// | `heartbeat`, `heartbeat_timeout_threshold` | seconds between heartbeats; 0 for none, by default what the broker offers |
/// | `frame_max` | bytes of the largest frame; by default what the broker offers |
/// | `amqp_durable_queues=true` | [`QueueKind::Durable`] |
/// | `rabbit_quorum_queue=true` | [`QueueKind::Quorum`] |
/// | `rabbit_transient_quorum_queue=true` | [`Queues::transient_quorum`] |
/// | `amqp_auto_delete=true` | [`Queues::auto_delete`] |
/// | `rabbit_transient_queues_ttl` | [`Queues::unused_ttl`] in seconds; 0 keeps unused queues forever |
/// | `rabbit_qos_prefetch_count` | the maximum number of unacknowledged messages per queue of a server |
///
/// Neither [`Display`](fmt::Display) nor [`Debug`] shows credentials or options.
#[derive(Clone, PartialEq, Eq)]
pub struct TransportUrl {
    brokers: Vec<Broker>,
    vhost: String,
    /// Seconds; 0 disables heartbeats, `None` takes what the broker offers.
    heartbeat: Option<u16>,
    /// Bytes; `None` takes what the broker offers.
    frame_max: Option<u32>,
    queues: Queues,
    prefetch: Option<u16>,
}

/// One of the URL's hosts.
#[derive(Clone)]
struct Broker {
    endpoint: Endpoint,
    credentials: Option<Credentials>,
}

/// An invalid transport URL. The message contains only its host and the names of its options, because the URL may
/// contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The scheme is missing or not supported.
    #[error("a transport URL begins with rabbit:// or amqp:// (TLS is not supported)")]
    Scheme,
    /// A host's port is not a number between 0 and 65535.
    #[error("the port after `{0}` is not a port number")]
    Port(String),
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the {0} is not properly percent-encoded")]
    Encoding(&'static str),
    /// An option that is not supported, or a value of the wrong type.
    #[error(
        "cannot use the option `{0}`; supported are heartbeat, frame_max, rabbit_transient_queues_ttl and \
         rabbit_qos_prefetch_count with a number, and amqp_durable_queues, amqp_auto_delete, rabbit_quorum_queue and \
         rabbit_transient_quorum_queue with true or false"
    )]
    Option(String),
    /// The host is malformed, or a password that is not percent-encoded hides it.
    #[error(transparent)]
    Address(AddressError),
}

impl From<AddressError> for UrlError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::NotAUrl(_) | AddressError::Scheme(_) | AddressError::Tls(_) => UrlError::Scheme,
            AddressError::Port { host } => UrlError::Port(host),
            AddressError::Encoding(part) => UrlError::Encoding(part),
            error => UrlError::Address(error),
        }
    }
}

impl TransportUrl {
    /// The attributes of exchanges and queues that the URL's options select.
    #[must_use]
    pub fn queues(&self) -> Queues {
        self.queues
    }

    /// The option `rabbit_qos_prefetch_count`: the maximum number of unacknowledged messages per queue.
    #[must_use]
    pub fn prefetch(&self) -> Option<u16> {
        self.prefetch
    }

    /// The host that is tried first.
    pub(crate) fn first_endpoint(&self) -> Option<&Endpoint> {
        self.brokers.first().map(|broker| &broker.endpoint)
    }

    /// The connection parameters of each host in lapin's form, in the order of the URL.
    pub(crate) fn uris(&self) -> impl Iterator<Item = AMQPUri> {
        self.brokers.iter().filter_map(|broker| self.uri(broker))
    }

    /// Sets an option. Returns `None` for an unknown option or an invalid value.
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
            "amqp_auto_delete" => self.queues.auto_delete = parse_bool(value)?,
            "rabbit_transient_quorum_queue" => self.queues.transient_quorum = parse_bool(value)?,
            "amqp_durable_queues" if parse_bool(value)? => {
                self.queues.kind = self.queues.kind.max(QueueKind::Durable);
            }
            "rabbit_quorum_queue" if parse_bool(value)? => self.queues.kind = QueueKind::Quorum,
            "amqp_durable_queues" | "rabbit_quorum_queue" => {}
            _ => return None,
        }
        Some(())
    }

    fn uri(&self, broker: &Broker) -> Option<AMQPUri> {
        let Endpoint::Tcp { host, port } = &broker.endpoint else { return None };
        Some(AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority { userinfo: broker.login().ok()?, host: host.clone(), port: *port },
            vhost: self.vhost.clone(),
            query: AMQPQueryString {
                heartbeat: self.heartbeat,
                frame_max: self.frame_max,
                ..AMQPQueryString::default()
            },
        })
    }
}

impl FromStr for TransportUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let address = Address::parse(url, SCHEMES)?;
        let brokers = address.hosts().iter().map(Broker::new).collect::<Result<_, _>>()?;
        let path = address.path();
        let vhost = net::percent_decode(path.strip_prefix('/').unwrap_or(path), "virtual host")?;
        let mut this = TransportUrl {
            brokers,
            vhost: if vhost.is_empty() { "/".to_owned() } else { vhost },
            heartbeat: None,
            frame_max: None,
            queues: Queues::default(),
            prefetch: None,
        };
        for (name, value) in address.query_pairs() {
            if this.set(name, value).is_none() {
                // In `rabbit://user?word@host`, the supposed option is a part of the password.
                if name.contains('@') || value.contains('@') {
                    return Err(AddressError::UnencodedPassword.into());
                }
                return Err(UrlError::Option(name.to_owned()));
            }
        }
        Ok(this)
    }
}

impl Broker {
    /// Checks that the host is reached over TCP and that its credentials can be decoded.
    fn new(host: &Host) -> Result<Self, UrlError> {
        let broker = Broker { endpoint: host.endpoint().clone(), credentials: host.credentials().cloned() };
        broker.login()?;
        match broker.endpoint {
            Endpoint::Tcp { .. } => Ok(broker),
            _ => Err(UrlError::Scheme),
        }
    }

    /// The decoded credentials, or the default ones.
    fn login(&self) -> Result<AMQPUserInfo, AddressError> {
        Ok(match &self.credentials {
            Some(login) => AMQPUserInfo { username: login.user()?, password: login.password()? },
            None => AMQPUserInfo { username: GUEST.to_owned(), password: GUEST.to_owned() },
        })
    }
}

/// Compares decoded credentials.
impl PartialEq for Broker {
    fn eq(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint && self.login() == other.login()
    }
}

impl Eq for Broker {}

/// Parses a boolean as oslo.config does.
fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Without credentials and options.
impl fmt::Display for TransportUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rabbit://")?;
        for (i, broker) in self.brokers.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            write!(f, "{separator}{}", broker.endpoint)?;
        }
        let vhost = if self.vhost == "/" { "" } else { &self.vhost };
        write!(f, "/{}", utf8_percent_encode(vhost, RESERVED))
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
    fn schemes_and_virtual_hosts_match_oslo_messaging() {
        for text in ["rabbit://h", "rabbit://h:5672/", "kombu://h:5672//", "amqp://h/%2f", "amqp://h/%2F"] {
            assert_eq!(url(text), url("rabbit://guest:guest@h:5672/"), "{text}");
        }
        assert_eq!(url("rabbit://h/name").vhost, "name");
        assert_eq!(url("rabbit://h/a%20b").to_string(), "rabbit://h:5672/a%20b");
        assert_eq!(url("rabbit://").to_string(), "rabbit://localhost:5672/");
        assert_eq!(url("rabbit://[::1]:5673/").to_string(), "rabbit://[::1]:5673/");
        assert_eq!(url("rabbit://[::1]/").uris().next().unwrap().authority.host, "::1");
        assert_eq!(url("amqp://h?heartbeat=0&frame_max=16384").heartbeat, Some(0));
    }

    #[test]
    fn options_match_oslo_messaging() {
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
    fn credentials_are_decoded_and_never_shown() {
        let url = url("rabbit://bob:s%3Acr%40t@a:1,eve:hidden@b/v");
        let login = url.uris().next().unwrap().authority.userinfo;
        assert_eq!((login.username.as_str(), login.password.as_str()), ("bob", "s:cr@t"));
        assert_eq!(url.to_string(), "rabbit://a:1,b:5672/v");
        for shown in [format!("{url}"), format!("{url:?}"), format!("{url:#?}")] {
            for secret in ["bob", "eve", "s:cr", "s%3A", "hidden"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }

    #[test]
    fn rejects_invalid_urls_without_repeating_them() {
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

    #[test]
    fn a_password_that_hides_the_host_must_be_percent_encoded() {
        for text in [
            "rabbit://u:sec/ret@h",
            "rabbit://u:12/secret@h:1/v",
            "rabbit://u:sec?ret@h",
            "rabbit://usec?ret@h",
            "rabbit://u:sec?heartbeat=ret@h",
            "rabbit://u:sec,ret@h",
        ] {
            let message = text.parse::<TransportUrl>().unwrap_err().to_string();
            assert!(message.contains("percent-encode the password"), "{message}");
            assert!(!message.contains("sec") && !message.contains("ret@"), "{message}");
        }
    }
}
