//! Links: the connections to one listener, and the faults that are injected into them.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::random::{Action, Shared};
use super::state::{Conditions, Connection, Direction, LinkState, Loss, Lost, State};
use super::stream::Stream;
use crate::KEEPALIVE_TIMEOUT;

/// Controls all connections to one listener. Settings apply to open and to future connections, in both directions.
#[derive(Clone, Debug)]
pub struct Link(LinkState);

impl Link {
    pub(super) fn new(shared: &Arc<Mutex<Shared>>) -> Self {
        Link(LinkState::new(shared))
    }

    /// Sets how long bytes take to arrive. Those in transit keep their time of arrival.
    pub fn set_latency(&self, latency: Duration) {
        self.0.change(|state| state.conditions.latency = latency..=latency);
    }

    /// Sets how the link carries bytes. Those in transit keep their time of arrival.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.0.change(|state| state.conditions = conditions);
    }

    /// While true, nothing arrives at either end. Connections can still be opened.
    pub fn set_stalled(&self, stalled: bool) {
        self.0.change(|state| state.stalled = stalled);
    }

    /// While true, nothing arrives at either end, and opening a connection waits.
    pub fn set_partitioned(&self, partitioned: bool) {
        self.0.change(|state| state.partitioned = partitioned);
    }

    /// Resets all open connections. Bytes in transit are lost.
    pub fn reset(&self) {
        let mut reset = self.0.change(|state| std::mem::take(&mut state.connections));
        for (number, connection) in &mut reset {
            self.0.shared().record(*number, 1, Action::Reset);
            connection.directions.iter_mut().for_each(Direction::wake);
        }
    }

    /// Makes all open connections half-open: nothing arrives at either end any more, and neither is informed. The
    /// server's end fails after [`KEEPALIVE_TIMEOUT`].
    pub fn lose_connections(&self, loss: Loss) {
        let noticed_by_server = Instant::now() + KEEPALIVE_TIMEOUT;
        self.0.change(|state| {
            for (number, connection) in &mut state.connections {
                connection.lost.get_or_insert(Lost { loss, noticed_by_server, reset_at: None });
                self.0.shared().record(*number, 1, Action::Lost);
            }
        });
    }

    /// How many connections are open, those included of which only one end has closed.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.state().connections.len()
    }

    /// How many ends are open: those of clients, and those of the server.
    #[must_use]
    pub fn open_ends(&self) -> [usize; 2] {
        let state = self.0.state();
        [1, 0].map(|incoming| {
            let is_open = |connection: &&Connection| connection.directions[incoming].reader_dropped.is_none();
            state.connections.values().filter(is_open).count()
        })
    }

    /// Waits until `attempt` returns something.
    async fn wait_for<T>(&self, mut attempt: impl FnMut(&mut State) -> Option<T>) -> T {
        poll_fn(|context| {
            let mut state = self.0.state();
            if let Some(result) = attempt(&mut state) {
                return Poll::Ready(result);
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    pub(super) fn bind(&self) -> io::Result<Listener> {
        let was_bound = self.0.change(|state| std::mem::replace(&mut state.is_bound, true));
        if was_bound { Err(ErrorKind::AddrInUse.into()) } else { Ok(Listener(self.clone())) }
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let latency =
            self.wait_for(|state| (!state.partitioned).then(|| state.conditions.latency.clone())).await;
        let [up, down] = [(); 2].map(|()| self.0.shared().duration(&latency));
        tokio::time::sleep(up).await;
        let number = self.0.change(|state| {
            if !state.is_bound {
                return Err(io::Error::from(ErrorKind::ConnectionRefused));
            }
            let number = state.next_connection;
            state.next_connection += 1;
            state.connections.insert(number, Connection::default());
            Ok(number)
        })?;
        self.0.shared().record(number, 0, Action::Opened);
        let stream = Stream::new(&self.0, number, 0);
        self.0.change(|state| state.queue.push_back(number));
        tokio::time::sleep(down).await;
        Ok(stream)
    }
}

#[derive(Debug)]
pub(crate) struct Listener(Link);

impl Listener {
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        let number = self.0.wait_for(|state| state.queue.pop_front()).await;
        Ok(Stream::new(&self.0.0, number, 1))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let link = &self.0.0;
        let refused = link.change(|state| {
            state.is_bound = false;
            std::mem::take(&mut state.queue)
        });
        refused.into_iter().for_each(|number| drop(Stream::new(link, number, 1)));
    }
}
