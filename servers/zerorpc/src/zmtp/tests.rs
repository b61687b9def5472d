//! Encoding and decoding ZMTP without a socket, and the limits.

use proptest::prelude::*;

use super::wire::*;
use super::{Inbox, Incoming};

const LIMITS: MessageLimits = MessageLimits { bytes: 1_000, frames: 4 };

/// The greeting of libzmq 4.3.5.
const GREETING: &[u8; GREETING_LEN] =
    b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const READY: &[u8] = b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0";

#[test]
fn greeting_and_ready_have_the_same_bytes_as_libzmqs() {
    assert_eq!(&greeting(), GREETING);
    let mut out = Vec::new();
    write_ready(&mut out, SocketType::Dealer);
    assert_eq!(out, READY);
    for end in 0..GREETING_LEN {
        assert_eq!(read_greeting(&GREETING[..end]), Ok(None), "{end}");
    }
    assert_eq!(read_greeting(GREETING), Ok(Some(1)));
}

#[test]
fn rejects_other_greetings_by_their_first_bytes() {
    let changed = |at: usize, byte: u8| {
        let mut bytes = *GREETING;
        bytes[at] = byte;
        bytes
    };
    assert_eq!(read_greeting(b"GET / HTTP/1.1"), Err(WireError::Signature));
    assert_eq!(read_greeting(&changed(9, 0)[..10]), Err(WireError::Signature));
    assert_eq!(read_greeting(&changed(10, 1)[..11]), Err(WireError::Version(1)));
    assert_eq!(read_greeting(&changed(11, 0)), Ok(Some(0)));
    assert_eq!(read_greeting(&changed(10, 4)), Ok(Some(1)));
    let mut curve = *GREETING;
    curve[12..17].copy_from_slice(b"CURVE");
    assert_eq!(read_greeting(&curve), Err(WireError::Mechanism));
    assert_eq!(read_greeting(&changed(16, b'X')), Err(WireError::Mechanism));
}

#[test]
fn only_compatible_socket_types_connect() {
    let peer_type = |name: &'static str, local| Command::Ready(name.as_bytes()).peer_type(local);
    assert_eq!(peer_type("DEALER", SocketType::Router), Ok(SocketType::Dealer));
    assert_eq!(peer_type("SUB", SocketType::Pub), Ok(SocketType::Sub));
    for (peer, local) in
        [("PUB", SocketType::Router), ("PUSH", SocketType::Push), ("dealer", SocketType::Router)]
    {
        assert!(matches!(peer_type(peer, local), Err(WireError::SocketType { .. })), "{peer}");
    }
    assert_eq!(
        Command::Error(b"no\xff").peer_type(SocketType::Pub),
        Err(WireError::Refused("no\\xff".into()))
    );
    assert_eq!(Command::Pong.peer_type(SocketType::Pub), Err(WireError::NotReady));
}

#[test]
fn decodes_commands_and_rejects_malformed_ones() {
    for (body, command) in [
        (&READY[2..], Command::Ready(b"DEALER")),
        (b"\x05READY\x01x\0\0\0\0\x0bSOCKET-TYPE\0\0\0\x03REP", Command::Ready(b"REP")),
        (b"\x05READY", Command::Ready(b"")),
        (b"\x05ERROR\x02no", Command::Error(b"no")),
        (b"\x04PING\0\x0aabc", Command::Ping(b"abc")),
        (b"\x04PONGabc", Command::Pong),
        (b"\x09SUBSCRIBEx", Command::Subscribe(b"x")),
        (b"\x06CANCEL", Command::Cancel(b"")),
        (b"\x05HELLO\x01", Command::Other),
    ] {
        assert_eq!(Command::decode(body), Ok(command));
    }
    for body in [
        &b""[..],
        b"\x05READ",
        b"\x05ERROR\x05no",
        b"\x04PING\0",
        b"\x05READY\x01",
        b"\x05READY\x01x\xff\xff\xff\xff",
        b"\x05READY\x01x\0\0",
    ] {
        assert_eq!(Command::decode(body), Err(WireError::Command), "{}", body.escape_ascii());
    }
    let mut out = Vec::new();
    write_pong(&mut out, b"abc");
    assert_eq!(out, b"\x04\x08\x04PONGabc");
    out.clear();
    write_pong(&mut out, &[b'x'; 100]);
    assert_eq!(out.len(), 2 + 5 + 16);
}

/// The messages and commands in `bytes`, which arrive in chunks of `chunk_len`, as text.
fn received(bytes: &[u8], chunk_len: usize) -> Result<Vec<String>, WireError> {
    let mut inbox = Inbox::new(LIMITS);
    let mut incoming = Vec::new();
    for part in bytes.chunks(chunk_len) {
        inbox.buffer().extend_from_slice(part);
        while let Some(next) = inbox.next()? {
            incoming.push(match next {
                Incoming::Message { envelope, payload } => {
                    format!("{} | {}", envelope.escape_ascii(), payload.escape_ascii())
                }
                Incoming::Command(command) => format!("{command:?}"),
                Incoming::TooLarge { envelope, head } => {
                    format!("{} | too large: {}", envelope.escape_ascii(), head.len())
                }
            });
        }
    }
    Ok(incoming)
}

fn assert_received(bytes: &[u8], expected: &[&str]) {
    for chunk_len in [1, 2, 7, bytes.len()] {
        assert_eq!(received(bytes, chunk_len).unwrap(), expected, "in chunks of {chunk_len}");
    }
}

