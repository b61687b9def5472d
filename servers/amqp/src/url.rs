//! Transport URLs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use net::{Address, AddressError, Credentials, Endpoint, Host, Scheme, Trust};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::queues::{QueueKind, Queues};

const DEFAULT_PORT: u16 = 5672;
const DEFAULT_TLS_PORT: u16 = 5671;
const DEFAULT_HOST: &str = "localhost";
/// The user and the password for a host without credentials. By default RabbitMQ accepts them on loopback only.
const GUEST: &str = "guest";
/// The scheme for TLS.
const TLS_SCHEME: &str = "amqps";
/// The schemes of oslo.messaging, and those of RabbitMQ. All but that for TLS are synonyms.
pub const SCHEMES: &[Scheme] = &[
    scheme("rabbit", DEFAULT_PORT),
    scheme("kombu", DEFAULT_PORT),
    scheme("amqp", DEFAULT_PORT),
    scheme(TLS_SCHEME, DEFAULT_TLS_PORT),
];
/// All characters except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const fn scheme(name: &'static str, port: u16) -> Scheme {
    Scheme::host(name).default_port(port).default_host(DEFAULT_HOST).several_hosts().login().path()
}

/// A transport URL: `rabbit://user:password@host:port[,user2:password2@host2:port2]/vhost?heartbeat=60`. The schemes
/// `rabbit` and `kombu` of oslo.messaging and `amqp` of RabbitMQ are synonyms. `amqps` connects over TLS, by default to port
/// 5671.
///
/// Credentials and the virtual host are percent-encoded. A password that is not encoded is refused, unless it reads as a list
/// of hosts: it begins with a port number and a comma, or contains `@`, `,` and `:` in this order. After a host with a
/// password, a user without one is written `user:@host`. The default port is 5672, the default credentials are
/// `guest:guest`. If there are several hosts, the first one that answers is used. As in oslo.messaging, an
/// empty path, `/`, `//` and `/%2f` all mean the virtual host `/`.
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
/// | `rabbit_quorum_delivery_limit`, `rabbit_quorum_max_memory_length`, `rabbit_quorum_max_memory_bytes` | [`Queues::quorum_limits`]; 0 for none |
/// | `rabbit_ha_queues=true` | [`Queues::mirrored`] |
/// | `rabbit_qos_prefetch_count` | the maximum number of unacknowledged messages per queue of a server |
/// | `ssl=true` | TLS, as with the scheme `amqps`, but the default port stays 5672 |
///
/// As in oslo.messaging, other options have no effect; [`ignored_options`](TransportUrl::ignored_options) lists them.
///
/// Neither [`Display`](fmt::Display) nor [`Debug`] shows credentials or options.
#[derive(Clone, PartialEq, Eq)]
pub struct TransportUrl {
    brokers: Vec<Broker>,
    vhost: String,
    /// The certificates of brokers that are accepted; `None` without TLS.
    tls: Option<Trust>,
    /// Seconds; 0 disables heartbeats, `None` takes what the broker offers.
    heartbeat: Option<u16>,
    /// Bytes; `None` takes what the broker offers.
    frame_max: Option<u32>,
    queues: Queues,
    prefetch: Option<u16>,
    /// The names of options that have no effect.
    ignored: Vec<String>,
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
    #[error("a transport URL begins with amqp:// or rabbit://, or with amqps:// for TLS")]
    Scheme,
    /// A host's port is not a number between 0 and 65535.
    #[error("the port after `{0}` is not a port number")]
    Port(String),
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the {0} is not properly percent-encoded: percent-encode the {0} in the URL (`%` is %25)")]
    Encoding(&'static str),
    /// The value of an option has the wrong type.
    #[error("the option `{name}` takes {expected}")]
    Option {
        /// The option.
        name: String,
        /// The values that it takes.
        expected: &'static str,
    },
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

    /// The certificates of brokers that are accepted, by default those that the system's authorities have signed; `None` if the
    /// URL does not ask for TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Trust> {
        self.tls.as_ref()
    }

