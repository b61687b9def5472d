//! URLs.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use url::{ParseError, Url};

use crate::address_error::AddressError;
use crate::credentials::decode_bytes;
use crate::scheme::{HostForm, Kind};
use crate::{Credentials, Endpoint, Scheme};

/// The top-level domain of hosts in a simulated network.
#[cfg(feature = "simulated")]
const SIMULATED: &str = ".simulated";

/// All characters except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// A parsed URL.
///
/// [`Display`](fmt::Display) and [`Debug`] show it without credentials, query and fragment, so that it can be printed
/// and recorded.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    /// Never empty.
    hosts: Vec<Host>,
    path: String,
    query: Option<String>,
}

/// One of the hosts that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    endpoint: Endpoint,
    credentials: Option<Credentials>,
}

impl Host {
    /// The endpoint that the host names.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The credentials before its `@`; `None` without an `@`.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

impl Address {
    /// Parses a URL that has one of `schemes` (in any case).
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str, schemes: &[Scheme]) -> Result<Self, AddressError> {
        let (name, rest) = split_scheme(text).ok_or_else(|| AddressError::NotAUrl(forms(schemes)))?;
        match schemes.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name)) {
            Some(scheme) => parse(*scheme, rest),
            None => Err(unknown_scheme(name, schemes)),
        }
    }

    /// The address of `endpoint` in the first of `schemes` that can express it, with `path` (which is empty or begins
    /// with `/`, percent-encoded). `None` if no scheme can.
    #[must_use]
    pub fn from_endpoint(endpoint: &Endpoint, schemes: &[Scheme], path: &str) -> Option<Self> {
        let fits = |scheme: &&Scheme| match endpoint {
            Endpoint::Unix(_) => !matches!(scheme.kind, Kind::Host(_) | Kind::PipesAsPath),
            Endpoint::Pipes(_) => scheme.kind == Kind::PipesAsPath,
            _ => matches!(scheme.kind, Kind::Host(_)),
        };
        let scheme = schemes.iter().find(fits)?;
        let path = match scheme.kind {
            Kind::Host(HostForm { path: true, .. }) | Kind::SocketAsHost => path.to_owned(),
            _ => String::new(),
        };
        let hosts = vec![Host { endpoint: endpoint.clone(), credentials: None }];
        Some(Address { scheme: *scheme, hosts, path, query: None })
    }

    /// The scheme, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme.name
    }

    /// Whether connections to it are over TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.scheme.has_tls()
    }

    /// The endpoint to connect to. If the URL has several hosts, the endpoint of the first.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.first().endpoint
    }

    /// All hosts, in the order of the URL.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The endpoints of all hosts, in the order of the URL.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.hosts.iter().map(|host| &host.endpoint)
    }

    /// The credentials of the first host.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.first().credentials()
    }

    /// The path as written in the URL, with its leading `/`, or empty.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query: the text between `?` and `#`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The options of the query as written in the URL, `NAME=VALUE&..`. The value of an option without `=` is empty.
    pub fn query_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let options = self.query.as_deref().unwrap_or_default().split('&');
        options
            .filter(|option| !option.is_empty())
            .map(|option| option.split_once('=').unwrap_or((option, "")))
    }

    /// The value of a `host` header, `HOST[:PORT]`: without the scheme's default port, and without the zone of an IPv6
    /// address. For a Unix socket, `localhost`.
    #[must_use]
    pub fn authority(&self) -> String {
        let (host, port) = match self.endpoint() {
            Endpoint::Tcp { host, port } => (host, port),
            Endpoint::Unix(_) | Endpoint::Pipes(_) => return "localhost".to_owned(),
            #[cfg(feature = "simulated")]
            Endpoint::Simulated(name) => return format!("{name}{SIMULATED}"),
        };
        let host = if host.contains(':') {
            format!("[{}]", host.split('%').next().unwrap_or_default())
        } else {
            host.clone()
        };
        match self.scheme.kind {
            Kind::Host(form) if form.default_port == Some(*port) => host,
            _ => format!("{host}:{port}"),
        }
    }

    /// The URL without credentials, query and fragment, with every port.
    #[must_use]
    pub fn public(&self) -> String {
        self.to_string()
    }

    fn first(&self) -> &Host {
        // `hosts` is private to this module and created with at least one element.
        &self.hosts[0]
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name)?;
        for (i, endpoint) in self.endpoints().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match endpoint {
                Endpoint::Tcp { .. } => endpoint.fmt(f)?,
                Endpoint::Unix(path) | Endpoint::Pipes(path) => match self.scheme.kind {
                    Kind::SocketAsHost => percent_encode(bytes_of(path), RESERVED).fmt(f)?,
                    Kind::SocketAsPath | Kind::PipesAsPath => {
                        percent_encode(bytes_of(path), RESERVED_IN_PATH).fmt(f)?;
                    }
                    Kind::SocketUnencoded | Kind::Host(_) => path.display().fmt(f)?,
                },
                #[cfg(feature = "simulated")]
                Endpoint::Simulated(name) => write!(f, "{name}{SIMULATED}")?,
            }
        }
        // After the port, an unencoded `@` would make the whole look like a password (`AddressError::UnencodedPassword`).
        f.write_str(&self.path.replace('@', "%40"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Scheme, hosts and ports of `url`, whatever its scheme, for messages and records: a path can be as secret as a
/// password. For a Unix socket, the path of the socket. If the URL cannot be parsed, everything after the scheme is
/// replaced by `…`.
#[must_use]
pub fn redacted(url: &str) -> String {
    let Some((name, rest)) = split_scheme(url) else { return "…".to_owned() };
    let hidden = || format!("{name}://…");
    let sockets = [Scheme::HTTP_UNIX, Scheme::WS_UNIX, Scheme::UNIX, Scheme::PIPE, Scheme::IPC];
    if let Some(scheme) = sockets.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name)) {
        let without_path = |address| Address { path: String::new(), ..address }.to_string();
        return parse(*scheme, rest).map_or_else(|_| hidden(), without_path);
    }
    let (authority, _) = split_authority(&name.to_ascii_lowercase(), rest);
    let hosts: Vec<_> = authority.split(',').collect();
    let last_login = hosts.iter().rposition(|host| host.contains('@')).unwrap_or(0);
    let is_part_of_password =
        |host: &str| !host.contains('@') && (has_malformed_port(host) || has_two_colons(host));
    let without_login = |host: &str| host.rsplit_once('@').map_or(host, |(_, host)| host).to_owned();
    if has_unencoded_password(authority, rest)
        || is_cut_at_a_comma(authority)
        || hosts[..last_login].iter().any(|host| is_part_of_password(host))
        || hosts.iter().any(|host| has_malformed_port(&without_login(host)))
    {
        return hidden();
    }
    let hosts: Vec<_> = hosts.into_iter().map(without_login).collect();
    format!("{name}://{}", hosts.join(","))
}

