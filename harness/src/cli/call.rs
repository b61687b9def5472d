//! `rpcbench call`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use calculator::{CallError, Value, printable, printable_json, printable_lines};

use super::protocol_options::{OfCalls, OfClients, ProtocolOptions};
use super::repeat::repeat;
use super::{Exit, Failure, Outcome, print, runtime};
use crate::stacks::{Invocation, InvokeError, Output, Stack, revealed};

/// Call a method of any server, and print the result as JSON
///
/// An argument that is valid JSON is sent as that value, any other as a string. NAME=VALUE passes a parameter by name, in
/// protocols that allow it (REST, JSON-RPC, gRPC, AMQP, NATS). @FILE, - and env:NAME stand for the text of a file, of standard
/// input and of an environment variable, which keeps secrets out of the list of processes. XML-RPC's bytes, dates and integers
/// of 64 bits are written {"base64": "…"}, {"dateTime.iso8601": "…"} and {"i8": …}.
#[derive(clap::Args)]
#[command(after_help = "\
How arguments are read:
  5               the integer 5
  5.0             the float 5.0; an integer and a float are different values to most servers
  '\"5\"'           the string 5, such as an id or a password of digits; so also '\"true\"' and '\"null\"'
  1e3             the float 1000.0; a version or a date such as 2026-11-26 is a string, since it is not JSON
  true null       a Boolean, no value; True and None are strings
  '[1, \"a\"]'      a list; in shells, put JSON into single quotes
  x=5             the parameter x with the value 5, not a text with an equals sign; for that, write '\"x=5\"'
  -5 -- -x        a negative number; after --, a text that begins with a hyphen
  @token.txt      the text of the file, without the line break at its end; for the text @token.txt, write '\"@token.txt\"'
  env:TOKEN  -    the text of an environment variable, of standard input

Errors as JSON (--error-format json), on standard output with exit code 1 or 3:
  {\"error\": {\"kind\": \"zero-division\", \"message\": \"…\", \"code\": -32603, \"class\": null, \"data\": null}}

Examples:
  rpcbench call xmlrpc http://127.0.0.1:8000/ add 2 3
  rpcbench call jsonrpc http://127.0.0.1:8080/jsonrpc subtract x=3 y=10
  rpcbench call jsonrpc http://zabbix.example/api_jsonrpc.php host.get output='[\"hostid\"]' --header 'authorization: Bearer TOKEN'
  rpcbench call jsonrpc http://zabbix.example/api_jsonrpc.php host.get --header @headers.txt
  rpcbench call jsonrpc http://zabbix.example/api_jsonrpc.php host.get output='[\"hostid\"]' --member auth=env:TOKEN
  rpcbench call jsonrpc http://127.0.0.1:8080/jsonrpc --batch add 2 3 , hello RPC
  rpcbench call rest http://127.0.0.1:8080/ 'GET /users/7' --header 'x-key: KEY'
  rpcbench call rest http://127.0.0.1:8080/ 'POST /users' '{\"name\": \"Ann\"}'
  rpcbench call xmlrpc http://127.0.0.1:8000/ add 2 3 --repeat 1000 --json
  rpcbench call xmlrpc http://127.0.0.1:9001/RPC2     # list the methods
  rpcbench call xmlrpc http://127.0.0.1:8000/ schedule '{\"dateTime.iso8601\": \"20261126T10:00:00\"}' '{\"i8\": 5000000000}'
  rpcbench call zerorpc tcp://127.0.0.1:4242 hello RPC
  rpcbench call zerorpc tcp://127.0.0.1:1234 strftime %Y/%m/%d
  rpcbench call amqp amqp://guest:guest@localhost/ add x=2 y=3 --topic calc
  rpcbench call amqp env:RPCBENCH_BROKER add x=2 y=3
  rpcbench call amqp @broker.url add x=2 y=3")]
pub(super) struct Arguments {
    /// The protocol (rest, xmlrpc, jsonrpc, jsonrpc-lines, jsonrpc-ws, zerorpc, grpc, thrift, amqp, nats, tcp), or the stack whose client is used
    protocol: String,
    /// The URL of the server, or of the broker for AMQP and NATS; @FILE reads it from a file, env:NAME from an environment
    /// variable, - from standard input, so that a password in it does not show in the list of processes
    url: String,
    /// The method; for REST also VERB and PATH, such as 'GET /users/7', with the body as the argument. Without a method, the
    /// methods of the server are listed: of a zerorpc server, of a gRPC server with server reflection, and of XML-RPC and
    /// JSON-RPC servers that have `system.listMethods` or `rpc.discover`
    #[arg(default_value = "", hide_default_value = true)]
    method: String,
    /// The arguments, read as described below. Put `--` before them if one begins with a hyphen and is not a number
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    values: Vec<String>,
    /// How long the call may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = calculator::parse_duration_above_zero)]
    timeout: Duration,
    /// How to print the error of a call
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    error_format: ErrorFormat,
    /// Make the call this many times over one connection, one at a time, and print how long it takes instead of the results
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    repeat: Option<u32>,
    /// With --repeat: print the times as one line of JSON
    #[arg(long, requires = "repeat")]
    json: bool,
    #[command(flatten)]
    client: ProtocolOptions<OfClients>,
    #[command(flatten)]
    call: ProtocolOptions<OfCalls>,
}

/// The formats of the error of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ErrorFormat {
    /// For people, on standard error
    #[default]
    Text,
    /// As one line of JSON, on standard output in place of the result
    Json,
}

