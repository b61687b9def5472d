//! REST: JSON over HTTP, a resource per method.

use calculator::{Call, CallError, Value};
use codecs::Format;
use futures_util::FutureExt;
use http_layer::{HyperClient, ReqwestClient, Transport};
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
use super::tls::{self, CertificateCheck};

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

    fn certificate_check(&self, destination: &Destination) -> Option<CertificateCheck> {
        tls::of_http(&destination.url, &destination.options)
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
                .served_by(http::AXUM, serve),
            hyper("rest-hyper", Role::Minimal).served_by(http::AXUM, serve),
            hyper("rest-python", Role::Reference).served_by_reference(&PYTHON),
            hyper("rest-node", Role::Reference).served_by_reference(&NODE),
            hyper("rest-go", Role::Reference).served_by_reference(&GO),
        ]
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

async fn connect<T: Transport>(
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<RestClient<T>, CallError> {
    RestClient::connect(&destination.url, http::access(&destination)?, &options).await
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let (options, bind_error) = (http::http_options(&context)?, context.bind_error());
    let server =
        rest::Server::bind(&context.listen, context.dispatcher, options).await.map_err(bind_error)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
