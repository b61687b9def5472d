//! Decoding of deliveries: message properties and compression.

use std::borrow::Cow;

use lapin::BasicProperties;
use lapin::message::Delivery;

use super::handler::encode_refusal;
use super::options::RpcServerOptions;
use super::reply_sender::Recipient;
use crate::compression::{Compression, DecompressError, decompress, routing_of};
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

/// The reply to a message that [`decode_request`] refuses with `error`, and its recipient; `None` if the message does not name
/// its call and its reply queue. A compressed body is decompressed for them even if that is not enabled for requests, up to
/// `max_body` bytes, so this may take long.
pub(super) fn refusal(
    delivery: &Delivery,
    error: &WireError,
    max_body: usize,
) -> Option<(Recipient, Vec<u8>)> {
    if !is_json(&delivery.properties) {
        return None;
    }
    let PartialRouting { msg_id, reply_queue, envelope } = routing_of(delivery, max_body);
    let recipient = Recipient::from_request(reply_queue, delivery.properties.reply_to().as_ref())?;
    let body = encode_refusal(error, &msg_id?, &recipient, envelope);
    Some((recipient, body))
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
        // A message may declare a compression that it does not have.
        for kind in ["application/x-bz2", "application/x-gzip"] {
            let other = delivery("application/json", Some(kind), request.to_vec());
            assert!(decode_request(&other, &options).is_err());
            assert_eq!(routing_of(&other, MAX_BODY).msg_id.as_deref(), Some("m"));
        }
    }

    #[test]
    fn a_refusal_goes_to_the_caller_of_a_request_in_json() {
        let request = br#"{"method": "add", "_msg_id": "m", "_reply_q": "reply_q"}"#;
        let error = WireError::Malformed("it is refused".to_owned());
        let refused = delivery("application/json", Some("application/x-gzip"), compress(request));
        let (recipient, body) = refusal(&refused, &error, MAX_BODY).unwrap();
        assert!(matches!(recipient, Recipient::Queue(queue) if queue == "reply_q"));
        let reply = wire::read_reply(&body, &RpcServerOptions::default().limits).unwrap();
        assert_eq!(reply.msg_id, "m");
        assert!(reply.result.unwrap_err().to_string().contains("it is refused"));
        // What is not declared as JSON is not read as JSON, and a cast gets no reply.
        let other = delivery("application/x-python-serialize", None, request.to_vec());
        assert!(decode_request(&other, &RpcServerOptions::default()).is_err());
        assert!(refusal(&other, &error, MAX_BODY).is_none());
        let cast = delivery("application/json", None, br#"{"method": "add""#.to_vec());
        assert!(refusal(&cast, &error, MAX_BODY).is_none());
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
