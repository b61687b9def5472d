//! What the protocols over HTTP share: their libraries, their options, their URLs.

use std::time::Duration;

use http_layer::HttpOptions;
use http_layer::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::facts::{End, UrlForm};
use super::options::{OptionGroup, Options, OptionsError};
use super::serve::ServeContext;

pub(super) const REQWEST: End = End::new("reqwest", &["reqwest", "hyper", "tokio"]);
pub(super) const HYPER: End = End::new("hyper", &["hyper", "tokio"]);
pub(super) const AXUM: End = End::new("axum", &["axum", "hyper", "tokio"]);

pub(super) const URL_FORM: UrlForm =
    UrlForm { schemes: &http_layer::SCHEMES, example: "http://127.0.0.1:8080/" };

/// The version of HTTP of requests and replies, as written in a request line.
pub(super) fn version() -> Option<String> {
    Some(format!("{:?}", http_layer::VERSION))
}

/// The options of servers over HTTP.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct ServerOptions {
    /// How long the body of a request may take to arrive
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration, help_heading = "HTTP")]
    body_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { body_timeout: HttpOptions::default().body_timeout }
    }
}

pub(super) const SERVER: OptionGroup = OptionGroup::of::<ServerOptions>("http");

/// What the server of `context` accepts, and how long it waits for it.
pub(super) fn http_options(context: &ServeContext) -> Result<HttpOptions, OptionsError> {
    let ServerOptions { body_timeout } = context.options.get(&SERVER)?;
    Ok(HttpOptions { body_timeout, ..HttpOptions::from(context.limits) })
}

/// The options of clients over HTTP.
#[derive(Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct ClientOptions {
    /// Send this header with every request (repeatable), for example "authorization: Bearer TOKEN". With
    /// `content-encoding: gzip` requests are compressed; `accept-encoding: gzip` asks for compressed answers
    #[arg(long = "header", id = "header", value_name = "NAME:VALUE", help_heading = "HTTP")]
    headers: Vec<String>,
}

pub(super) const CLIENT: OptionGroup = OptionGroup::of::<ClientOptions>("http");

/// Parses a header and marks its value as sensitive. Errors do not repeat the text, because it may hold a password. clap
/// would repeat it, and therefore does not call this function.
fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME:VALUE, for example accept-language:en")?;
    let name = name.trim().parse().map_err(|_| "the part before the colon is not the name of a header")?;
    let mut value: HeaderValue =
        value.trim().parse().map_err(|_| "the part after the colon is not the value of a header")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Checks the headers in `options`.
///
/// # Errors
/// A message about the first that is not a header, without repeating it.
pub(super) fn check_headers(options: &Options) -> Result<(), String> {
    let ClientOptions { headers } = options.get(&CLIENT).map_err(|error| error.to_string())?;
    headers
        .iter()
        .try_for_each(|text| parse_header(text).map(|_| ()))
        .map_err(|reason| format!("--header: {reason}"))
}

/// The headers that clients of `destination` send with every request in addition to those of the protocol.
///
/// # Errors
/// When the options cannot be read.
pub(super) fn headers(destination: &Destination) -> Result<HeaderMap, OptionsError> {
    let ClientOptions { headers } = destination.options.get(&CLIENT)?;
    let mut map = HeaderMap::new();
    // The command line has already rejected invalid headers.
    for (name, value) in headers.iter().filter_map(|text| parse_header(text).ok()) {
        map.append(name, value);
    }
    Ok(map)
}
