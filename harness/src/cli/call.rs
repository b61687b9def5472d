//! `rpcbench call`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use calculator::{CallError, Value};

use super::protocol_options::{OfCalls, OfClients, ProtocolOptions};
use super::{Exit, Failure, Outcome, print, runtime};
use crate::stacks::{Invocation, InvokeError, Output, Stack};

/// Call a method of any server, and print the result as JSON
///
/// An argument that is valid JSON is sent as that value, any other as a string. NAME=VALUE passes a parameter by name, in
/// protocols that allow it (REST, JSON-RPC, AMQP). XML-RPC's bytes and dates are written {"base64": "…"} and
/// {"dateTime.iso8601": "…"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench call xmlrpc http://127.0.0.1:8000/ add 2 3
  rpcbench call jsonrpc http://127.0.0.1:8080/jsonrpc subtract x=3 y=10
  rpcbench call jsonrpc http://zabbix.example/api_jsonrpc.php host.get output='[\"hostid\"]' --header 'authorization: Bearer TOKEN'
  rpcbench call jsonrpc http://127.0.0.1:8080/jsonrpc --batch add 2 3 , hello RPC
  rpcbench call zerorpc tcp://127.0.0.1:4242 hello RPC
  rpcbench call zerorpc tcp://127.0.0.1:1234 strftime %Y/%m/%d
  rpcbench call amqp amqp://guest:guest@localhost/ add x=2 y=3 --topic calc")]
pub(super) struct Arguments {
    /// The protocol (rest, xmlrpc, jsonrpc, zerorpc, amqp, tcp), or the stack whose client is used
    protocol: String,
    /// The URL of the server, or of the broker for AMQP
    url: String,
    /// The method. Without one, the methods of a zerorpc server are listed
    #[arg(default_value = "", hide_default_value = true)]
    method: String,
    /// The arguments. Put `--` before them if one begins with a hyphen and is not a number
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    values: Vec<String>,
    /// How long the call may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    client: ProtocolOptions<OfClients>,
    #[command(flatten)]
    call: ProtocolOptions<OfCalls>,
}

pub(super) fn call(arguments: &Arguments) -> Outcome {
    let stack = Stack::named(&arguments.protocol).map_err(Failure::usage)?;
    let invocation = Invocation {
        destination: arguments.client.destination(stack, &arguments.url)?,
        options: arguments.call.of_call(stack)?,
        words: [&arguments.method].into_iter().chain(&arguments.values).cloned().collect(),
        timeout: arguments.timeout,
    };
    let mut exit = Exit::Done;
    let mut show = |output: Output| {
        if matches!(output, Output::Error(_)) {
            exit = Exit::No;
        }
        print(&rendered(output));
    };
    let done = runtime()?.block_on(stack.protocol.get().invoke(stack, &invocation, &mut show));
    match done {
        Ok(()) => Ok(exit),
        Err(InvokeError::Call(error)) => Err(failed(arguments, stack, &error)),
        Err(error @ (InvokeError::Usage(_) | InvokeError::Options(_))) => Err(Failure::usage(error)),
    }
}

/// One piece of output, as one line or several.
fn rendered(output: Output) -> String {
    match output {
        Output::Text(text) => text,
        Output::Value(value) => {
            let mut text = String::new();
            write_json(&mut text, &value);
            text + "\n"
        }
        Output::Error(error) => {
            let message = with_details(&error, true);
            format!("{}\n", serde_json::json!({ "error": { "kind": error.kind, "message": message } }))
        }
    }
}

fn failed(arguments: &Arguments, stack: &Stack, error: &CallError) -> Failure {
    if error.kind.is_transport() {
        let address = net::redacted(&arguments.url);
        return Failure::could_not_run(format!("{}: no answer from {address}: {error}", stack.name));
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
    lines.contains('\n').then(|| lines.chars().filter(|c| *c == '\n' || !c.is_control()).collect())
}

/// The error with what the server reported in its protocol's own terms; `with_data` includes the data that came with
/// it.
fn with_details(error: &CallError, with_data: bool) -> String {
    let Some(remote) = &error.remote else { return error.to_string() };
    let code = remote.code.map(|code| format!("code {code}"));
    let class = remote.class.as_ref().map(|class| format!("class {class}"));
    let data = remote.data.as_ref().filter(|_| with_data).map(|data| format!("data {data:?}"));
    let details: Vec<_> = [code, class, data].into_iter().flatten().collect();
    if details.is_empty() { error.to_string() } else { format!("{error} ({})", details.join(", ")) }
}

/// Appends `value` as JSON for a person or a program to read. Values that JSON cannot represent are written in the
/// nearest form: bytes as `{"base64": …}`, dates as `{"dateTime.iso8601": …}`, NaN and infinities as strings, long
/// integers with all their digits.
fn write_json(out: &mut String, value: &Value) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let separated = |out: &mut String, index: usize| {
        if index > 0 {
            out.push_str(", ");
        }
    };
    match value {
        Value::BigInt(digits) => out.push_str(digits),
        Value::Float(v) if !v.is_finite() => out.push_str(&quoted(&v.to_string())),
        Value::DateTime(text) => out.push_str(&format!("{{\"dateTime.iso8601\": {}}}", quoted(text))),
        Value::Bytes(bytes) => out.push_str(&format!("{{\"base64\": {}}}", quoted(&BASE64.encode(bytes)))),
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

    #[test]
    fn results_are_json_with_every_digit() {
        let value = Value::Map(vec![
            ("list".into(), Value::List(vec![Value::Int(1), Value::Float(5.0), Value::Null])),
            ("big".into(), Value::BigInt("18446744073709551615".into())),
            ("bytes".into(), Value::Bytes(vec![0, 255])),
            ("nan".into(), Value::Float(f64::NAN)),
            ("text".into(), Value::from("a\"b")),
        ]);
        let mut text = String::new();
        write_json(&mut text, &value);
        assert_eq!(
            text,
            r#"{"list": [1, 5.0, null], "big": 18446744073709551615, "bytes": {"base64": "AP8="}, "nan": "NaN", "text": "a\"b"}"#
        );
    }
}
