//! The calls of `rpcbench call`, their parameters and their output.

use std::sync::Arc;
use std::time::{Duration, Instant};

use calculator::{Call, CallError, Client, ClientOptions, Deadline, Limits, Params, Value, json};

use super::destination::Destination;
use super::options::{Options, OptionsError};
use super::secret::{SecretError, revealed};

/// A call from the command line.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The server.
    pub destination: Destination,
    /// The method and its arguments as they were written.
    pub words: Vec<String>,
    /// The protocol's own options for a call.
    pub options: Options,
    /// How long the call may take.
    pub timeout: Duration,
}

impl Invocation {
    /// The method; empty where none was named.
    #[must_use]
    pub fn method(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The options of a client that makes the call.
    #[must_use]
    pub fn client_options(&self) -> ClientOptions {
        ClientOptions { timeout: self.timeout, ..ClientOptions::default() }
    }

    /// The call, for a protocol that cannot list methods.
    ///
    /// # Errors
    /// [`InvokeError::Usage`] without a method, and as [`call`](Self::call).
    pub fn named_call(
        &self,
        stack: &str,
        named: bool,
        typed: impl Fn(Value) -> Value,
    ) -> Result<Call, InvokeError> {
        if self.method().is_empty() {
            return Err(InvokeError::Usage(format!("name a method; {stack} does not list them")));
        }
        self.call(named, typed)
    }

    /// The call. `named` is whether the protocol has named parameters; `typed` converts JSON to the
    /// types of the protocol.
    ///
    /// # Errors
    /// [`InvokeError::Usage`] for parameters both by position and by name, and for parameters without a method.
    pub fn call(&self, named: bool, typed: impl Fn(Value) -> Value) -> Result<Call, InvokeError> {
        let arguments = self.words.get(1..).unwrap_or_default();
        if self.method().is_empty() && !arguments.is_empty() {
            return Err(InvokeError::Usage("name the method of the arguments".to_owned()));
        }
        let params = parse_params(arguments, named, typed).map_err(InvokeError::Usage)?;
        Ok(Call { method: self.method().to_owned().into(), params })
    }
}

/// The output of a call.
#[derive(Debug)]
pub enum Output {
    /// A result, or one of several.
    Value(Value),
    /// The error of one of several calls.
    Error(CallError),
    /// Lines of text for a person to read.
    Text(String),
}

/// Why a call has no output.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The command line asks for something that the protocol does not have.
    #[error("{0}")]
    Usage(String),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The options cannot be read.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

/// Makes `call` with the client that `connect` returns. `timeout` does not include connecting, which has a separate one.
///
/// # Errors
/// When the connection or the call fails, or the call takes longer than `timeout`.
pub(super) async fn one_call(
    connect: impl Future<Output = Result<Arc<dyn Client>, CallError>>,
    call: &Call,
    timeout: Duration,
) -> Result<Value, CallError> {
    let client = connect.await?;
    Deadline::new(timeout).within(Instant::now(), client.call(call)).await
}

/// Parses the parameters of a call. Each word is JSON if it can be read as JSON, otherwise a string; `NAME=VALUE` is a
/// named parameter if the protocol has named parameters. `@FILE`, `-` and `env:NAME` stand for the text of a file, of
/// standard input and of an environment variable.
///
/// # Errors
/// A message for the user if only some parameters are named, or a text cannot be read.
pub fn parse_params(
    words: &[String],
    named_parameters: bool,
    typed: impl Fn(Value) -> Value,
) -> Result<Params, String> {
    let value = |text: &str| {
        parse_value(text).map(&typed).map_err(|error| {
            format!(
                "{error}; write an argument that itself begins with @ or env: as JSON, for example '\"@x\"'"
            )
        })
    };
    let mut positional = Vec::new();
    let mut named = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((name, text)) if named_parameters && is_name(name) => {
                named.push((name.into(), value(text)?));
            }
            _ => positional.push(value(word)?),
        }
    }
    match (positional.is_empty(), named.is_empty()) {
        (_, true) => Ok(Params::Positional(positional)),
        (true, false) => Ok(Params::named(named)),
        (false, false) => {
            Err("pass arguments either by position or by name; write all of them as NAME=VALUE, or none"
                .to_owned())
        }
    }
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
        && text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads a value as [`parse_params`] does.
///
/// # Errors
/// For a file, standard input or environment variable that cannot be read.
pub(super) fn parse_value(text: &str) -> Result<Value, SecretError> {
    let text = revealed(text)?;
    Ok(json::read(text.as_bytes(), &Limits::default()).unwrap_or_else(|_| Value::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn an_argument_is_json_or_else_a_string_and_named_only_where_the_protocol_has_names() {
        let given = words(&["2", "2.0", "-3", "true", "null", "[1]", "\"5\"", "RPC", "%Y/%m", "a b=c"]);
        let Ok(Params::Positional(positional)) = parse_params(&given, true, |value| value) else {
            panic!("by position")
        };
        let expected = [
            Value::Int(2),
            Value::Float(2.0),
            Value::Int(-3),
            Value::Bool(true),
            Value::Null,
            Value::list(vec![Value::Int(1)]),
            Value::from("5"),
            Value::from("RPC"),
            Value::from("%Y/%m"),
            Value::from("a b=c"),
        ];
        assert_eq!(positional, expected);
        let named = parse_params(&words(&["x=2", "name=RPC"]), true, |value| value).unwrap();
        assert_eq!(
            named,
            Params::Named(vec![("x".into(), Value::Int(2)), ("name".into(), Value::from("RPC"))])
        );
        let text = parse_params(&words(&["x=2"]), false, |value| value).unwrap();
        assert_eq!(text, Params::Positional(vec![Value::from("x=2")]));
        assert!(parse_params(&words(&["1", "y=2"]), true, |value| value).is_err());
    }

    #[test]
    fn an_argument_can_be_the_text_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value").display().to_string();
        let parse = |word: &str| parse_params(&words(&[word]), true, |value| value);
        for (content, value) in
            [("[1, 2]\n", Value::list(vec![1.into(), 2.into()])), ("secret\n", "secret".into())]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(parse(&format!("@{path}")), Ok(Params::Positional(vec![value.clone()])));
            assert_eq!(parse(&format!("x=@{path}")), Ok(Params::Named(vec![("x".into(), value)])));
        }
        let path = std::env::var("PATH").unwrap();
        assert_eq!(parse("env:PATH"), Ok(Params::Positional(vec![path.into()])));
        assert_eq!(parse("\"@x\""), Ok(Params::Positional(vec!["@x".into()])));
        assert!(parse("@nosuchfile").unwrap_err().contains("'\"@x\"'"));
    }
}
