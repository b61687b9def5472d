//! Human-readable lists of a server's methods.

use std::time::Instant;

use calculator::{Call, CallError, Client, Deadline, ErrorKind, Value, printable};

use super::invoke::InvokeError;

/// The maximum number of methods whose help is asked for, one call each.
const MAX_HELP_CALLS: usize = 500;

/// A line for each of `methods`, which are pairs of a name and a help text of one line.
pub(super) fn table(methods: &[(String, String)]) -> String {
    let width = methods.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    methods
        .iter()
        .map(|(name, help)| format!("{name:<width$}  {help}").trim_end().to_owned() + "\n")
        .collect()
}

/// The text of `value`, on one line and without characters that a terminal would interpret as commands.
pub(super) fn plain_text(value: &Value) -> String {
    match value {
        Value::Str(text) => printable(text).into_owned(),
        other => format!("{other:?}"),
    }
}

/// The first line of a help text; empty for any other value.
pub(super) fn first_line(help: &Value) -> String {
    match help {
        Value::Str(help) => printable(help.trim().lines().next().unwrap_or_default()).into_owned(),
        _ => String::new(),
    }
}

/// Lists the methods by `system.listMethods`, with the help that `system.methodHelp` returns if the server has that. The
/// inner error is that of a server that does not list its methods in this way.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn by_introspection(
    client: &dyn Client,
    deadline: &mut Deadline,
) -> Result<Result<String, CallError>, CallError> {
    const HELP: &str = "system.methodHelp";
    let names = match ask(client, deadline, &Call::positional("system.listMethods", [])).await? {
        Ok(Value::List(names)) => names,
        Ok(_) => return Ok(Err(unreadable())),
        Err(error) => return Ok(Err(error)),
    };
    let has_help = names.contains(&Value::from(HELP));
    let mut methods = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let mut help = Value::Null;
        if has_help && index < MAX_HELP_CALLS {
            let call = Call::positional(HELP, [name.clone()]);
            // A method without help may be answered with an error.
            help = ask(client, deadline, &call).await?.unwrap_or(Value::Null);
        }
        methods.push((plain_text(&name), first_line(&help)));
    }
    Ok(Ok(table(&methods)))
}

/// Lists the methods by `rpc.discover`, which returns an OpenRPC document. The inner error is that of a server that does
/// not list its methods in this way.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn by_discovery(
    client: &dyn Client,
    deadline: &mut Deadline,
) -> Result<Result<String, CallError>, CallError> {
    let document = ask(client, deadline, &Call::positional("rpc.discover", [])).await?;
    Ok(document.and_then(|document| described_methods(&document)).map(|methods| table(&methods)))
}

/// The methods in a document of OpenRPC: `NAME(PARAMETERS)` and the summary of each.
fn described_methods(document: &Value) -> Result<Vec<(String, String)>, CallError> {
    let Some(Value::List(methods)) = document.get("methods") else { return Err(unreadable()) };
    let row = |method: &Value| {
        let name = plain_text(method.get("name")?);
        let parameters = match method.get("params") {
            Some(Value::List(parameters)) => parameters
                .iter()
                .map(|parameter| plain_text(parameter.get("name").unwrap_or(&Value::Null)))
                .collect::<Vec<_>>()
                .join(", "),
            _ => String::new(),
        };
        let help = method.get("summary").or(method.get("description")).unwrap_or(&Value::Null);
        Some((format!("{name}({parameters})"), first_line(help)))
    };
    Ok(methods.iter().filter_map(row).collect())
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
        assert_eq!(
            table(&described_methods(&document).unwrap()),
            "add(x, y)         Return x + y.\nplain\\u{1b}[2J()  Does nothing.\n"
        );
        assert!(described_methods(&Value::list([])).is_err());
    }
}
