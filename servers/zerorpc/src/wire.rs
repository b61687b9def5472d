//! zerorpc events as MessagePack: `[header, name, args]`. Pure functions.
//!
//! This is protocol version 3 as zerorpc-python 0.6.3 speaks it (its `events.py` and `channel.py`). Older peers are
//! recognised by the version in the header and answered in the form that they understand.

mod decode;
mod encode;
mod ids;
mod names;
#[cfg(test)]
mod tests;

pub use crate::msgpack::{DecodeError, MAX_ITEMS};
pub use decode::Event;
pub use encode::{ChannelEvent, encode_value, write_call, write_event};
pub use ids::{ID_LEN, Id, Ids, OwnedId};
pub use names::{ERR, HEARTBEAT, MORE, OK, STREAM, STREAM_DONE};
