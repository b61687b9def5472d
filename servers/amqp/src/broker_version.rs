//! The broker's product name and version, from the first frame that it sends on a connection.

use std::time::Duration;

use net::{TlsConnector, Trust};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::peer::{METHOD_FRAME_ON_CHANNEL_0, PROTOCOL_HEADER};
use crate::url::TransportUrl;

/// The largest first frame that is read, in bytes. RabbitMQ's has about 500.
const MAX_FRAME_BYTES: u32 = 64 << 10;

/// Returns the product name and version of the broker at the first host of `url`, for example `RabbitMQ 3.10.8`; `None`
/// if it does not send them within `timeout`. It needs no login.
pub async fn broker_version(url: &TransportUrl, timeout: Duration) -> Option<String> {
    let endpoint = url.first_endpoint()?;
    let reading = async {
        if url.tls().is_none() {
            return read_version(net::connect(endpoint).await.ok()?).await;
        }
        // Nothing is sent that has to be protected.
        let tls = TlsConnector::new(&Trust::Any).ok()?;
        read_version(tls.connect(endpoint).await.ok()?).await
    };
    tokio::time::timeout(timeout, reading).await.ok().flatten()
}

async fn read_version(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<String> {
    stream.write_all(&PROTOCOL_HEADER).await.ok()?;
    // Type, channel and size of a frame (section 4.2.3).
    let mut head = [0; 7];
    stream.read_exact(&mut head).await.ok()?;
    let size = u32::from_be_bytes(*head.strip_prefix(&METHOD_FRAME_ON_CHANNEL_0)?.first_chunk()?);
    if size > MAX_FRAME_BYTES {
        return None;
    }
    let mut payload = Vec::new();
    stream.take(size.into()).read_to_end(&mut payload).await.ok()?;
    parse_start(&payload)
}

/// Finds product and version among the server properties of the method connection.start (section 1.4.2.1).
fn parse_start(payload: &[u8]) -> Option<String> {
    // Class 10, method 10, then the protocol version in two bytes.
    let mut rest = payload.strip_prefix(&[0, 10, 0, 10])?.get(2..)?;
    let mut table = long_string(&mut rest)?;
    let (mut product, mut version) = (None, None);
    while let Some((&length, after)) = table.split_first() {
        let (name, after) = after.split_at_checked(length.into())?;
        let (kind, after) = after.split_first()?;
        table = after;
        match (kind, name) {
            (b'S', b"product") => product = Some(long_string(&mut table)?),
            (b'S', b"version") => version = Some(long_string(&mut table)?),
            (b'S' | b'F', _) => drop(long_string(&mut table)?),
            (b't', _) => table = table.get(1..)?,
            // The length of a value of another type is unknown. RabbitMQ sends none here.
            _ => break,
        }
    }
    let text = |bytes: &[u8]| Some(str::from_utf8(bytes).ok()?.escape_default().to_string());
    Some(format!("{} {}", text(product?)?, text(version?)?))
}

/// Splits a long string or a table, which have the same form, from `rest`: a length of four bytes, then the content.
fn long_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (bytes, after) = after.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_product_and_version_among_other_properties() {
        let table = b"\x0ccapabilitiesF\0\0\0\x04\x01at\x01\x07productS\0\0\0\x08RabbitMQ\x05clust\x74\x01\
                      \x07versionS\0\0\0\x063.10.8";
        let mut payload = b"\0\x0a\0\x0a\0\x09".to_vec();
        payload.extend_from_slice(&u32::try_from(table.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(table);
        payload.extend_from_slice(b"\0\0\0\x05PLAIN");
        assert_eq!(parse_start(&payload).as_deref(), Some("RabbitMQ 3.10.8"));
        for cut in 0..payload.len() {
            let _ = parse_start(&payload[..cut]);
        }
        assert_eq!(parse_start(b"\0\x0a\0\x0b"), None);
    }

    proptest! {
        #[test]
        fn parsing_arbitrary_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut payload = b"\0\x0a\0\x0a\0\x09\0\0\0\xc0".to_vec();
            payload.extend_from_slice(&bytes);
            let _ = parse_start(&payload);
            let _ = parse_start(&bytes);
        }
    }
}
