//! Encoding of what a client sends.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

/// Asks the broker for [`PONG`].
pub const PING: &[u8] = b"PING\r\n";
/// Answers [`PING`].
pub const PONG: &[u8] = b"PONG\r\n";

/// What a client says about itself.
#[derive(Serialize)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    lang: &'static str,
    version: &'static str,
    name: &'a str,
    protocol: u8,
    headers: bool,
    no_responders: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
}

/// Writes CONNECT: the name of the client, and its user name and password.
pub fn write_connect(out: &mut BytesMut, name: &str, login: Option<(&str, &str)>) {
    let connect = Connect {
        // The broker does not confirm each operation.
        verbose: false,
        pedantic: false,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        name,
        protocol: 1,
        headers: true,
        no_responders: true,
        user: login.map(|(user, _)| user),
        pass: login.map(|(_, password)| password),
    };
    // Texts and booleans can always be written.
    let text = serde_json::to_string(&connect).unwrap_or_default();
    out.put_slice(b"CONNECT ");
    out.put_slice(text.as_bytes());
    out.put_slice(b"\r\n");
}

/// Writes SUB: a subscription to `subject` with the id `id`, as a member of the group `group` if there is one.
pub fn write_subscribe(out: &mut BytesMut, subject: &str, group: Option<&str>, id: u64) {
    out.put_slice(b"SUB ");
    out.put_slice(subject.as_bytes());
    out.put_u8(b' ');
    if let Some(group) = group {
        out.put_slice(group.as_bytes());
        out.put_u8(b' ');
    }
    write_number(out, id);
    out.put_slice(b"\r\n");
}

/// Writes UNSUB: the end of the subscription `id`.
pub fn write_unsubscribe(out: &mut BytesMut, id: u64) {
    out.put_slice(b"UNSUB ");
    write_number(out, id);
    out.put_slice(b"\r\n");
}

/// Writes PUB: the message `payload` to `subject`. `reply` is the inbox for the reply, if one is expected.
pub fn write_publish(out: &mut BytesMut, subject: &[u8], reply: Option<&[u8]>, payload: &[u8]) {
    /// Bytes of the line beside the subjects.
    const LINE: usize = 32;
    out.reserve(LINE + subject.len() + reply.map_or(0, <[u8]>::len) + payload.len());
    out.put_slice(b"PUB ");
    out.put_slice(subject);
    out.put_u8(b' ');
    if let Some(reply) = reply {
        out.put_slice(reply);
        out.put_u8(b' ');
    }
    write_number(out, payload.len() as u64);
    out.put_slice(b"\r\n");
    out.put_slice(payload);
    out.put_slice(b"\r\n");
}

/// Writes `number` in decimal, without an allocation.
fn write_number(out: &mut BytesMut, number: u64) {
    /// Digits of the largest number of 64 bits.
    const DIGITS: usize = 20;
    let (mut digits, mut at, mut rest) = ([0; DIGITS], DIGITS, number);
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}
