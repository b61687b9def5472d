//! The simulated network, on paused time.
#![cfg(feature = "simulated")]
// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

use std::io;
use std::time::Duration;

use net::simulated::{Link, Network, NetworkGuard};
use net::{Endpoint, Listener, PeerEnd, Stream, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

const LATENCY: Duration = Duration::from_millis(5);

fn endpoint() -> Endpoint {
    Endpoint::Simulated("server".to_owned())
}

/// Both ends of a connection in a separate network.
struct Connected {
    client: Stream,
    server: Stream,
    link: Link,
    _listener: Listener,
    _entered: NetworkGuard,
}

async fn connected(latency: Duration) -> Connected {
    let network = Network::new();
    let entered = network.enter();
    let link = network.link("server");
    link.set_latency(latency);
    let endpoint = endpoint();
    let listener = Listener::bind(&endpoint).await.unwrap();
    let (client, server) = tokio::join!(connect(&endpoint), listener.next());
    assert_eq!(link.connections(), 1);
    Connected { client: client.unwrap(), server, link, _listener: listener, _entered: entered }
}

async fn read(stream: &mut Stream, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await.map(|_| bytes)
}

#[tokio::test(start_paused = true)]
async fn every_byte_arrives_after_the_latency() {
    let start = Instant::now();
    let mut on = connected(LATENCY).await;
    assert_eq!(start.elapsed(), 2 * LATENCY);
    for _ in 0..3 {
        let start = Instant::now();
        on.client.write_all(b"ping").await.unwrap();
        assert_eq!(read(&mut on.server, 4).await.unwrap(), b"ping");
        assert_eq!(start.elapsed(), LATENCY);
        on.server.write_all(b"pong").await.unwrap();
        assert_eq!(read(&mut on.client, 4).await.unwrap(), b"pong");
        assert_eq!(start.elapsed(), 2 * LATENCY);
    }
    on.client.shutdown().await.unwrap();
    // It arrives after the latency, too.
    assert_eq!(on.server.peer_end(), PeerEnd::Open);
    assert_eq!(on.server.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(on.server.peer_end(), PeerEnd::HalfClosed);
    drop((on.client, on.server));
    assert_eq!(on.link.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn lowered_latency_does_not_reorder() {
    let mut on = connected(Duration::ZERO).await;
    on.link.set_latency(LATENCY);
    on.client.write_all(b"a").await.unwrap();
    on.link.set_latency(Duration::ZERO);
    on.client.write_all(b"b").await.unwrap();
    on.client.shutdown().await.unwrap();
    let mut all = String::new();
    on.server.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "ab");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_link_delivers_when_it_resumes() {
    let mut on = connected(Duration::ZERO).await;
    on.link.set_stalled(true);
    on.client.write_all(b"x").await.unwrap();
    assert!(timeout(Duration::from_secs(60), on.server.read_u8()).await.is_err());
    // Connections can still be opened.
    connect(&endpoint()).await.unwrap();
    let resume = async {
        tokio::time::sleep(LATENCY).await;
        on.link.set_stalled(false);
    };
    let (byte, ()) = tokio::join!(on.server.read_u8(), resume);
    assert_eq!(byte.unwrap(), b'x');
}

#[tokio::test(start_paused = true)]
async fn writing_blocks_when_the_link_is_full() {
    let mut on = connected(Duration::ZERO).await;
    let many = vec![7; 1 << 20];
    assert!(timeout(Duration::from_secs(60), on.client.write_all(&many)).await.is_err());
    let mut taken = vec![0; 1 << 10];
    on.server.read_exact(&mut taken).await.unwrap();
    on.client.write_all(&taken).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_connects_through_a_partition() {
    let mut on = connected(Duration::ZERO).await;
    on.link.set_partitioned(true);
    on.server.write_all(b"x").await.unwrap();
    assert!(timeout(Duration::from_secs(60), connect(&endpoint())).await.is_err());
    assert!(timeout(Duration::from_secs(60), on.client.read_u8()).await.is_err());
    on.link.set_partitioned(false);
    assert_eq!(on.client.read_u8().await.unwrap(), b'x');
    connect(&endpoint()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reset_reaches_both_ends() {
    let mut on = connected(Duration::ZERO).await;
    let reset = async { on.link.reset() };
    let (read, ()) = tokio::join!(on.server.read_u8(), reset);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(on.server.peer_end(), PeerEnd::Closed);
    assert_eq!(on.client.write(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(on.link.connections(), 0);
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
    assert_eq!(net::Address::from_endpoint(&endpoint(), &schemes, "/x").unwrap(), address);
    assert_eq!(endpoint().to_string().parse(), Ok(endpoint()));
}
