//! A network in memory: byte streams on Tokio's clock, which a test can pause.
//!
//! A test makes a [`Network`], [enters](Network::enter) it on its thread, and uses
//! [`Endpoint::Simulated`](crate::Endpoint::Simulated) like any other endpoint. Each name has a [`Link`] to its
//! listener, through which the test sets the latency and injects faults.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BufMut;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::peer_end::PeerEnd;

/// Bytes in transit in one direction of a connection above which writing blocks.
const CAPACITY: usize = 256 << 10;

thread_local! {
    static CURRENT: RefCell<Option<Network>> = const { RefCell::new(None) };
}

/// A simulated network: named listeners and the links to them. Clones refer to the same network.
#[derive(Clone, Debug, Default)]
pub struct Network(Arc<Mutex<HashMap<String, Link>>>);

/// A guard that keeps the current thread in a network until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct NetworkGuard(Option<Network>);

/// Controls all connections to one listener. Settings apply to open and to future connections, in both directions.
#[derive(Clone, Debug, Default)]
pub struct Link(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    latency: Duration,
    stalled: bool,
    partitioned: bool,
    is_bound: bool,
    /// Streams to be accepted.
    queue: VecDeque<Stream>,
    /// The two directions of each connection, the one from the client first.
    connections: HashMap<u64, [Direction; 2]>,
    next_connection: u64,
    /// Tasks that accept or connect.
    waiting: Vec<Waker>,
}

/// The bytes from one end of a connection to the other.
#[derive(Debug, Default)]
struct Direction {
    /// Each chunk with its time of arrival.
    segments: VecDeque<(Instant, Vec<u8>)>,
    len: usize,
    /// The time at which the end of the stream arrives. `None` until the writing end is closed.
    end: Option<Instant>,
    reader_dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Network {
    /// Creates a network without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes this the network of the current thread.
    pub fn enter(&self) -> NetworkGuard {
        NetworkGuard(CURRENT.replace(Some(self.clone())))
    }

    /// The link to the listener called `name`, whether or not it is bound yet.
    #[must_use]
    pub fn link(&self, name: &str) -> Link {
        lock(&self.0).entry(name.to_owned()).or_default().clone()
    }
}

impl Drop for NetworkGuard {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl Link {
    /// Sets how long bytes take to arrive. Those in transit keep their time of arrival.
    pub fn set_latency(&self, latency: Duration) {
        self.change(|state| state.latency = latency);
    }

    /// While true, nothing arrives at either end. Connections can still be opened.
    pub fn set_stalled(&self, stalled: bool) {
        self.change(|state| state.stalled = stalled);
    }

    /// While true, nothing arrives at either end, and opening a connection waits.
    pub fn set_partitioned(&self, partitioned: bool) {
        self.change(|state| state.partitioned = partitioned);
    }

    /// Resets all open connections. Bytes in transit are lost.
    pub fn reset(&self) {
        self.change(|state| {
            let mut reset = std::mem::take(&mut state.connections);
            reset.values_mut().flatten().for_each(Direction::wake);
        });
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.0).connections.len()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.0);
        let result = change(&mut state);
        state.waiting.drain(..).for_each(Waker::wake);
        state.connections.values_mut().flatten().for_each(Direction::wake);
        result
    }