/// `url` with `endpoint` in the place of its host and port; credentials, path and query stay. `None` unless it names exactly
/// one host and `endpoint` is a TCP port.
#[must_use]
pub fn with_endpoint(url: &str, endpoint: &Endpoint) -> Option<String> {
    let (name, rest) = split_scheme(url)?;
    let (authority, after) = split_authority(&name.to_ascii_lowercase(), rest);
    let is_host =
        !authority.is_empty() && !authority.contains(',') && !has_unencoded_password(authority, rest);
    let login = authority.rsplit_once('@').map_or(String::new(), |(login, _)| format!("{login}@"));
    (is_host && endpoint.port().is_some()).then(|| format!("{name}://{login}{endpoint}{after}"))
}

/// Splits a text at `://`, if what precedes it can be a scheme (RFC 3986, section 3.1).
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once("://")?;
    let is_scheme = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme.then_some((name, rest))
}

/// The schemes of encrypted protocols.
const ENCRYPTED: [&str; 6] = ["https", "amqps", "grpcs", "wss", "tls", "curve"];

fn unknown_scheme(name: &str, schemes: &[Scheme]) -> AddressError {
    let is_encrypted = |name: &str| ENCRYPTED.iter().any(|other| other.eq_ignore_ascii_case(name));
    match schemes {
        [first, ..] if is_encrypted(name) && !schemes.iter().any(Scheme::has_tls) => {
            AddressError::Tls(first.name)
        }
        _ => AddressError::Scheme(join_with_or(schemes.iter().map(|scheme| scheme.name.to_owned()))),
    }
}

fn forms(schemes: &[Scheme]) -> String {
    join_with_or(schemes.iter().map(Scheme::form))
}

fn join_with_or(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(" or ")
}

