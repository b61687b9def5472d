//! Failures: exceptions as they are sent.

use std::borrow::Cow;

use calculator::{CallError, ErrorKind, Remote};

use super::error::WireError;
use super::fields::Field;

const DISPATCHER: &str = "oslo_messaging.rpc.dispatcher";
const BUILTINS: &str = "builtins";

/// An exception as it is sent: the class of a Python exception and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exception's class.
    pub class: Cow<'static, str>,
    /// The module of the class. A Python client raises exceptions of `builtins` as they are, and others as
    /// `RemoteError` unless it was configured to allow the module.
    pub module: Cow<'static, str>,
    /// The exception's only argument.
    pub message: String,
}

impl Failure {
    /// An application's exception.
    pub fn new(
        module: impl Into<Cow<'static, str>>,
        class: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Failure { class: class.into(), module: module.into(), message: message.into() }
    }

    /// A built-in exception of Python.
    pub fn builtin(class: &'static str, message: impl Into<String>) -> Self {
        Failure::new(BUILTINS, class, message)
    }

    /// An exception of oslo.messaging's dispatcher.
    pub fn dispatcher(class: &'static str, message: impl Into<String>) -> Self {
        Failure::new(DISPATCHER, class, message)
    }

    /// Endpoints match the request's namespace and version, and none of them has `method`.
    #[must_use]
    pub fn no_such_method(method: &str) -> Self {
        Failure::dispatcher("NoSuchMethod", format!("Endpoint does not support RPC method {method}"))
    }

    /// Converts the error of a call of `method`.
    #[must_use]
    pub fn from_call_error(error: CallError, method: &str) -> Self {
        match error.kind {
            ErrorKind::UnknownMethod => Failure::no_such_method(method),
            _ => error.into(),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let class = error.kind.python_class();
        match error.kind {
            ErrorKind::UnsupportedVersion => Failure::dispatcher(class, error.message),
            _ => Failure::builtin(class, error.message),
        }
    }
}

/// The failure with which a server answers a request that it cannot read.
impl From<&WireError> for Failure {
    fn from(error: &WireError) -> Self {
        Failure::builtin("ValueError", format!("the server cannot read the request: {error}"))
    }
}

/// Decodes the JSON object inside a reply's `failure` string.
///
/// The class determines the error's kind only for exceptions of Python and oslo.messaging. Other classes are reported by
/// their full name, `module.class`.
pub(super) fn decode_failure(text: &str) -> CallError {
    #[derive(serde::Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        class: Option<Field<'a>>,
        #[serde(borrow)]
        module: Option<Field<'a>>,
        #[serde(borrow)]
        message: Option<Field<'a>>,
    }
    let Ok(Object { class, module, message }) = serde_json::from_str(text) else {
        let message = format!("the server reported a malformed failure: {text}");
        return CallError::remote(ErrorKind::Internal, message, Remote::default());
    };
    let text = |field: Option<Field<'_>>| field.and_then(Field::text).map(Cow::into_owned);
    let (class, module) = (text(class), text(module));
    let application_module = module.filter(|module| !is_well_known(module));
    let kind = match (&class, &application_module) {
        (Some(class), None) => ErrorKind::from_python_class(class),
        _ => ErrorKind::Internal,
    };
    // The server did reply, so a remote exception with the name of a transport error is not one of this call.
    let kind = if kind.is_transport() { ErrorKind::Internal } else { kind };
    let class = match (class, application_module) {
        (Some(class), Some(module)) => Some(format!("{module}.{class}")),
        (class, _) => class,
    };
    CallError::remote(kind, text(message).unwrap_or_default(), Remote { class, ..Remote::default() })
}

/// Whether every peer knows the classes of `module`: the built-in ones of Python 3 and Python 2 (`exceptions`), and
/// oslo.messaging's.
fn is_well_known(module: &str) -> bool {
    matches!(module, BUILTINS | "exceptions") || module.split('.').next() == Some("oslo_messaging")
}
