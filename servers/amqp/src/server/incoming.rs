//! Decoding of deliveries: message properties and compression.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::AMQPValue;

use super::options::RpcServerOptions;
use crate::wire::{self, Request, WireError};

/// Decodes a request. Its properties must declare uncompressed JSON in UTF-8, or compressed JSON if that is enabled.
///
/// # Errors
/// [`WireError`] for other properties and for a malformed body.
pub(super) fn decode_request(delivery: &Delivery, options: &RpcServerOptions) -> Result<Request, WireError> {
    let properties = &delivery.properties;
    let is_absent_or =
        |property: Option<&str>, value| property.is_none_or(|property| property.eq_ignore_ascii_case(value));
    let content_type = properties.content_type().as_ref().map(|text| text.as_str());
    let encoding = properties.content_encoding().as_ref().map(|text| text.as_str());
    if content_type.is_none()
        || !is_absent_or(content_type, "application/json")
        || !is_absent_or(encoding, "utf-8")
    {
        return Err(WireError::Malformed("only application/json in utf-8 is accepted".to_owned()));
    }
    let body = match compression(properties) {
        None => Cow::Borrowed(&delivery.data[..]),
        Some(kind) if options.decompress && is_zlib(kind) => {
            Cow::Owned(decompress(&delivery.data, options.limits.max_body)?)
        }
        Some(_) => return Err(WireError::Malformed("this compression is not accepted".to_owned())),
    };
    wire::read_request(&body, &options.limits)
}

/// The header with which kombu declares compression.
fn compression(properties: &BasicProperties) -> Option<&AMQPValue> {
    properties.headers().as_ref()?.inner().get("compression")
}

/// Whether the header declares the zlib format (RFC 1950), which kombu calls gzip.
fn is_zlib(kind: &AMQPValue) -> bool {
    match kind {
        AMQPValue::LongString(text) => text.as_bytes() == b"application/x-gzip",
        _ => false,
    }
}

/// Decompresses `body`, at most to `max` bytes, because a small body can decompress to gigabytes.
///
/// # Errors
/// [`WireError::TooLarge`] beyond `max`, [`WireError::Malformed`] for a damaged body.
fn decompress(body: &[u8], max: usize) -> Result<Vec<u8>, WireError> {
    let mut text = Vec::new();
    let read = ZlibDecoder::new(body).take(max as u64 + 1).read_to_end(&mut text);
    read.map_err(|error| WireError::Malformed(error.to_string()))?;
    if text.len() > max {
        return Err(WireError::TooLarge(format!("more than {max} bytes when decompressed")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn compress(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn decompresses_up_to_the_limit() {
        assert_eq!(decompress(&compress(b"{}"), 2).unwrap(), b"{}");
        let bomb = compress(&vec![b' '; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(decompress(&bomb, 1_000), Err(WireError::TooLarge(_))));
        for damaged in [&b""[..], b"{}", &bomb[..100]] {
            assert!(matches!(decompress(damaged, 20 << 20), Err(WireError::Malformed(_))), "{damaged:?}");
        }
    }
}
