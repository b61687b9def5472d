//! Streams: items arrive in order, and only as many as the caller has given credit for.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use calculator::{Call, CallError, Client, ClientOptions, ErrorKind, Value};
use common::{CountingStreams, Peer, Running, TIMEOUT, calculator, open};
use futures_util::StreamExt;
use net::Endpoint;
use zerorpc::{CalculatorStreams, Reply, Server, ServerOptions, ZerorpcClient};

async fn serve(streams: CountingStreams, options: ServerOptions) -> Running {
    let dispatcher = calculator();
    let server = Server::bind(&Endpoint::loopback(), dispatcher.clone(), options).await.unwrap();
    Running::run(server.with_streams(streams), dispatcher)
}

#[tokio::test]
async fn streams_of_any_length_are_complete_with_any_number_of_slots() {
    let streams = CountingStreams::default();
    let server = serve(streams.clone(), ServerOptions::default()).await;
    let client = server.client().await;
    for (n, slots) in [(0, 100), (1, 1), (100, 1), (100, 2), (1_000, 10), (10_000, 100), (10_000, 3_000)] {
        streams.produced.store(0, Ordering::SeqCst);
        let mut items = open(&client, "count", n, slots).await.unwrap();
        for i in 0..n {
            assert_eq!(items.next().await, Some(Ok(Value::Int(i))));
            let ahead = streams.produced.load(Ordering::SeqCst) - usize::try_from(i).unwrap();
            assert!(ahead <= slots + 3, "{ahead} items were produced ahead with {slots} slots");
        }
        assert!(items.next().await.is_none() && items.next().await.is_none());
    }
    server.stop().await;
}

#[tokio::test]
async fn the_calculators_stream_is_received_with_any_credit() {
    let (dispatcher, options) = (calculator(), ServerOptions::default());
    let server = Server::bind(&Endpoint::loopback(), dispatcher.clone(), options).await.unwrap();
    let server = Running::run(server.with_streams(CalculatorStreams), dispatcher);
    for slots in [0, 1, 2, 100, 10_000] {
        let client = server.client().await.with_slots(slots);
        let mut items = vec![];
        let mut on_item = |item| {
            items.push(item);
            Ok(())
        };
        let call = Call::positional("count", [Value::Int(1_000)]);
        client.call_stream(&call, &mut on_item).unwrap().await.unwrap();
        assert!(items == (0..1_000).map(Value::Int).collect::<Vec<_>>(), "{slots}");

        let kind =
            async |call: Call| client.call_stream(&call, &mut |_| Ok(())).unwrap().await.unwrap_err().kind;
        assert_eq!(kind(Call::positional("count", ["3".into()])).await, ErrorKind::InvalidArguments);
        assert_eq!(kind(Call::positional("add", [2.into(), 3.into()])).await, ErrorKind::Malformed);
        let call = Call::positional("count", [i64::MAX.into()]);
        let enough = &mut |_| Err(CallError::new(ErrorKind::Internal, "enough"));
        assert_eq!(client.call_stream(&call, enough).unwrap().await.unwrap_err().message, "enough");
    }
    server.stop().await;
}