    /// Accepts the certificates that `trust` says. Has no effect if the URL does not ask for TLS.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        TransportUrl { tls: self.tls.map(|_| trust), ..self }
    }

    /// The host that is tried first.
    pub(crate) fn first_endpoint(&self) -> Option<&Endpoint> {
        self.brokers.first().map(|broker| &broker.endpoint)
    }

    /// Each host with its connection parameters in lapin's form, in the order of the URL.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&Endpoint, AMQPUri)> {
        self.brokers.iter().filter_map(|broker| Some((&broker.endpoint, self.uri(broker)?)))
    }

    /// The names of the URL's options that have no effect, such as those of oslo.messaging's connection pool.
    #[must_use]
    pub fn ignored_options(&self) -> &[String] {
        &self.ignored
    }

    /// Sets an option; notes it if it has no effect.
    ///
    /// # Errors
    /// [`UrlError::Option`] for a value of the wrong type.
    fn set(&mut self, name: &str, value: &str) -> Result<(), UrlError> {
        let refused = |expected| UrlError::Option { name: name.to_owned(), expected };
        let boolean = || parse_bool(value).ok_or_else(|| refused("true or false"));
        let short = || value.parse::<u16>().map_err(|_| refused("a number between 0 and 65535"));
        let long = || value.parse::<u32>().map_err(|_| refused("a number between 0 and 4294967295"));
        let positive = || long().map(|number| Some(number).filter(|number| *number > 0));
        let queues = &mut self.queues;
        match name {
            "heartbeat" | "heartbeat_timeout_threshold" => self.heartbeat = Some(short()?),
            "frame_max" => self.frame_max = Some(long()?),
            "rabbit_qos_prefetch_count" => self.prefetch = Some(short()?).filter(|count| *count > 0),
            "rabbit_transient_queues_ttl" => {
                queues.unused_ttl = positive()?.map(|seconds| Duration::from_secs(seconds.into()));
            }
            "amqp_auto_delete" => queues.auto_delete = boolean()?,
            "rabbit_transient_quorum_queue" => queues.transient_quorum = boolean()?,
            "rabbit_ha_queues" => queues.mirrored = boolean()?,
            "rabbit_quorum_delivery_limit" => queues.quorum_limits.deliveries = positive()?,
            "rabbit_quorum_max_memory_length" => queues.quorum_limits.memory_length = positive()?,
            "rabbit_quorum_max_memory_bytes" => queues.quorum_limits.memory_bytes = positive()?,
            "amqp_durable_queues" if boolean()? => queues.kind = queues.kind.max(QueueKind::Durable),
            "rabbit_quorum_queue" if boolean()? => queues.kind = QueueKind::Quorum,
            "amqp_durable_queues" | "rabbit_quorum_queue" => {}
            "ssl" if boolean()? => self.tls = Some(Trust::default()),
            _ => self.ignored.push(name.to_owned()),
        }
        Ok(())
    }

    fn uri(&self, broker: &Broker) -> Option<AMQPUri> {
        let Endpoint::Tcp { host, port } = &broker.endpoint else { return None };
        Some(AMQPUri {
            // lapin is given the stream, over TLS or not, and does not connect to the host.
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
            tls: (address.scheme() == TLS_SCHEME).then(Trust::default),
            heartbeat: None,
            frame_max: None,
            queues: Queues::default(),
            prefetch: None,
            ignored: Vec::new(),
        };
        for (name, value) in address.query_pairs() {
            // In `rabbit://user?word@host`, the supposed option is a part of the password.
            if name.contains('@') || value.contains('@') {
                return Err(AddressError::UnencodedPassword.into());
            }
            this.set(name, value)?;
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
        write!(f, "{}://", if self.tls.is_some() { TLS_SCHEME } else { "rabbit" })?;
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
    use proptest::prelude::*;

    use super::*;
    use crate::queues::QuorumLimits;

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
        assert_eq!(url("rabbit://[::1]/").hosts().next().unwrap().1.authority.host, "::1");
        assert_eq!(url("amqp://h?heartbeat=0&frame_max=16384").heartbeat, Some(0));
    }

    #[test]
    fn a_scheme_and_an_option_ask_for_tls() {
        let given = Trust::Authorities("PEM".to_owned());
        for (text, shown) in [
            ("amqps://u:p@h/v", "amqps://h:5671/v"),
            ("amqps://h:1,i/", "amqps://h:1,i:5671/"),
            ("rabbit://h/?ssl=1", "amqps://h:5672/"),
        ] {
            assert_eq!((url(text).tls(), url(text).to_string().as_str()), (Some(&Trust::System), shown));
            assert_eq!(url(text).trusting(given.clone()).tls(), Some(&given));
            assert!(url(text).ignored_options().is_empty());
        }
        assert_eq!(url("rabbit://h/?ssl=false").trusting(given).tls(), None);
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
        let limits = queues("rabbit_quorum_delivery_limit=3&rabbit_quorum_max_memory_bytes=0").quorum_limits;
        assert_eq!(limits, QuorumLimits { deliveries: Some(3), ..QuorumLimits::default() });
        assert!(queues("rabbit_ha_queues=true").mirrored);
    }

    #[test]
    fn options_without_an_effect_are_ignored_and_listed() {
        // Of oslo.messaging's configuration, of RabbitMQ's URLs, and unknown ones.
        let text = "rabbit://h/?rpc_conn_pool_size=5&kombu_compression=gzip&ssl=false&connection_timeout=1&heartbeat=7&x";
        let parsed = url(text);
        assert_eq!(
            parsed.ignored_options(),
            ["rpc_conn_pool_size", "kombu_compression", "ssl", "connection_timeout", "x"]
        );
        assert_eq!(parsed.heartbeat, Some(7));
        assert!(url("rabbit://h/?amqp_durable_queues=true").ignored_options().is_empty());
    }

    #[test]
    fn a_user_without_a_password_after_a_host_with_one_has_a_colon() {
        let refused = "rabbit://u:p@a,guest@b".parse::<TransportUrl>().unwrap_err();
        assert_eq!(refused, UrlError::Address(AddressError::UnencodedPassword));
        let users: Vec<_> = url("rabbit://u:p@a,guest:@b")
            .hosts()
            .map(|(_, uri)| (uri.authority.userinfo.username, uri.authority.userinfo.password))
            .collect();
        assert_eq!(users, [("u".to_owned(), "p".to_owned()), ("guest".to_owned(), String::new())]);
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let url = url("rabbit://bob:s%3Acr%40t@a:1,eve:hidden@b/v");
        let login = url.hosts().next().unwrap().1.authority.userinfo;
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
        let option = |name: &str, expected| UrlError::Option { name: name.to_owned(), expected };
        for (text, error) in [
            ("localhost:5672", UrlError::Scheme),
            ("http://u:secret@h", UrlError::Scheme),
            ("rabbit://u:secret@h:port/", UrlError::Port("h".into())),
            ("rabbit://u:secret@h:70000/", UrlError::Port("h".into())),
            ("rabbit://u:secret%2@h", UrlError::Encoding("password")),
            ("rabbit://u:secret@h/%ff", UrlError::Encoding("virtual host")),
            ("rabbit://u:secret@h?ssl=2", option("ssl", "true or false")),
            ("rabbit://u:secret@h?heartbeat=often", option("heartbeat", "a number between 0 and 65535")),
            ("rabbit://u:secret@h?heartbeat=65536", option("heartbeat", "a number between 0 and 65535")),
            ("rabbit://u:secret@h?amqp_durable_queues=2", option("amqp_durable_queues", "true or false")),
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
        let message = "rabbit://u:50%secret@h".parse::<TransportUrl>().unwrap_err().to_string();
        assert!(message.contains("percent-encode the password") && !message.contains("secret"), "{message}");
    }

    proptest! {
        /// Whatever characters a password has, encoded or not, no part of it is shown.
        #[test]
        fn no_part_of_a_password_is_ever_shown(
            separators in prop::collection::vec("[!-/:-@\\[-`{-~é ]{1,3}", 1..4),
            user in "[a-z]{0,3}",
            rest in prop::sample::select(&["h", "h:1/v", "h:1,i:2/v?heartbeat=1", "[::1]:5/", "h/a?x=y"]),
        ) {
            let parts = separators.iter().enumerate().map(|(i, separator)| format!("SECRET{i}{separator}"));
            let password: String = parts.chain(["LAST".to_owned()]).collect();
            // `user:pass@word,user:pass@host` is a valid list of two hosts.
            let reads_as_two_hosts = ['@', ',', ':'].iter().try_fold(&*password, |rest, c| Some(rest.split_once(*c)?.1)).is_some();
            let shown = match format!("rabbit://{user}:{password}@{rest}").parse::<TransportUrl>() {
                Ok(_) if reads_as_two_hosts => String::new(),
                Ok(url) => format!("{url} {url:?} {:?}", url.ignored_options()),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains("SECRET") && !shown.contains("LAST"), "{}", shown);
            let encoded = utf8_percent_encode(&password, RESERVED);
            let url: TransportUrl = format!("rabbit://{user}:{encoded}@{rest}").parse().unwrap();
            prop_assert_eq!(url.hosts().next().unwrap().1.authority.userinfo.password, password);
            prop_assert!(!url.to_string().contains("SECRET"));
        }
    }
}
