//! ZMTP 3.1 with the NULL mechanism: greeting, commands and frames. Pure functions.
//!
//! Protocol: <https://rfc.zeromq.org/spec/37/>. Peers of ZMTP 3.0 (<https://rfc.zeromq.org/spec/23/>) are served too.

use std::ops::Range;

/// Octets of a greeting.
pub const GREETING_LEN: usize = 64;

/// The minor version that this end announces.
const MINOR: u8 = 1;

const MECHANISM: Range<usize> = 12..32;

/// The pattern that a socket follows, by its name in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketType {
    /// Sends to and receives from its peers.
    Dealer,
    /// As a dealer, and answers the peer that a message came from.
    Router,
    /// Sends to one peer after another.
    Push,
    /// Receives from all peers.
    Pull,
    /// Sends to all peers that have subscribed.
    Pub,
    /// Receives what it has subscribed to.
    Sub,
    /// Sends one message and then receives one.
    Req,
    /// Receives one message and then sends one.
    Rep,
    /// A `Pub` that reads its subscriptions.
    Xpub,
    /// A `Sub` that writes its subscriptions.
    Xsub,
}

impl SocketType {
    const ALL: [SocketType; 10] = [
        SocketType::Dealer,
        SocketType::Router,
        SocketType::Push,
        SocketType::Pull,
        SocketType::Pub,
        SocketType::Sub,
        SocketType::Req,
        SocketType::Rep,
        SocketType::Xpub,
        SocketType::Xsub,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SocketType::Dealer => "DEALER",
            SocketType::Router => "ROUTER",
            SocketType::Push => "PUSH",
            SocketType::Pull => "PULL",
            SocketType::Pub => "PUB",
            SocketType::Sub => "SUB",
            SocketType::Req => "REQ",
            SocketType::Rep => "REP",
            SocketType::Xpub => "XPUB",
            SocketType::Xsub => "XSUB",
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }

    /// Whether a socket of this type may talk to one of type `peer`.
    #[must_use]
    pub fn talks_to(self, peer: SocketType) -> bool {
        use SocketType::{Dealer, Pub, Pull, Push, Rep, Req, Router, Sub, Xpub, Xsub};
        match self {
            Dealer => matches!(peer, Router | Rep | Dealer),
            Router => matches!(peer, Dealer | Req | Router),
            Push => peer == Pull,
            Pull => peer == Push,
            Pub | Xpub => matches!(peer, Sub | Xsub),
            Sub | Xsub => matches!(peer, Pub | Xpub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
        }
    }
}

/// Why octets are not ZMTP as this end speaks it. Each of these ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first octets are no ZMTP signature.
    #[error("the peer does not speak ZMTP")]
    Signature,
    /// A major version before 3.
    #[error("the peer speaks ZMTP {0}; 3.0 or later is needed")]
    Version(u8),
    /// A security mechanism other than NULL.
    #[error("the peer asks for a security mechanism; only NULL is spoken here")]
    Mechanism,
    /// Bits of a frame's flags that ZMTP does not define, or a command with the MORE bit.
    #[error("a frame with the flags {0:#04x}")]
    Flags(u8),
    /// A command above the limit.
    #[error("a command of {0} octets")]
    CommandTooLong(u64),
    /// A command that cannot be read.
    #[error("a malformed command")]
    Command,
    /// Something else where the handshake expects READY.
    #[error("the peer did not say READY")]
    NotReady,
    /// The peer has ended the handshake.
    #[error("the peer refuses the connection: {0}")]
    Refused(String),
    /// A socket type that this end's cannot talk to.
    #[error("the peer is a {peer}; a {ours} cannot talk to it")]
    SocketType {
        /// This end's type.
        ours: &'static str,
        /// The peer's type, or what it said instead.
        peer: String,
    },
}

/// This end's greeting.
#[must_use]
pub fn greeting() -> [u8; GREETING_LEN] {
    let mut octets = [0; GREETING_LEN];
    octets[0] = 0xff;
    octets[8] = 1;
    octets[9] = 0x7f;
    octets[10] = 3;
    octets[11] = MINOR;
    octets[MECHANISM][..4].copy_from_slice(b"NULL");
    octets
}