/// Parses `rest`, which follows `NAME://`.
fn parse(scheme: Scheme, rest: &str) -> Result<Address, AddressError> {
    let name = scheme.name;
    let expected = || scheme.form();
    let (hosts, after) = match scheme.kind {
        Kind::Host(form) => {
            let (authority, after) = split_authority(name, rest);
            if has_unencoded_password(authority, rest) {
                return Err(AddressError::UnencodedPassword);
            }
            let hosts = parse_hosts(scheme, form, authority)?;
            if hosts.iter().any(|host| host.credentials.is_some()) && !form.login {
                return Err(AddressError::Credentials(expected()));
            }
            if !form.path && !matches!(after, "" | "/") {
                return Err(AddressError::Path(expected()));
            }
            (hosts, if form.path { after } else { "" })
        }
        Kind::SocketAsHost => {
            let (host, after) = split_authority(name, rest);
            if host.contains(['@', ':']) {
                return Err(AddressError::SocketPath(expected()));
            }
            (vec![socket(decode_path(host)?, &expected)?], after)
        }
        Kind::SocketAsPath | Kind::PipesAsPath => {
            if !rest.starts_with('/') || rest.contains(['?', '#']) {
                return Err(AddressError::SocketPath(expected()));
            }
            let host = socket(decode_path(rest)?, &expected)?;
            (vec![if scheme.kind == Kind::PipesAsPath { host.with_pipes() } else { host }], "")
        }
        Kind::SocketUnencoded => (vec![socket(rest.into(), &expected)?], ""),
    };
    let after = if has_fragment(name) { after.split('#').next().unwrap_or_default() } else { after };
    let (path, query) = match after.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (after, None),
    };
    Ok(Address { scheme, hosts, path: path.to_owned(), query })
}

/// Whether `#` begins a fragment. In the virtual host of a broker, it is an ordinary character.
fn has_fragment(name: &str) -> bool {
    matches!(name, "http" | "https" | "http+unix" | "ws" | "ws+unix" | "wss")
}

/// Splits what follows `://` before the path, query or fragment.
fn split_authority<'a>(name: &str, rest: &'a str) -> (&'a str, &'a str) {
    let ends_host = |c: char| matches!(c, '/' | '?') || has_fragment(name) && matches!(c, '#' | '\\');
    rest.split_at(rest.find(ends_host).unwrap_or(rest.len()))
}

/// Whether `authority` may be the beginning of `USER:PASSWORD@`, with a character in the password that ends the host.
fn has_unencoded_password(authority: &str, rest: &str) -> bool {
    let has_port = if authority.starts_with('[') {
        // The colons inside the brackets of an IPv6 address do not separate a password.
        authority.rsplit(']').next().is_some_and(|port| port.contains(':'))
    } else {
        authority.contains(':')
    };
    has_port && rest[authority.len()..].contains('@')
}

/// Whether a host of the list `authority` has a password, and a later one only a user: in `user:pass@word,more@host`, both
/// belong to one password that is not percent-encoded.
fn is_cut_at_a_comma(authority: &str) -> bool {
    let logins = || authority.split(',').filter_map(|host| Some(host.rsplit_once('@')?.0.contains(':')));
    logins().skip_while(|has_password| !has_password).any(|has_password| !has_password)
}

/// Whether what follows the last colon of `host` is not a port, brackets of an IPv6 address aside. It may be a password.
fn has_malformed_port(host: &str) -> bool {
    let port = host.rsplit_once(':').filter(|_| !host.ends_with(']'));
    port.is_some_and(|(_, port)| !matches!(port, "" | "*") && port.parse::<u16>().is_err())
}

/// Whether `host` has more colons than a host with a port, brackets of an IPv6 address aside.
fn has_two_colons(host: &str) -> bool {
    !host.contains(['@', '[']) && host.matches(':').count() > 1
}

fn parse_hosts(scheme: Scheme, form: HostForm, authority: &str) -> Result<Vec<Host>, AddressError> {
    if !form.several_hosts {
        return Ok(vec![parse_host(scheme, form, authority)?]);
    }
    if is_cut_at_a_comma(authority) {
        return Err(AddressError::UnencodedPassword);
    }
    let mut hosts = Vec::new();
    let mut rest = Some(authority);
    while let Some(text) = rest {
        let (host, others) = text.split_once(',').map_or((text, None), |(host, rest)| (host, Some(rest)));
        let parsed = parse_host(scheme, form, host);
        // In `user:pass,word@host`, the first part is not a host and must not be shown.
        let is_host = !matches!(parsed, Err(AddressError::Port { .. })) && !has_two_colons(host);
        if !is_host && others.is_some_and(|rest| rest.contains('@')) {
            return Err(AddressError::UnencodedPassword);
        }
        hosts.push(parsed?);
        rest = others;
    }
    Ok(hosts)
}

