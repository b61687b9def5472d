//! Faults, and the Python exceptions that they name.

use calculator::{CallError, ErrorKind, Remote, Value};

use super::error::{DecodeError, EncodeError};

/// The fault code that CPython's server uses for every exception.
const EXCEPTION: i32 = 1;

/// Codes of the Specification for Fault Code Interoperability, which servers other than CPython's use.
const PARSE_ERROR: i32 = -32700;
const UNSUPPORTED_ENCODING: i32 = -32701;
const INVALID_CHARACTER: i32 = -32702;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;

/// A fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// `faultCode`.
    pub code: i32,
    /// `faultString`; CPython's server writes `<class 'NAME'>:MESSAGE`.
    pub text: String,
    /// The `faultCode` as it was received, if it is not a number of 32 bits: a text, or null for none. `code` is then 0.
    pub other_code: Option<Value>,
}

impl Fault {
    /// A fault with this code and text.
    #[must_use]
    pub fn new(code: i32, text: impl Into<String>) -> Self {
        Fault { code, text: text.into(), other_code: None }
    }

    /// The fault for a Python exception of this class.
    #[must_use]
    pub fn exception(class: &str, message: impl std::fmt::Display) -> Self {
        Fault::new(EXCEPTION, format!("<class '{class}'>:{message}"))
    }

    /// Reads the value of a `fault` element. A value of another shape than the specification's is a fault too, so that
    /// what the server reports is not lost.
    pub(crate) fn from_value(value: Value) -> Self {
        let Value::Map(members) = value else {
            return Fault { other_code: Some(Value::Null), ..Fault::new(0, text_of(value)) };
        };
        let (mut code, mut text, mut others) = (Value::Null, None, Vec::new());
        for (name, value) in members {
            match name.as_str() {
                "faultCode" => code = value,
                "faultString" => text = Some(text_of(value)),
                _ => others.push((name, value)),
            }
        }
        let text = text.unwrap_or_else(|| format!("{:?}", Value::Map(others.into())));
        let number = match &code {
            Value::Int(number) => i32::try_from(*number).ok(),
            Value::Str(digits) => digits.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => Fault::new(number, text),
            None => Fault { other_code: Some(code), ..Fault::new(0, text) },
        }
    }

    /// The fault as a struct, as `system.multicall` carries it.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::map(vec![
            ("faultCode".into(), Value::Int(self.code.into())),
            ("faultString".into(), self.text.into()),
        ])
    }
}

/// The fault that a server sends for a failed call.
impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        match error.kind {
            ErrorKind::Overflow => EncodeError::IntTooLarge.into(),
            ErrorKind::UnknownMethod => Fault::exception("Exception", error.message),
            kind => Fault::exception(kind.python_class(), error.message),
        }
    }
}

impl From<EncodeError> for Fault {
    fn from(error: EncodeError) -> Self {
        Fault::exception(error.class(), &error)
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        if let DecodeError::Encoding(_) = error {
            return Fault::new(UNSUPPORTED_ENCODING, format!("parse error. {error}"));
        }
        Fault::exception(error.class(), &error)
    }
}

/// The error that a client reports for a fault. Its kind follows from the name of the exception, or else from the code.
impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        let (class, message) = match class_of(&fault.text) {
            Some((class, message)) => (Some(class), message),
            None => (None, fault.text.as_str()),
        };
        let kind = class.map_or_else(|| kind_by_code(fault.code), |class| kind_of(class, message));
        let code = fault.other_code.is_none().then_some(fault.code.into());
        let data = fault.other_code.filter(|code| *code != Value::Null);
        let remote = Remote { code, class: class.map(str::to_owned), data };
        let message = message.to_owned();
        CallError::remote(kind, message, remote)
    }
}

/// The text of a value that should be a string.
fn text_of(value: Value) -> String {
    if let Value::Str(text) = value { text.into() } else { format!("{value:?}") }
}

/// Splits `<class 'NAME'>:MESSAGE`, and Python 2's `<type 'exceptions.NAME'>:MESSAGE`, into NAME and MESSAGE.
fn class_of(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("<class '").or_else(|| text.strip_prefix("<type '"))?;
    let (class, message) = rest.split_once("'>:")?;
    Some((class.strip_prefix("exceptions.").unwrap_or(class), message))
}

fn kind_by_code(code: i32) -> ErrorKind {
    match code {
        PARSE_ERROR | UNSUPPORTED_ENCODING | INVALID_CHARACTER | INVALID_REQUEST => ErrorKind::Malformed,
        METHOD_NOT_FOUND => ErrorKind::UnknownMethod,
        INVALID_PARAMS => ErrorKind::InvalidArguments,
        _ => ErrorKind::Internal,
    }
}

fn kind_of(class: &str, message: &str) -> ErrorKind {
    match class {
        "Exception" if message.starts_with("method \"") && message.ends_with("\" is not supported") => {
            ErrorKind::UnknownMethod
        }
        "TypeError" if message.starts_with("cannot marshal ") => ErrorKind::NotRepresentable,
        "ValueError" if message.contains("; the limit is ") => ErrorKind::TooLarge,
        "xml.parsers.expat.ExpatError" | "xmlrpc.client.ResponseError" => ErrorKind::Malformed,
        _ => {
            let kind = ErrorKind::from_python_class(class);
            // The server did answer, even if it reports a timeout.
            if kind.is_transport() { ErrorKind::Internal } else { kind }
        }
    }
}