/// Reads as much of a greeting as has come, so that a peer of another protocol is refused by its first octets; `None`
/// where more is to come, else the peer's minor version.
///
/// # Errors
/// [`WireError::Signature`], [`WireError::Version`], [`WireError::Mechanism`].
pub fn read_greeting(octets: &[u8]) -> Result<Option<u8>, WireError> {
    let at = |index: usize| octets.get(index).copied();
    if at(0).is_some_and(|octet| octet != 0xff) || at(9).is_some_and(|octet| octet != 0x7f) {
        return Err(WireError::Signature);
    }
    if let Some(major) = at(10).filter(|major| *major < 3) {
        return Err(WireError::Version(major));
    }
    if octets.len() < GREETING_LEN {
        return Ok(None);
    }
    match octets.get(MECHANISM) {
        Some([b'N', b'U', b'L', b'L', padding @ ..]) if padding.iter().all(|octet| *octet == 0) => Ok(at(11)),
        _ => Err(WireError::Mechanism),
    }
}

/// A command of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The end of the handshake, with what the peer says its socket type is.
    Ready(&'a [u8]),
    /// The peer gives up, for a reason.
    Error(&'a [u8]),
    /// To be answered by [`pong`] with the same context.
    Ping(&'a [u8]),
    /// The answer to a ping.
    Pong,
    /// To be sent what begins so.
    Subscribe(&'a [u8]),
    /// No longer to be sent what begins so.
    Cancel(&'a [u8]),
    /// None of these: to be ignored.
    Other,
}

impl<'a> Command<'a> {
    /// Reads the body of a command frame.
    ///
    /// # Errors
    /// [`WireError::Command`].
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let (name, rest) = short(body)?;
        Ok(match name {
            b"READY" => Command::Ready(socket_type(rest)?),
            b"ERROR" => Command::Error(short(rest)?.0),
            // Two octets of time to live precede the context.
            b"PING" => Command::Ping(rest.get(2..).ok_or(WireError::Command)?),
            b"PONG" => Command::Pong,
            b"SUBSCRIBE" => Command::Subscribe(rest),
            b"CANCEL" => Command::Cancel(rest),
            _ => Command::Other,
        })
    }

    /// The peer has said what kind of socket it is: the one thing that ends the handshake.
    ///
    /// # Errors
    /// [`WireError::Refused`], [`WireError::NotReady`], or [`WireError::SocketType`] where `ours` has nothing to say
    /// to a socket of that type.
    pub fn ready_for(self, ours: SocketType) -> Result<SocketType, WireError> {
        let named = match self {
            Command::Ready(named) => named,
            Command::Error(reason) => return Err(WireError::Refused(reason.escape_ascii().to_string())),
            _ => return Err(WireError::NotReady),
        };
        SocketType::from_name(named).filter(|peer| ours.talks_to(*peer)).ok_or_else(|| {
            WireError::SocketType { ours: ours.name(), peer: named.escape_ascii().to_string() }
        })
    }
}

/// A part that is preceded by its length in one octet, and what follows it.
fn short(octets: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (len, rest) = octets.split_first().ok_or(WireError::Command)?;
    rest.split_at_checked(usize::from(*len)).ok_or(WireError::Command)
}

/// The value of the property `Socket-Type`; names of properties are not case-sensitive.
fn socket_type(mut properties: &[u8]) -> Result<&[u8], WireError> {
    let mut found = &[][..];
    while !properties.is_empty() {
        let (name, rest) = short(properties)?;
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

/// Appends the READY command of a socket without an identity.
pub fn ready(out: &mut Vec<u8>, ours: SocketType) {
    let name = ours.name();
    // Those that a peer may answer have an identity, if an empty one, as in libzmq.
    let identity = matches!(ours, SocketType::Dealer | SocketType::Router | SocketType::Req);
    let mut body = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
    body.push(low_octet(name.len()));
    body.extend_from_slice(name.as_bytes());
    if identity {
        body.extend_from_slice(b"\x08Identity\0\0\0\0");
    }
    out.extend_from_slice(&[COMMAND, low_octet(body.len())]);
    out.extend_from_slice(&body);
}

/// Appends the PONG that answers a PING with `context`, of which a peer may give 16 octets at most.
pub fn pong(out: &mut Vec<u8>, context: &[u8]) {
    let context = context.get(..16).unwrap_or(context);
    out.extend_from_slice(&[COMMAND, low_octet(5 + context.len())]);
    out.extend_from_slice(b"\x04PONG");
    out.extend_from_slice(context);
}

/// Appends a subscription to every message, in the form that a peer of that minor version reads.
pub fn subscribe_to_all(out: &mut Vec<u8>, peer_minor: u8) {
    if peer_minor == 0 {
        out.extend_from_slice(&[0, 1, 1]);
    } else {
        out.extend_from_slice(&[COMMAND, 10]);
        out.extend_from_slice(b"\x09SUBSCRIBE");
    }
}

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Appends a message to `out`: the frames of `before`, as they go on the wire, and the payload, which `write` appends.
/// Nothing is appended where `write` fails.
///
/// # Errors
/// Those of `write`.
pub fn write_message<E>(
    out: &mut Vec<u8>,
    before: &[&[u8]],
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let begun = out.len();
    for frames in before {
        out.extend_from_slice(frames);
    }
    out.extend_from_slice(&[0, 0]);
    let payload = out.len();
    if let Err(error) = write(out) {
        out.truncate(begun);
        return Err(error);
    }
    let len = out.len() - payload;
    match u8::try_from(len) {
        Ok(short) => out[payload - 1] = short,
        // The length of nearly every message fits one octet. Others are moved to make room for eight.
        Err(_) => {
            out.extend_from_slice(&[0; 7]);
            out.copy_within(payload..payload + len, payload + 7);
            out[payload - 2] = LONG;
            out[payload - 1..payload + 7].copy_from_slice(&(len as u64).to_be_bytes());
        }
    }
    Ok(())
}

/// Appends the frames of a message; gives the octets that it takes.
pub fn write_frames<'a>(out: &mut Vec<u8>, frames: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let begun = out.len();
    let mut last = None;
    for frame in frames {
        last = Some(out.len());
        match u8::try_from(frame.len()) {
            Ok(len) => out.extend_from_slice(&[MORE, len]),
            Err(_) => {
                out.push(MORE | LONG);
                out.extend_from_slice(&(frame.len() as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(frame);
    }
    if let Some(flags) = last.and_then(|last| out.get_mut(last)) {
        *flags &= !MORE;
    }
    out.len() - begun
}

/// The frames of the message that `octets` begin with, and where it ends; `None` where there is none as a whole.
#[must_use]
pub fn split_message(octets: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let (mut frames, mut at) = (Vec::with_capacity(3), 0);
    loop {
        let header = header(octets, at).ok()?.ok()?;
        at = header.body.checked_add(usize::try_from(header.len).ok()?)?;
        frames.push(octets.get(header.body..at)?);
        if header.flags & MORE == 0 {
            return Some((frames, at));
        }
    }
}

/// The empty frame that separates an envelope from the payload.
pub const DELIMITER: &[u8] = &[MORE, 0];

/// Of lengths that are known to be short.
fn low_octet(len: usize) -> u8 {
    len.to_be_bytes()[size_of::<usize>() - 1]
}

/// What a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Octets of all frames of a message together, without their headers.
    pub octets: usize,
    /// Frames of a message.
    pub frames: usize,
}

/// Octets of a command: a PING has 23 at most, a READY rarely 100.
const MAX_COMMAND: u64 = 4_096;

/// Octets of a message above the limit that are shown all the same, so that it can be told whose it is.
pub const HEAD_LEN: usize = 512;

/// What octets begin with. Positions count from their first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// At least that many octets are missing.
    Incomplete(usize),
    /// A message of up to [`MessageLimits`].
    Message {
        /// The frames before the payload and the one before that, with their headers: a reply repeats them.
        envelope: usize,
        /// The last frame's body.
        payload: Range<usize>,
    },
    /// A command, which may stand between the frames of a message.
    Command {
        /// The whole frame.
        frame: Range<usize>,
        /// Its body.
        body: Range<usize>,
    },
    /// A message above a limit; the rest of it is to be skipped.
    TooLarge {
        /// As of a message.
        envelope: usize,
        /// The first octets of the payload; empty where the frame above the limit is another one.
        head: Range<usize>,
        /// Octets of the frame that are still to come, or are there after `head`.
        rest: u64,
        /// Whether frames follow that are to be skipped, too.
        more: bool,
    },
}

struct Header {
    flags: u8,
    /// Where the body begins.
    body: usize,
    len: u64,
}

/// Reads a frame's header at `at`; otherwise how many octets are missing.
fn header(octets: &[u8], at: usize) -> Result<Result<Header, usize>, WireError> {
    let Some(&[flags, ref rest @ ..]) = octets.get(at..) else { return Ok(Err(2)) };
    if flags & !(MORE | LONG | COMMAND) != 0 || flags & (MORE | COMMAND) == MORE | COMMAND {
        return Err(WireError::Flags(flags));
    }
    if flags & LONG == 0 {
        return Ok(match rest.first() {
            Some(len) => Ok(Header { flags, body: at + 2, len: u64::from(*len) }),
            None => Err(1),
        });
    }
    Ok(match rest.first_chunk::<8>() {
        Some(len) => Ok(Header { flags, body: at + 9, len: u64::from_be_bytes(*len) }),
        None => Err(8 - rest.len()),
    })
}

/// Finds the message or command that `octets` begin with. No limit is exceeded, and nothing is reserved, on the word
/// of a header.
///
/// # Errors
/// [`WireError::Flags`], [`WireError::CommandTooLong`].
pub fn scan(octets: &[u8], limits: &MessageLimits) -> Result<Scanned, WireError> {
    // Where the last two frames began: what precedes the payload and the frame before it is the envelope.
    let (mut begun, mut begun_before) = (0, 0);
    let mut left = limits.octets;
    let mut frames = 0;
    loop {
        let header = match header(octets, begun)? {
            Ok(header) => header,
            Err(missing) => return Ok(Scanned::Incomplete(missing)),
        };
        let available = octets.len() - header.body;
        if header.flags & COMMAND != 0 {
            let len = usize::try_from(header.len.min(MAX_COMMAND + 1)).unwrap_or(usize::MAX);
            if header.len > MAX_COMMAND {
                return Err(WireError::CommandTooLong(header.len));
            }
            return Ok(match len.checked_sub(available) {
                None | Some(0) => {
                    Scanned::Command { frame: begun..header.body + len, body: header.body..header.body + len }
                }
                Some(missing) => Scanned::Incomplete(missing),
            });
        }
        frames += 1;
        let more = header.flags & MORE != 0;
        let within = usize::try_from(header.len).ok().filter(|len| *len <= left && frames <= limits.frames);
        let Some(len) = within else {
            // The payload's head, as far as it is one, is waited for.
            let wanted =
                if more { 0 } else { usize::try_from(header.len).map_or(HEAD_LEN, |len| len.min(HEAD_LEN)) };
            if available < wanted {
                return Ok(Scanned::Incomplete(wanted - available));
            }
            let head = header.body..header.body + wanted;
            return Ok(Scanned::TooLarge {
                envelope: begun_before,
                head,
                rest: header.len - wanted as u64,
                more,
            });
        };
        if available < len {
            return Ok(Scanned::Incomplete(len - available));
        }
        let body = header.body..header.body + len;
        if !more {
            return Ok(Scanned::Message { envelope: begun_before, payload: body });
        }
        left -= len;
        (begun_before, begun) = (begun, body.end);
    }
}

/// Finds how much of `octets` belongs to the rest of a message that is skipped: the octets to drop now, those of its
/// present frame that are still to come, and whether further frames follow; `None` where a header is incomplete.
///
/// # Errors
/// As [`scan`].
pub fn skip_frame(octets: &[u8]) -> Result<Option<(usize, u64, bool)>, WireError> {
    let Ok(header) = header(octets, 0)? else { return Ok(None) };
    if header.flags & COMMAND != 0 && header.len > MAX_COMMAND {
        return Err(WireError::CommandTooLong(header.len));
    }
    // A command among the frames is no end of the message.
    let more = header.flags & (MORE | COMMAND) != 0;
    Ok(Some((header.body, header.len, more)))
}
