//! Calls as they are written on a command line: `get_user(7)`, `get_user(id=7)` or `GET /users/7`.

use calculator::{Text, Value};
use serde_json::Deserializer;

use super::super::operation::Operation;
use super::super::own_name::OwnName;
use super::definition::{AnyValue, OwnOperation, Verb};
use super::template::is_name;

/// Why a text is not a call.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}`: {reason}; write METHOD(ARGUMENT, …) with arguments in JSON, such as get_user(7) or get_user(id=7), or VERB /PATH \
     [BODY], such as GET /users/7"
)]
pub struct CallTextError {
    text: String,
    reason: String,
}

/// The operation that calls what `text` says: a method with arguments in JSON, by position or as NAME=VALUE; or an HTTP request with
/// a verb, a path and perhaps a body. It is named after the method or the path.
///
/// # Errors
/// [`CallTextError`].
pub fn parse_call(text: &str) -> Result<OwnOperation, CallTextError> {
    let refused = |reason: String| CallTextError { text: text.to_owned(), reason };
    let trimmed = text.trim();
    if let Some((verb, rest)) = trimmed.split_once(' ')
        && let Some(verb) = Verb::ALL.into_iter().find(|known| known.name() == verb)
    {
        let (path, body) =
            rest.trim().split_once(' ').map_or((rest.trim(), None), |(path, body)| (path, Some(body)));
        if !path.starts_with('/') {
            return Err(refused(format!("the path after {verb} begins with /")));
        }
        let name = own_name(&format!("{verb} {path}")).map_err(&refused)?;
        let body =
            body.map(str::trim).map(|body| serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)));
        let body = body.map(AnyValue);
        return Ok(OwnOperation {
            verb: Some(verb),
            path: Some(path.to_owned()),
            body,
            ..OwnOperation::new(name)
        });
    }
    let (method, arguments) = match trimmed.split_once('(') {
        Some((method, rest)) => {
            let inside =
                rest.strip_suffix(')').ok_or_else(|| refused("it does not end with )".to_owned()))?;
            (method.trim(), inside)
        }
        None => (trimmed, ""),
    };
    if method.is_empty() || method.contains(char::is_whitespace) {
        return Err(refused("it names no method".to_owned()));
    }
    let params = parse_arguments(arguments).map_err(&refused)?;
    let name = own_name(method).map_err(&refused)?;
    Ok(OwnOperation { method: Some(method.to_owned()), params, ..OwnOperation::new(name) })
}

/// The arguments between the parentheses: an array, or a map where they have names. `None` without any.
fn parse_arguments(text: &str) -> Result<Option<AnyValue>, String> {
    let (mut positional, mut named): (Vec<Value>, Vec<(Text, Value)>) = (vec![], vec![]);
    let mut rest = text.trim();
    while !rest.is_empty() {
        let name =
            rest.split_once('=').map(|(name, value)| (name.trim(), value)).filter(|(name, _)| is_name(name));
        if let Some((_, value)) = name {
            rest = value;
        }
        let mut values = Deserializer::from_str(rest).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                return Err(format!("an argument is not JSON ({error}); texts stand in \"quotation marks\""));
            }
            None => return Err("an argument is missing".to_owned()),
        };
        rest = rest.get(values.byte_offset()..).unwrap_or_default().trim_start();
        match name {
            Some((name, _)) => named.push((name.into(), value)),
            None => positional.push(value),
        }
        match rest.strip_prefix(',') {
            Some(after) if !after.trim().is_empty() => rest = after.trim_start(),
            Some(_) => return Err("an argument is missing".to_owned()),
            None if rest.is_empty() => {}
            None => return Err("expected a comma between arguments".to_owned()),
        }
    }
    match (positional.is_empty(), named.is_empty()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(AnyValue(Value::list(positional)))),
        (true, false) => Ok(Some(AnyValue(Value::map(named)))),
        (false, false) => Err("pass arguments either by position or by name".to_owned()),
    }
}

/// The name of an operation that is called `text` elsewhere: its letters and digits in lower case, and a hyphen for all between.
fn own_name(text: &str) -> Result<OwnName, String> {
    const MAX_LEN: usize = 40;
    let mut name = String::new();
    for c in text.chars().take(MAX_LEN) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.') => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    let name = name.trim_end_matches('-');
    let is_taken = name == OwnName::MIX.as_str() || name.is_empty() || name.parse::<Operation>().is_ok();
    let name =
        if is_taken { format!("call-{name}").trim_end_matches('-').to_owned() } else { name.to_owned() };
    OwnName::new(&name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_arguments_by_position_or_by_name() {
        let list = |items: Vec<Value>| Some(AnyValue(Value::list(items)));
        let map = |name: &str, value: Value| Some(AnyValue(Value::map(vec![(name.into(), value)])));
        for (text, name, method, params) in [
            ("get_user(7)", "get_user", "get_user", list(vec![Value::Int(7)])),
            (
                "Users.Get( 7 , \"a, b=c)\",[1, 2.5] )",
                "users.get",
                "Users.Get",
                list(vec![
                    Value::Int(7),
                    "a, b=c)".into(),
                    Value::list(vec![Value::Int(1), Value::Float(2.5)]),
                ]),
            ),
            ("get_user(id=7)", "get_user", "get_user", map("id", Value::Int(7))),
            ("find(name = \"x=y\")", "find", "find", map("name", "x=y".into())),
            ("ping", "ping", "ping", None),
            ("ping()", "ping", "ping", None),
            ("add(2, 3)", "call-add", "add", list(vec![Value::Int(2), Value::Int(3)])),
        ] {
            let operation = parse_call(text).unwrap();
            assert_eq!(operation.name.as_str(), name, "{text}");
            assert_eq!((operation.method.as_deref(), operation.params), (Some(method), params), "{text}");
        }
    }

    #[test]
    fn a_request_has_a_verb_a_path_and_perhaps_a_body() {
        let get = parse_call("GET /users/7?full=1").unwrap();
        assert_eq!(
            (get.name.as_str(), get.verb, get.path.as_deref()),
            ("get-users-7-full-1", Some(Verb::Get), Some("/users/7?full=1"),)
        );
        assert!(get.is_only_request() && get.body.is_none());
        let post = parse_call("POST /users {\"name\": \"Ann B\"}").unwrap();
        assert_eq!(post.body, Some(AnyValue(Value::map(vec![("name".into(), "Ann B".into())]))));
        assert_eq!(parse_call("PUT /note two words").unwrap().body, Some(AnyValue("two words".into())));
    }

    #[test]
    fn what_is_no_call_is_refused_with_an_example() {
        for (text, expected) in [
            ("", "names no method"),
            ("(7)", "names no method"),
            ("get user(7)", "names no method"),
            ("get_user(7", "does not end with )"),
            ("get_user(Ann)", "an argument is not JSON"),
            ("get_user(7,)", "an argument is missing"),
            ("get_user(7 8)", "expected a comma"),
            ("get_user(7, id=8)", "either by position or by name"),
            ("GET users", "begins with /"),
        ] {
            let error = parse_call(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("such as get_user(7)"), "{text}: {error}");
        }
    }
}
