//! oslo.messaging's message format, version 2.0, as pure functions between bytes and values.
//!
//! A message body is a JSON object, the envelope, with exactly `oslo.version` and `oslo.message`. The latter is a
//! *string* that holds the inner message, again JSON. A failure inside a reply is JSON in a string once more. Encoding
//! writes the inner message directly in its escaped form. The format is that of oslo.messaging 18.3.1
//! (`oslo_messaging/_drivers/common.py`, `amqp.py`).
//!
//! # Differences from the reference implementation
//!
//! The crate `rpcbench-differential` gives the same bytes to these decoders and to kombu and oslo.messaging's RabbitMQ
//! driver. Both return the same value, or both reject them, except for these differences:
//!
//! | difference | a message | here | there | why |
//! |---|---|---|---|---|
//! | `nesting` | lists and maps nested deeper than the limit | rejected | accepted up to about 1,000 levels | bounds memory and recursion |
//! | `surrogate` | `"\ud800"`, half of a surrogate pair | rejected | accepted | it is not Unicode text |
//! | `overflow` | `1e400` | rejected | read as infinity | it is not in the range of a double |
//! | `long-integer` | an integer beyond 10³⁰⁸ | rejected | accepted up to 4,300 digits | it is not in the range of a double either |
//! | `version` | `"oslo.version": "2.0 "` | rejected | accepted, since Python's `int()` reads its parts | only 2.0 has been specified |
//! | `empty` | an empty body, `[]`, `""` | rejected | read as an empty object, a request without a method | it is not an object |
//! | `ending` | a reply whose `ending` is not a boolean | not the last one | the last one if Python takes the value for true | only true ends a call |
//! | `failure` | a reply without `failure` | a result | rejected with a KeyError | the missing member can only mean null |
//! | `type` | an integer beyond 64 bits in place of a name or version | reported as a float | reported as an int | only the type's name in an error message differs |

mod encode;
mod envelope;
mod error;
mod failure;
mod fields;
mod ids;
mod json_writer;
mod notification;
mod reply;
mod request;
mod routing;

#[cfg(test)]
mod tests;

pub use encode::encode_value;
pub use envelope::Envelope;
pub use error::WireError;
pub use failure::Failure;
pub use fields::Field;
pub use ids::{ID_LEN, SHORT_ID_LEN};
pub(crate) use ids::{new_id, parse_id};
pub use notification::{Notification, encode_notification, read_notification};
pub use reply::{Reply, encode_failure, encode_heartbeat, encode_result, read_reply};
pub use request::{Arguments, Request, Routing, encode_request, read_request};
pub use routing::{PartialRouting, read_routing};
