//! What `rpcbench call` does for zerorpc beside a call with one result: streams, and a list of the methods.

use std::str::FromStr;
use std::time::{Duration, Instant};

use ::zerorpc::{DEFAULT_PERIOD, DEFAULT_SLOTS, HeartbeatPeriod, Items, Library, Reply, ZerorpcClient};
use calculator::{Call, CallError, Client, ClientOptions, Deadline, ErrorKind, Protocol, Value};
use futures_util::StreamExt;

use super::call::print_value;
use super::{Exit, Failure, Outcome, print, runtime};
use crate::stacks::Stack;

/// How often heartbeats are sent.
#[derive(clap::Args)]
pub(super) struct HeartbeatArgument {
    /// How often to send a heartbeat on a call that takes long, or `none`; tell both ends the same [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = "zerorpc")]
    heartbeat: Option<Period>,
}

#[derive(Clone, Copy)]
struct Period(HeartbeatPeriod);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Period(None));
        }
        let period = humantime::parse_duration(text).map_err(|error| error.to_string())?;
        if period < Duration::from_millis(10) {
            return Err("expected 10ms or more, or none".to_owned());
        }
        Ok(Period(Some(period)))
    }
}

impl HeartbeatArgument {
    pub(super) fn is_given(&self) -> bool {
        self.heartbeat.is_some()
    }

    /// The period for `stack`.
    ///
    /// # Errors
    /// Where one is given for a protocol without heartbeats.
    pub(super) fn of(&self, stack: &Stack) -> Result<HeartbeatPeriod, Failure> {
        match self.heartbeat {
            Some(_) if stack.protocol != Protocol::Zerorpc => Err(Failure::usage(
                "--heartbeat is for zerorpc; the other protocols have no heartbeats of calls",
            )),
            Some(Period(period)) => Ok(period),
            None => Ok(Some(DEFAULT_PERIOD)),
        }
    }
}

/// Calls a method and prints its result, or each item as it comes; lists the methods where none is named. The timeout
/// is for the first of it: how long a stream takes is its own affair.
pub(super) fn call(
    stack: &Stack,
    url: &str,
    options: &ClientOptions,
    heartbeat: HeartbeatPeriod,
    call: &Call,
) -> Result<Outcome, CallError> {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(failure) => return Ok(Err(failure)),
    };
    runtime.block_on(async {
        let mut deadline = Deadline::new(options.timeout);
        let client = ZerorpcClient::connect_by(library(stack), url, options, heartbeat).await?;
        if call.method.is_empty() {
            let listed = deadline.within(Instant::now(), list(&client)).await?;
            print(&listed);
            return Ok(Ok(Exit::Done));
        }
        match deadline.within(Instant::now(), client.open(call, DEFAULT_SLOTS)).await? {
            Reply::Value(value) => print_value(&value),
            Reply::Items(items) => print_each(items).await?,
        }
        Ok(Ok(Exit::Done))
    })
}

/// The library of ZeroMQ sockets that the stack's client uses.
fn library(stack: &Stack) -> Library {
    match stack.client {
        "zeromq" => Library::Zeromq,
        #[cfg(feature = "libzmq")]
        "libzmq" => Library::Libzmq,
        _ => Library::Own,
    }
}

async fn print_each(mut items: Items) -> Result<(), CallError> {
    while let Some(item) = items.next().await {
        print_value(&item?);
    }
    Ok(())
}

/// A line for each method: its name, its parameters as far as they are known, the first line of its help.
async fn list(client: &ZerorpcClient) -> Result<String, CallError> {
    let ask =
        async |method: &'static str, args: Vec<Value>| client.call(&Call::positional(method, args)).await;
    let rows = match ask("_zerorpc_inspect", vec![]).await {
        Ok(inspected) => inspected_methods(&inspected)?,
        Err(error) if error.kind.is_transport() => return Err(error),
        // zerorpc-python 0.6.3 inspects by a function that Python 3.11 has dropped.
        Err(_) => {
            let Value::List(names) = ask("_zerorpc_list", vec![]).await? else { return Err(no_list()) };
            let mut rows = Vec::with_capacity(names.len());
            for name in names {
                let help = ask("_zerorpc_help", vec![name.clone()]).await?;
                rows.push((text(&name), first_line(&help)));
            }
            rows
        }
    };
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    Ok(rows
        .iter()
        .map(|(name, help)| format!("{name:<width$}  {help}").trim_end().to_owned() + "\n")
        .collect())
}

fn no_list() -> CallError {
    CallError::new(ErrorKind::Malformed, "the server's list of its methods cannot be read")
}

fn inspected_methods(inspected: &Value) -> Result<Vec<(String, String)>, CallError> {
    let Some(Value::Map(methods)) = inspected.get("methods") else { return Err(no_list()) };
    let row = |(name, details): &(String, Value)| {
        let Some(Value::List(args)) = details.get("args") else {
            return (name.clone(), first_line(details.get("doc").unwrap_or(&Value::Null)));
        };
        let names = args.iter().filter_map(|arg| Some((text(arg.get("name")?), arg.get("default"))));
        let shown: Vec<_> = names
            .filter(|(name, _)| name != "self")
            .map(|(name, default)| default.map_or(name.clone(), |value| format!("{name}={value:?}")))
            .collect();
        let doc = first_line(details.get("doc").unwrap_or(&Value::Null));
        (format!("{name}({})", shown.join(", ")), doc)
    };
    Ok(methods.iter().map(row).collect())
}

/// A text as it is, without what a terminal would take for a command.
fn text(value: &Value) -> String {
    match value {
        Value::Str(text) => text.chars().filter(|c| !c.is_control()).collect(),
        other => format!("{other:?}"),
    }
}

fn first_line(help: &Value) -> String {
    match help {
        Value::Str(help) => text(&help.trim().lines().next().unwrap_or_default().into()),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_shown_with_parameters_and_defaults() {
        let arg = |name: &str, default: Option<i64>| {
            let default = default.map(|value| ("default".to_owned(), Value::Int(value)));
            Value::map([("name".to_owned(), Value::from(name))].into_iter().chain(default).collect())
        };
        let method = |args: Vec<Value>, doc: Value| {
            Value::map(vec![("args".to_owned(), Value::List(args)), ("doc".to_owned(), doc)])
        };
        let methods = vec![
            (
                "add".to_owned(),
                method(
                    vec![arg("self", None), arg("x", None), arg("y", Some(2))],
                    "\n  x + y\n\nMore.".into(),
                ),
            ),
            ("plain".to_owned(), method(vec![], Value::Null)),
        ];
        let inspected = Value::map(vec![("methods".to_owned(), Value::map(methods))]);
        let rows = inspected_methods(&inspected).unwrap();
        assert_eq!(
            rows,
            [("add(x, y=2)".to_owned(), "x + y".to_owned()), ("plain()".to_owned(), String::new())]
        );
        assert!(inspected_methods(&Value::Null).is_err());
        assert_eq!(first_line(&"\u{1b}[31mred".into()), "[31mred");
    }
}
