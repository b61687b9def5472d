//! What answers at a broker's address: RabbitMQ, or a server of another protocol.

use std::fmt;
use std::io;
use std::time::Duration;

use net::{Endpoint, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// The protocol header of AMQP 0-9-1 (section 4.2.2).
pub(crate) const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";
/// The first bytes of a method frame on channel 0, which a broker answers with (section 4.2.3).
pub(crate) const METHOD_FRAME_ON_CHANNEL_0: [u8; 3] = [1, 0, 0];
/// How long each of the two probes waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// How much of a foreign answer is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64;
/// A TLS record of the type alert, in any version (RFC 8446, section 5.1).
const TLS_ALERT: [u8; 2] = [21, 3];

/// The protocol of a peer that does not speak AMQP 0-9-1, as far as its first bytes show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ForeignPeer {
    /// Another version of AMQP: major, minor, revision.
    OtherVersion([u8; 3]),
    /// TLS.
    Tls,
    /// Another protocol; the first line of its answer, escaped.
    Answer(String),
    /// It closes the connection without an answer.
    Closes,
}

/// Completes a sentence whose subject is the peer.
impl fmt::Display for ForeignPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FOREIGN: &str = "does not speak AMQP 0-9-1:";
        match self {
            ForeignPeer::OtherVersion([major, minor, revision]) => {
                write!(f, "{FOREIGN} it offers AMQP {major}-{minor}-{revision}")
            }
            ForeignPeer::Tls => write!(f, "{FOREIGN} it expects TLS; use amqps://"),
            ForeignPeer::Answer(line) => write!(f, "{FOREIGN} it answers `{line}`"),
            ForeignPeer::Closes => f.write_str(
                "closes the connection without an answer: it does not speak AMQP 0-9-1, or is not ready",
            ),
        }
    }
}

/// Examines the peer at `endpoint` on a separate connection. `None` if it speaks AMQP 0-9-1, or nothing shows that it
/// does not: it cannot be reached, or is silent.
pub(crate) async fn foreign_peer(endpoint: &Endpoint) -> Option<ForeignPeer> {
    let mut stream = timeout(ANSWER_TIMEOUT, net::connect(endpoint)).await.ok()?.ok()?;
    stream.write_all(&PROTOCOL_HEADER).await.ok()?;
    let mut answer = read_answer(&mut stream).await;
    if answer.is_none() {
        // A server of a protocol with lines of text waits for the end of the line.
        stream.write_all(b"\r\n\r\n").await.ok()?;
        answer = read_answer(&mut stream).await;
    }
    classify(&answer?)
}

/// Reads what the peer sends first; empty if it closes the connection, `None` if it is silent.
async fn read_answer(stream: &mut Stream) -> Option<Vec<u8>> {
    let mut answer = vec![0; MAX_ANSWER_BYTES];
    let read = match timeout(ANSWER_TIMEOUT, stream.read(&mut answer)).await.ok()? {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
        Err(_) => return None,
    };
    answer.truncate(read);
    Some(answer)
}

fn classify(answer: &[u8]) -> Option<ForeignPeer> {
    match answer {
        [] => Some(ForeignPeer::Closes),
        // A broker that does not support the version of a header answers with its own header.
        [b'A', b'M', b'Q', b'P', _, version @ ..] => {
            let version = *version.first_chunk()?;
            (PROTOCOL_HEADER[5..] != version).then_some(ForeignPeer::OtherVersion(version))
        }
        _ if answer.starts_with(&METHOD_FRAME_ON_CHANNEL_0) => None,
        _ if answer.starts_with(&TLS_ALERT) => Some(ForeignPeer::Tls),
        _ => {
            let line = answer.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            Some(ForeignPeer::Answer(line.escape_ascii().to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_first_bytes_show_the_protocol() {
        let answer = |line: &str| Some(ForeignPeer::Answer(line.to_owned()));
        for (bytes, expected) in [
            (&b"\x01\0\0\0\0\x01\xf4"[..], None),
            (b"AMQP\0\0\x09\x01", None),
            (b"AMQP\0\x01\0\0", Some(ForeignPeer::OtherVersion([1, 0, 0]))),
            (b"\x15\x03\x01\0\x02\x02\x46", Some(ForeignPeer::Tls)),
            (b"HTTP/1.1 400 Bad Request\r\nx", answer("HTTP/1.1 400 Bad Request")),
            (b"SSH-2.0-x\x1b[2J\n", answer("SSH-2.0-x\\x1b[2J")),
            (b"", Some(ForeignPeer::Closes)),
        ] {
            assert_eq!(classify(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test]
    async fn a_server_that_waits_for_the_end_of_a_line_is_recognised() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::from(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.0 400 Bad request\r\n").await.unwrap();
        });
        let expected = ForeignPeer::Answer("HTTP/1.0 400 Bad request".to_owned());
        assert_eq!(foreign_peer(&endpoint).await, Some(expected));
    }
}
