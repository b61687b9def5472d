//! `rpcbench call`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp::{AmqpClient, Target, Transport};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use calculator::{Call, CallError, Client, ClientOptions, Deadline, Limits, Params, Protocol, Value, json};
use http_layer::HyperClient;
use jsonrpc::{BatchCall, JsonRpcClient};
use xmlrpc::XmlRpcClient;

use super::amqp::TargetArguments;
use super::http::HeaderArguments;
use super::zerorpc::HeartbeatArgument;
use super::{Exit, Failure, Outcome, print, runtime};
use crate::stacks::{Address, Stack};
use crate::trial::without_credentials;

/// Calls any method of any server of a protocol, ours or not, and prints the result as JSON.
///
/// An argument is JSON where it can be read as JSON, otherwise a string. NAME=VALUE passes a named parameter where
/// the protocol has them (REST, JSON-RPC, AMQP). XML-RPC's bytes and dates are written {"base64": "…"} and
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
    /// The protocol, or a stack of it: rest, xmlrpc, jsonrpc, zerorpc, amqp, tcp
    protocol: String,
    /// Where the server is, or the broker for AMQP
    url: String,
    /// The method; without one, zerorpc lists the server's methods
    #[arg(default_value = "", hide_default_value = true)]
    method: String,
    /// The arguments; put `--` before them where one begins with a hyphen and is no number
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    values: Vec<String>,
    /// How long the call may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    headers: HeaderArguments,
    /// Send null as <nil/>, which not every server takes
    #[arg(long, help_heading = "XML-RPC")]
    allow_none: bool,
    #[command(flatten)]
    jsonrpc: JsonRpcArguments,
    #[command(flatten)]
    heartbeat: HeartbeatArgument,
    /// Send the message and do not ask for an answer
    #[arg(long, help_heading = "AMQP")]
    cast: bool,
    /// With --cast: to every server of the topic
    #[arg(long, requires = "cast", help_heading = "AMQP")]
    fanout: bool,
}

/// What JSON-RPC can do beside a call.
#[derive(clap::Args)]
#[command(next_help_heading = "JSON-RPC")]
struct JsonRpcArguments {
    /// Send a notification: nothing is answered
    #[arg(long)]
    notify: bool,
    /// Send several calls in one request: a `,` by itself stands between them
    #[arg(long)]
    batch: bool,
}

impl JsonRpcArguments {
    fn asks_for_more(&self) -> bool {
        self.notify || self.batch
    }
}

pub(super) fn call(arguments: &Arguments) -> Outcome {
    let stack = Stack::named(&arguments.protocol).map_err(Failure::usage)?;
    let address = arguments.headers.add_to(stack, arguments.target.address(stack, &arguments.url)?)?;
    let options = ClientOptions { timeout: arguments.timeout, ..ClientOptions::default() };
    let heartbeat = arguments.heartbeat.of(stack)?;
    if arguments.jsonrpc.asks_for_more() {
        return jsonrpc(arguments, stack, &address, &options);
    }
    let params = params(stack.protocol, &arguments.values)?;
    let call = Call { method: arguments.method.clone().into(), params };
    if arguments.cast {
        return cast(arguments, stack, address, &options, &call);
    }
    if arguments.allow_none && stack.protocol != Protocol::Xmlrpc {
        return Err(Failure::usage(
            "--allow-none is for xmlrpc; the other protocols have a null of their own",
        ));
    }
    if stack.protocol == Protocol::Zerorpc {
        return super::zerorpc::call(stack, &address.url, &options, heartbeat, &call)
            .unwrap_or_else(|error| Err(failed(arguments, stack, &error)));
    }
    if arguments.method.is_empty() {
        return Err(Failure::usage(format!("name a method; {} does not list them", stack.name)));
    }
    let result = runtime()?.block_on(async {
        let client: Arc<dyn Client> = if arguments.allow_none {
            let client =
                XmlRpcClient::<HyperClient>::connect(&address.url, &address.headers, &options).await?;
            Arc::new(client.allow_none(true))
        } else {
            stack.connect(address, options).await?
        };
        Deadline::new(arguments.timeout).within(Instant::now(), client.call(&call)).await
    });
    match result {
        Ok(value) => {
            print_value(&value);
            Ok(Exit::Done)
        }
        Err(error) => Err(failed(arguments, stack, &error)),
    }
}

