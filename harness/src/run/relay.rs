//! A relay between a client and a server, which keeps what passes.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use net::{Endpoint, Listener, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How much is read at once, in bytes.
const BUFFER_BYTES: usize = 16 << 10;

/// What passed in both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// From the end that connected.
    pub up: Vec<u8>,
    /// To the end that connected.
    pub down: Vec<u8>,
}

/// What has passed on each connection, in the order in which they were opened.
type Connections = Mutex<Vec<Passed>>;

/// Listens on a port of the loopback interface and passes everything on to an endpoint, on a separate thread: callers may
/// block theirs. Dropping it closes all connections.
pub(super) struct Relay {
    endpoint: Endpoint,
    connections: Arc<Connections>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay to `target`.
    ///
    /// # Errors
    /// When no port, thread or runtime is left.
    pub(super) fn start(target: Endpoint) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connections, stop) = (Arc::new(Connections::default()), CancellationToken::new());
        let (listening, is_listening) = mpsc::sync_channel(1);
        let (kept, stopped) = (Arc::clone(&connections), stop.clone());
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
            runtime.block_on(async {
                match Listener::bind(&Endpoint::loopback()).await {
                    Ok(listener) => {
                        let _ = listening.send(Ok(listener.endpoint().clone()));
                        relay_all(&listener, &target, &kept, &stopped).await;
                    }
                    Err(error) => drop(listening.send(Err(error))),
                }
            });
        })?;
        let ended = || io::Error::other("the relay ended before it listened");
        let endpoint = is_listening.recv().map_err(|_| ended())??;
        Ok(Relay { endpoint, connections, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What has passed since the last [`Self::forget`], on one connection after the other.
    pub(super) fn passed(&self) -> Passed {
        let mut all = Passed::default();
        for connection in lock(&self.connections).iter() {
            all.up.extend_from_slice(&connection.up);
            all.down.extend_from_slice(&connection.down);
        }
        all
    }

    /// Forgets what has passed.
    pub(super) fn forget(&self) {
        lock(&self.connections).fill(Passed::default());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(connections: &Connections) -> MutexGuard<'_, Vec<Passed>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts and relays connections until it is stopped.
async fn relay_all(
    listener: &Listener,
    target: &Endpoint,
    connections: &Arc<Connections>,
    stop: &CancellationToken,
) {
    // Dropping the set ends its tasks.
    let mut relayed = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = listener.next() => stream,
            () = stop.cancelled() => return,
        };
        let index = {
            let mut connections = lock(connections);
            connections.push(Passed::default());
            connections.len() - 1
        };
        relayed.spawn(relay(stream, target.clone(), Arc::clone(connections), index));
    }
}

/// Passes on what arrives from `client` and from `target`, until both have ended.
async fn relay(client: Stream, target: Endpoint, connections: Arc<Connections>, index: usize) {
    let Ok(server) = net::connect(&target).await else { return };
    let ((from_client, to_client), (from_server, to_server)) =
        (tokio::io::split(client), tokio::io::split(server));
    let keep_up = |bytes: &[u8]| lock(&connections)[index].up.extend_from_slice(bytes);
    let keep_down = |bytes: &[u8]| lock(&connections)[index].down.extend_from_slice(bytes);
    // An error ends the connection at its other end, too.
    let _ = tokio::try_join!(
        pass_on(from_client, to_server, keep_up),
        pass_on(from_server, to_client, keep_down)
    );
}

/// Passes on what arrives until the end, and shows it to `keep` before.
async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    keep: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        keep(&buffer[..length]);
        to.write_all(&buffer[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_kept_until_it_is_forgotten() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Listener::bind(&Endpoint::loopback()).await.unwrap();
            let relay = Relay::start(server.endpoint().clone()).unwrap();
            let mut ends = Vec::new();
            for text in [b"ab", b"cd"] {
                let mut client = net::connect(relay.endpoint()).await.unwrap();
                client.write_all(text).await.unwrap();
                let mut accepted = server.accept().await.unwrap();
                let mut arrived = [0; 2];
                accepted.read_exact(&mut arrived).await.unwrap();
                assert_eq!(&arrived, text);
                accepted.write_all(b"!").await.unwrap();
                client.read_exact(&mut arrived[..1]).await.unwrap();
                assert_eq!(arrived[0], b'!');
                ends.push((client, accepted));
            }
            assert_eq!(relay.passed(), Passed { up: b"abcd".to_vec(), down: b"!!".to_vec() });
            relay.forget();
            assert_eq!(relay.passed(), Passed::default());
            // Both ends see the end of the other.
            let (client, mut accepted) = ends.remove(0);
            drop(client);
            assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
            drop(relay);
            let (mut client, _accepted) = ends.remove(0);
            assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
        });
    }
}