    /// Waits until `attempt` returns something.
    async fn wait_for<T>(&self, mut attempt: impl FnMut(&mut State) -> Option<T>) -> T {
        poll_fn(|context| {
            let mut state = lock(&self.0);
            if let Some(result) = attempt(&mut state) {
                return Poll::Ready(result);
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn stream(&self, connection: u64, end: usize) -> Stream {
        Stream { link: self.clone(), connection, end, timer: Mutex::new(None) }
    }
}

impl Direction {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    /// The time at which the next bytes, or the end of the stream, can be read.
    fn next_arrival(&self) -> Option<Instant> {
        self.segments.front().map(|(at, _)| *at).or(self.end)
    }
}

#[derive(Debug)]
pub(crate) struct Listener(Link);

pub(crate) fn bind(name: &str) -> io::Result<Listener> {
    let link = current()?.link(name);
    let was_bound = link.change(|state| std::mem::replace(&mut state.is_bound, true));
    if was_bound { Err(ErrorKind::AddrInUse.into()) } else { Ok(Listener(link)) }
}

pub(crate) async fn connect(name: &str) -> io::Result<Stream> {
    let link = current()?.link(name);
    let latency = link.wait_for(|state| (!state.partitioned).then_some(state.latency)).await;
    tokio::time::sleep(latency).await;
    let stream = link.change(|state| {
        if !state.is_bound {
            return Err(io::Error::from(ErrorKind::ConnectionRefused));
        }
        let connection = state.next_connection;
        state.next_connection += 1;
        state.connections.insert(connection, Default::default());
        Ok(connection)
    })?;
    let (ours, theirs) = (link.stream(stream, 0), link.stream(stream, 1));
    link.change(|state| state.queue.push_back(theirs));
    tokio::time::sleep(latency).await;
    Ok(ours)
}

fn current() -> io::Result<Network> {
    CURRENT
        .with_borrow(Clone::clone)
        .ok_or_else(|| io::Error::other("this thread has not entered a simulated network"))
}

impl Listener {
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        Ok(self.0.wait_for(|state| state.queue.pop_front()).await)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Dropped outside the lock, which each of them takes.
        let refused = self.0.change(|state| {
            state.is_bound = false;
            std::mem::take(&mut state.queue)
        });
        drop(refused);
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    link: Link,
    connection: u64,
    /// 0 at the client, 1 at the server.
    end: usize,
    /// Wakes the reader when the next bytes arrive.
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Stream {
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.link.0);
        let is_held = state.stalled || state.partitioned;
        // A reset connection is ready for reading, which then fails.
        let Ok(from) = self.incoming(&mut state) else { return Poll::Ready(Ok(())) };
        from.reader = Some(context.waker().clone());
        let Some(at) = from.next_arrival().filter(|_| !is_held) else { return Poll::Pending };
        if at <= Instant::now() {
            return Poll::Ready(Ok(()));
        }
        let mut timer = lock(&self.timer);
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        timer.as_mut().reset(at);
        timer.as_mut().poll(context).map(Ok)
    }

    pub(crate) fn peer_end(&self) -> PeerEnd {
        let mut state = lock(&self.link.0);
        let is_held = state.stalled || state.partitioned;
        match self.incoming(&mut state) {
            Ok(from) if from.end.is_some_and(|at| !is_held && at <= Instant::now()) => PeerEnd::HalfClosed,
            Ok(_) => PeerEnd::Open,
            Err(_) => PeerEnd::Closed,
        }
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.link.0);
        match self.outgoing(&mut state) {
            Ok(to) if to.len >= CAPACITY && !to.reader_dropped => {
                to.writer = Some(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    pub(crate) fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        let mut state = lock(&self.link.0);
        let is_held = state.stalled || state.partitioned;
        let from = self.incoming(&mut state)?;
        if is_held || from.next_arrival().is_none_or(|at| at > Instant::now()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let Some((_, segment)) = from.segments.front_mut() else { return Ok(0) };
        // A `Vec` grows. Any other buffer takes as many bytes as it has space for.
        let len = segment.len().min(buffer.remaining_mut());
        buffer.put_slice(&segment[..len]);
        segment.drain(..len);
        if segment.is_empty() {
            from.segments.pop_front();
        }
        from.len -= len;
        from.writer.take().into_iter().for_each(Waker::wake);
        Ok(len)
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.link.0);
        let arrival = Instant::now() + state.latency;
        let to = self.outgoing(&mut state)?;
        if to.reader_dropped || to.end.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let len = bytes.len().min(CAPACITY.saturating_sub(to.len));
        if len == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if len > 0 {
            // Bytes do not overtake each other when the latency is lowered.
            let arrival = to.segments.back().map_or(arrival, |(last, _)| arrival.max(*last));
            to.segments.push_back((arrival, bytes[..len].to_vec()));
            to.len += len;
            to.reader.take().into_iter().for_each(Waker::wake);
        }
        Ok(len)
    }

    /// Ends the direction from here.
    pub(crate) fn shutdown(&self) {
        let mut state = lock(&self.link.0);
        let arrival = Instant::now() + state.latency;
        if let Ok(to) = self.outgoing(&mut state) {
            to.end.get_or_insert(arrival);
            to.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    fn incoming<'a>(&self, state: &'a mut State) -> io::Result<&'a mut Direction> {
        self.direction(state, 1 - self.end)
    }

    fn outgoing<'a>(&self, state: &'a mut State) -> io::Result<&'a mut Direction> {
        self.direction(state, self.end)
    }

    fn direction<'a>(&self, state: &'a mut State, index: usize) -> io::Result<&'a mut Direction> {
        state
            .connections
            .get_mut(&self.connection)
            .map(|directions| &mut directions[index])
            .ok_or_else(|| ErrorKind::ConnectionReset.into())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shutdown();
        let mut state = lock(&self.link.0);
        if let Ok(from) = self.incoming(&mut state) {
            from.reader_dropped = true;
            from.wake();
        }
        let is_over =
            |directions: &[Direction; 2]| directions.iter().all(|direction| direction.reader_dropped);
        if state.connections.get(&self.connection).is_some_and(is_over) {
            state.connections.remove(&self.connection);
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
