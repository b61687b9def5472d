//! What the protocols over HTTP share: their libraries, their options, their URLs.

use std::time::Duration;

use http_layer::http::{HeaderMap, HeaderName, HeaderValue};
use http_layer::{Access, AllowedOrigins, Headers, HttpOptions, OriginParseError, ServedVersion};
use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::facts::{End, UrlForm};
use super::options::{OptionGroup, Options, OptionsError};
use super::secret::{SecretError, revealed};
use super::serve::{ServeContext, ServeError};
use super::tls;
use super::transport::Transport;

pub(super) const REQWEST: End = End::new("reqwest", &["reqwest", "hyper", "tokio"]);
pub(super) const HYPER: End = End::new("hyper", &["hyper", "tokio"]);
/// Our own HTTP/1.1, for which only the heads of messages are parsed by a library.
pub(super) const BARE: End = End::new("bare sockets", &["httparse", "tokio"]);
pub(super) const AXUM: End = End::new("axum", &["axum", "hyper", "tokio"]);

/// The transports of the servers of this suite and their clients beside TCP.
pub(super) const TRANSPORTS: &[Transport] = &[Transport::Unix, Transport::Tls, Transport::TlsResumed];
/// The same with hyper's client, for protocols with HTTP/2.
pub(super) const HYPER_TRANSPORTS: &[Transport] =
    &[Transport::Unix, Transport::Tls, Transport::TlsResumed, Transport::H2, Transport::H2Tls];
/// Those that carry HTTP/2.
pub(super) const HTTP2_TRANSPORTS: &[Transport] = &[Transport::H2, Transport::H2Tls];
/// The meaning of the first line of a request with the method's name in its body.
pub(super) const REQUEST_LINE: &str = "request line: verb, path (the same for all methods), version of HTTP";

pub(super) const URL_FORM: UrlForm =
    UrlForm { schemes: &http_layer::SCHEMES, example: "http://127.0.0.1:8080/" };

/// The options of servers over HTTP.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct ServerOptions {
    /// How long the body of a request may take to arrive
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = calculator::parse_duration_above_zero, help_heading = "HTTP")]
    body_timeout: Duration,
    /// Let web pages of this origin call the server from a browser (CORS): SCHEME://HOST[:PORT], or * for any origin
    /// (repeatable)
    #[arg(
        long = "allow-origin",
        id = "allow-origin",
        value_name = "ORIGIN",
        value_parser = parse_origin,
        help_heading = "HTTP"
    )]
    #[serde(default)]
    allowed_origins: Vec<String>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { body_timeout: HttpOptions::default().body_timeout, allowed_origins: vec![] }
    }
}

pub(super) const SERVER: OptionGroup = OptionGroup::of::<ServerOptions>("http");

fn parse_origin(text: &str) -> Result<String, OriginParseError> {
    AllowedOrigins::parse([text]).map(|_| text.to_owned())
}

impl ServerOptions {
    fn allowed_origins(&self) -> Result<AllowedOrigins, OptionsError> {
        AllowedOrigins::parse(self.allowed_origins.iter().map(String::as_str))
            .map_err(|error| OptionsError::invalid(&SERVER, error))
    }
}

/// What the server of `context` accepts, and how long it waits for it.
pub(super) fn http_options(context: &ServeContext) -> Result<HttpOptions, OptionsError> {
    let options: ServerOptions = context.options.get(&SERVER)?;
    Ok(HttpOptions {
        body_timeout: options.body_timeout,
        allowed_origins: options.allowed_origins()?,
        ..HttpOptions::from(context.limits)
    })
}

/// The same for a server without an HTTP library, which leaves CORS out.
pub(super) fn bare_http_options(context: &ServeContext) -> Result<HttpOptions, ServeError> {
    let options = http_options(context)?;
    if options.allowed_origins != AllowedOrigins::None {
        let message = "--allow-origin: the server without an HTTP library has no such option";
        return Err(ServeError::Setting(message.to_owned()));
    }
    Ok(options)
}

/// The version of HTTP that the server of `context` speaks.
pub(super) fn served_version(context: &ServeContext) -> ServedVersion {
    if context.transport.has_http2() { ServedVersion::Http2 } else { ServedVersion::Http1 }
}

/// The version of HTTP of requests and replies, as written in a request line, and what a server that was started with the
/// options `server` adds to replies.
pub(super) fn version(server: &Options) -> Option<String> {
    let version = http_layer::VERSION;
    let has_cors =
        server.get::<ServerOptions>(&SERVER).is_ok_and(|options| !options.allowed_origins.is_empty());
    Some(if has_cors { format!("{version:?} with CORS headers") } else { format!("{version:?}") })
}

/// The options of clients over HTTP.
#[derive(Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct ClientOptions {
    /// Send this header with every request (repeatable), for example "authorization: Bearer TOKEN". Arguments show in the
    /// list of processes: @FILE reads headers from a file, one a line, env:VARIABLE from an environment variable, - from
    /// standard input. With `content-encoding: gzip` requests are compressed; `accept-encoding: gzip` asks for compressed
    /// answers
    #[arg(long = "header", id = "header", value_name = "NAME:VALUE", help_heading = "HTTP")]
    headers: Vec<String>,
    /// Send the headers in this file with every request, one a line (repeatable); - for standard input
    #[arg(long = "header-file", id = "header-file", value_name = "FILE", help_heading = "HTTP")]
    #[serde(default)]
    header_files: Vec<String>,
    /// The headers of both options, read and checked.
    #[arg(skip)]
    #[serde(default)]
    checked: Vec<String>,
}

