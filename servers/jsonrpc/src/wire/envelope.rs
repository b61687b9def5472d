//! Encoding of requests.

use calculator::{Call, CallError, Params, Value, json};

use super::response::Version;

/// How a client writes its requests, apart from the call and its id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// The version of the requests.
    pub version: Version,
    /// Further members of each request, after `params`.
    pub members: Vec<(String, Value)>,
}

/// Encodes a request. It has `params` even without arguments, since Zabbix requires that.
///
/// # Errors
/// As [`json::write`], for a value that JSON cannot represent.
pub fn encode_call(envelope: &Envelope, call: &Call, id: u64) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(128);
    write_call(&mut out, envelope, call, id)?;
    Ok(out)
}

/// Appends a request to `out`; nothing if that fails.
///
/// # Errors
/// As [`encode_call`].
pub fn write_call(out: &mut Vec<u8>, envelope: &Envelope, call: &Call, id: u64) -> Result<(), CallError> {
    let start = out.len();
    write_request(out, envelope, call, Some(id)).inspect_err(|_| out.truncate(start))
}

/// Encodes a notification.
///
/// # Errors
/// As [`encode_call`].
pub fn encode_notification(envelope: &Envelope, call: &Call) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(128);
    write_request(&mut out, envelope, call, None)?;
    Ok(out)
}

/// Encodes a batch. A call without an id is a notification.
///
/// # Errors
/// As [`encode_call`], for the first call that JSON cannot represent.
pub fn encode_batch<'a>(
    envelope: &Envelope,
    calls: impl IntoIterator<Item = (&'a Call, Option<u64>)>,
) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(128);
    for (call, id) in calls {
        out.push(if out.is_empty() { b'[' } else { b',' });
        write_request(&mut out, envelope, call, id)?;
    }
    out.push(b']');
    Ok(out)
}

fn write_request(
    out: &mut Vec<u8>,
    envelope: &Envelope,
    call: &Call,
    id: Option<u64>,
) -> Result<(), CallError> {
    out.extend_from_slice(match envelope.version {
        Version::V1 => b"{\"method\":".as_slice(),
        Version::V2 => b"{\"jsonrpc\":\"2.0\",\"method\":",
    });
    json::write_str(out, &call.method);
    out.extend_from_slice(b",\"params\":");
    match &call.params {
        Params::Positional(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::write(out, value)?;
            }
            out.push(b']');
        }
        Params::Named(members) => {
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::write_str(out, name);
                out.push(b':');
                json::write(out, value)?;
            }
            out.push(b'}');
        }
    }
    for (name, value) in &envelope.members {
        out.push(b',');
        json::write_str(out, name);
        out.push(b':');
        json::write(out, value)?;
    }
    match (id, envelope.version) {
        (Some(id), _) => {
            out.extend_from_slice(b",\"id\":");
            out.extend_from_slice(id.to_string().as_bytes());
        }
        (None, Version::V1) => out.extend_from_slice(b",\"id\":null"),
        (None, Version::V2) => {}
    }
    out.push(b'}');
    Ok(())
}
