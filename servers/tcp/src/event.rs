//! The same messages on Tokio: an event loop waits for all connections at once, instead of a thread for each.
//!
//! With many callers this is the floor of stacks that are driven by events. A wake-up reads once from each connection that
//! has something to read, and the replies to what it read are written at once.

mod client;
mod server;

pub use client::Client;
pub use server::Server;
