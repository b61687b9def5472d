//! The simulated network, on paused time.
#![cfg(feature = "simulated")]
// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

use std::io;
use std::time::Duration;

use net::simulated::{Link, Network};
use net::{Endpoint, Listener, Stream, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

const LATENCY: Duration = Duration::from_millis(5);

fn endpoint() -> Endpoint {
    Endpoint::Simulated("server".to_owned())
}

/// Both ends of a connection.
async fn pair(link: &Link) -> (Stream, Stream, Listener) {
    let listener = Listener::bind(&endpoint()).await.unwrap();
    let endpoint = endpoint();
    let (client, server) = tokio::join!(connect(&endpoint), listener.next());
    assert_eq!(link.connections(), 1);
    (client.unwrap(), server, listener)
}

async fn read(stream: &mut Stream, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await.map(|_| bytes)
}

#[tokio::test(start_paused = true)]
async fn every_byte_takes_the_latency() {
    let network = Network::new();
    let _entered = network.enter();
    let link = network.link("server");
    link.set_latency(LATENCY);
    let start = Instant::now();
    let (mut client, mut server, _listener) = pair(&link).await;
    assert_eq!(start.elapsed(), 2 * LATENCY);
    for _ in 0..3 {
        let start = Instant::now();
        client.write_all(b"ping").await.unwrap();
        assert_eq!(read(&mut server, 4).await.unwrap(), b"ping");
        assert_eq!(start.elapsed(), LATENCY);
        server.write_all(b"pong").await.unwrap();
        assert_eq!(read(&mut client, 4).await.unwrap(), b"pong");
        assert_eq!(start.elapsed(), 2 * LATENCY);
    }
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    drop((client, server));
    assert_eq!(link.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn lowered_latency_does_not_reorder() {
    let network = Network::new();
    let _entered = network.enter();
    let link = network.link("server");
    let (mut client, mut server, _listener) = pair(&link).await;
    link.set_latency(LATENCY);
    client.write_all(b"a").await.unwrap();
    link.set_latency(Duration::ZERO);
    client.write_all(b"b").await.unwrap();
    client.shutdown().await.unwrap();
    let mut all = String::new();
    server.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "ab");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_link_delivers_when_it_resumes() {
    let network = Network::new();
    let _entered = network.enter();
    let link = network.link("server");
    let (mut client, mut server, _listener) = pair(&link).await;
    link.set_stalled(true);
    client.write_all(b"x").await.unwrap();
    assert!(timeout(Duration::from_secs(60), server.read_u8()).await.is_err());
    // Connections can be opened all the same.
    connect(&endpoint()).await.unwrap();
    let resume = async {
        tokio::time::sleep(LATENCY).await;
        link.set_stalled(false);
    };
    let (byte, ()) = tokio::join!(server.read_u8(), resume);
    assert_eq!(byte.unwrap(), b'x');
}

#[tokio::test(start_paused = true)]
async fn writing_blocks_when_the_link_is_full() {
    let network = Network::new();
    let _entered = network.enter();
    let link = network.link("server");
    let (mut client, mut server, _listener) = pair(&link).await;
    let many = vec![7; 1 << 20];
    assert!(timeout(Duration::from_secs(60), client.write_all(&many)).await.is_err());
    let mut taken = vec![0; 1 << 10];
    server.read_exact(&mut taken).await.unwrap();
    client.write_all(&taken).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_connects_through_a_partition() {
    let network = Network::new();
    let _entered = network.enter();
    let link = network.link("server");
    let (mut client, mut server, _listener) = pair(&link).await;
    link.set_partitioned(true);
    server.write_all(b"x").await.unwrap();
    assert!(timeout(Duration::from_secs(60), connect(&endpoint())).await.is_err());
    assert!(timeout(Duration::from_secs(60), client.read_u8()).await.is_err());
    link.set_partitioned(false);
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    connect(&endpoint()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reset_reaches_both_ends() {
    let network = Network::new();
    let _entered = network.enter();
    let link = network.link("server");
    let (mut client, mut server, _listener) = pair(&link).await;
    let reset = async { link.reset() };
    let (read, ()) = tokio::join!(server.read_u8(), reset);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(link.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_bound_once_and_refuses_when_it_is_not() {
    let network = Network::new();
    let entered = network.enter();
    assert_eq!(connect(&endpoint()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    let listener = Listener::bind(&endpoint()).await.unwrap();
    assert_eq!(Listener::bind(&endpoint()).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    // A connection that is not accepted ends with the listener.
    let mut client = connect(&endpoint()).await.unwrap();
    drop(listener);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    Listener::bind(&endpoint()).await.unwrap();
    drop(entered);
    assert!(connect(&endpoint()).await.is_err());
}

#[test]
fn simulated_names_have_text_forms_and_urls() {
    let schemes = [net::Scheme::HTTP];
    let address = net::Address::parse("http://server.simulated/x", &schemes).unwrap();
    assert_eq!(address.endpoint(), &endpoint());
    assert_eq!(address.to_string(), "http://server.simulated/x");
    assert_eq!(net::Address::of(&endpoint(), &schemes, "/x").unwrap(), address);
    assert_eq!(endpoint().to_string().parse(), Ok(endpoint()));
}
