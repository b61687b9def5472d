//! The options by which `call` and `check` speak to an HTTP server.

use calculator::Protocol;
use http_layer::http::{HeaderMap, HeaderName, HeaderValue};

use super::Failure;
use crate::stacks::{Address, Stack};

/// What goes with every request over HTTP.
#[derive(clap::Args)]
#[command(next_help_heading = "HTTP")]
pub(super) struct HeaderArguments {
    /// A header of every request (repeatable), for example "authorization: Bearer TOKEN". `content-encoding: gzip`
    /// compresses requests, `accept-encoding: gzip` asks for compressed answers
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    // Not repeated in a message: it may hold a password.
    let (name, value) = text.split_once(':').ok_or("expected NAME:VALUE, for example accept-language:en")?;
    let name = name.trim().parse().map_err(|_| "the part before the colon is no header's name")?;
    let mut value: HeaderValue =
        value.trim().parse().map_err(|_| "the part after the colon is no header's value")?;
    value.set_sensitive(true);
    Ok((name, value))
}

impl HeaderArguments {
    /// Adds the headers to `address`.
    ///
    /// # Errors
    /// Wrong usage where the protocol has none.
    pub(super) fn add_to(&self, stack: &Stack, address: Address) -> Result<Address, Failure> {
        let over_http = matches!(stack.protocol, Protocol::Rest | Protocol::Xmlrpc | Protocol::Jsonrpc);
        if !self.headers.is_empty() && !over_http {
            return Err(Failure::usage(format!(
                "--header is for the protocols over HTTP, and {} is none",
                stack.name
            )));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        Ok(Address { headers, ..address })
    }
}
