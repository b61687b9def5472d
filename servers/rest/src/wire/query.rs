//! Arguments that are sent as text: the query of a URL, and the type that a text is read as.

use calculator::{CallError, ErrorKind, Limits, Method, Params, Value, json};
use http_layer::form_decode;

/// The type of a method's parameters, which decides how an argument that is only a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// A number. Text that is not a number stays a string, which the method then rejects.
    Number,
    /// A string, even if it consists of digits.
    Text,
    /// Any value: text that is a JSON number is read as a number, any other as a string.
    Any,
}

impl ParameterType {
    /// The type of the parameters of the method with this name.
    #[must_use]
    pub fn of_method(name: &str) -> Self {
        match Method::from_name(name) {
            Some(Method::Add | Method::Multiply | Method::Subtract | Method::Divide) => ParameterType::Number,
            Some(Method::Hello) => ParameterType::Text,
            Some(Method::Echo) | None => ParameterType::Any,
        }
    }

    /// Reads an argument of this type from its text.
    pub(super) fn parse(self, text: &str) -> Value {
        match self {
            ParameterType::Number => number_or_string(text.trim()),
            ParameterType::Text => text.into(),
            ParameterType::Any => number_or_string(text),
        }
    }
}

/// Decodes the arguments in a URL's query, which is encoded as an HTML form is.
///
/// # Errors
/// [`ErrorKind::Malformed`] for text that is not UTF-8; [`ErrorKind::InvalidArguments`] for a parameter that is given
/// twice.
pub fn decode_query(query: &str, parameters: ParameterType) -> Result<Params, CallError> {
    let mut members = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        members.push(((&*form_decode(name)?).into(), parameters.parse(&form_decode(text)?)));
    }
    let given = members.len();
    let params = Params::named(members);
    if params.values().count() < given {
        let message = "a parameter is given twice in the query";
        return Err(CallError::new(ErrorKind::InvalidArguments, message));
    }
    Ok(params)
}

fn number_or_string(text: &str) -> Value {
    let may_be_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit());
    if may_be_number && let Ok(number) = json::read(text.as_bytes(), &Limits::default()) {
        return number;
    }
    text.into()
}