/// Parses `[USER[:PASSWORD]@]HOST[:PORT]`.
fn parse_host(scheme: Scheme, form: HostForm, text: &str) -> Result<Host, AddressError> {
    let (credentials, host) = match text.rsplit_once('@') {
        Some((credentials, host)) => (Some(Credentials::parse(credentials)), host),
        None => (None, text),
    };
    Ok(Host { endpoint: parse_endpoint(scheme, form, host)?, credentials })
}

/// Parses `HOST[:PORT]` with the `url` crate, after rewriting the forms that the crate cannot parse: a missing host,
/// the port `*`, and the zone of an IPv6 address.
fn parse_endpoint(scheme: Scheme, form: HostForm, text: &str) -> Result<Endpoint, AddressError> {
    let name = scheme.name;
    let expected = || scheme.form();
    let malformed = |source| AddressError::Host { form: expected(), source };
    let mut text = Cow::Borrowed(text);
    if text.is_empty() || text.starts_with(':') {
        let default = form.default_host.ok_or_else(|| malformed(ParseError::EmptyHost))?;
        text = format!("{default}{text}").into();
    }
    if let Some(host) = text.strip_suffix(":*").filter(|_| form.wildcards) {
        text = format!("{host}:0").into();
    }
    let (text, zone) = without_zone(&text);
    let port = |host: &str| AddressError::Port { host: host.trim_matches(['[', ']']).to_owned() };
    // The characters at which the parser would end the host without an error.
    if text.contains(['#', '/', '?', '\\']) {
        return Err(malformed(ParseError::InvalidDomainCharacter));
    }
    // In the URL standard, an empty port means the default port. Only the HTTP schemes follow that here.
    if let Some(host) = text.strip_suffix(':').filter(|_| !has_fragment(name)) {
        return Err(port(host));
    }
    let url = Url::parse(&format!("{name}://{text}")).map_err(|error| match error {
        ParseError::InvalidPort => port(text.rsplit_once(':').map_or("", |(host, _)| host)),
        error => malformed(error),
    })?;
    let host =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| malformed(ParseError::EmptyHost))?;
    #[cfg(feature = "simulated")]
    if let Some(name) = host.strip_suffix(SIMULATED) {
        return Ok(Endpoint::Simulated(name.to_owned()));
    }
    let host = host.trim_matches(['[', ']']);
    let host = zone.map_or_else(|| host.to_owned(), |zone| format!("{host}%{zone}"));
    let port = url.port_or_known_default().or(form.default_port);
    Ok(Endpoint::Tcp { host, port: port.ok_or_else(|| AddressError::NoPort(expected()))? })
}

/// Splits the zone off an IPv6 address with a port: `[fe80::1%eth0]:1` becomes `[fe80::1]:1` and `eth0`. RFC 6874
/// writes the percent sign as `%25`.
fn without_zone(text: &str) -> (Cow<'_, str>, Option<String>) {
    let parts = text.starts_with('[').then(|| {
        let (address, rest) = text.split_once('%')?;
        let (zone, port) = rest.split_once(']')?;
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
        Some((format!("{address}]{port}"), zone.to_owned()))
    });
    match parts.flatten() {
        Some((text, zone)) => (text.into(), Some(zone)),
        None => (text.into(), None),
    }
}

impl Host {
    /// The same with pipes that are agreed on through its socket.
    fn with_pipes(self) -> Self {
        let endpoint = match self.endpoint {
            Endpoint::Unix(path) => Endpoint::Pipes(path),
            other => other,
        };
        Host { endpoint, ..self }
    }
}

fn socket(path: OsString, expected: &dyn Fn() -> String) -> Result<Host, AddressError> {
    if path.is_empty() {
        return Err(AddressError::SocketPath(expected()));
    }
    Ok(Host { endpoint: Endpoint::Unix(path.into()), credentials: None })
}

fn decode_path(text: &str) -> Result<OsString, AddressError> {
    decode_bytes(text, "path of the socket").map(OsString::from_vec)
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
