//! Commands: frames of the protocol itself.

use super::error::WireError;
use super::frame::COMMAND;
use super::socket_type::SocketType;

/// A command of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The end of the handshake, with the name of the peer's socket type; empty if it names none.
    Ready(&'a [u8]),
    /// The peer refuses the connection for this reason.
    Error(&'a [u8]),
    /// A ping with a context, which [`write_pong`] has to repeat.
    Ping(&'a [u8]),
    /// The answer to a ping.
    Pong,
    /// The peer subscribes to messages with this prefix.
    Subscribe(&'a [u8]),
    /// The peer cancels a subscription to this prefix.
    Cancel(&'a [u8]),
    /// Any other command, to be ignored.
    Other,
}

impl<'a> Command<'a> {
    /// Decodes the body of a command frame.
    ///
    /// # Errors
    /// [`WireError::Command`].
    pub fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let (name, rest) = split_short(body)?;
        Ok(match name {
            b"READY" => Command::Ready(socket_type(rest)?),
            b"ERROR" => Command::Error(split_short(rest)?.0),
            // Two bytes of time to live precede the context.
            b"PING" => Command::Ping(rest.get(2..).ok_or(WireError::Command)?),
            b"PONG" => Command::Pong,
            b"SUBSCRIBE" => Command::Subscribe(rest),
            b"CANCEL" => Command::Cancel(rest),
            _ => Command::Other,
        })
    }

    /// The socket type of a peer that sends this command to end the handshake, if a socket of type `local` may talk to
    /// it.
    ///
    /// # Errors
    /// [`WireError::Refused`] for ERROR, [`WireError::NotReady`] for any other command but READY,
    /// [`WireError::SocketType`] if the types are not compatible.
    pub fn peer_type(self, local: SocketType) -> Result<SocketType, WireError> {
        let named = match self {
            Command::Ready(named) => named,
            Command::Error(reason) => return Err(WireError::Refused(reason.escape_ascii().to_string())),
            _ => return Err(WireError::NotReady),
        };
        SocketType::from_name(named).filter(|peer| local.is_compatible_with(*peer)).ok_or_else(|| {
            WireError::SocketType { local: local.name(), peer: named.escape_ascii().to_string() }
        })
    }
}

/// Splits off a part that is preceded by its length in one byte.
fn split_short(bytes: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (len, rest) = bytes.split_first().ok_or(WireError::Command)?;
    rest.split_at_checked(usize::from(*len)).ok_or(WireError::Command)
}

/// The value of the property `Socket-Type`. Names of properties are not case-sensitive.
fn socket_type(mut properties: &[u8]) -> Result<&[u8], WireError> {
    let mut found = &[][..];
    while !properties.is_empty() {
        let (name, rest) = split_short(properties)?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or(WireError::Command)?;
        let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| WireError::Command)?;
        let (value, rest) = rest.split_at_checked(len).ok_or(WireError::Command)?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            found = value;
        }
        properties = rest;
    }
    Ok(found)
}

/// Appends the READY command of a socket of type `local` without an identity.
pub fn write_ready(out: &mut Vec<u8>, local: SocketType) {
    let name = local.name();
    // Like libzmq, socket types that a peer can answer send the property even if it is empty.
    let identity = matches!(local, SocketType::Dealer | SocketType::Router | SocketType::Req);
    let mut body = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
    body.push(low_byte(name.len()));
    body.extend_from_slice(name.as_bytes());
    if identity {
        body.extend_from_slice(b"\x08Identity\0\0\0\0");
    }
    out.extend_from_slice(&[COMMAND, low_byte(body.len())]);
    out.extend_from_slice(&body);
}

/// Appends the PONG that answers a PING with `context`. The protocol allows a context of 16 bytes; a longer one is
/// truncated.
pub fn write_pong(out: &mut Vec<u8>, context: &[u8]) {
    let context = context.get(..16).unwrap_or(context);
    out.extend_from_slice(&[COMMAND, low_byte(5 + context.len())]);
    out.extend_from_slice(b"\x04PONG");
    out.extend_from_slice(context);
}

/// Appends a subscription to all messages: as a command, or as a message if the peer speaks ZMTP 3.0.
pub fn write_subscribe_all(out: &mut Vec<u8>, peer_minor: u8) {
    if peer_minor == 0 {
        out.extend_from_slice(&[0, 1, 1]);
    } else {
        out.extend_from_slice(&[COMMAND, 10]);
        out.extend_from_slice(b"\x09SUBSCRIBE");
    }
}

/// The lowest byte of a length that is known to fit.
fn low_byte(len: usize) -> u8 {
    len.to_be_bytes()[size_of::<usize>() - 1]
}
