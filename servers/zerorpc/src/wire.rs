//! zerorpc events as MessagePack: `[header, name, args]`. Pure functions.
//!
//! This is protocol version 3 as zerorpc-python 0.6.3 speaks it (its `events.py` and `channel.py`). Older peers are
//! recognised by the version in the header and answered in the form that they understand.
//!
//! # Differences from the reference implementation
//!
//! The crate `rpcbench-differential` gives the same bytes to these decoders and to zerorpc-python's `Event.unpack`.
//! Both return the same value, or both reject them, except for these differences:
//!
//! | difference | a message | here | there | why |
//! |---|---|---|---|---|
//! | `nesting` | lists and maps nested deeper than the limit | rejected | accepted up to 512 levels | bounds recursion |
//! | `header` | a header that is not a map | rejected | read as an empty map; the server then drops the event | it has no message id |
//! | `id` | an id that is neither bin nor str | rejected | accepted | no peer is known to send one |
//! | `name` | a name that is not a str | rejected; a bin is shown as Python shows it | accepted; no method has such a name | a method's name is text |
//! | `extension` | a timestamp out of range or not in its shortest form, a type number below −1 | its bytes are kept | read and shortened, or rejected | the value is only passed on |
//! | | a value of an extension type in place of the arguments | rejected | its type number and its bytes are the arguments | they are no list of arguments |
//! | `bytes-key` | a map whose key is a bin | the key becomes a str, or is rejected if it is not UTF-8 | the key stays bytes | keys of maps are text here |

mod decode;
mod encode;
mod ids;
mod names;
#[cfg(test)]
mod tests;

pub use crate::msgpack::DecodeError;
pub use decode::Event;
pub use encode::{ChannelEvent, encode_value, write_call, write_event};
pub use ids::{ID_LEN, Id, Ids, OwnedId};
pub use names::{ERR, HEARTBEAT, MORE, OK, STREAM, STREAM_DONE};
