//! Notifications: requests to nobody in particular.

use std::borrow::Cow;

use calculator::{CallError, ErrorKind, Limits, Value, json};

use super::{CONTEXT_PREFIX, Envelope, WireError, end, enveloped, inner, malformed};
use crate::Context;

/// An event that was told of.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Its own identity.
    pub message_id: String,
    /// Who tells, `service.host` as a rule.
    pub publisher_id: String,
    /// What happened, such as `compute.instance.create.end`.
    pub event_type: String,
    /// How much it matters, in capitals, such as `INFO`.
    pub priority: String,
    /// When, in UTC: `2024-01-02 03:04:05.000000`.
    pub timestamp: String,
    /// The details.
    pub payload: Value,
    /// On whose behalf.
    pub context: Context,
}

/// Encodes a notification. `unique_id` is the message's own identity.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for a value that JSON has no form for.
pub fn encode_notification(notification: &Notification, unique_id: &str) -> Result<Vec<u8>, CallError> {
    let Notification { message_id, publisher_id, event_type, priority, timestamp, payload, context } =
        notification;
    json::check_representable(payload)?;
    context.iter().try_for_each(|(_, value)| json::check_representable(value))?;
    enveloped(Envelope::V2, 512, |out| {
        let mut begin = "{";
        for (member, text) in [
            ("message_id", message_id),
            ("publisher_id", publisher_id),
            ("event_type", event_type),
            ("priority", priority),
            ("timestamp", timestamp),
        ] {
            out.json(begin);
            begin = ",";
            out.string(member)?;
            out.json(":");
            out.string(text)?;
        }
        out.json(r#","payload":"#);
        serde_json::to_writer(&mut *out, payload)?;
        end(out, unique_id, context)
    })
    .map_err(|error: serde_json::Error| CallError::new(ErrorKind::Internal, error.to_string()))
}

/// Reads a notification. Members that are missing, or no strings where they should be, are empty.
///
/// # Errors
/// [`WireError`] for what is no message of oslo.messaging.
pub fn read_notification(body: &[u8], limits: &Limits) -> Result<Notification, WireError> {
    let (text, _): (Cow<'_, str>, _) = inner(body, limits)?;
    let Value::Map(members) = json::read(text.as_bytes(), limits)? else {
        return Err(malformed("the inner message is no object"));
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
                    entries.push((name.to_owned(), value));
                }
                continue;
            }
        };
        if let Value::Str(text) = value {
            *field = text;
        }
    }
    notification.context = Context::of(entries);
    Ok(notification)
}
