//! Conversion of application values to and from values that can be sent.

use calculator::{CallError, Value};

use crate::Context;

/// Converts an application's values and contexts before they are sent and after they are received, on the client and on
/// the server.
///
/// Uses: replace values that JSON cannot represent, send objects by name and version, remove context entries that must
/// not leave the process. Client and server need matching serializers. By default each method returns its input.
pub trait Serializer: Send + Sync + 'static {
    /// Converts an argument or a result before it is sent.
    ///
    /// # Errors
    /// If the value cannot be sent.
    fn serialize_entity(&self, context: &Context, value: Value) -> Result<Value, CallError> {
        let _ = context;
        Ok(value)
    }

    /// Converts a received argument or result.
    ///
    /// # Errors
    /// If the received value is invalid.
    fn deserialize_entity(&self, context: &Context, value: Value) -> Result<Value, CallError> {
        let _ = context;
        Ok(value)
    }

    /// Converts a context before it is sent.
    fn serialize_context(&self, context: &Context) -> Context {
        context.clone()
    }

    /// Converts a received context.
    fn deserialize_context(&self, context: Context) -> Context {
        context
    }
}
