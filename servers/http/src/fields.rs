//! The header fields of a message, however they are stored.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header fields of a message. The handlers of a protocol read them through this trait, so that they do not depend on
/// the server that has parsed the request.
pub trait Fields {
    /// The values of all fields with this name, in their order.
    fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]>;

    /// The value of the first field with this name.
    fn first(&self, name: HeaderName) -> Option<&[u8]> {
        self.values(name).next()
    }
}

impl Fields for HeaderMap {
    fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).into_iter().map(HeaderValue::as_bytes)
    }

    fn first(&self, name: HeaderName) -> Option<&[u8]> {
        self.get(name).map(HeaderValue::as_bytes)
    }
}
