//! What no peer should send: dropped or answered, in bounded memory, with everybody else served.

mod common;

use std::time::Duration;

use calculator::{Calculator, Dispatcher, Executor, Faults, Limits, Value};
use common::{PATIENCE, Peer, Running, calculator, sum, with_limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zerorpc::{ServerOptions, ZerorpcClient};

const CALL: &[u8] = b"\x93\x82\xaamessage_id\xc4\x03abc\xa1v\x03\xa4echo\x91";

fn call_with(argument: &[u8]) -> Vec<u8> {
    [CALL, argument].concat()
}

/// The server still answers `peer` and a client of its own.
async fn assert_nobody_is_hurt(server: &Running, peer: &mut Peer) {
    peer.assert_served().await;
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn what_is_no_call_is_dropped() {
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    let nested = |levels: usize| call_with(&[vec![0x91; levels], vec![0xc0]].concat());
    let flat = |len: usize| call_with(&[&[0xdd, 0, 0x30, 0, 0][..], &vec![0xc0; len]].concat());
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
        // Nothing follows what is announced.
        &CALL[..20],
        CALL,
        // 2³²−1 elements, members, octets.
        &call_with(b"\xdd\xff\xff\xff\xff\xc0"),
        &call_with(b"\xdf\xff\xff\xff\xff\xc0"),
        &call_with(b"\xdb\xff\xff\xff\xffx"),
        &call_with(b"\xc6\xff\xff\xff\xffx"),
        b"\x93\xdf\xff\xff\xff\xff",
        // More elements than octets bound, and more levels.
        &flat(3 << 20),
        &nested(2_000),
        &nested(1 << 20),
        // Invalid UTF-8, keys that are no text, an extension.
        &call_with(b"\xa1\xff"),
        &call_with(b"\x81\x01\x02"),
        &call_with(b"\x81\xc0\x02"),
        &call_with(b"\xd4\x05\x00"),
        b"\x93\x82\xaamessage_id\xc4\x03abc\xa1v\x03\xa2\xff\xff\x90",
        // A channel that nobody has opened.
        b"\x93\x83\xaamessage_id\xc4\x01x\xa1v\x03\xabresponse_to\xc4\x03abc\xa9_zpc_more\x91\x05",
        b"\x93\x83\xaamessage_id\xc4\x01x\xa1v\x03\xabresponse_to\xc4\x03abc\xa2OK\x91\x05",
    ] {
        peer.send(payload).await;
        peer.assert_served().await;
    }
    assert_nobody_is_hurt(&server, &mut peer).await;
    server.stop().await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_answered_where_it_tells_whose_it_is() {
    let server =
        Running::start(calculator(), with_limits(Limits { max_body: 1 << 20, ..Limits::default() })).await;
    let mut peer = Peer::connect(&server.url).await;
    let mut large = call_with(b"\xc6\x00\x20\x00\x00");
    large.resize(2 << 20, b'x');
    peer.send(&large).await;
    let answer = peer.receive().await.unwrap();
    assert!(answer.starts_with("ERR ") && answer.contains("above the limit of 1048576 octets"), "{answer}");
    peer.send(&vec![b'x'; 2 << 20]).await;
    assert_nobody_is_hurt(&server, &mut peer).await;
    // A frame of 2⁶² octets never ends; whoever sends it is busy with that, and nobody else is.
    peer.stream.write_all(b"\x02\x40\0\0\0\0\0\0\0").await.unwrap();
    peer.stream.write_all(&vec![b'x'; 4 << 20]).await.unwrap();
    assert_nobody_is_hurt(&server, &mut Peer::connect(&server.url).await).await;
    server.stop().await;
}

#[tokio::test]
async fn a_message_of_16_mib_is_read_and_one_octet_more_is_not() {
    const MIB_16: usize = 16 << 20;
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    // It has no arguments, and its answer is short.
    let ping = |peer: &Peer, octets: usize| peer.call("_zerorpc_ping", &[Value::Bytes(vec![0; octets])]);
    let around = ping(&peer, 1 << 20).len() - (1 << 20);
    let largest = ping(&peer, MIB_16 - around);
    assert_eq!(largest.len(), MIB_16);
    for (message, said) in [
        (largest, "takes no arguments"),
        (ping(&peer, MIB_16 - around + 1), "above the limit of 16777216 octets"),
    ] {
        peer.send(&message).await;
        let answer = peer.receive().await.unwrap();
        assert!(answer.starts_with("ERR ") && answer.contains(said), "{answer}");
    }
    assert_nobody_is_hurt(&server, &mut peer).await;
    server.stop().await;
}

#[tokio::test]
async fn many_frames_and_commands_are_no_trouble() {
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    let frames = [b"\x01\x00".repeat(100_000), b"\x00\x00".to_vec()].concat();
    peer.stream.write_all(&frames).await.unwrap();
    peer.assert_served().await;
    peer.stream.write_all(b"\x04\x0a\x04PING\0\0abc").await.unwrap();
    assert_eq!(peer.receive().await.unwrap(), "Command(Pong)");
    peer.stream.write_all(b"\x04\x06\x05HELLO").await.unwrap();
    assert_nobody_is_hurt(&server, &mut peer).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_zmtp_ends_its_connection_alone() {
    let server = Running::calculator("async", None).await;
    let address = server.url.strip_prefix("tcp://").unwrap();
    // These say nothing, and are not in the way.
    let silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"\xff\0\0\0").await.unwrap();
    for hello in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64], b"\xff\0\0\0\0\0\0\0\x01\x7f\x01"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(hello).await.unwrap();
        // It ends, with this end's greeting or without; what was not read makes that a reset.
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok() && rest.len() <= 64);
    }
    for wrong in [&b"\xff\x00"[..], b"\x05\x00", b"\x06\0\0\0\0\0\x10\0\0", b"\x04\x02\x04P"] {
        let mut peer = Peer::connect(&server.url).await;
        peer.stream.write_all(wrong).await.unwrap();
        assert_eq!(peer.receive().await, None);
    }
    assert_nobody_is_hurt(&server, &mut Peer::connect(&server.url).await).await;
    drop((silent, half));
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_floods_and_never_reads_is_read_from_no_more() {
    let server = Running::calculator("async", None).await;
    let client = server.client().await;
    let peer = Peer::connect(&server.url).await;
    let call = call_with(&[&b"\xc5\x40\x00"[..], &[b'x'; 0x4000]].concat());
    let mut message = b"\x01\x00\x02".to_vec();
    message.extend_from_slice(&(call.len() as u64).to_be_bytes());
    message.extend_from_slice(&call);
    // The rest of a message goes before the next one: what is sent is a flood of calls, and no garbage.
    let (mut sent, mut begun, mut refused) = (0, 0, 0);
    while refused < 200 {
        match peer.stream.try_write(&message[begun..]) {
            Ok(octets) => {
                sent += octets;
                begun = (begun + octets) % message.len();
                refused = 0;
            }
            Err(_) => {
                // What is refused 200 times, with calls of another client answered in between, is not taken any more.
                assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
                refused += 1;
            }
        }
        assert!(sent < 256 << 20, "the server takes {sent} octets of a peer that reads nothing");
    }
    server.stop().await;
}