pub(super) const CLIENT: OptionGroup = OptionGroup::of::<ClientOptions>("http");

/// Parses a header and marks its value as sensitive. Errors do not repeat the text, because it may hold a password. clap
/// would repeat it, and therefore does not call this function.
fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME:VALUE, for example accept-language:en")?;
    let name: HeaderName =
        name.trim().parse().map_err(|_| "the part before the colon is not the name of a header")?;
    if Headers::RESERVED.contains(&name) {
        return Err(format!("the client sets the header {name} itself; leave it out"));
    }
    let mut value: HeaderValue =
        value.trim().parse().map_err(|_| "the part after the colon is not the value of a header")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Reads what `options` name from where it is kept, and checks it: headers and the certificates of authorities.
///
/// # Errors
/// A message about the first that cannot be used or read, without repeating a header.
pub(super) fn prepare(options: &mut Options) -> Result<(), String> {
    read_headers(options)?;
    tls::read_authorities(options)
}

/// Reads the headers of `options` from where they are kept, and checks them.
///
/// # Errors
/// A message about the first that is not a header or cannot be read, without repeating a header.
fn read_headers(options: &mut Options) -> Result<(), String> {
    let ClientOptions { headers, header_files, mut checked } =
        options.get(&CLIENT).map_err(|error| error.to_string())?;
    let mut read_lines = |option: &str, text: Result<String, SecretError>| {
        let refused = |reason: String| format!("{option}: {reason}");
        let text = text.map_err(|error| refused(error.to_string()))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            parse_header(line).map_err(refused)?;
            checked.push(line.to_owned());
        }
        Ok::<(), String>(())
    };
    for given in &headers {
        if given.trim().is_empty() {
            parse_header(given).map_err(|reason| format!("--header: {reason}"))?;
        }
        read_lines("--header", revealed(given))?;
    }
    for file in &header_files {
        let given = if file == "-" { file.clone() } else { format!("@{file}") };
        read_lines("--header-file", revealed(&given))?;
    }
    let read = ClientOptions { checked, ..ClientOptions::default() };
    options.set(&CLIENT, &read).map_err(|error| error.to_string())
}

/// What the options of `destination` say that clients need: headers and trust. They must have been
/// [prepared](super::protocol::Protocol::prepare_client_options).
///
/// # Errors
/// When the options cannot be read.
pub(super) fn access(destination: &Destination) -> Result<Access, OptionsError> {
    Ok(Access { headers: headers(destination)?, tls: tls::settings(&destination.options)? })
}

fn headers(destination: &Destination) -> Result<HeaderMap, OptionsError> {
    let ClientOptions { checked, .. } = destination.options.get(&CLIENT)?;
    let mut map = HeaderMap::new();
    for text in &checked {
        let (name, value) = parse_header(text).map_err(|reason| OptionsError::invalid(&CLIENT, reason))?;
        map.append(name, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_from_the_command_line_and_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers").display().to_string();
        std::fs::write(&path, "authorization: Bearer secret\r\n\nx-tag: 2\n").unwrap();
        let headers_of = |given: &[&str], files: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let given = ClientOptions { headers: owned(given), header_files: owned(files), checked: vec![] };
            let mut options = Options::default();
            options.set(&CLIENT, &given).unwrap();
            read_headers(&mut options)?;
            // Reading them again changes nothing.
            read_headers(&mut options)?;
            headers(&Destination { options, ..Destination::default() }).map_err(|error| error.to_string())
        };
        let given = headers_of(&["X-Tag: 1", &format!("@{path}")], &[&path]).unwrap();
        let of = |name: &str| {
            given.get_all(name).into_iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(of("x-tag"), ["1", "2", "2"]);
        assert_eq!(of("authorization"), ["Bearer secret"; 2]);
        assert!(given["authorization"].is_sensitive());

        std::fs::write(&path, "ok: 1\nsecret").unwrap();
        for (given, files, word) in [
            (&["secret"][..], &[][..], "--header: expected NAME:VALUE"),
            (&[" "], &[], "--header: expected NAME:VALUE"),
            (&["Content-Length: secret"], &[], "--header: the client sets the header content-length itself"),
            (&["secret \u{e9}: 1"], &[], "--header: the part before"),
            (&["a: secret\u{1}"], &[], "--header: the part after"),
            (&[], &[path.as_str()], "--header-file: expected NAME:VALUE"),
            (&[], &["/nowhere/headers"], "--header-file: cannot read /nowhere/headers"),
            (&["env:RPCBENCH_NO_SUCH_VARIABLE"], &[], "--header: the environment variable"),
        ] {
            let message = headers_of(given, files).unwrap_err();
            assert!(message.starts_with(word) && !message.contains("secret"), "{message}");
        }
    }
}
