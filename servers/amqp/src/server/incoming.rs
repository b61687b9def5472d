//! Decoding of deliveries: message properties and compression.

use std::borrow::Cow;

use lapin::BasicProperties;
use lapin::message::Delivery;

use super::options::RpcServerOptions;
use crate::compression::{Compression, DecompressError, decompress, decompress_beginning};
use crate::wire::{self, PartialRouting, Request, WireError};

/// Decodes a request. Its properties must declare uncompressed JSON in UTF-8, or compressed JSON if that is enabled.
///
/// # Errors
/// [`WireError`] for other properties and for a malformed body.
pub(super) fn decode_request(delivery: &Delivery, options: &RpcServerOptions) -> Result<Request, WireError> {
    if !is_json(&delivery.properties) {
        return Err(WireError::Malformed("only application/json in utf-8 is accepted".to_owned()));
    }
    let body = match Compression::of(&delivery.properties) {
        None => Cow::Borrowed(&delivery.data[..]),
        Some(Compression::Zlib) if options.decompress => {
            Cow::Owned(decompress(&delivery.data, options.limits.max_body)?)
        }
        Some(Compression::Zlib) => {
            let message = "it is compressed, which the server accepts only with the option --decompress";
            return Err(WireError::Malformed(message.to_owned()));
        }
        Some(Compression::Other) => return Err(DecompressError::Unsupported.into()),
    };
    wire::read_request(&body, &options.limits)
}

/// The ids in a message that [`decode_request`] refuses, as far as they can be read. A compressed body is decompressed even
/// if that is not enabled for requests, up to `max_body` bytes and up to where it is damaged.
pub(super) fn routing_of(delivery: &Delivery, max_body: usize) -> PartialRouting {
    match Compression::of(&delivery.properties) {
        _ if !is_json(&delivery.properties) => PartialRouting::default(),
        None => wire::read_routing(&delivery.data),
        Some(Compression::Zlib) => wire::read_routing(&decompress_beginning(&delivery.data, max_body)),
        Some(Compression::Other) => PartialRouting::default(),
    }
}

/// Whether the properties declare JSON in UTF-8.
fn is_json(properties: &BasicProperties) -> bool {
    let is = |property: &str, value| property.eq_ignore_ascii_case(value);
    let (content_type, encoding) =
        (properties.content_type().as_ref(), properties.content_encoding().as_ref());
    content_type.is_some_and(|kind| is(kind.as_str(), "application/json"))
        && encoding.is_none_or(|encoding| is(encoding.as_str(), "utf-8"))
}

#[cfg(test)]
mod tests {
    use lapin::types::{AMQPValue, FieldTable};

    use super::*;
    use crate::compression::tests::compress;
    use crate::wire::Envelope;

    const MAX_BODY: usize = 1 << 20;

    fn delivery(content_type: &str, compression: Option<&str>, data: Vec<u8>) -> Delivery {
        let mut headers = FieldTable::default();
        if let Some(kind) = compression {
            headers.insert("compression".into(), AMQPValue::LongString(kind.into()));
        }
        let mut delivery = Delivery::mock(1, "".into(), "".into(), false, data);
        delivery.properties =
            BasicProperties::default().with_content_type(content_type.into()).with_headers(headers);
        delivery
    }

    #[test]
    fn the_ids_of_a_refused_request_are_found_in_json_even_if_it_is_compressed() {
        let request = br#"{"method": "add", "_msg_id": "m", "_reply_q": "reply_q"}"#;
        let gzip = Some("application/x-gzip");
        let options = RpcServerOptions::default();
        let refused = delivery("application/json", gzip, compress(request));
        assert!(decode_request(&refused, &options).unwrap_err().to_string().contains("--decompress"));
        assert_eq!(routing_of(&refused, MAX_BODY).msg_id.as_deref(), Some("m"));
        assert!(decode_request(&refused, &RpcServerOptions { decompress: true, ..options }).is_ok());
        let plain = delivery("application/json", None, request.to_vec());
        assert_eq!(routing_of(&plain, MAX_BODY).reply_queue.as_deref(), Some("reply_q"));
        let mut damaged = compress(request);
        damaged.truncate(damaged.len() - 8);
        let damaged = delivery("application/json", gzip, damaged);
        assert!(decode_request(&damaged, &RpcServerOptions { decompress: true, ..options }).is_err());
        assert_eq!(routing_of(&damaged, MAX_BODY).msg_id.as_deref(), Some("m"));
        // What is not declared as JSON is not read as JSON.
        for other in [
            delivery("application/x-python-serialize", None, request.to_vec()),
            delivery("application/json", Some("application/x-bz2"), request.to_vec()),
            delivery("application/json", gzip, request.to_vec()),
        ] {
            assert!(decode_request(&other, &options).is_err());
            let PartialRouting { msg_id, reply_queue, .. } = routing_of(&other, MAX_BODY);
            assert_eq!((msg_id, reply_queue), (None, None));
        }
    }

    #[test]
    fn the_ids_of_a_refused_compressed_request_are_found_up_to_the_limit_for_bodies() {
        // Longer than any buffer, and with the ids at the end, as oslo.messaging sends it.
        let argument = "x".repeat(200_000);
        let message = format!(
            r#"{{"method": "add", "args": {{"x": "{argument}"}}, "_msg_id": "m", "_reply_q": "reply_q"}}"#
        );
        let enveloped =
            serde_json::json!({ "oslo.version": "2.0", "oslo.message": message.as_str() }).to_string();
        for (body, envelope) in [(&message, Envelope::None), (&enveloped, Envelope::V2)] {
            let compressed = compress(body.as_bytes());
            let refused = delivery("application/json", Some("application/x-gzip"), compressed);
            assert!(decode_request(&refused, &RpcServerOptions::default()).is_err());
            let PartialRouting { msg_id, reply_queue, envelope: found } = routing_of(&refused, MAX_BODY);
            assert_eq!((msg_id.as_deref(), reply_queue.as_deref()), (Some("m"), Some("reply_q")));
            assert_eq!(found, envelope);
            let PartialRouting { msg_id, reply_queue, .. } = routing_of(&refused, 1_000);
            assert_eq!((msg_id, reply_queue), (None, None));
        }
    }
}
