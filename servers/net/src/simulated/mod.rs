//! A network in memory: byte streams on Tokio's clock, which a test can pause.
//!
//! A test makes a [`Network`], [enters](Network::enter) it on its thread, and uses
//! [`Endpoint::Simulated`](crate::Endpoint::Simulated) like any other endpoint. Each name has a [`Link`] to its
//! listener, through which the test sets the [`Conditions`] and injects faults.
//!
//! Whatever is random follows from the seed of the network, and nothing depends on the real clock. On a runtime with one
//! thread, paused time and no unordered `select!`, two runs from the same seed have the same [`Trace`].

mod link;
mod random;
mod state;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

pub use link::Link;
pub(crate) use link::Listener;
use random::Shared;
pub use random::{Action, Trace, TraceEvent};
pub use state::{Conditions, Loss};
pub(crate) use stream::Stream;

thread_local! {
    static CURRENT: RefCell<Option<Network>> = const { RefCell::new(None) };
}

/// A simulated network: named listeners and the links to them. Clones refer to the same network.
#[derive(Clone, Debug)]
pub struct Network {
    links: Arc<Mutex<BTreeMap<String, Link>>>,
    shared: Arc<Mutex<Shared>>,
}

/// A guard that keeps the current thread in a network until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct NetworkGuard(Option<Network>);

impl Network {
    /// Creates a network without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::from_seed(0)
    }

    /// Creates a network without listeners, whose random numbers follow from `seed`.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Network { links: Arc::default(), shared: Arc::new(Mutex::new(Shared::new(seed))) }
    }

    /// Makes this the network of the current thread.
    pub fn enter(&self) -> NetworkGuard {
        NetworkGuard(CURRENT.replace(Some(self.clone())))
    }

    /// The link to the listener called `name`, whether or not it is bound yet.
    #[must_use]
    pub fn link(&self, name: &str) -> Link {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.entry(name.to_owned()).or_insert_with(|| Link::new(&self.shared)).clone()
    }

    /// Keeps each event of the [trace](Self::trace) from now on, instead of only their hash.
    pub fn record_events(&self) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).record_events();
    }

    /// What has happened so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).trace()
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for NetworkGuard {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Sixteen random bytes that follow from the seed of the current thread's network; `None` outside of one.
#[must_use]
pub fn random_bytes() -> Option<[u8; 16]> {
    let network = CURRENT.with_borrow(Clone::clone)?;
    Some(network.shared.lock().unwrap_or_else(PoisonError::into_inner).bytes())
}

pub(crate) fn bind(name: &str) -> io::Result<Listener> {
    current()?.link(name).bind()
}

pub(crate) async fn connect(name: &str) -> io::Result<Stream> {
    let link = current()?.link(name);
    link.connect().await
}

fn current() -> io::Result<Network> {
    CURRENT
        .with_borrow(Clone::clone)
        .ok_or_else(|| io::Error::other("this thread has not entered a simulated network"))
}