#[test]
fn splits_messages_into_envelope_and_payload_like_zerorpc() {
    assert_received(b"\x01\x00\x00\x05hello", &[" | hello"]);
    assert_received(b"\x00\x05hello\x00\x00", &[" | hello", " | "]);
    assert_received(b"\x01\x01e\x01\x00\x00\x01p", &["\\x01\\x01e | p"]);
    assert_received(
        b"\x03\0\0\0\0\0\0\0\x01e\x01\x01f\x01\x00\x02\0\0\0\0\0\0\0\x01p",
        &["\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01e\\x01\\x01f | p"],
    );
    let mut long = b"\x01\x00\x02\0\0\0\0\0\0\x01\x2c".to_vec();
    long.extend_from_slice(&[b'x'; 300]);
    assert_received(&long, &[&format!(" | {}", "x".repeat(300))]);
    let mut written = Vec::new();
    write_message(&mut written, &[DELIMITER], |out| {
        out.extend_from_slice(&[b'x'; 300]);
        Ok::<_, ()>(())
    })
    .unwrap();
    assert_eq!(written, long);
}

#[test]
fn commands_may_come_between_frames() {
    assert_received(
        b"\x04\x07\x04PING\0\0\x01\x00\x04\x09\x04PING\0\0ab\x00\x01p",
        &["Ping([])", "Ping([97, 98])", " | p"],
    );
}

#[test]
fn messages_above_a_limit_are_skipped_to_their_end() {
    let frame = |flags: u8, len: usize| {
        let mut bytes = vec![flags | 2];
        bytes.extend_from_slice(&(len as u64).to_be_bytes());
        bytes.resize(9 + len, b'x');
        bytes
    };
    let next = b"\x00\x01p".as_slice();
    // The payload is too long, an earlier frame is, or there are too many.
    assert_received(&[b"\x01\x00", &frame(0, 1_001)[..], next].concat(), &[" | too large: 512", " | p"]);
    assert_received(
        &[&frame(1, 1_001)[..], b"\x01\x00\x00\x01q", next].concat(),
        &[" | too large: 0", " | p"],
    );
    assert_received(&[&frame(1, 500)[..], &frame(0, 501), next].concat(), &[" | too large: 501", " | p"]);
    assert_received(
        &[b"\x01\x00\x01\x00\x01\x00\x01\x00\x00\x01q", next].concat(),
        &["\\x01\\x00\\x01\\x00\\x01\\x00 | too large: 1", " | p"],
    );
    assert_received(
        &[&frame(1, 1_001)[..], b"\x04\x05\x04PONG\x00\x01q", next].concat(),
        &[" | too large: 0", " | p"],
    );
}

#[test]
fn memory_is_bounded_by_what_has_arrived_not_by_what_a_header_announces() {
    for announced in [u64::MAX, 1 << 60, 1 << 32] {
        let mut inbox = Inbox::new(MessageLimits { bytes: 16 << 20, frames: 4 });
        inbox.buffer().push(2);
        inbox.buffer().extend_from_slice(&announced.to_be_bytes());
        for _ in 0..2_000 {
            inbox.buffer().extend_from_slice(&[b'x'; 1_000]);
            while inbox.next().unwrap().is_some() {}
            assert!(inbox.capacity() < 64 << 10, "{} bytes of memory", inbox.capacity());
        }
    }
    // Nor is a length within the limits reserved before the bytes arrive.
    let mut inbox = Inbox::new(MessageLimits { bytes: 16 << 20, frames: 4 });
    inbox.buffer().extend_from_slice(&[2, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(inbox.next(), Ok(None));
    inbox.buffer();
    assert!(inbox.capacity() < 64 << 10);
}

#[test]
fn rejects_undefined_flags_and_long_commands() {
    for (bytes, error) in [
        (&b"\x08\x00"[..], WireError::Flags(8)),
        (b"\x05\x00", WireError::Flags(5)),
        (b"\xff\x00", WireError::Flags(0xff)),
        (b"\x06\0\0\0\0\0\0\x10\x01", WireError::CommandTooLong(4_097)),
    ] {
        assert_eq!(received(bytes, bytes.len()), Err(error));
    }
}

proptest! {
    #[test]
    fn splits_messages_that_write_frames_wrote(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
        rest in prop::collection::vec(any::<u8>(), 0..5),
    ) {
        let mut bytes = Vec::new();
        let end = write_frames(&mut bytes, frames.iter().map(Vec::as_slice));
        prop_assert_eq!(bytes.len(), end);
        prop_assert_eq!(split_message(&bytes[..end - 1]), None);
        bytes.extend_from_slice(&rest);
        let expected = frames.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(split_message(&bytes), Some((expected, end)));
    }

    #[test]
    fn receives_what_write_message_wrote(
        envelope in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..2),
        payload in prop::collection::vec(any::<u8>(), 0..600),
        chunk_len in 1..700_usize,
    ) {
        let mut before = Vec::new();
        for frame in &envelope {
            before.extend_from_slice(&[1, u8::try_from(frame.len()).unwrap()]);
            before.extend_from_slice(frame);
        }
        let mut bytes = Vec::new();
        write_message(&mut bytes, &[&before, DELIMITER], |out| { out.extend_from_slice(&payload); Ok::<_, ()>(()) }).unwrap();
        let expected = format!("{} | {}", before.escape_ascii(), payload.escape_ascii());
        prop_assert_eq!(received(&bytes, chunk_len).unwrap(), vec![expected]);
    }

    #[test]
    fn any_bytes_have_the_same_result_however_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![0..8_u8, any::<u8>()], 0..400),
        chunk_len in 1..50_usize,
    ) {
        let whole = received(&bytes, bytes.len().max(1));
        prop_assert_eq!(received(&bytes, chunk_len), whole);
    }
}