#[tokio::test]
async fn several_streams_and_calls_share_a_connection() {
    let server = serve(CountingStreams::default(), ServerOptions::default()).await;
    let client = server.client().await;
    let mut streams = Vec::new();
    for slots in [1, 7, 100] {
        streams.push(open(&client, "count", 200, slots).await.unwrap());
    }
    for i in 0..200 {
        for items in &mut streams {
            assert_eq!(items.next().await, Some(Ok(Value::Int(i))));
        }
        assert_eq!(common::sum(&client, i, 1).await, Ok(Value::Int(i + 1)));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_failing_stream_reports_the_error_after_its_items() {
    let server = serve(CountingStreams::default(), ServerOptions::default()).await;
    let client = server.client().await;
    for (method, kind, class) in
        [("fails", ErrorKind::Internal, "LookupError"), ("unsendable", ErrorKind::Overflow, "OverflowError")]
    {
        let Err(error) = open(&client, method, 0, 10).await else { panic!("{method} has no item") };
        assert_eq!((error.kind, error.remote.unwrap().class.unwrap().as_str()), (kind, class));
        let mut items = open(&client, method, 30, 10).await.unwrap();
        for i in 0..30 {
            assert_eq!(items.next().await, Some(Ok(Value::Int(i))));
        }
        assert_eq!(items.next().await.unwrap().unwrap_err().kind, kind);
        assert!(items.next().await.is_none());
    }
    for refused in [Call::positional("count", []), Call::positional("count", ["x".into()])] {
        let error = client.open(&refused, 10).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::InvalidArguments);
    }
    server.stop().await;
}

#[tokio::test]
async fn calls_with_one_result_and_streams_are_distinguished() {
    let server = serve(CountingStreams::default(), ServerOptions::default()).await;
    let client = server.client().await;
    let reply = client.open(&common::add(2, 3), 10).await.unwrap();
    assert!(matches!(reply, Reply::Value(Value::Int(5))));
    // A call for a single result does not accept the first item of a stream.
    let error = client.call(&Call::positional("count", [3.into()])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    let listed = client.call(&Call::positional("_zerorpc_list", [])).await.unwrap();
    assert!(format!("{listed:?}").starts_with(r#"["add", "count", "divide""#), "{listed:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_outlasts_many_heartbeat_periods_and_ends_when_its_reader_is_dropped() {
    let heartbeat = Some(Duration::from_millis(50));
    let streams = CountingStreams::default();
    let server = serve(streams.clone(), ServerOptions { heartbeat, ..ServerOptions::default() }).await;
    let client =
        ZerorpcClient::connect_with(&server.url, &ClientOptions::default(), heartbeat).await.unwrap();
    let mut items = open(&client, "count", i64::MAX, 10).await.unwrap();
    for _ in 0..4 {
        assert!(items.next().await.unwrap().is_ok());
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    drop(items);
    tokio::time::timeout(TIMEOUT, streams.dropped.notified()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_connection() {
    let streams = CountingStreams::default();
    let server = serve(streams.clone(), ServerOptions::default()).await;
    let client = server.client().await;
    let items = open(&client, "count", i64::MAX, 10).await.unwrap();
    drop((items, client));
    tokio::time::timeout(TIMEOUT, streams.dropped.notified()).await.unwrap();
    // A stopping server does not wait for streams, and their callers get an error.
    let client = server.client().await;
    let mut items = open(&client, "count", i64::MAX, 10).await.unwrap();
    server.stop().await;
    let end = loop {
        match items.next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert_eq!(end.unwrap().unwrap_err().kind, ErrorKind::Undeliverable);
}

/// An event on the channel of the call whose id is `abc`.
fn on_channel(name: &str, args: &[u8]) -> Vec<u8> {
    let name_len = 0xa0 | u8::try_from(name.len()).unwrap();
    [
        b"\x93\x83\xaamessage_id\xc4\x01x\xa1v\x03\xabresponse_to\xc4\x03abc",
        &[name_len][..],
        name.as_bytes(),
        args,
    ]
    .concat()
}

/// A call of `count(5)` with the id `abc`, in that version of the protocol.
fn count_5(version: u8) -> Vec<u8> {
    [b"\x93\x82\xaamessage_id\xc4\x03abc\xa1v", &[version][..], b"\xa5count\x91\x05"].concat()
}

#[tokio::test]
async fn events_are_sent_as_credit_is_given() {
    let server = serve(CountingStreams::default(), ServerOptions::default()).await;
    // Peers before version 3 give credit with their heartbeats.
    for (version, credit) in [(3, "_zpc_more"), (4, "_zpc_more"), (2, "_zpc_hb"), (1, "_zpc_hb")] {
        let mut peer = Peer::connect(&server.url).await;
        peer.send(&count_5(version)).await;
        assert_eq!(peer.receive().await.unwrap(), "STREAM 0");
        peer.assert_served().await;
        peer.send(&on_channel(credit, &[0x91, 2])).await;
        assert_eq!(peer.receive().await.unwrap(), "STREAM 1");
        assert_eq!(peer.receive().await.unwrap(), "STREAM 2");
        peer.assert_served().await;
        // Negative credit is a debt, and what is not an integer gives none. Then enough for everything is given.
        for args in [&[0x91, 0xfe][..], &[0x91, 1], b"\x91\xa1x", &[0x90], &[0xc0], &[0x91, 1]] {
            peer.send(&on_channel(credit, args)).await;
            peer.assert_served().await;
        }
        peer.send(&on_channel(credit, b"\x91\xcf\x7f\xff\xff\xff\xff\xff\xff\xff")).await;
        for expected in ["STREAM 3", "STREAM 4", "STREAM_DONE null"] {
            assert_eq!(peer.receive().await.unwrap(), expected);
        }
        peer.assert_served().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn in_version_3_a_heartbeat_gives_no_credit_and_a_channel_belongs_to_one_peer() {
    let server = serve(CountingStreams::default(), ServerOptions::default()).await;
    let mut peer = Peer::connect(&server.url).await;
    peer.send(&count_5(3)).await;
    assert_eq!(peer.receive().await.unwrap(), "STREAM 0");
    peer.send(&on_channel("_zpc_hb", &[0x91, 9])).await;
    peer.assert_served().await;
    let mut other = Peer::connect(&server.url).await;
    other.send(&on_channel("_zpc_more", &[0x91, 9])).await;
    other.assert_served().await;
    peer.assert_served().await;
    // For another peer the same id is another channel. The same peer cannot use it twice.
    other.send(&count_5(3)).await;
    assert_eq!(other.receive().await.unwrap(), "STREAM 0");
    peer.send(&count_5(3)).await;
    peer.assert_served().await;
    peer.send(&on_channel("_zpc_more", &[0x91, 1])).await;
    assert_eq!(peer.receive().await.unwrap(), "STREAM 1");
    other.assert_served().await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_with_endless_credit_pauses_while_its_peer_does_not_read() {
    let streams = CountingStreams::default();
    let server = serve(streams.clone(), ServerOptions::default()).await;
    let mut peer = Peer::connect(&server.url).await;
    peer.send(b"\x93\x82\xaamessage_id\xc4\x03abc\xa1v\x03\xa5count\x91\xce\x3b\x9a\xca\x00").await;
    peer.send(&on_channel("_zpc_more", b"\x91\xce\x3b\x9a\xca\x00")).await;
    // The stream pauses at some point, while other peers are served.
    let client = server.client().await;
    let mut unchanged = 0;
    while unchanged < 200 {
        let before = streams.produced.load(Ordering::SeqCst);
        assert_eq!(common::sum(&client, 2, 3).await, Ok(Value::Int(5)));
        unchanged = if streams.produced.load(Ordering::SeqCst) == before { unchanged + 1 } else { 0 };
        assert!(before < 1_000_000, "{before} items were sent to a peer that does not read");
    }
    // It continues once the peer reads.
    for i in 0..200_000 {
        assert_eq!(peer.receive().await.unwrap(), format!("STREAM {i}"));
    }
    server.stop().await;
}
