//! The codec without a socket, and its limits.

use proptest::prelude::*;

use super::wire::*;
use super::{Inbox, Incoming};

const LIMITS: MessageLimits = MessageLimits { octets: 1_000, frames: 4 };

/// What libzmq 4.3.5 sends.
const GREETING: &[u8; GREETING_LEN] =
    b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const READY: &[u8] = b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0";

#[test]
fn a_greeting_and_a_ready_byte_by_byte() {
    assert_eq!(&greeting(), GREETING);
    let mut out = Vec::new();
    ready(&mut out, SocketType::Dealer);
    assert_eq!(out, READY);
    for end in 0..GREETING_LEN {
        assert_eq!(read_greeting(&GREETING[..end]), Ok(None), "{end}");
    }
    assert_eq!(read_greeting(GREETING), Ok(Some(1)));
}

#[test]
fn other_greetings_are_refused_by_their_first_octets() {
    let changed = |at: usize, octet: u8| {
        let mut octets = *GREETING;
        octets[at] = octet;
        octets
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
fn only_sockets_that_fit_talk_to_each_other() {
    let said = |name: &'static str, ours| Command::Ready(name.as_bytes()).ready_for(ours);
    assert_eq!(said("DEALER", SocketType::Router), Ok(SocketType::Dealer));
    assert_eq!(said("SUB", SocketType::Pub), Ok(SocketType::Sub));
    for (peer, ours) in
        [("PUB", SocketType::Router), ("PUSH", SocketType::Push), ("dealer", SocketType::Router)]
    {
        assert!(matches!(said(peer, ours), Err(WireError::SocketType { .. })), "{peer}");
    }
    assert_eq!(
        Command::Error(b"no\xff").ready_for(SocketType::Pub),
        Err(WireError::Refused("no\\xff".into()))
    );
    assert_eq!(Command::Pong.ready_for(SocketType::Pub), Err(WireError::NotReady));
}

#[test]
fn commands_are_read() {
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
        assert_eq!(Command::read(body), Ok(command));
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
        assert_eq!(Command::read(body), Err(WireError::Command), "{}", body.escape_ascii());
    }
    let mut out = Vec::new();
    pong(&mut out, b"abc");
    assert_eq!(out, b"\x04\x08\x04PONGabc");
    out.clear();
    pong(&mut out, &[b'x'; 100]);
    assert_eq!(out.len(), 2 + 5 + 16);
}

/// Shows what `octets` bring, whole or one by one.
fn taken(octets: &[u8], at_once: usize) -> Result<Vec<String>, WireError> {
    let mut inbox = Inbox::new(LIMITS);
    let mut seen = Vec::new();
    for part in octets.chunks(at_once) {
        inbox.space().extend_from_slice(part);
        while let Some(incoming) = inbox.next()? {
            seen.push(match incoming {
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
    Ok(seen)
}

fn assert_taken(octets: &[u8], expected: &[&str]) {
    for at_once in [1, 2, 7, octets.len()] {
        assert_eq!(taken(octets, at_once).unwrap(), expected, "{at_once} at once");
    }
}

#[test]
fn messages_are_taken_apart_as_zerorpc_does() {
    assert_taken(b"\x01\x00\x00\x05hello", &[" | hello"]);
    assert_taken(b"\x00\x05hello\x00\x00", &[" | hello", " | "]);
    assert_taken(b"\x01\x01e\x01\x00\x00\x01p", &["\\x01\\x01e | p"]);
    assert_taken(
        b"\x03\0\0\0\0\0\0\0\x01e\x01\x01f\x01\x00\x02\0\0\0\0\0\0\0\x01p",
        &["\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01e\\x01\\x01f | p"],
    );
    let mut long = b"\x01\x00\x02\0\0\0\0\0\0\x01\x2c".to_vec();
    long.extend_from_slice(&[b'x'; 300]);
    assert_taken(&long, &[&format!(" | {}", "x".repeat(300))]);
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
    assert_taken(
        b"\x04\x07\x04PING\0\0\x01\x00\x04\x09\x04PING\0\0ab\x00\x01p",
        &["Ping([])", "Ping([97, 98])", " | p"],
    );
}

#[test]
fn messages_above_a_limit_are_skipped_to_their_end() {
    let frame = |flags: u8, len: usize| {
        let mut octets = vec![flags | 2];
        octets.extend_from_slice(&(len as u64).to_be_bytes());
        octets.resize(9 + len, b'x');
        octets
    };
    let next = b"\x00\x01p".as_slice();
    // The payload is too long, an earlier frame is, or there are too many.
    assert_taken(&[b"\x01\x00", &frame(0, 1_001)[..], next].concat(), &[" | too large: 512", " | p"]);
    assert_taken(&[&frame(1, 1_001)[..], b"\x01\x00\x00\x01q", next].concat(), &[" | too large: 0", " | p"]);
    assert_taken(&[&frame(1, 500)[..], &frame(0, 501), next].concat(), &[" | too large: 501", " | p"]);
    assert_taken(
        &[b"\x01\x00\x01\x00\x01\x00\x01\x00\x00\x01q", next].concat(),
        &["\\x01\\x00\\x01\\x00\\x01\\x00 | too large: 1", " | p"],
    );
    assert_taken(
        &[&frame(1, 1_001)[..], b"\x04\x05\x04PONG\x00\x01q", next].concat(),
        &[" | too large: 0", " | p"],
    );
}

#[test]
fn what_a_header_announces_is_neither_reserved_nor_kept() {
    for announced in [u64::MAX, 1 << 60, 1 << 32] {
        let mut inbox = Inbox::new(MessageLimits { octets: 16 << 20, frames: 4 });
        inbox.space().push(2);
        inbox.space().extend_from_slice(&announced.to_be_bytes());
        for _ in 0..2_000 {
            inbox.space().extend_from_slice(&[b'x'; 1_000]);
            while inbox.next().unwrap().is_some() {}
            assert!(inbox.capacity() < 64 << 10, "{} octets are held", inbox.capacity());
        }
    }
    // Of what may come, no more is reserved than has come.
    let mut inbox = Inbox::new(MessageLimits { octets: 16 << 20, frames: 4 });
    inbox.space().extend_from_slice(&[2, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(inbox.next(), Ok(None));
    inbox.space();
    assert!(inbox.capacity() < 64 << 10);
}

#[test]
fn flags_that_are_not_defined_end_the_connection() {
    for (octets, error) in [
        (&b"\x08\x00"[..], WireError::Flags(8)),
        (b"\x05\x00", WireError::Flags(5)),
        (b"\xff\x00", WireError::Flags(0xff)),
        (b"\x06\0\0\0\0\0\0\x10\x01", WireError::CommandTooLong(4_097)),
    ] {
        assert_eq!(taken(octets, octets.len()), Err(error));
    }
}

proptest! {
    #[test]
    fn frames_are_put_together_and_taken_apart(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
        rest in prop::collection::vec(any::<u8>(), 0..5),
    ) {
        let mut octets = Vec::new();
        let end = write_frames(&mut octets, frames.iter().map(Vec::as_slice));
        prop_assert_eq!(octets.len(), end);
        prop_assert_eq!(split_message(&octets[..end - 1]), None);
        octets.extend_from_slice(&rest);
        let expected = frames.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(split_message(&octets), Some((expected, end)));
    }

    #[test]
    fn what_was_written_is_read_back(
        envelope in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..2),
        payload in prop::collection::vec(any::<u8>(), 0..600),
        at_once in 1..700_usize,
    ) {
        let mut before = Vec::new();
        for frame in &envelope {
            before.extend_from_slice(&[1, u8::try_from(frame.len()).unwrap()]);
            before.extend_from_slice(frame);
        }
        let mut octets = Vec::new();
        write_message(&mut octets, &[&before, DELIMITER], |out| { out.extend_from_slice(&payload); Ok::<_, ()>(()) }).unwrap();
        let expected = format!("{} | {}", before.escape_ascii(), payload.escape_ascii());
        prop_assert_eq!(taken(&octets, at_once).unwrap(), vec![expected]);
    }

    #[test]
    fn any_octets_are_taken_or_refused_alike_however_they_come(
        octets in prop::collection::vec(prop_oneof![0..8_u8, any::<u8>()], 0..400),
        at_once in 1..50_usize,
    ) {
        let whole = taken(&octets, octets.len().max(1));
        prop_assert_eq!(taken(&octets, at_once), whole);
    }
}
