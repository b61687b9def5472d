//! Protects tonic's client from what its server sends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tonic::body::Body;
use ::tonic::transport::{Channel, Error};
use bytes::Bytes;
use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tower_service::Service;

use crate::headers::remove_unreadable_details;

type Responding = <Channel as Service<Request<Body>>>::Future;

/// A channel whose responses have no details that are not Base64, in headers and trailers: tonic 0.14 panics at those. The body
/// of a response with another HTTP status than 200, such as that of a proxy, is left out, because it is not a message.
#[derive(Clone, Debug)]
pub(super) struct CheckedChannel(pub(super) Channel);

impl Service<Request<Body>> for CheckedChannel {
    type Response = Response<CheckedBody>;
    type Error = Error;
    type Future = MapOk<Responding, fn(Response<Body>) -> Response<CheckedBody>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request).map_ok(|mut response| {
            remove_unreadable_details(response.headers_mut());
            let is_grpc = response.status() == StatusCode::OK;
            response.map(|body| CheckedBody(if is_grpc { body } else { Body::empty() }))
        })
    }
}

/// The body of a response.
pub(super) struct CheckedBody(Body);

impl http_body::Body for CheckedBody {
    type Data = Bytes;
    type Error = ::tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut frame = ready!(Pin::new(&mut self.get_mut().0).poll_frame(context));
        let trailers: Option<&mut HeaderMap> = match &mut frame {
            Some(Ok(frame)) => frame.trailers_mut(),
            _ => None,
        };
        if let Some(trailers) = trailers {
            remove_unreadable_details(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
