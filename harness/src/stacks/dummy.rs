//! The smallest protocol that the suite can measure, for a test of the steps that adding a protocol takes.

use calculator::{Call, CallError, Value};
use futures_util::FutureExt;

use super::anatomy::{Anatomy, json_len, measure};
use super::destination::Destination;
use super::facts::{Colour, End, Role, UrlForm};
use super::protocol::{Protocol, Stack};
use super::serve::{ServeContext, ServeError, Serving};

/// One line of JSON per message, over TCP.
pub(super) struct Dummy;

const TOKIO: End = End::new("tokio", &["tokio"]);

impl Protocol for Dummy {
    fn name(&self) -> &'static str {
        "dummy"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0x56, 0x3D, 0x7C], dark: [0xB3, 0x9D, 0xDB] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: dummy::SCHEMES, example: "dummy://127.0.0.1:4242" })
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["serde_json"]
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let connect = |destination: Destination, options| async move {
            dummy::DummyClient::connect(&destination.url, &options).await
        };
        vec![Stack::new(self, "dummy", Role::DefaultAndMinimal, TOKIO, connect).served_by(TOKIO, serve)]
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        use dummy::wire::{encode_reply, encode_request};
        let lengths = [encode_request(call)?.len(), encode_reply(&Ok(result.clone()))?.len()];
        measure(call, result, lengths, json_len)
    }
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let failed = context.bind_error();
    let server =
        dummy::Server::bind(&context.listen, context.dispatcher, context.limits).await.map_err(failed)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