/// Prints a result, or one of several, on a line of its own.
pub(super) fn print_value(value: &Value) {
    let mut text = String::new();
    write_json(&mut text, value);
    text.push('\n');
    print(&text);
}

fn failed(arguments: &Arguments, stack: &Stack, error: &CallError) -> Failure {
    if error.kind.is_transport() {
        let address = without_credentials(&arguments.url);
        return Failure::could_not_run(format!("{}: no answer from {address}: {error}", stack.name));
    }
    let traceback = traceback(error);
    let mut text = in_full(error, traceback.is_none());
    if let Some(traceback) = traceback {
        text.push('\n');
        text.push_str(&traceback);
    }
    Failure::new(Exit::No, text)
}

/// What a peer in Python tells of the place of an exception: several lines, without what a terminal would take for a
/// command.
fn traceback(error: &CallError) -> Option<String> {
    let Some(Value::Str(text)) = &error.remote.as_ref()?.data else { return None };
    let lines = text.trim_end();
    lines.contains('\n').then(|| lines.chars().filter(|c| *c == '\n' || !c.is_control()).collect())
}

/// Sends a notification, or a batch of calls or notifications.
fn jsonrpc(arguments: &Arguments, stack: &Stack, address: &Address, options: &ClientOptions) -> Outcome {
    if stack.protocol != Protocol::Jsonrpc {
        return Err(Failure::usage("--notify and --batch are for jsonrpc"));
    }
    let words: Vec<String> = [&arguments.method].into_iter().chain(&arguments.values).cloned().collect();
    let mut calls = Vec::new();
    for words in words.split(|word| arguments.jsonrpc.batch && word == ",") {
        let Some((method, values)) = words.split_first() else {
            return Err(Failure::usage("a method is missing beside a `,`"));
        };
        let call = Call { method: method.clone().into(), params: params(stack.protocol, values)? };
        calls.push(if arguments.jsonrpc.notify {
            BatchCall::Notification(call)
        } else {
            BatchCall::Call(call)
        });
    }
    let results = runtime()?.block_on(async {
        let client = JsonRpcClient::<HyperClient>::connect(&address.url, &address.headers, options).await?;
        let mut deadline = Deadline::new(arguments.timeout);
        match calls.as_slice() {
            [BatchCall::Notification(call)] if !arguments.jsonrpc.batch => {
                deadline.within(Instant::now(), client.notify(call)).await.map(|()| vec![])
            }
            calls => deadline.within(Instant::now(), client.batch(calls)).await,
        }
    });
    let results = results.map_err(|error| failed(arguments, stack, &error))?;
    let mut exit = Exit::Done;
    for result in results.into_iter().flatten() {
        let mut text = String::new();
        match result {
            Ok(value) => write_json(&mut text, &value),
            Err(error) => {
                exit = Exit::No;
                let error =
                    serde_json::json!({ "error": { "kind": error.kind, "message": in_full(&error, true) } });
                text = error.to_string();
            }
        }
        text.push('\n');
        print(&text);
    }
    Ok(exit)
}

/// Sends a message that nobody answers; done when the broker has it.
fn cast(
    arguments: &Arguments,
    stack: &Stack,
    address: Address,
    options: &ClientOptions,
    call: &Call,
) -> Outcome {
    if stack.protocol != Protocol::Amqp {
        return Err(Failure::usage("--cast is for amqp; the other protocols answer every call"));
    }
    let target = Target { fanout: arguments.fanout, ..address.target };
    let sent = runtime()?.block_on(async {
        let transport = address
            .url
            .parse::<Transport>()
            .map_err(|error| CallError::new(calculator::ErrorKind::Undeliverable, error.to_string()))?;
        let transport = address.queues.into_iter().fold(transport, Transport::queue_kind);
        let client = AmqpClient::connect(&transport, target, options).await?;
        Deadline::new(arguments.timeout).within(Instant::now(), client.cast(call)).await
    });
    sent.map(|()| Exit::Done).map_err(|error| failed(arguments, stack, &error))
}

