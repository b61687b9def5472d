//! What broker it is: its name and version, as it tells them in the first frame of a connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::TransportUrl;

/// The protocol header of AMQP 0-9-1 (section 4.2.2).
const HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";
/// The longest first frame that is read. RabbitMQ's takes some 500 octets.
const LONGEST: u32 = 64 << 10;

/// Asks the broker at the first host of `url` what it is, for example `RabbitMQ 3.10.8`; `None` where it does not tell
/// within `timeout`. Nobody logs in for it.
pub async fn product(url: &TransportUrl, timeout: Duration) -> Option<String> {
    let (host, port) = url.first_host()?;
    let asked = async {
        let mut stream = TcpStream::connect((host, port)).await.ok()?;
        stream.write_all(&HEADER).await.ok()?;
        // Type, channel and size of a frame (section 4.2.3).
        let mut head = [0; 7];
        stream.read_exact(&mut head).await.ok()?;
        let [1, 0, 0, size @ ..] = head else { return None };
        let size = u32::from_be_bytes(size);
        if size > LONGEST {
            return None;
        }
        let mut payload = Vec::new();
        stream.take(size.into()).read_to_end(&mut payload).await.ok()?;
        in_start(&payload)
    };
    tokio::time::timeout(timeout, asked).await.ok().flatten()
}

/// The product and version among the server properties of the method connection.start (section 1.4.2.1).
fn in_start(payload: &[u8]) -> Option<String> {
    // Class 10, method 10, then the version of the protocol in two octets.
    let mut rest = payload.strip_prefix(&[0, 10, 0, 10])?.get(2..)?;
    let mut table = long(&mut rest)?;
    let (mut product, mut version) = (None, None);
    while let Some((&length, after)) = table.split_first() {
        let (name, after) = after.split_at_checked(length.into())?;
        let (kind, after) = after.split_first()?;
        table = after;
        match (kind, name) {
            (b'S', b"product") => product = Some(long(&mut table)?),
            (b'S', b"version") => version = Some(long(&mut table)?),
            (b'S' | b'F', _) => drop(long(&mut table)?),
            (b't', _) => table = table.get(1..)?,
            // RabbitMQ and its kin use no other kinds here.
            _ => break,
        }
    }
    let text = |octets: &[u8]| Some(str::from_utf8(octets).ok()?.escape_default().to_string());
    Some(format!("{} {}", text(product?)?, text(version?)?))
}

/// Octets with their length in front, as of a long string or a table.
fn long<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (octets, after) = after.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)?;
    *rest = after;
    Some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn product_and_version_are_found_wherever_they_stand() {
        let table = b"\x0ccapabilitiesF\0\0\0\x04\x01at\x01\x07productS\0\0\0\x08RabbitMQ\x05clust\x74\x01\
                      \x07versionS\0\0\0\x063.10.8";
        let mut payload = b"\0\x0a\0\x0a\0\x09".to_vec();
        payload.extend_from_slice(&u32::try_from(table.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(table);
        payload.extend_from_slice(b"\0\0\0\x05PLAIN");
        assert_eq!(in_start(&payload).as_deref(), Some("RabbitMQ 3.10.8"));
        for cut in 0..payload.len() {
            let _ = in_start(&payload[..cut]);
        }
        assert_eq!(in_start(b"\0\x0a\0\x0b"), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut payload = b"\0\x0a\0\x0a\0\x09\0\0\0\xc0".to_vec();
            payload.extend_from_slice(&octets);
            let _ = in_start(&payload);
            let _ = in_start(&octets);
        }
    }
}
