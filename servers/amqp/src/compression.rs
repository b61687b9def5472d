//! The compression that kombu declares in a header of a message.

use std::io::Read;

use flate2::read::ZlibDecoder;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::AMQPValue;

use crate::wire::{self, PartialRouting, WireError};

/// The compression of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// The zlib format (RFC 1950), which kombu calls gzip.
    Zlib,
    /// Any other.
    Other,
}

impl Compression {
    /// The compression that the header of a message declares; `None` if it declares none.
    pub(crate) fn of(properties: &BasicProperties) -> Option<Self> {
        Some(match properties.headers().as_ref()?.inner().get("compression")? {
            AMQPValue::LongString(text) if text.as_bytes() == b"application/x-gzip" => Compression::Zlib,
            _ => Compression::Other,
        })
    }
}

/// Why a body cannot be decompressed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecompressError {
    /// It has more bytes than allowed.
    #[error("more than {max} bytes when decompressed")]
    TooLong {
        /// The number of bytes allowed.
        max: usize,
    },
    /// It is not in the zlib format.
    #[error("{0}")]
    Damaged(String),
    /// It is compressed in another format.
    #[error("its compression is not supported")]
    Unsupported,
}

impl From<DecompressError> for WireError {
    fn from(error: DecompressError) -> Self {
        match error {
            DecompressError::TooLong { .. } => WireError::TooLarge(error.to_string()),
            DecompressError::Damaged(_) | DecompressError::Unsupported => {
                WireError::Malformed(error.to_string())
            }
        }
    }
}

/// Decompresses `body`, at most to `max` bytes, because a small body can decompress to gigabytes.
pub(crate) fn decompress(body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    let mut text = Vec::new();
    let read = ZlibDecoder::new(body).take(max as u64 + 1).read_to_end(&mut text);
    read.map_err(|error| DecompressError::Damaged(error.to_string()))?;
    if text.len() > max { Err(DecompressError::TooLong { max }) } else { Ok(text) }
}

/// The ids in a message that cannot be decoded, as far as they can be read. A compressed body is decompressed up to `max` bytes
/// and up to where it is damaged. If that has no id, the body as it is counts: a message may declare a compression that it
/// does not have.
pub(crate) fn routing_of(delivery: &Delivery, max: usize) -> PartialRouting {
    if Compression::of(&delivery.properties) == Some(Compression::Zlib) {
        let routing = wire::read_routing(&decompress_beginning(&delivery.data, max));
        if routing.msg_id.is_some() {
            return routing;
        }
    }
    wire::read_routing(&delivery.data)
}

/// The first `max` bytes of `body`, decompressed as far as it is not damaged.
fn decompress_beginning(body: &[u8], max: usize) -> Vec<u8> {
    let mut text = Vec::new();
    // What was read before an error counts.
    let _ = ZlibDecoder::new(body).take(max as u64).read_to_end(&mut text);
    text
}

/// The decompressed body of a message that declares compression; `None` if it declares none.
pub(crate) fn decompressed(delivery: &Delivery, max: usize) -> Option<Result<Vec<u8>, DecompressError>> {
    Some(match Compression::of(&delivery.properties)? {
        Compression::Zlib => decompress(&delivery.data, max),
        Compression::Other => Err(DecompressError::Unsupported),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::write::ZlibEncoder;

    use super::*;

    pub(crate) fn compress(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn decompresses_up_to_the_limit() {
        assert_eq!(decompress(&compress(b"{}"), 2).unwrap(), b"{}");
        let bomb = compress(&vec![b' '; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert_eq!(decompress(&bomb, 1_000), Err(DecompressError::TooLong { max: 1_000 }));
        for damaged in [&b""[..], b"{}", &bomb[..100]] {
            let refused = decompress(damaged, 20 << 20);
            assert!(matches!(refused, Err(DecompressError::Damaged(_))), "{damaged:?}");
        }
        assert_eq!(decompress_beginning(&bomb, 100), [b' '; 100]);
        assert_eq!(decompress_beginning(b"{}", 100), b"");
    }
}
