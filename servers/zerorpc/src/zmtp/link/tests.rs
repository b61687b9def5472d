//! The outbox of a connection whose peer reads slowly.

use net::simulated::{Conditions, Network, NetworkGuard};
use net::{Endpoint, Listener, Stream};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::*;

/// Bytes that are in transit when the peer does not read.
const IN_TRANSIT: usize = 4 << 10;

struct Connected {
    link: Link,
    peer: Stream,
    _listener: Listener,
    _entered: NetworkGuard,
}

/// A connection after its handshake, and the peer's end.
async fn connected() -> Connected {
    let network = Network::new();
    let entered = network.enter();
    network.link("peer").set_conditions(Conditions { capacity: IN_TRANSIT, ..Conditions::default() });
    let endpoint = Endpoint::Simulated("peer".to_owned());
    let listener = Listener::bind(&endpoint).await.unwrap();
    let (peer, stream) = tokio::join!(net::connect(&endpoint), listener.next());
    let link = Link {
        transport: Transport::Stream(stream),
        outbox: Mutex::default(),
        capacity: 4 << 20,
        drained: Notify::new(),
        peer_minor: 1,
    };
    Connected { link, peer: peer.unwrap(), _listener: listener, _entered: entered }
}

async fn flush_once(link: &Link) {
    poll_fn(|context| Poll::Ready(link.poll_flush(context, &mut None).map(drop))).await.unwrap();
}

impl Connected {
    fn send(&self, bytes: usize) {
        let write = |out: &mut Vec<u8>| {
            out.resize(out.len() + bytes, b'x');
            Ok::<_, Infallible>(())
        };
        self.link.send(Flush::ByReader, write).unwrap();
    }

    async fn take(&mut self, bytes: usize) {
        self.peer.read_exact(&mut vec![0; bytes]).await.unwrap();
    }

    fn waiting(&self) -> usize {
        self.link.outbox().waiting()
    }
}

#[tokio::test(start_paused = true)]
async fn the_outbox_does_not_grow_while_its_peer_always_leaves_something_unread() {
    const MESSAGE: usize = 1_000;
    let mut on = connected().await;
    for _ in 0..16 {
        on.send(MESSAGE);
    }
    let mut capacity = 0;
    for _ in 0..10_000 {
        on.send(MESSAGE);
        flush_once(&on.link).await;
        on.take(MESSAGE).await;
        assert!(on.waiting() > 0);
        capacity = capacity.max(on.link.outbox().buffer.capacity());
    }
    assert!(capacity <= 64 << 10, "{capacity} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_large_outbox_is_freed_although_it_never_becomes_empty() {
    let mut on = connected().await;
    on.send(3 << 20);
    while on.waiting() > 100 << 10 {
        flush_once(&on.link).await;
        on.take(IN_TRANSIT).await;
    }
    assert!(on.waiting() > 0);
    let capacity = on.link.outbox().buffer.capacity();
    assert!(capacity <= 512 << 10, "{capacity} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_for_space_goes_on_before_the_outbox_is_empty() {
    let mut on = connected().await;
    on.send(OUTBOX_PAUSE_BYTES + (64 << 10));
    flush_once(&on.link).await;
    let (link, peer) = (&on.link, &mut on.peer);
    let reading = async {
        while link.outbox().waiting() > OUTBOX_PAUSE_BYTES {
            peer.read_exact(&mut [0; IN_TRANSIT]).await.unwrap();
            flush_once(link).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        space = timeout(Duration::from_secs(60), link.space_available()) => space.unwrap().unwrap(),
        () = reading => {}
    }
    let waiting = link.outbox().waiting();
    assert!((1..=OUTBOX_PAUSE_BYTES).contains(&waiting), "{waiting}");
}
