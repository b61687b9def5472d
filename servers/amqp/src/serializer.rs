//! What an application makes of its values before they travel.

use calculator::{CallError, Value};

use crate::Context;

/// Turns an application's values and contexts into what travels, and back, at either end: to replace what JSON has no
/// form for, to carry objects by name and version, to leave out of a context what must not leave the process.
///
/// Both ends need matching ones. Each function's default passes on what it is given.
pub trait Serializer: Send + Sync + 'static {
    /// An argument or a result on its way out.
    ///
    /// # Errors
    /// What keeps it from travelling.
    fn serialize_entity(&self, context: &Context, value: Value) -> Result<Value, CallError> {
        let _ = context;
        Ok(value)
    }

    /// An argument or a result that came in.
    ///
    /// # Errors
    /// What is wrong with it.
    fn deserialize_entity(&self, context: &Context, value: Value) -> Result<Value, CallError> {
        let _ = context;
        Ok(value)
    }

    /// A context on its way out.
    fn serialize_context(&self, context: &Context) -> Context {
        context.clone()
    }

    /// A context that came in.
    fn deserialize_context(&self, context: Context) -> Context {
        context
    }
}
