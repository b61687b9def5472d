//! The client.

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, Limits, Method, Value};
use http::StatusCode;
use http_layer::{Access, Headers, Reply, Transport, status_error};

use crate::request::RequestHead;
use crate::wire;

/// A client of a REST server over one connection: `RestClient<ReqwestClient>` is the stack `rest`,
/// `RestClient<HyperClient>` the stack `rest-hyper`, `RestClient<BareClient>` the stack `rest-bare`.
#[derive(Debug)]
pub struct RestClient<T: Transport> {
    transport: T,
    /// The resources of the calculator's methods. Those of other methods are built for each call.
    resources: Vec<(Method, T::Target)>,
    limits: Limits,
}

impl<T: Transport> RestClient<T> {
    /// Connects to the server at `url`, below which each method is a resource. The headers of `access` are sent with every
    /// request.
    ///
    /// # Errors
    /// As [`Transport::connect`].
    pub async fn connect(
        url: &str,
        access: impl Into<Access>,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let Access { headers: extra, tls } = access.into();
        let headers = Headers { extra, ..Headers::new(wire::JSON) };
        let transport = T::connect_trusting(url, &headers, &tls, options).await?;
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
            Err(self.failure(&reply))
        }
    }

    /// Sends the request with this `head`, whose body is the parameter of `call`. Returns the body of the response.
    async fn send(&self, head: RequestHead<'_>, call: &Call) -> Result<Value, CallError> {
        let target = self.transport.path_target(head.path)?;
        let headers = head.header_map()?;
        let body = wire::encode_body(call)?;
        let reply = self.transport.request(head.verb.clone(), &target, Some(&headers), body).await?;
        if head.accepts(reply.status) {
            reply.check_body()?;
            wire::decode_body(has_json(&reply), &reply.body, &self.limits)
                .map_err(|error| reply.undecodable(error))
        } else {
            Err(self.failure(&reply))
        }
    }

    /// The error in a reply with a status that is no success.
    fn failure(&self, reply: &Reply) -> CallError {
        let failure = wire::decode_failure(reply.status.as_u16(), &reply.body, &self.limits);
        failure.unwrap_or_else(|| status_error(reply))
    }

    fn resource(&self, method: &str) -> Result<T::Target, CallError> {
        self.transport.target(method).map_err(|_| CallError::unknown_method(method))
    }
}

/// Whether the body of `reply` is JSON: by its media type, or the suffix of that (RFC 6839).
fn has_json(reply: &Reply) -> bool {
    let media_type = reply.content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == wire::JSON || essence.ends_with("+json")
}

impl<T: Transport> Client for RestClient<T> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        match RequestHead::of(call) {
            Some(head) => Box::pin(self.send(head, call)),
            None => Box::pin(self.post(call)),
        }
    }
}
