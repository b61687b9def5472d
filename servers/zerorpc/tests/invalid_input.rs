//! Invalid input is dropped or answered, in bounded memory, and other peers are served meanwhile.

mod common;

use std::time::Duration;

use calculator::{Calculator, Call, Client, Dispatcher, Executor, Extension, Faults, Limits, Value};
use common::{Peer, Running, TIMEOUT, calculator, sum, with_limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zerorpc::{ServerOptions, ZerorpcClient};

const CALL: &[u8] = b"\x93\x82\xaamessage_id\xc4\x03abc\xa1v\x03\xa4echo\x91";

fn call_with(argument: &[u8]) -> Vec<u8> {
    [CALL, argument].concat()
}

/// Asserts that the server still answers `peer` and other clients.
async fn assert_all_are_served(server: &Running, peer: &mut Peer) {
    peer.assert_served().await;
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn messages_that_are_not_calls_are_dropped() {
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    for payload in [
        &b""[..],
        b"\xc1",
        b"no MessagePack",
        b"\x92\x80\xa3add",
        b"\x94\x80\xa3add\x90\x90",
        b"\x93\x90\xa3add\x90",
        b"\x93\x80\x05\x90",
        b"\x93\x80\xa3add\x92\x02\x03",
        b"\x93\x81\xaamessage_id\x07\xa3add\x92\x02\x03",
        // Ends before what is announced.
        &CALL[..20],
        b"\x93\xdf\xff\xff\xff\xff",
        // Invalid UTF-8 in the name.
        b"\x93\x82\xaamessage_id\xc4\x03abc\xa1v\x03\xa2\xff\xff\x90",
        // A channel that is not open.
        b"\x93\x83\xaamessage_id\xc4\x01x\xa1v\x03\xabresponse_to\xc4\x03abc\xa9_zpc_more\x91\x05",
        b"\x93\x83\xaamessage_id\xc4\x01x\xa1v\x03\xabresponse_to\xc4\x03abc\xa2OK\x91\x05",
    ] {
        peer.send(payload).await;
        peer.assert_served().await;
    }
    assert_all_are_served(&server, &mut peer).await;
    server.stop().await;
}

#[tokio::test]
async fn a_call_whose_arguments_cannot_be_read_is_answered_with_an_error() {
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    let nested = |levels: usize| call_with(&[vec![0x91; levels], vec![0xc0]].concat());
    let flat = |len: usize| call_with(&[&[0xdd, 0, 0x30, 0, 0][..], &vec![0xc0; len]].concat());
    for (payload, reason) in [
        (CALL.to_vec(), "the message ends inside a value"),
        // 2³²−1 elements, members, bytes, bytes of an extension type.
        (call_with(b"\xdd\xff\xff\xff\xff\xc0"), "more than 2097152 items"),
        (call_with(b"\xdf\xff\xff\xff\xff\xc0"), "more than 2097152 items"),
        (call_with(b"\xdb\xff\xff\xff\xffx"), "the message ends inside a value"),
        (call_with(b"\xc6\xff\xff\xff\xffx"), "the message ends inside a value"),
        (call_with(b"\xc9\xff\xff\xff\xff\xffx"), "the message ends inside a value"),
        // More elements and more levels than allowed.
        (flat(3 << 20), "more than 2097152 items"),
        (nested(2_000), "nested deeper than the limit"),
        (nested(1 << 20), "nested deeper than the limit"),
        // Invalid UTF-8, keys that are not strings, a byte that is never used.
        (call_with(b"\xa1\xff"), "a string that is not UTF-8"),
        (call_with(b"\x81\x01\x02"), "a map key that is not a string"),
        (call_with(b"\x81\xc0\x02"), "a map key that is not a string"),
        (call_with(b"\xc1"), "a byte that MessagePack never uses"),
    ] {
        peer.send(&payload).await;
        let expected = format!("the arguments cannot be read: {reason}");
        let answer = peer.receive().await.unwrap();
        assert!(answer.starts_with("ERR ") && answer.ends_with(&expected), "{answer}");
    }
    assert_all_are_served(&server, &mut peer).await;
    server.stop().await;
}

#[tokio::test]
async fn a_value_of_an_extension_type_is_echoed() {
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    // A timestamp, one in a map, another type. In the header, which has further members, it is ignored.
    for (argument, echoed) in [
        (&b"\xd6\xff\x65\0\0\x01"[..], r#"extension -1 b"e\x00\x00\x01""#),
        (b"\x81\xa1t\xd6\xff\x65\0\0\x01", r#"{"t": extension -1 b"e\x00\x00\x01"}"#),
        (b"\xd4\x05\x00", r#"extension 5 b"\x00""#),
    ] {
        peer.send(&call_with(argument)).await;
        assert_eq!(peer.receive().await.unwrap(), format!("OK [{echoed}]"));
    }
    let header = b"\x93\x83\xaamessage_id\xc4\x03abc\xa1v\x03\xa1t\xd6\xff\x65\0\0\x01\xa3add\x92\x02\x03";
    peer.send(header).await;
    assert_eq!(peer.receive().await.unwrap(), "OK [5]");
    // An id of such a type cannot be repeated in a reply.
    peer.send(b"\x93\x82\xaamessage_id\xd4\x05\x00\xa1v\x03\xa3add\x92\x02\x03").await;
    let timestamp = Value::Extension(Box::new(Extension { number: -1, data: vec![0x65, 0, 0, 1] }));
    let client = server.client().await;
    let echoed = client.call(&Call::positional("echo", [timestamp.clone()])).await;
    assert_eq!(echoed, Ok(timestamp));
    assert_all_are_served(&server, &mut peer).await;
    server.stop().await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_answered_if_its_first_bytes_contain_the_id() {
    let server =
        Running::start(calculator(), with_limits(Limits { max_body: 1 << 20, ..Limits::default() })).await;
    let mut peer = Peer::connect(&server.url).await;
    let mut large = call_with(b"\xc6\x00\x20\x00\x00");
    large.resize(2 << 20, b'x');
    peer.send(&large).await;
    let answer = peer.receive().await.unwrap();
    assert!(answer.starts_with("ERR ") && answer.contains("above the limit of 1048576 bytes"), "{answer}");
    peer.send(&vec![b'x'; 2 << 20]).await;
    assert_all_are_served(&server, &mut peer).await;
    // A frame of 2⁶² bytes never ends. It blocks only the connection of its sender.
    peer.stream.write_all(b"\x02\x40\0\0\0\0\0\0\0").await.unwrap();
    peer.stream.write_all(&vec![b'x'; 4 << 20]).await.unwrap();
    assert_all_are_served(&server, &mut Peer::connect(&server.url).await).await;
    server.stop().await;
}

#[tokio::test]
async fn a_message_of_16_mib_is_accepted_and_one_with_a_byte_more_is_not() {
    const MIB_16: usize = 16 << 20;
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    // A method without arguments, so that the answer is short.
    let ping = |peer: &Peer, bytes: usize| peer.call("_zerorpc_ping", &[Value::from(vec![0; bytes])]);
    let overhead = ping(&peer, 1 << 20).len() - (1 << 20);
    let largest = ping(&peer, MIB_16 - overhead);
    assert_eq!(largest.len(), MIB_16);
    for (message, expected) in [
        (largest, "takes no arguments"),
        (ping(&peer, MIB_16 - overhead + 1), "above the limit of 16777216 bytes"),
    ] {
        peer.send(&message).await;
        let answer = peer.receive().await.unwrap();
        assert!(answer.starts_with("ERR ") && answer.contains(expected), "{answer}");
    }
    assert_all_are_served(&server, &mut peer).await;
    server.stop().await;
}

#[tokio::test]
async fn many_frames_and_unknown_commands_are_tolerated() {
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    let frames = [b"\x01\x00".repeat(100_000), b"\x00\x00".to_vec()].concat();
    peer.stream.write_all(&frames).await.unwrap();
    peer.assert_served().await;
    peer.stream.write_all(b"\x04\x0a\x04PING\0\0abc").await.unwrap();
    assert_eq!(peer.receive().await.unwrap(), "Command(Pong)");
    peer.stream.write_all(b"\x04\x06\x05HELLO").await.unwrap();
    assert_all_are_served(&server, &mut peer).await;
    server.stop().await;
}

#[tokio::test]
async fn a_violation_of_zmtp_ends_only_its_own_connection() {
    let server = Running::calculator("async", None).await;
    let address = server.url.strip_prefix("tcp://").unwrap();
    // Two peers that stay silent.
    let silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"\xff\0\0\0").await.unwrap();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64], b"\xff\0\0\0\0\0\0\0\x01\x7f\x01"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        // The connection ends, with or without a greeting, and possibly by a reset.
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok() && rest.len() <= 64);
    }
    for wrong in [&b"\xff\x00"[..], b"\x05\x00", b"\x06\0\0\0\0\0\x10\0\0", b"\x04\x02\x04P"] {
        let mut peer = Peer::connect(&server.url).await;
        peer.stream.write_all(wrong).await.unwrap();
        assert_eq!(peer.receive().await, None);
    }
    assert_all_are_served(&server, &mut Peer::connect(&server.url).await).await;
    drop((silent, half));
    server.stop().await;
}

#[tokio::test]
async fn the_server_stops_reading_from_a_peer_that_never_reads() {
    let server = Running::calculator("async", None).await;
    let client = server.client().await;
    let peer = Peer::connect(&server.url).await;
    let call = call_with(&[&b"\xc5\x40\x00"[..], &[b'x'; 0x4000]].concat());
    let mut message = b"\x01\x00\x02".to_vec();
    message.extend_from_slice(&(call.len() as u64).to_be_bytes());
    message.extend_from_slice(&call);
    // A partly sent message is completed before the next one, so that all bytes are valid calls.
    let (mut sent, mut offset, mut refused) = (0, 0, 0);
    while refused < 200 {
        match peer.stream.try_write(&message[offset..]) {
            Ok(bytes) => {
                sent += bytes;
                offset = (offset + bytes) % message.len();
                refused = 0;
            }
            Err(_) => {
                // The server answers calls of another client meanwhile. After 200 refusals it has stopped reading from
                // this one.
                assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
                refused += 1;
            }
        }
        assert!(sent < 256 << 20, "the server has read {sent} bytes of a peer that reads nothing");
    }
    server.stop().await;
}

#[tokio::test]
async fn waiting_calls_are_limited_for_each_peer_and_by_their_size() {
    let faults = Faults { delay: Some(Duration::from_millis(300)), ..Faults::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
    let limits = Limits { max_in_flight: 8, ..Limits::default() };
    let server = Running::start(dispatcher, with_limits(limits)).await;
    let mut greedy = Peer::connect(&server.url).await;
    for _ in 0..100 {
        let call = greedy.call("add", &[2.into(), 3.into()]);
        greedy.send(&call).await;
    }
    // A call that alone exceeds the limit is still executed.
    let mut large = Peer::connect(&server.url).await;
    let call = large.call("echo", &[Value::from(vec![0; 500_000])]);
    large.send(&call).await;
    // One peer cannot take all places: a quarter remains for others.
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
    let dispatched = server.dispatcher.calls();
    assert!(dispatched < 90, "{dispatched} calls were started although only 8 may wait");
    assert!(large.receive().await.unwrap().starts_with("OK"));
    server.stop.cancel();
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_peer_cannot_interfere_with_the_calls_of_another() {
    let faults = Faults { delay: Some(Duration::from_millis(200)), ..Faults::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
    let server = Running::start(dispatcher, ServerOptions::default()).await;
    let (mut one, mut other) = (Peer::connect(&server.url).await, Peer::connect(&server.url).await);
    one.send(&call_with(b"\xa3one")).await;
    other.send(&call_with(b"\xa5other")).await;
    // The id of a call in flight cannot be used again by the same peer.
    one.send(&call_with(b"\xa5again")).await;
    for name in ["OK", "ERR", "STREAM", "_zpc_hb"] {
        let len = 0xa0 | u8::try_from(name.len()).unwrap();
        let event = [
            b"\x93\x83\xaamessage_id\xc4\x01x\xa1v\x03\xabresponse_to\xc4\x03abc",
            &[len][..],
            name.as_bytes(),
            b"\x91\x05",
        ];
        other.send(&event.concat()).await;
    }
    assert_eq!(one.receive().await.unwrap(), r#"OK ["one"]"#);
    assert_eq!(other.receive().await.unwrap(), r#"OK ["other"]"#);
    one.assert_served().await;
    other.assert_served().await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_tolerates_invalid_input_from_a_server() {
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = zerorpc::zmtp::wire::greeting().to_vec();
            zerorpc::zmtp::wire::write_ready(&mut bytes, zerorpc::zmtp::wire::SocketType::Router);
            // Invalid MessagePack, a reply without an id, a frame of absurd length.
            bytes.extend_from_slice(b"\x01\x00\x00\x01\xc1");
            bytes.extend_from_slice(b"\x00\x06\x93\x80\xa2OK\x90");
            bytes.extend_from_slice(b"\x01\x00\x02\0\0\0\0\x7f\0\0\0");
            stream.write_all(&bytes).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    });
    let client = ZerorpcClient::connect(&url, &calculator::ClientOptions::default()).await.unwrap();
    let unanswered = tokio::time::timeout(Duration::from_millis(100), sum(&client, 2, 3)).await;
    assert!(unanswered.is_err());
    serving.abort();
}