#[tokio::test]
async fn calls_that_wait_are_bounded_for_each_peer_and_by_what_they_carry() {
    let faults = Faults { delay: Some(Duration::from_millis(300)), ..Faults::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
    let limits = Limits { max_in_flight: 8, ..Limits::default() };
    let server = Running::start(dispatcher, with_limits(limits)).await;
    let mut greedy = Peer::connect(&server.url).await;
    for _ in 0..100 {
        let call = greedy.call("add", &[2.into(), 3.into()]);
        greedy.send(&call).await;
    }
    // One call that alone is above what may wait still gets its turn.
    let mut large = Peer::connect(&server.url).await;
    let call = large.call("echo", &[Value::Bytes(vec![0; 500_000])]);
    large.send(&call).await;
    // A quarter of the places is not to be had by one peer alone.
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
    let dispatched = server.dispatcher.calls();
    assert!(dispatched < 90, "{dispatched} calls were begun where 8 may wait");
    assert!(large.receive().await.unwrap().starts_with("OK"));
    server.stop.cancel();
    server.task.await.unwrap();
}

#[tokio::test]
async fn one_peer_has_no_part_in_the_calls_of_another() {
    let faults = Faults { delay: Some(Duration::from_millis(200)), ..Faults::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
    let server = Running::start(dispatcher, ServerOptions::default()).await;
    let (mut one, mut other) = (Peer::connect(&server.url).await, Peer::connect(&server.url).await);
    one.send(&call_with(b"\xa3one")).await;
    other.send(&call_with(b"\xa5other")).await;
    // The id of a call in flight is taken, for the peer that has it in flight.
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
async fn a_client_is_not_hurt_by_what_a_server_sends() {
    let listener = tokio::net::TcpListener::bind(common::any_port()).await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = zerorpc::zmtp::wire::greeting().to_vec();
            zerorpc::zmtp::wire::ready(&mut hello, zerorpc::zmtp::wire::SocketType::Router);
            // What no call has asked for, then an absurd frame, then no ZMTP at all.
            hello.extend_from_slice(b"\x01\x00\x00\x01\xc1");
            hello.extend_from_slice(b"\x00\x06\x93\x80\xa2OK\x90");
            hello.extend_from_slice(b"\x01\x00\x02\0\0\0\0\x7f\0\0\0");
            stream.write_all(&hello).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    });
    let client = ZerorpcClient::connect(&url, &calculator::ClientOptions::default()).await.unwrap();
    let unanswered = tokio::time::timeout(Duration::from_millis(100), sum(&client, 2, 3)).await;
    assert!(unanswered.is_err());
    serving.abort();
}
