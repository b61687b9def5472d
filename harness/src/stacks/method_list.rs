//! Asking a server which methods it has.

use std::time::{Duration, Instant};

use calculator::{Call, CallError, Client, ClientOptions, Deadline, ErrorKind, Value, json, printable};
use serde_json::Value as Json;

use super::destination::Destination;
use super::invoke::InvokeError;
use super::protocol::Stack;
use crate::discovery::{Arguments, Listing, MethodDescription, arguments_of_signatures, listing_of_openrpc};

/// The maximum number of methods whose help, or signature, is asked for, one call each.
const MAX_DETAIL_CALLS: usize = 500;

/// What is asked about each method in addition to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Details {
    /// Its help text.
    Help,
    /// Its help text and its signature.
    HelpAndSignature,
}

/// How a server is asked for its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// By `system.listMethods`.
    Introspection,
    /// By `rpc.discover`, which says most, and then by `system.listMethods`.
    DiscoveryFirst,
}

/// The methods of the server of `stack` at `destination`, with all that it says about them.
///
/// # Errors
/// When the server does not answer, or does not list its methods.
pub(super) async fn of_server(
    stack: &Stack,
    destination: &Destination,
    timeout: Duration,
    asks: Asks,
) -> Result<Option<Listing>, CallError> {
    let options = ClientOptions { timeout, ..ClientOptions::default() };
    let client = stack.connect(destination.clone(), options).await?;
    let mut deadline = Deadline::new(timeout);
    if asks == Asks::DiscoveryFirst
        && let Ok(listing) = by_discovery(&*client, &mut deadline).await?
    {
        return Ok(Some(listing));
    }
    by_introspection(&*client, &mut deadline, Details::HelpAndSignature).await?.map(Some)
}

/// A line for each method of `listing`: name, parameters as far as they are known, first line of its help. Without characters
/// that a terminal would interpret as commands.
pub(super) fn table(listing: &Listing) -> String {
    let rows: Vec<_> =
        listing.methods.iter().map(|method| (printable_text(&method.title()), method)).collect();
    let width = rows.iter().map(|(title, _)| title.chars().count()).max().unwrap_or(0);
    rows.iter()
        .map(|(title, method)| {
            let help = printable_text(method.help.trim().lines().next().unwrap_or_default());
            format!("{title:<width$}  {help}").trim_end().to_owned() + "\n"
        })
        .collect()
}

fn printable_text(text: &str) -> String {
    printable(text).into_owned()
}

/// The text of `value`; of another type than a text, its form in messages.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

/// A help text; empty for a value that is not a text.
pub(super) fn help_of(help: &Value) -> String {
    match help {
        Value::Str(help) => help.to_string(),
        _ => String::new(),
    }
}

/// `value` as JSON; `None` for a value that JSON cannot represent.
pub(super) fn json_of(value: &Value) -> Option<Json> {
    let mut text = Vec::new();
    json::write(&mut text, value).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Lists the methods by `system.listMethods`, with the `details` that the server has. The inner error is that of a server
/// that does not list its methods in this way.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn by_introspection(
    client: &dyn Client,
    deadline: &mut Deadline,
    details: Details,
) -> Result<Result<Listing, CallError>, CallError> {
    const LIST: &str = "system.listMethods";
    const HELP: &str = "system.methodHelp";
    const SIGNATURE: &str = "system.methodSignature";
    let names = match ask(client, deadline, &Call::positional(LIST, [])).await? {
        Ok(Value::List(names)) => names,
        Ok(_) => return Ok(Err(unreadable())),
        Err(error) => return Ok(Err(error)),
    };
    let has = |method: &str| names.contains(&Value::from(method));
    let (has_help, has_signatures) = (has(HELP), details == Details::HelpAndSignature && has(SIGNATURE));
    let mut methods = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let is_asked_about = index < MAX_DETAIL_CALLS;
        let mut method = MethodDescription::named(text_of(name), "");
        if has_help && is_asked_about {
            let call = Call::positional(HELP, [name.clone()]);
            // A method without help may be answered with an error.
            method.help = help_of(&ask(client, deadline, &call).await?.unwrap_or(Value::Null));
        }
        if has_signatures && is_asked_about {
            let call = Call::positional(SIGNATURE, [name.clone()]);
            let signature = ask(client, deadline, &call).await?;
            method.arguments =
                signature.map_or(Arguments::Unknown, |signature| arguments_of_signatures(&signature));
        }
        methods.push(method);
    }
    let has_arguments = methods.iter().any(|method| method.arguments != Arguments::Unknown);
    let source = if has_arguments { format!("{LIST} and {SIGNATURE}") } else { LIST.to_owned() };
    Ok(Ok(Listing { source, methods }))
}

/// Lists the methods by `rpc.discover`, which returns an OpenRPC document. The inner error is that of a server that does
/// not list its methods in this way.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn by_discovery(
    client: &dyn Client,
    deadline: &mut Deadline,
) -> Result<Result<Listing, CallError>, CallError> {
    let document = ask(client, deadline, &Call::positional("rpc.discover", [])).await?;
    let listing = |document: Value| listing_of_openrpc(&json_of(&document)?);
    Ok(document.and_then(|document| listing(document).ok_or_else(unreadable)))
}

/// Calls a method. The inner error is the server's.
async fn ask(
    client: &dyn Client,
    deadline: &mut Deadline,
    call: &Call,
) -> Result<Result<Value, CallError>, CallError> {
    match deadline.within(Instant::now(), client.call(call)).await {
        Err(error) if error.kind.is_transport() => Err(error),
        answer => Ok(answer),
    }
}

/// The error for a list that is not in its usual form.
pub(super) fn unreadable() -> CallError {
    CallError::new(ErrorKind::Malformed, "the server's list of its methods cannot be read")
}

/// The error for a server that lists its methods by none of `ways`; `error` is its answer to the last of them.
pub(super) fn not_listed(ways: &[&str], error: &CallError) -> InvokeError {
    let ways = ways.join(" or ");
    InvokeError::Usage(format!("name a method; the server does not list its methods by {ways} ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openrpc_document_lists_methods_with_parameters_and_summary() {
        let text = r#"{"openrpc": "1.2.6", "methods": [
            {"name": "add", "params": [{"name": "x"}, {"name": "y"}], "summary": "Return x + y.\nMore."},
            {"name": "plain\u001b[2J", "description": "Does nothing."},
            {"params": []}
        ]}"#;
        let document = calculator::json::read(text.as_bytes(), &Default::default()).unwrap();
        let listing = listing_of_openrpc(&json_of(&document).unwrap()).unwrap();
        assert_eq!(table(&listing), "add(x, y)         Return x + y.\nplain\\u{1b}[2J()  Does nothing.\n");
        assert!(listing_of_openrpc(&json_of(&Value::list([])).unwrap()).is_none());
    }
}
