//! A client that writes frames of HTTP/2 by hand.
#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The types of frames.
pub(crate) struct Frame;

impl Frame {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Encodes a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags], &stream.to_be_bytes()[..], content].concat()
}

/// Encodes the headers of a request, without Huffman codes and without entries of HPACK's dynamic table.
pub(crate) fn headers(stream: u32, path: &str, are_complete: bool) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // POST, http, the path, the authority, the content-type, te: trailers.
    let block = [
        b"\x83\x86\x04".to_vec(),
        text(path),
        b"\x01".to_vec(),
        text("localhost"),
        b"\x0f\x10".to_vec(),
        text("application/grpc"),
        b"\0".to_vec(),
        text("te"),
        text("trailers"),
    ]
    .concat();
    frame(Frame::HEADERS, if are_complete { 4 } else { 0 }, stream, &block)
}

/// What a client sends first, followed by `frames`.
pub(crate) fn http2(frames: &[Vec<u8>]) -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(Frame::SETTINGS, 0, 0, b""), frames.concat()]
        .concat()
}

/// A connection to a server.
pub(crate) struct Peer {
    stream: TcpStream,
}

/// How a flood ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whether the server closed the connection.
    pub(crate) has_ended: bool,
    /// The reason in its last frame GOAWAY.
    reason: Option<u32>,
}

impl Ended {
    /// Whether the server closed the connection because it was asked for too much.
    pub(crate) fn is_calm_demanded(&self) -> bool {
        const ENHANCE_YOUR_CALM: u32 = 11;
        self.has_ended && self.reason.is_none_or(|reason| reason == ENHANCE_YOUR_CALM)
    }
}

impl Peer {
    pub(crate) async fn connect(mut stream: TcpStream) -> Self {
        stream.write_all(&http2(&[])).await.unwrap();
        Peer { stream }
    }

    /// Sends `frames` until the server has closed the connection, and reads meanwhile.
    pub(crate) async fn flood(&mut self, frames: impl Iterator<Item = Vec<u8>>) -> Ended {
        let (mut reading, mut writing) = self.stream.split();
        let mut received = Vec::new();
        let write = async {
            for frame in frames {
                if writing.write_all(&frame).await.is_err() {
                    return true;
                }
            }
            false
        };
        let has_ended = tokio::select! {
            // The server has closed it while frames were being sent.
            _ = reading.read_to_end(&mut received) => true,
            was_refused = write => was_refused,
        };
        Ended { has_ended, reason: goaway_reason(&received) }
    }
}

/// The reason in the last frame GOAWAY.
fn goaway_reason(bytes: &[u8]) -> Option<u32> {
    let (mut rest, mut reason) = (bytes, None);
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        let (content, after) = after.split_at_checked(u32::from_be_bytes([0, *a, *b, *c]) as usize)?;
        if *kind == Frame::GOAWAY {
            reason = content.get(4..8).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
        }
        rest = after;
    }
    reason
}
