//! Client and server over a simulated network, on virtual time: the paused clock advances to the next timer whenever
//! all tasks are idle.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use calculator::{Call, Client, ClientOptions, ErrorKind, Value};
use common::{CountingStreams, Running, add, calculator, open, sum};
use futures_util::{FutureExt, StreamExt};
use net::simulated::{Conditions, Link, Loss, Network};
use net::{Endpoint, KEEPALIVE_TIMEOUT};
use tokio::time::{Instant, timeout};
use zerorpc::{DEFAULT_PERIOD, Server, ServerOptions, ZerorpcClient};

const LATENCY: Duration = Duration::from_millis(40);

/// The resolution of Tokio's timers.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

/// A calculator server and a client of it, in `network`, with the link between them.
async fn connected(network: &Network) -> (Running, ZerorpcClient, Link) {
    let link = network.link("calculator");
    let endpoint = Endpoint::Simulated("calculator".to_owned());
    let dispatcher = calculator();
    let server = Server::bind(&endpoint, dispatcher.clone(), ServerOptions::default()).await.unwrap();
    let server = Running::run(server.with_streams(CountingStreams::default()), dispatcher);
    let client = ZerorpcClient::connect(&server.url, &ClientOptions::default()).await.unwrap();
    (server, client, link)
}

/// Makes a call and asserts that it takes one round trip, so that it uses a connection that is open.
async fn assert_one_round_trip(client: &ZerorpcClient, link: &Link) {
    link.set_latency(LATENCY);
    let started = Instant::now();
    assert_eq!(sum(client, 2, 3).await, Ok(Value::Int(5)));
    let elapsed = started.elapsed();
    assert!((2 * LATENCY..=2 * (LATENCY + TIMER_RESOLUTION)).contains(&elapsed), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_one_round_trip() {
    let network = Network::new();
    let _entered = network.enter();
    let (server, client, link) = connected(&network).await;
    for _ in 0..3 {
        assert_one_round_trip(&client, &link).await;
    }
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_may_be_taken_long_after_it_has_arrived() {
    let network = Network::new();
    let _entered = network.enter();
    let (server, client, link) = connected(&network).await;
    let call = add(2, 3);
    let mut reply = client.call(&call);
    assert_eq!((&mut reply).now_or_never(), None);
    tokio::time::sleep(10 * DEFAULT_PERIOD).await;
    assert_one_round_trip(&client, &link).await;

    // The server's end of the stream waits behind its items, from the second item on.
    let mut items = open(&client, "count", 90, 100).await.unwrap();
    for i in 0..90 {
        assert_eq!(items.next().await, Some(Ok(Value::Int(i))));
        tokio::time::sleep(DEFAULT_PERIOD / 10).await;
    }
    tokio::time::sleep(4 * DEFAULT_PERIOD).await;
    assert_one_round_trip(&client, &link).await;
    assert_eq!(items.next().await, None);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_across_a_partition_ends_as_lost_and_the_next_one_reconnects() {
    let network = Network::new();
    let _entered = network.enter();
    let (server, client, link) = connected(&network).await;
    // After an answer, the server has finished the handshake too.
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
    link.set_partitioned(true);
    let started = Instant::now();
    let error = sum(&client, 2, 3).await.unwrap_err();
    assert_eq!((error.kind, &*error.message), (ErrorKind::Undeliverable, "Lost remote after 10s heartbeat"));
    // The first heartbeat is sent after one period, and two periods of silence follow it.
    let elapsed = started.elapsed();
    assert!((3 * DEFAULT_PERIOD..=4 * DEFAULT_PERIOD).contains(&elapsed), "{elapsed:?}");

    // Connecting again has a timeout while the network is partitioned, and succeeds afterwards.
    let started = Instant::now();
    let limit = 2 * ClientOptions::default().timeout;
    let error = timeout(limit, sum(&client, 2, 3)).await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(started.elapsed() <= ClientOptions::default().timeout + TIMER_RESOLUTION);
    link.set_partitioned(false);
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_dropped_early_find_out_that_their_connection_is_lost() {
    let network = Network::new();
    let _entered = network.enter();
    let (server, client, link) = connected(&network).await;
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
    // Neither end is informed. No call waits long enough for a heartbeat.
    link.lose_connections(Loss::Silent);
    let started = Instant::now();
    let answer = loop {
        match timeout(Duration::from_secs(1), sum(&client, 2, 3)).await {
            Ok(answer) => break answer,
            Err(_) => assert!(started.elapsed() < 5 * DEFAULT_PERIOD, "the connection is kept"),
        }
    };
    assert_eq!(answer, Ok(Value::Int(5)));
    assert!(started.elapsed() > 3 * DEFAULT_PERIOD);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_drops_the_connection_of_a_client_that_has_vanished() {
    let network = Network::new();
    let _entered = network.enter();
    let (server, client, link) = connected(&network).await;
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
    link.lose_connections(Loss::Silent);
    tokio::time::sleep(KEEPALIVE_TIMEOUT + TIMER_RESOLUTION).await;
    assert_eq!(link.open_ends(), [1, 0]);
    drop(client);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_may_take_longer_to_arrive_than_heartbeats_may_be_missing() {
    let network = Network::new();
    let _entered = network.enter();
    let (server, client, link) = connected(&network).await;
    // Some 20 KB/s.
    let latency = Duration::from_millis(100);
    link.set_conditions(Conditions { latency: latency..=latency, max_transfer: None, capacity: 2_000 });
    let text = Value::from("x".repeat(600_000));
    let echo = Call::positional("echo", [text.clone()]);
    let started = Instant::now();
    // Another call waits in the same queue.
    let (echoed, added) = tokio::join!(client.call(&echo), sum(&client, 2, 3));
    assert!(echoed == Ok(text) && added == Ok(Value::Int(5)), "{added:?}");
    assert!(started.elapsed() > 10 * DEFAULT_PERIOD);
    server.stop().await;
}
