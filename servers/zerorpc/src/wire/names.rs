//! Names of events that zerorpc reserves. Any other name is the method of a call.

/// Reply of a method that returned. Its arguments are a list of one item, the result.
pub const OK: &str = "OK";
/// Reply of a method that raised.
pub const ERR: &str = "ERR";
/// Heartbeat on an open channel.
pub const HEARTBEAT: &str = "_zpc_hb";
/// Credit for more events on an open channel.
pub const MORE: &str = "_zpc_more";
/// One item of a method that streams.
pub const STREAM: &str = "STREAM";
/// End of a stream.
pub const STREAM_DONE: &str = "STREAM_DONE";
