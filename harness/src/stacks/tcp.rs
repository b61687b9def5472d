//! The floors of the network: a binary request and reply on a raw socket.

use calculator::{Call, CallError, Value};
use futures_util::FutureExt;

use super::anatomy::{Anatomy, measure};
use super::destination::Destination;
use super::dissection::fixed;
use super::dissection::{self, Leg, Part};
use super::facts::{Colour, End, Role, UrlForm};
use super::protocol::{Protocol, Stack};
use super::serve::{ServeContext, ServeError, Serving};
use super::transport::Transport;

/// The stack that a call over the network is compared with.
pub const NETWORK_FLOOR: &str = "tcp";

/// The stack that calls over several connections are compared with: an event loop needs fewer system calls and switches
/// for many connections than a thread for each.
pub const EVENT_FLOOR: &str = "tcp-async";

/// The floors are grey: no protocol under comparison is.
pub(super) const FLOOR_COLOUR: Colour = Colour { light: [0x7C, 0x85, 0x8F], dark: [0x93, 0x9D, 0xA8] };

/// A binary request and reply over a TCP connection, in a format that takes next to no time.
pub(super) struct Tcp;

const STD: End =
    End::new("std::net", &[]).on_threads("none, a thread for each connection", "the connection's thread");
/// The sockets of `tcp-async`, Thrift and JSON-RPC in lines.
pub(super) const TOKIO: End = End::new("tokio", &["tokio"]);
#[cfg(feature = "libzmq")]
const LIBZMQ: End = End::new("libzmq", &["zmq"])
    .on_threads("none, a thread for all connections beside libzmq's own", "that thread");

impl Protocol for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn colour(&self) -> Colour {
        FLOOR_COLOUR
    }

    fn is_floor(&self) -> bool {
        true
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(UrlForm { schemes: &tcp_floor::SCHEMES, example: "tcp://127.0.0.1:4242" })
    }

    fn stacks(&'static self) -> Vec<Stack> {
        vec![
            Stack::new(self, NETWORK_FLOOR, Role::Floor, STD, |destination, options| async move {
                tcp_floor::TcpClient::connect(&destination.url, &options).await
            })
            .served_by(STD, serve)
            .on_threads()
            .with_transports(&[Transport::Unix]),
            Stack::new(self, EVENT_FLOOR, Role::Floor, TOKIO, |destination, options| async move {
                tcp_floor::event::Client::connect(&destination.url, &options).await
            })
            .served_by(TOKIO, serve_event)
            .with_transports(&[Transport::Unix]),
            #[cfg(feature = "libzmq")]
            Stack::new(self, "tcp-libzmq", Role::Floor, LIBZMQ, |destination, options| async move {
                tcp_floor::libzmq::Client::connect(&destination.url, &options).await
            })
            .served_by(LIBZMQ, serve_libzmq)
            .on_threads(),
        ]
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        use tcp_floor::wire::{encode_reply, encode_request, value_len};
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        encode_request(&mut request, call)?;
        encode_reply(&mut reply, &Ok(result.clone()));
        measure(call, result, [request.len(), reply.len()], value_len)
    }

    /// Bare, or in a message of ZeroMQ.
    fn dissect(&self, leg: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        let in_message = || dissection::zmtp::parts(bytes, |body| fixed::frame(body, leg.message));
        fixed::parts(bytes, leg.message).or_else(in_message)
    }
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let failed = context.bind_error();
    let server =
        tcp_floor::Server::bind(&context.listen, context.dispatcher, context.limits).await.map_err(failed)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

async fn serve_event(context: ServeContext) -> Result<Serving, ServeError> {
    let failed = context.bind_error();
    let server = tcp_floor::event::Server::bind(&context.listen, context.dispatcher, context.limits)
        .await
        .map_err(failed)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

#[cfg(feature = "libzmq")]
async fn serve_libzmq(context: ServeContext) -> Result<Serving, ServeError> {
    let failed = context.bind_error();
    let server = tcp_floor::libzmq::Server::bind(&context.listen, context.dispatcher, context.limits)
        .await
        .map_err(failed)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
