//! The fault of a failed call.

use calculator::Value;

/// The fault that a server replies when a call failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The kind of failure: `ServiceException` for one of the method, `NoSuchMethodException`, `ProtocolException` and
    /// some others of the specification.
    pub code: String,
    /// What went wrong, for users to read.
    pub message: String,
    /// The exception, if the server sent it.
    pub detail: Option<Value>,
}

impl Fault {
    /// Reads the map of a fault. What is missing in it, or is not text, is empty: the fault must not be lost.
    pub(crate) fn from_value(value: Value) -> Self {
        let text = |name: &str| match value.get(name) {
            Some(Value::Str(text)) => text.as_str().to_owned(),
            _ => String::new(),
        };
        Fault { code: text("code"), message: text("message"), detail: value.into_member("detail") }
    }

    /// The map of the fault.
    pub(crate) fn to_value(&self) -> Value {
        let mut members = vec![
            ("code".into(), Value::from(self.code.as_str())),
            ("message".into(), Value::from(self.message.as_str())),
        ];
        members.extend(self.detail.clone().map(|detail| ("detail".into(), detail)));
        Value::map(members)
    }
}
