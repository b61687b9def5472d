//! What a server makes of a message before it is read.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::AMQPValue;

use crate::RpcServerOptions;
use crate::wire::{self, Request, WireError};

/// Reads a request whose properties say that it is one.
pub(crate) fn request(delivery: &Delivery, options: &RpcServerOptions) -> Result<Request, WireError> {
    let properties = &delivery.properties;
    let is =
        |property: Option<&str>, value| property.is_none_or(|property| property.eq_ignore_ascii_case(value));
    let content_type = properties.content_type().as_ref().map(|text| text.as_str());
    let encoding = properties.content_encoding().as_ref().map(|text| text.as_str());
    if content_type.is_none() || !is(content_type, "application/json") || !is(encoding, "utf-8") {
        return Err(WireError::Malformed("only application/json in utf-8 is read".to_owned()));
    }
    let body = match compression(properties) {
        None => Cow::Borrowed(&delivery.data[..]),
        Some(kind) if options.decompress && is_zlib(kind) => {
            Cow::Owned(inflated(&delivery.data, options.limits.max_body)?)
        }
        Some(_) => return Err(WireError::Malformed("compressed in a way that is not read here".to_owned())),
    };
    wire::read_request(&body, &options.limits)
}

/// Kombu's header of a compressed message.
fn compression(properties: &BasicProperties) -> Option<&AMQPValue> {
    properties.headers().as_ref()?.inner().get("compression")
}

/// Kombu calls it gzip, and writes zlib's format (RFC 1950).
fn is_zlib(kind: &AMQPValue) -> bool {
    match kind {
        AMQPValue::LongString(text) => text.as_bytes() == b"application/x-gzip",
        _ => false,
    }
}

/// Undoes compression up to `most` octets: a few of them can stand for gigabytes.
fn inflated(body: &[u8], most: usize) -> Result<Vec<u8>, WireError> {
    let mut text = Vec::new();
    let read = ZlibDecoder::new(body).take(most as u64 + 1).read_to_end(&mut text);
    read.map_err(|error| WireError::Malformed(error.to_string()))?;
    if text.len() > most {
        return Err(WireError::TooLarge(format!("more than {most} bytes when unpacked")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn deflated(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_compressed_is_read_up_to_the_limit_and_no_further() {
        assert_eq!(inflated(&deflated(b"{}"), 2).unwrap(), b"{}");
        let bomb = deflated(&vec![b' '; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(inflated(&bomb, 1_000), Err(WireError::TooLarge(_))));
        for damaged in [&b""[..], b"{}", &bomb[..100]] {
            assert!(matches!(inflated(damaged, 20 << 20), Err(WireError::Malformed(_))), "{damaged:?}");
        }
    }
}
