//! The same messages on Tokio: an event loop waits for all connections at once, instead of a thread for each.
//!
//! With many callers this is the floor of stacks that are driven by events.

use crate::fixed::Fixed;

/// A client with one connection and one call at a time.
pub type Client = framed::Client<Fixed>;

/// A server with a task for each connection.
pub type Server = framed::Server<Fixed>;