pub(super) fn call(arguments: &Arguments) -> Outcome {
    let stack = Stack::named_at_address(&arguments.protocol).map_err(Failure::usage)?;
    let url = revealed(&arguments.url).map_err(Failure::usage)?;
    let invocation = Invocation {
        destination: arguments.client.destination(stack, &url)?,
        options: arguments.call.of_call(stack)?,
        words: [&arguments.method].into_iter().chain(&arguments.values).cloned().collect(),
        timeout: arguments.timeout,
    };
    if let Some(times) = arguments.repeat {
        return repeat(stack, &invocation, times, arguments.json);
    }
    let mut exit = Exit::Done;
    let mut printed = Ok(());
    let mut show = |output: Output| {
        if matches!(output, Output::Error(_)) {
            exit = Exit::No;
        }
        if printed.is_ok() {
            printed = print(&rendered(output));
        }
    };
    let done = runtime()?.block_on(stack.protocol.get().invoke(stack, &invocation, &mut show));
    printed?;
    match done {
        Ok(()) => Ok(exit),
        Err(InvokeError::Call(error)) if arguments.error_format == ErrorFormat::Json => {
            print(&error_line(&error))?;
            Ok(if error.kind.is_transport() { Exit::CouldNotRun } else { Exit::No })
        }
        Err(InvokeError::Call(error)) => Err(failed(&url, stack, &error)),
        Err(error @ (InvokeError::Usage(_) | InvokeError::Options(_))) => Err(Failure::usage(error)),
    }
}

/// One piece of output, as one line or several.
fn rendered(output: Output) -> String {
    match output {
        Output::Text(text) => text,
        Output::Value(value) => line_of(&value),
        Output::Error(error) => error_line(&error),
    }
}

/// A line with `value` as JSON, without characters that a terminal would take for commands.
fn line_of(value: &Value) -> String {
    let mut text = String::new();
    write_json(&mut text, value);
    printable_json(&text).into_owned() + "\n"
}

/// A line with `error` as JSON: an object with the member `error`, which has the members `kind`, `message`, `code`, `class`
/// and `data`. Those that the server did not send are null. Programs rely on this form.
fn error_line(error: &CallError) -> String {
    let remote = error.remote.as_deref().cloned().unwrap_or_default();
    let member = |name: &str, value: Option<Value>| (name.into(), value.unwrap_or(Value::Null));
    let error = Value::map(vec![
        member("kind", Some(error.kind.name().into())),
        member("message", Some(error.message.as_str().into())),
        member("code", remote.code.map(Value::Int)),
        member("class", remote.class.map(Value::from)),
        member("data", remote.data),
    ]);
    line_of(&Value::map(vec![("error".into(), error)]))
}

fn failed(url: &str, stack: &Stack, error: &CallError) -> Failure {
    if error.kind.is_transport() {
        let address = net::redacted(url);
        // A status such as 503 is an answer, although not that of the server behind the proxy.
        let place = if error.remote.is_some() { address } else { format!("no answer from {address}") };
        return Failure::could_not_run(format!("{}: {place}: {error}", stack.name));
    }
    let traceback = traceback(error);
    let mut text = with_details(error, traceback.is_none());
    if let Some(traceback) = traceback {
        text.push('\n');
        text.push_str(&traceback);
    }
    Failure::new(Exit::No, text)
}

