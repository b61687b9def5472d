//! oslo.messaging's message format, version 2.0, as pure functions between bytes and values.
//!
//! A message body is a JSON object, the envelope, with exactly `oslo.version` and `oslo.message`. The latter is a
//! *string* that holds the inner message, again JSON. A failure inside a reply is JSON in a string once more. Encoding
//! writes the inner message directly in its escaped form. The format is that of oslo.messaging 18.3.1
//! (`oslo_messaging/_drivers/common.py`, `amqp.py`).

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
