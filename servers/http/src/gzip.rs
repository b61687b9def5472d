//! Compression with gzip (RFC 1952), the only content coding that libraries of XML-RPC and JSON-RPC use.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::header;

use crate::body_error::BodyError;
use crate::fields::Fields;

/// A content coding.
#[derive(Debug)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// The coding named by a `content-encoding` header; without one, [`Coding::Identity`].
    pub(crate) fn from_header(value: Option<&[u8]>) -> Result<Self, BodyError> {
        let name = value.unwrap_or(b"identity").trim_ascii();
        if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
            Ok(Coding::Identity)
        } else if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
            Ok(Coding::Gzip)
        } else {
            Err(BodyError::UnsupportedCoding(String::from_utf8_lossy(name).into_owned()))
        }
    }

    /// Decodes `body` to at most `limit` bytes.
    pub(crate) fn decode(&self, body: Bytes, limit: usize) -> Result<Bytes, BodyError> {
        match self {
            Coding::Identity => Ok(body),
            Coding::Gzip => gunzip(&body, limit).map(Bytes::from),
        }
    }
}

/// Decompresses `body`, which may consist of several members. At most `limit + 1` bytes are ever decompressed.
fn gunzip(body: &[u8], limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut decompressed = Vec::new();
    let one_too_many = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body)
        .take(one_too_many)
        .read_to_end(&mut decompressed)
        .map_err(|error| BodyError::Gzip(error.to_string()))?;
    if decompressed.len() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    Ok(decompressed)
}

/// Compresses `body` with gzip at the fastest level, as CPython's `xmlrpc` does.
#[must_use]
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// Whether the sender of `fields` accepts a response in gzip: `accept-encoding` lists it with a weight above 0 (RFC
/// 9110, section 12.5.3).
#[must_use]
pub fn accepts_gzip(fields: &impl Fields) -> bool {
    let values = fields.values(header::ACCEPT_ENCODING);
    let listed = values.filter_map(|value| str::from_utf8(value).ok());
    listed.flat_map(|value| value.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
            && parts.all(|part| match part.split_once('=') {
                Some((name, weight)) if name.trim_end().eq_ignore_ascii_case("q") => {
                    weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0)
                }
                _ => true,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    #[test]
    fn decompression_stops_at_the_limit() {
        // A thousand members of 1 MiB of zeros: 1 MB that would become 1 GiB.
        let bomb = gzip(&vec![0; 1 << 20]).repeat(1_000);
        assert_eq!(gunzip(&bomb, 1_000), Err(BodyError::TooLarge { limit: 1_000 }));
        assert_eq!(gunzip(&gzip(&[7; 1_000]), 1_000).unwrap(), [7; 1_000]);
        assert_eq!(gunzip(&gzip(b"ab").repeat(2), 4).unwrap(), b"abab");
    }

    #[test]
    fn parses_the_names_of_codings() {
        let of = |name: &'static str| Coding::from_header(Some(name.as_bytes()));
        assert!(matches!(of("GZip"), Ok(Coding::Gzip)));
        assert!(matches!(of("identity"), Ok(Coding::Identity)));
        assert!(matches!(Coding::from_header(None), Ok(Coding::Identity)));
        for name in ["deflate", "br", "gzip, gzip"] {
            assert_eq!(of(name).err(), Some(BodyError::UnsupportedCoding(name.to_owned())));
        }
    }

    #[test]
    fn gzip_is_accepted_only_with_a_positive_weight() {
        let accepts = |value: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]))
        };
        for value in ["gzip", "deflate, GZIP", "br;q=1, gzip ; q=0.1", "gzip;q=1.000"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "identity", "*", "gzip;q=0", "gzip; q=0.0", "gzip;q=x", "xgzip"] {
            assert!(!accepts(value), "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn decompression_reverses_compression(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(gunzip(&gzip(&bytes), bytes.len()).unwrap(), bytes);
        }

        #[test]
        fn any_bytes_are_decompressed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = gunzip(&bytes, 1_000);
            let _ = gunzip(&[&gzip(b"x")[..10], &bytes].concat(), 1_000);
        }
    }
}
