//! Notifications.

use calculator::{CallError, Limits, Value, json, python_json};

use super::encode::{CONTEXT_PREFIX, internal_error, write_trailer};
use super::envelope::{Envelope, decode_envelope, encode_enveloped};
use super::error::{WireError, malformed};
use crate::context::Context;

/// An event that a service has published.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The notification's id, a UUID.
    pub message_id: String,
    /// The publisher, usually `service.host`.
    pub publisher_id: String,
    /// The type of the event, such as `compute.instance.create.end`.
    pub event_type: String,
    /// The priority in capitals, such as `INFO`.
    pub priority: String,
    /// The time of publication in UTC: `2024-01-02 03:04:05.000000`.
    pub timestamp: String,
    /// The event's data.
    pub payload: Value,
    /// The publisher's context.
    pub context: Context,
}

/// Encodes a notification. `unique_id` identifies the message.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`](calculator::ErrorKind::NotRepresentable) and
/// [`ErrorKind::Overflow`](calculator::ErrorKind::Overflow) for a value that JSON cannot represent.
pub fn encode_notification(notification: &Notification, unique_id: &str) -> Result<Vec<u8>, CallError> {
    let Notification { message_id, publisher_id, event_type, priority, timestamp, payload, context } =
        notification;
    json::check_representable(payload)?;
    context.iter().try_for_each(|(_, value)| json::check_representable(value))?;
    let values = [payload].into_iter().chain(context.iter().map(|(_, value)| value));
    encode_enveloped(Envelope::V2, 512, values, |out| {
        let mut separator = "{";
        for (member, text) in [
            ("message_id", message_id),
            ("publisher_id", publisher_id),
            ("event_type", event_type),
            ("priority", priority),
            ("timestamp", timestamp),
        ] {
            out.json(separator);
            separator = ",";
            out.string(member)?;
            out.json(":");
            out.string(text)?;
        }
        out.json(r#","payload":"#);
        serde_json::to_writer(&mut *out, payload)?;
        write_trailer(out, unique_id, context)
    })
    .map_err(internal_error)
}

/// Decodes a notification. Members that are missing, or that should be strings and are not, become empty.
///
/// # Errors
/// [`WireError`] for a body that is not a message of oslo.messaging.
pub fn read_notification(body: &[u8], limits: &Limits) -> Result<Notification, WireError> {
    let (text, _) = decode_envelope(body, limits)?;
    let Value::Map(members) = python_json::read_lenient(text.as_bytes(), limits)? else {
        return Err(malformed("the inner message is not an object"));
    };
    let mut notification = Notification {
        message_id: String::new(),
        publisher_id: String::new(),
        event_type: String::new(),
        priority: String::new(),
        timestamp: String::new(),
        payload: Value::Null,
        context: Context::new(),
    };
    let mut entries = Vec::new();
    for (name, value) in members {
        let field = match name.as_str() {
            "message_id" => &mut notification.message_id,
            "publisher_id" => &mut notification.publisher_id,
            "event_type" => &mut notification.event_type,
            "priority" => &mut notification.priority,
            "timestamp" => &mut notification.timestamp,
            "payload" => {
                notification.payload = value;
                continue;
            }
            name => {
                if let Some(name) = name.strip_prefix(CONTEXT_PREFIX) {
                    entries.push((name.into(), value));
                }
                continue;
            }
        };
        if let Value::Str(text) = value {
            *field = text.into();
        }
    }
    notification.context = Context::from_entries(entries);
    Ok(notification)
}
