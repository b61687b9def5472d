//! REST: JSON over HTTP, a resource per method.

use std::time::{Duration, Instant};

use calculator::{Call, CallError, Deadline, ErrorKind, Value};
use codecs::Format;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_layer::bare::BareClient;
use http_layer::http::Method;
use http_layer::{Access, Headers, Http2Client, HyperClient, ReqwestClient, Transport};
use net::Address;
use net::url::Url;
use rest::{RequestHead, RestClient};

use super::anatomy::{Anatomy, json_len, measure};
use super::destination::Destination;
use super::dissection::json::{self, Member};
use super::dissection::{self, Leg, Message, Part};
use super::facts::{Colour, Role, UrlForm};
use super::http;
use super::options::{OptionGroup, Options};
use super::protocol::{Protocol, Stack};
use super::reference::{Reference, reference};
use super::serve::{ServeContext, ServeError, Serving};
use super::tls;
use crate::discovery::{Listing, listing_of_openapi};

/// JSON over HTTP, a resource per method.
pub(super) struct Rest;

static PYTHON: Reference = reference!("Python http.server", "rest_server.py", &[], "blocking");

static NODE: Reference = reference!(JavaScript, "Node.js http", "rest");
static GO: Reference = reference!(Go, "Go net/http", "rest");

impl Protocol for Rest {
    fn name(&self) -> &'static str {
        "rest"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0x00, 0x72, 0xB2], dark: [0x5A, 0xB4, 0xEC] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(http::URL_FORM)
    }

    fn http_version(&self, server: &Options) -> Option<String> {
        http::version(server)
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["serde_json"]
    }

    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[&http::SERVER]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&http::CLIENT, &tls::TLS]
    }

    fn prepare_client_options(&self, options: &mut Options) -> Result<(), String> {
        http::prepare(options)
    }

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn has_requests(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let hyper = |name, role| Stack::new(self, name, role, http::HYPER, connect::<HyperClient>);
        vec![
            Stack::new(self, "rest", Role::Default, http::REQWEST, connect::<ReqwestClient>)
                .served_by(http::AXUM, serve)
                .with_transports(http::TRANSPORTS),
            hyper("rest-hyper", Role::Minimal)
                .served_by(http::AXUM, serve)
                .with_transports(http::HYPER_TRANSPORTS)
                .with_client(http::HTTP2_TRANSPORTS, connect::<Http2Client>),
            Stack::new(self, "rest-bare", Role::Step, http::BARE, connect::<BareClient>)
                .served_by(http::BARE, serve_bare)
                .with_transports(http::TRANSPORTS),
            hyper("rest-python", Role::Reference).served_by_reference(&PYTHON),
            hyper("rest-node", Role::Reference).served_by_reference(&NODE),
            hyper("rest-go", Role::Reference).served_by_reference(&GO),
        ]
    }

    /// From the OpenAPI document at the URL or at one of the usual places.
    fn list_methods<'a>(
        &'a self,
        _: &'static Stack,
        destination: &'a Destination,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Option<Listing>, CallError>> {
        async move {
            let options = calculator::ClientOptions { timeout, ..calculator::ClientOptions::default() };
            described_methods(destination, &options).await.map(Some)
        }
        .boxed()
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        let lengths = if RequestHead::of(call).is_some() {
            let mut reply = Vec::new();
            calculator::json::write(&mut reply, result)?;
            [rest::wire::encode_body(call)?.map_or(0, |body| body.len()), reply.len()]
        } else {
            [rest::wire::encode_call(call)?.len(), rest::wire::encode_result(result)?.len()]
        };
        measure(call, result, lengths, json_len)
    }

    fn dissect(&self, leg: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        let request_line = "request line: verb, path with the method's name, version of HTTP";
        dissection::http::parts(bytes, request_line, |body| match leg.message {
            Message::Request => json::arguments(body),
            Message::Reply => json::object(body, |_| Member::Result),
        })
    }

    fn codec_format(&self) -> Option<Format> {
        Some(Format::JsonUntyped)
    }
}

/// The usual names of OpenAPI documents: of FastAPI and many others, of older generators, and of Spring.
const DOCUMENTS: [&str; 3] = ["openapi.json", "swagger.json", "v3/api-docs"];

/// The paths at which the OpenAPI document of a server may be whose URL has the path `path`, in the order in which they are
/// tried.
fn document_paths(path: &str) -> Vec<String> {
    if path.ends_with(".json") {
        return vec![path.to_owned()];
    }
    let base = path.trim_end_matches('/');
    let below = DOCUMENTS.map(|name| format!("{base}/{name}"));
    let at_the_root = DOCUMENTS.map(|name| format!("/{name}"));
    let mut paths: Vec<String> = Vec::new();
    for path in below.into_iter().chain(at_the_root) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

async fn described_methods(
    destination: &Destination,
    options: &calculator::ClientOptions,
) -> Result<Listing, CallError> {
    let Access { headers, tls } = http::access(destination)?;
    let headers = Headers { extra: headers, ..Headers::new(rest::wire::JSON) };
    let address = Address::parse(&destination.url, &http_layer::SCHEMES)
        .map_err(|error| CallError::new(ErrorKind::Undeliverable, error.to_string()))?;
    let client = HyperClient::connect_trusting(&destination.url, &headers, tls, options).await?;
    let mut deadline = Deadline::new(options.timeout);
    let paths = document_paths(address.path());
    for path in &paths {
        // The host has no meaning for the document but to make a whole URL of the path.
        let Ok(url) = Url::parse(&format!("http://{}{path}", address.authority())) else { continue };
        let Ok(target) = url.path().parse() else { continue };
        let reply = deadline.within(Instant::now(), client.request(Method::GET, &target, None, None)).await?;
        let document = serde_json::from_slice(&reply.body).ok().filter(|_| reply.status.is_success());
        if let Some(listing) = document.and_then(|document| listing_of_openapi(&document, &url)) {
            return Ok(listing);
        }
    }
    let message = format!("there is no OpenAPI document in JSON at {}", paths.join(", "));
    Err(CallError::new(ErrorKind::UnknownMethod, message))
}

async fn connect<T: Transport>(
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<RestClient<T>, CallError> {
    RestClient::connect(&destination.url, http::access(&destination)?, &options).await
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let version = http::served_version(&context);
    let tls = context.acceptor(version.alpn())?;
    let (options, bind_error) = (http::http_options(&context)?, context.bind_error());
    let server =
        rest::Server::bind(&context.listen, context.dispatcher, options).await.map_err(bind_error)?;
    let server = server.with_tls(tls).with_version(version);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

async fn serve_bare(context: ServeContext) -> Result<Serving, ServeError> {
    let tls = context.acceptor(http_layer::ALPN)?;
    let (options, bind_error) = (http::bare_http_options(&context)?, context.bind_error());
    let server =
        rest::BareServer::bind(&context.listen, context.dispatcher, options).await.map_err(bind_error)?;
    let server = server.with_tls(tls);
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_looked_for_at_the_url_below_it_and_at_the_root() {
        assert_eq!(document_paths("/docs/my.json"), ["/docs/my.json"]);
        assert_eq!(document_paths(""), ["/openapi.json", "/swagger.json", "/v3/api-docs"]);
        let below = document_paths("/api/");
        assert_eq!(
            (below.len(), below[0].as_str(), below[3].as_str()),
            (6, "/api/openapi.json", "/openapi.json")
        );
    }
}