/// The traceback that a server in Python sends with an exception: several lines, without characters that a terminal
/// would take for commands.
fn traceback(error: &CallError) -> Option<String> {
    let Some(Value::Str(text)) = &error.remote.as_ref()?.data else { return None };
    let lines = text.trim_end();
    lines.contains('\n').then(|| printable_lines(lines).into_owned())
}

/// The error with what the server reported in its protocol's own terms; `with_data` includes the data that came with
/// it.
fn with_details(error: &CallError, with_data: bool) -> String {
    let Some(remote) = &error.remote else { return error.to_string() };
    let code = remote.code.map(|code| format!("code {code}"));
    let class = remote.class.as_ref().map(|class| format!("class {}", printable(class)));
    let data = remote.data.as_ref().filter(|_| with_data).map(|data| format!("data {}", shortened(data)));
    let details: Vec<_> = [code, class, data].into_iter().flatten().collect();
    if details.is_empty() { error.to_string() } else { format!("{error} ({})", details.join(", ")) }
}

/// The beginning of `data` on one line.
fn shortened(data: &Value) -> String {
    const MAX_CHARS: usize = 1_000;
    let text = format!("{data:?}");
    let text = printable(&text);
    calculator::shortened(&text, MAX_CHARS).into_owned()
}

/// Appends `value` as JSON for a person or a program to read. Values that JSON cannot represent are written in the
/// nearest form: bytes as `{"base64": …}`, dates as `{"dateTime.iso8601": …}`, MessagePack's extension types as
/// `{"extension": NUMBER, "base64": …}`, NaN and infinities as strings, long integers with all their digits.
fn write_json(out: &mut String, value: &Value) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let separated = |out: &mut String, index: usize| {
        if index > 0 {
            out.push_str(", ");
        }
    };
    match value {
        Value::BigInt(digits) => out.push_str(digits),
        Value::Float(v) if v.is_nan() => out.push_str("\"NaN\""),
        Value::Float(v) if !v.is_finite() => {
            out.push_str(if *v > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        }
        Value::DateTime(text) => out.push_str(&format!("{{\"dateTime.iso8601\": {}}}", quoted(text))),
        Value::Bytes(bytes) => out.push_str(&format!("{{\"base64\": {}}}", quoted(&BASE64.encode(bytes)))),
        Value::Extension(value) => out.push_str(&format!(
            "{{\"extension\": {}, \"base64\": {}}}",
            value.number,
            quoted(&BASE64.encode(&value.data))
        )),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separated(out, index);
                write_json(out, item);
            }
            out.push(']');
        }
        Value::Map(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                separated(out, index);
                out.push_str(&quoted(name));
                out.push_str(": ");
                write_json(out, value);
            }
            out.push('}');
        }
        // JSON can represent all others.
        plain => out.push_str(&serde_json::to_string(plain).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::{ErrorKind, Remote};

    #[test]
    fn an_error_has_the_same_members_whatever_the_server_sent() {
        let error = CallError::new(ErrorKind::Timeout, "no \"reply\"\u{1b}\u{202e}");
        assert_eq!(
            error_line(&error),
            "{\"error\": {\"kind\": \"timeout\", \"message\": \"no \\\"reply\\\"\\u001b\\u202e\", \"code\": null, \
             \"class\": null, \"data\": null}}\n"
        );
        let remote = Remote { code: Some(4), class: Some("E".to_owned()), data: Some(Value::from(vec![0])) };
        assert_eq!(
            error_line(&CallError::remote(ErrorKind::Internal, "m", remote)),
            "{\"error\": {\"kind\": \"internal\", \"message\": \"m\", \"code\": 4, \"class\": \"E\", \
             \"data\": {\"base64\": \"AA==\"}}}\n"
        );
    }

    #[test]
    fn results_are_json_with_every_digit() {
        let value = Value::map(vec![
            ("list".into(), Value::list(vec![Value::Int(1), Value::Float(5.0), Value::Null])),
            ("big".into(), Value::BigInt("18446744073709551615".into())),
            ("bytes".into(), Value::from(vec![0, 255])),
            ("nan".into(), Value::list(vec![Value::Float(f64::NAN), Value::Float(f64::NEG_INFINITY)])),
            ("text".into(), Value::from("a\"b")),
        ]);
        let mut text = String::new();
        write_json(&mut text, &value);
        assert_eq!(
            text,
            r#"{"list": [1, 5.0, null], "big": 18446744073709551615, "bytes": {"base64": "AP8="}, "nan": ["NaN", "-Infinity"], "text": "a\"b"}"#
        );
    }
}
