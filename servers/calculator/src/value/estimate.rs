//! Estimating how long the encoding of a value is.

use super::Value;

/// The typical lengths of what a format adds to names and text, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct FormatLengths {
    /// A number, a boolean or a null with its markup; the markup of a string.
    pub scalar: usize,
    /// The markup of a list or a map.
    pub container: usize,
    /// The markup of a member of a map, without that of its value.
    pub member: usize,
}

impl Value {
    /// Estimates the length of the encoding of a list or a map, so that its buffer need not grow. 0 for any other value,
    /// which is short or of known length.
    #[must_use]
    pub fn estimated_length(&self, format: &FormatLengths) -> usize {
        if !matches!(self, Value::List(_) | Value::Map(_)) {
            return 0;
        }
        let mut bytes = 0_usize;
        self.any(|value| {
            bytes = bytes.saturating_add(match value {
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => format.scalar,
                Value::BigInt(text) | Value::DateTime(text) => format.scalar + text.len(),
                Value::Str(text) => format.scalar + text.len(),
                Value::Bytes(bytes) => format.scalar + bytes.len(),
                Value::Extension(extension) => format.scalar + extension.data.len(),
                Value::List(_) => format.container,
                Value::Map(members) => {
                    let names: usize = members.iter().map(|(name, _)| format.member + name.len()).sum();
                    format.container + names
                }
            });
            false
        });
        bytes
    }
}
