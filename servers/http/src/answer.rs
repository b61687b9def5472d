//! The response to a request, whichever server writes it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::body::reply;

/// The response to a request. The handlers of a protocol return it, so that they do not depend on the server that writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A response with a body of the media type `content_type`. Servers add `content-length` and `date`.
    #[must_use]
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Answer { status, content_type: Some(content_type), fields: Vec::new(), body: body.into() }
    }

    /// A response without a body and its media type.
    #[must_use]
    pub fn without_body(status: StatusCode) -> Self {
        Answer { status, content_type: None, fields: Vec::new(), body: Vec::new() }
    }

    /// Adds a field, or replaces the one with this name that was added before.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.retain(|(known, _)| *known != name);
        self.fields.push((name, value));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Answer { status, content_type, fields, body } = self;
        let mut response = match content_type {
            Some(content_type) => reply(status, content_type, body),
            None => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status;
                response
            }
        };
        for (name, value) in fields {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    #[test]
    fn a_field_is_replaced_and_becomes_a_header() {
        let value = HeaderValue::from_static;
        let answer = Answer::new(StatusCode::OK, "text/plain", "x")
            .with(header::CACHE_CONTROL, value("no-cache"))
            .with(header::CACHE_CONTROL, value("no-store"));
        assert_eq!(answer.fields, [(header::CACHE_CONTROL, value("no-store"))]);
        let response = answer.into_response();
        assert_eq!(
            (response.headers()["content-type"].as_bytes(), response.headers().len()),
            (&b"text/plain"[..], 2)
        );
        let empty = Answer::without_body(StatusCode::NO_CONTENT).into_response();
        assert_eq!((empty.status(), empty.headers().len()), (StatusCode::NO_CONTENT, 0));
    }
}
