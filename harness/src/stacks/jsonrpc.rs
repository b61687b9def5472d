//! JSON-RPC 2.0 over HTTP.

use std::time::Instant;

use calculator::{Call, CallError, Deadline, Value};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_layer::{HyperClient, ReqwestClient, Transport};
use jsonrpc::{BatchCall, JsonRpcClient};
use serde::{Deserialize, Serialize};

use super::anatomy::{Anatomy, json_len, measure};
use super::destination::Destination;
use super::facts::{Colour, Role, UrlForm};
use super::http;
use super::invoke::{Invocation, InvokeError, Output, one_call, parse_params};
use super::options::{OptionGroup, Options};
use super::protocol::{Protocol, Stack};
use super::python::{Reference, reference};
use super::serve::{ServeContext, ServeError, Serving};

/// JSON-RPC 2.0 over HTTP.
pub(super) struct Jsonrpc;

/// The options of servers.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct ServerOptions {
    /// Accept calls by GET, too
    #[arg(long, help_heading = "JSON-RPC")]
    allow_get: bool,
}

const SERVER: OptionGroup = OptionGroup::of::<ServerOptions>("jsonrpc");

/// Additional options of `rpcbench call`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
struct CallOptions {
    /// Send a notification, which is not answered
    #[arg(long, help_heading = "JSON-RPC")]
    notify: bool,
    /// Send several calls in one request; the argument `,` separates them
    #[arg(long, help_heading = "JSON-RPC")]
    batch: bool,
}

const CALL: OptionGroup = OptionGroup::of::<CallOptions>("jsonrpc call");

static PYTHON: Reference = reference!("jsonrpclib-pelix", "jsonrpc_server.py", &[], "blocking");

#[cfg(feature = "jsonrpsee")]
const JSONRPSEE: super::facts::End = super::facts::End::new("jsonrpsee", &["jsonrpsee", "hyper", "tokio"]);

impl Protocol for Jsonrpc {
    fn name(&self) -> &'static str {
        "jsonrpc"
    }

    fn colour(&self) -> Colour {
        Colour { light: [0xD5, 0x5E, 0x00], dark: [0xF5, 0x8A, 0x4B] }
    }

    fn url_form(&self) -> Option<UrlForm> {
        Some(http::URL_FORM)
    }

    fn http_version(&self) -> Option<String> {
        http::version()
    }

    fn notation_libraries(&self) -> &'static [&'static str] {
        &["serde_json"]
    }

    fn server_options(&self) -> &'static [&'static OptionGroup] {
        &[&http::SERVER, &SERVER]
    }

    fn client_options(&self) -> &'static [&'static OptionGroup] {
        &[&http::CLIENT]
    }

    fn call_options(&self) -> &'static [&'static OptionGroup] {
        &[&CALL]
    }

    fn check_client_options(&self, options: &Options) -> Result<(), String> {
        http::check_headers(options)
    }

    fn has_named_parameters(&self) -> bool {
        true
    }

    fn stacks(&'static self) -> Vec<Stack> {
        let hyper = |name, role| Stack::new(self, name, role, http::HYPER, connect::<HyperClient>);
        vec![
            Stack::new(self, "jsonrpc", Role::Default, http::REQWEST, connect::<ReqwestClient>)
                .served_by(http::AXUM, serve),
            hyper("jsonrpc-hyper", Role::Minimal).served_by(http::AXUM, serve),
            #[cfg(feature = "jsonrpsee")]
            hyper("jsonrpc-jsonrpsee", Role::Alternative).served_by(JSONRPSEE, serve_jsonrpsee),
            hyper("jsonrpc-python", Role::Reference).served_by_reference(&PYTHON),
        ]
    }

    fn anatomy(
        &self,
        _: &Stack,
        _: &Destination,
        call: &Call,
        result: &Value,
    ) -> Result<[Anatomy; 2], CallError> {
        use jsonrpc::wire::{ReplyTo, Version, encode_call, write_reply};
        let id = jsonrpc::FIRST_ID;
        let mut reply = Vec::new();
        write_reply(&mut reply, ReplyTo { id: &id.to_string(), version: Version::V2 }, &Ok(result.clone()));
        measure(call, result, [encode_call(call, id)?.len(), reply.len()], json_len)
    }

    /// Makes a call, or sends a notification or a batch.
    fn invoke<'a>(
        &'a self,
        stack: &'static Stack,
        invocation: &'a Invocation,
        print: &'a mut (dyn FnMut(Output) + Send),
    ) -> BoxFuture<'a, Result<(), InvokeError>> {
        async move {
            let CallOptions { notify, batch } = invocation.options.get(&CALL)?;
            if !notify && !batch {
                let call = invocation.named_call(stack.name, true, |value| value)?;
                let connect = stack.connect(invocation.destination.clone(), invocation.client_options());
                print(Output::Value(one_call(connect, &call, invocation.timeout).await?));
                return Ok(());
            }
            let calls = calls_of(&invocation.words, notify, batch)?;
            let client = connect::<HyperClient>(invocation.destination.clone(), invocation.client_options());
            let client = client.await?;
            let mut deadline = Deadline::new(invocation.timeout);
            let results = match calls.as_slice() {
                [BatchCall::Notification(call)] if !batch => {
                    deadline.within(Instant::now(), client.notify(call)).await?;
                    vec![]
                }
                calls => deadline.within(Instant::now(), client.batch(calls)).await?,
            };
            for result in results.into_iter().flatten() {
                print(result.map_or_else(Output::Error, Output::Value));
            }
            Ok(())
        }
        .boxed()
    }
}

/// The calls of a batch, which `,` separates; all of them are notifications where `notify` is set.
fn calls_of(words: &[String], notify: bool, batch: bool) -> Result<Vec<BatchCall>, InvokeError> {
    let mut calls = Vec::new();
    for words in words.split(|word| batch && word == ",") {
        let Some((method, arguments)) = words.split_first() else {
            return Err(InvokeError::Usage("a method is missing beside a `,`".to_owned()));
        };
        let params = parse_params(arguments, true, |value| value).map_err(InvokeError::Usage)?;
        let call = Call { method: method.clone().into(), params };
        calls.push(if notify { BatchCall::Notification(call) } else { BatchCall::Call(call) });
    }
    Ok(calls)
}

async fn connect<T: Transport>(
    destination: Destination,
    options: calculator::ClientOptions,
) -> Result<JsonRpcClient<T>, CallError> {
    JsonRpcClient::connect(&destination.url, &http::headers(&destination)?, &options).await
}

async fn serve(context: ServeContext) -> Result<Serving, ServeError> {
    let ServerOptions { allow_get } = context.options.get(&SERVER)?;
    let options = jsonrpc::ServerOptions { http: http::http_options(&context)?, allow_get };
    let bind_error = context.bind_error();
    let server =
        jsonrpc::Server::bind(&context.listen, context.dispatcher, options).await.map_err(bind_error)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}

#[cfg(feature = "jsonrpsee")]
async fn serve_jsonrpsee(context: ServeContext) -> Result<Serving, ServeError> {
    let bind_error = context.bind_error();
    let server = jsonrpc::JsonrpseeServer::bind(&context.listen, context.dispatcher, context.limits)
        .await
        .map_err(bind_error)?;
    Ok(Serving { url: server.url(), run: server.run(context.stop).boxed() })
}
