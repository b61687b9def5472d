//! Tests of the protocol's codec.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

const MAX_PAYLOAD: usize = 1_000;

/// The operations in `bytes`, which arrive `chunk` at a time, and the error that ends them.
fn decoded(bytes: &[u8], chunk: usize) -> (Vec<Operation>, Option<WireError>) {
    let (mut decoder, mut inbox, mut operations) = (Decoder::new(MAX_PAYLOAD), BytesMut::new(), Vec::new());
    for part in bytes.chunks(chunk) {
        inbox.extend_from_slice(part);
        loop {
            match decoder.decode(&mut inbox) {
                Ok(Some(operation)) => operations.push(operation),
                Ok(None) => break,
                Err(error) => return (operations, Some(error)),
            }
        }
        assert!(inbox.capacity() <= 2 * bytes.len() + 2 * MAX_PAYLOAD + 256, "{}", inbox.capacity());
    }
    (operations, None)
}

fn message(subject: &'static str, reply: Option<&'static str>, payload: &'static str) -> Message {
    Message {
        subject: subject.into(),
        subscription: 7,
        reply: reply.map(Into::into),
        status: None,
        payload: payload.into(),
    }
}

/// What a broker sends in a session.
const SESSION: &[u8] =
    b"INFO {\"version\":\"2.9.10\",\"max_payload\":1048576,\"headers\":true,\"x\":[1]} \r\n\
    PONG\r\nMSG calc 7 _INBOX.a.1 5\r\nhello\r\nmsg calc\t7  0\r\n\r\nping\r\n+OK\r\n\
    HMSG _INBOX.a.1 7 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
    HMSG calc 7 _INBOX.a.2 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n-ERR 'Stale Connection'\r\n";

#[test]
fn the_operations_of_a_session_are_read_however_they_arrive() {
    let info =
        Info { version: "2.9.10".to_owned(), max_payload: 1 << 20, headers: true, tls_required: false };
    let expected = [
        Operation::Info(info),
        Operation::Pong,
        Operation::Message(message("calc", Some("_INBOX.a.1"), "hello")),
        Operation::Message(message("calc", None, "")),
        Operation::Ping,
        Operation::Ok,
        Operation::Message(Message { status: Some(NO_RESPONDERS), ..message("_INBOX.a.1", None, "") }),
        Operation::Message(message("calc", Some("_INBOX.a.2"), "hi")),
        Operation::Error("Stale Connection".to_owned()),
    ];
    for chunk in [1, 2, 3, 7, 64, SESSION.len()] {
        assert_eq!(decoded(SESSION, chunk), (expected.to_vec(), None), "{chunk}");
    }
}

#[test]
fn a_message_beyond_the_limit_is_skipped() {
    let mut bytes = b"MSG calc 7 in 1001\r\n".to_vec();
    bytes.extend([b'x'; 1_001]);
    bytes.extend_from_slice(b"\r\nPING\r\n");
    let too_large = Operation::TooLarge { message: message("calc", Some("in"), ""), bytes: 1_001 };
    for chunk in [1, 500, 2_000] {
        assert_eq!(decoded(&bytes, chunk), (vec![too_large.clone(), Operation::Ping], None));
    }
}

#[test]
fn what_is_not_an_operation_is_an_error() {
    use WireError::{Arguments, End, Length, Line};
    for (bytes, error) in [
        (&b"MSG calc 7\r\n"[..], Arguments("MSG")),
        (b"MSG calc 7 a b 5\r\n", Arguments("MSG")),
        (b"MSG calc x 5\r\n", Arguments("MSG")),
        (b"MSG calc 7 -5\r\n", Arguments("MSG")),
        (b"MSG calc 7 99999999999999999999999\r\n", Arguments("MSG")),
        (b"MSG calc 7 9999999999\r\n", Length(9_999_999_999)),
        (b"MSG calc 7 5\r\nhello, world\r\n", End),
        (b"HMSG calc 7 6 5\r\n", Arguments("HMSG")),
        (b"HMSG calc 7 100000 100001\r\n", Length(100_001)),
        (b"INFO {\r\n", Arguments("INFO")),
    ] {
        assert_eq!(decoded(bytes, 1_000), (vec![], Some(error)), "{}", bytes.escape_ascii());
    }
    for bytes in [&b"\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n", b"MSGcalc 7 5\r\n", b"\0\0\n"] {
        let (_, error) = decoded(bytes, 1_000);
        assert!(matches!(error, Some(WireError::Operation(_))), "{error:?}");
    }
    assert_eq!(decoded(&vec![b'x'; 100_000], 1_000).1, Some(Line));
}

#[test]
fn what_a_client_sends_is_as_the_protocol_says() {
    let mut out = BytesMut::new();
    write_connect(&mut out, "me", Some(("bob", "s\"ecret")));
    write_subscribe(&mut out, "calc", Some("calc"), 1);
    write_subscribe(&mut out, "_INBOX.a.*", None, 18_446_744_073_709_551_615);
    write_publish(&mut out, b"calc", Some(b"_INBOX.a.1"), b"hello");
    write_publish(&mut out, b"calc", None, b"");
    write_unsubscribe(&mut out, 10);
    let text = str::from_utf8(&out).unwrap();
    let (connect, rest) = text.split_once("\r\n").unwrap();
    let options: serde_json::Value = serde_json::from_str(connect.strip_prefix("CONNECT ").unwrap()).unwrap();
    assert_eq!((&options["name"], &options["pass"]), (&"me".into(), &"s\"ecret".into()));
    assert_eq!(
        rest,
        "SUB calc calc 1\r\nSUB _INBOX.a.* 18446744073709551615\r\nPUB calc _INBOX.a.1 5\r\nhello\r\n\
         PUB calc 0\r\n\r\nUNSUB 10\r\n"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// A session with some bytes replaced, removed or repeated never makes the decoder panic or reserve memory beyond the
    /// limit, and it reads the same however the bytes arrive.
    #[test]
    fn mutated_sessions_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 1..6),
        chunk in 1_usize..80,
    ) {
        let mut bytes = SESSION.to_vec();
        for (index, change, byte) in changes {
            if bytes.len() < 2 {
                break;
            }
            let at = index.index(bytes.len());
            match change {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"0123456789 \r\n"[usize::from(byte) % 13]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let whole = decoded(&bytes, bytes.len());
        prop_assert_eq!(decoded(&bytes, chunk), whole);
    }
}
