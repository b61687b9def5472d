//! A client of the calculator, and of every other service that its server describes.

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, OnItem, StreamFuture};
use net::TlsSettings;

use super::reflected::ReflectedClient;
use super::tonic::TonicClient;

/// A client over one connection of tonic's channel. A method without a slash in its name is one of the calculator's service, and is
/// called as by [`TonicClient`]; `PACKAGE.SERVICE/METHOD` is called as the server describes it, like by [`ReflectedClient`], which
/// costs the client more.
#[derive(Debug)]
pub struct AnyClient {
    typed: TonicClient,
    reflected: ReflectedClient,
}

impl AnyClient {
    /// Connects to the server at `url`, `grpc://HOST:PORT`, `grpcs://HOST:PORT` or `unix:///SOCKET`, with these settings of TLS, or the
    /// default ones with this trust.
    ///
    /// # Errors
    /// As [`TonicClient::connect_trusting`].
    pub async fn connect_trusting(
        url: &str,
        tls: impl Into<TlsSettings>,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let typed = TonicClient::connect_trusting(url, tls, options).await?;
        let reflected = ReflectedClient::over(typed.channel(), options.limits);
        Ok(AnyClient { typed, reflected })
    }
}

impl Client for AnyClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        if call.method.contains('/') { Box::pin(self.reflected.only(call)) } else { self.typed.call(call) }
    }

    fn call_stream<'a>(&'a self, call: &'a Call, on_item: OnItem<'a>) -> Option<StreamFuture<'a>> {
        self.typed.call_stream(call, on_item)
    }
}