/// The error with what the peer said in its protocol's own terms; its data may be left out.
fn in_full(error: &CallError, with_data: bool) -> String {
    let mut text = error.to_string();
    if let Some(remote) = &error.remote {
        let code = remote.code.map(|code| format!("code {code}"));
        let class = remote.class.as_ref().map(|class| format!("class {class}"));
        let data = remote.data.as_ref().filter(|_| with_data).map(|data| format!("data {data:?}"));
        let said: Vec<_> = [code, class, data].into_iter().flatten().collect();
        if !said.is_empty() {
            text = format!("{text} ({})", said.join(", "));
        }
    }
    text
}

fn params(protocol: Protocol, values: &[String]) -> Result<Params, Failure> {
    let has_names = matches!(protocol, Protocol::Rest | Protocol::Jsonrpc | Protocol::Amqp);
    let mut positional = Vec::new();
    let mut named = Vec::new();
    for text in values {
        match text.split_once('=') {
            Some((name, value)) if has_names && is_name(name) => {
                named.push((name.to_owned(), argument(value)));
            }
            _ if protocol == Protocol::Xmlrpc => positional.push(with_xmlrpc_types(argument(text))),
            _ => positional.push(argument(text)),
        }
    }
    match (positional.is_empty(), named.is_empty()) {
        (_, true) => Ok(Params::Positional(positional)),
        (true, false) => Ok(Params::named(named)),
        (false, false) => Err(Failure::usage(
            "arguments go either by position or by name; write all of them as NAME=VALUE, or none",
        )),
    }
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
        && text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn argument(text: &str) -> Value {
    json::read(text.as_bytes(), &Limits::default()).unwrap_or_else(|_| Value::from(text))
}

/// Reads what [`write_json`] makes of bytes and dates, which XML-RPC has and JSON does not, inside lists and maps too.
fn with_xmlrpc_types(value: Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.into_iter().map(with_xmlrpc_types).collect()),
        Value::Map(members) => {
            if let [(name, Value::Str(text))] = members.as_slice() {
                match (name.as_str(), BASE64.decode(text)) {
                    ("base64", Ok(bytes)) => return Value::Bytes(bytes),
                    ("dateTime.iso8601", _) => return Value::DateTime(text.as_str().into()),
                    _ => {}
                }
            }
            let typed = members.into_iter().map(|(name, value)| (name, with_xmlrpc_types(value)));
            Value::Map(typed.collect())
        }
        scalar => scalar,
    }
}

/// Appends `value` as JSON for a person or a program to read. What JSON has no form for is written as near to it as
/// can be: bytes as `{"base64": …}`, dates as `{"dateTime.iso8601": …}`, NaN and infinities as strings, long integers with all their digits.
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
        // The rest has a form of its own in JSON.
        plain => out.push_str(&serde_json::to_string(plain).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_json_or_else_text_and_names_only_where_the_protocol_has_them() {
        let values = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let given = values(&["2", "2.0", "-3", "true", "null", "[1]", "\"5\"", "RPC", "%Y/%m", "a b=c"]);
        let Ok(Params::Positional(positional)) = params(Protocol::Rest, &given) else {
            panic!("by position")
        };
        let expected = [
            Value::Int(2),
            Value::Float(2.0),
            Value::Int(-3),
            Value::Bool(true),
            Value::Null,
            Value::List(vec![Value::Int(1)]),
            Value::from("5"),
            Value::from("RPC"),
            Value::from("%Y/%m"),
            Value::from("a b=c"),
        ];
        assert_eq!(positional, expected);
        let named = params(Protocol::Jsonrpc, &values(&["x=2", "name=RPC"])).unwrap();
        assert_eq!(
            named,
            Params::Named(vec![("x".into(), Value::Int(2)), ("name".into(), Value::from("RPC"))])
        );
        let text = params(Protocol::Xmlrpc, &values(&["x=2"])).unwrap();
        assert_eq!(text, Params::Positional(vec![Value::from("x=2")]));
        assert_eq!(params(Protocol::Rest, &values(&["1", "y=2"])).unwrap_err().exit, Exit::Usage);
    }

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
