//! Clients: calls and casts.

mod adapter;
mod connection;
mod reply_reader;
mod rpc_client;

pub use adapter::AmqpClient;
pub use rpc_client::RpcClient;
