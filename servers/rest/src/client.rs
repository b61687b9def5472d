//! The client.

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, Limits, Method, Value};
use http::{HeaderMap, StatusCode};
use http_layer::{Headers, Transport, status_error};

use crate::wire;

/// A client of a REST server over one connection: `RestClient<ReqwestClient>` is the stack `rest`,
/// `RestClient<HyperClient>` the stack `rest-hyper`.
#[derive(Debug)]
pub struct RestClient<T: Transport> {
    transport: T,
    /// The resources of the calculator's methods. Those of other methods are built for each call.
    resources: Vec<(Method, T::Target)>,
    limits: Limits,
}

impl<T: Transport> RestClient<T> {
    /// Connects to the server at `url`, below which each method is a resource. The `extra` headers are sent with every
    /// request.
    ///
    /// # Errors
    /// As [`Transport::connect`].
    pub async fn connect(url: &str, extra: &HeaderMap, options: &ClientOptions) -> Result<Self, CallError> {
        let headers = Headers { extra: extra.clone(), ..Headers::new(wire::JSON) };
        let transport = T::connect(url, &headers, options).await?;
        let resources = Method::ALL
            .into_iter()
            .map(|method| Ok((method, transport.target(method.name())?)))
            .collect::<Result<_, CallError>>()?;
        Ok(RestClient { transport, resources, limits: options.limits })
    }

    async fn post(&self, call: &Call) -> Result<Value, CallError> {
        let body = wire::encode_call(call)?;
        let reply = match self.resources.iter().find(|(method, _)| method.name() == call.method) {
            Some((_, resource)) => self.transport.post(resource, body).await?,
            None => self.transport.post(&self.resource(&call.method)?, body).await?,
        };
        if reply.status == StatusCode::OK {
            wire::decode_result(&reply.body, &self.limits).map_err(|error| reply.undecodable(error))
        } else {
            let failure = wire::decode_failure(reply.status.as_u16(), &reply.body, &self.limits);
            Err(failure.unwrap_or_else(|| status_error(&reply)))
        }
    }

    fn resource(&self, method: &str) -> Result<T::Target, CallError> {
        self.transport.target(method).map_err(|_| CallError::unknown_method(method))
    }
}

impl<T: Transport> Client for RestClient<T> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.post(call))
    }
}
