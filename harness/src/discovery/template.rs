//! The scenario that is written from what a server lists.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use calculator::{printable, shortened};
use serde::Serialize;
use serde_json::Value as Json;

use super::method::{Arguments, Listing, MethodDescription, ValueSource};

/// The most operations that are written. A longer file is no longer one to edit.
pub const MAX_OPERATIONS: usize = 200;

/// The longest help text in a comment, in characters.
const MAX_HELP_CHARS: usize = 100;

/// The longest reason why an operation is commented out, in characters.
const MAX_REASON_CHARS: usize = 200;

/// The longest name of an operation, in characters.
const MAX_NAME_CHARS: usize = 60;

/// The operation that stands for all operations, so that none may have its name.
const MIX: &str = "mix";

/// Precedes a name that another operation of the program has.
const PREFIX: &str = "call-";

/// What the scenario says besides the methods.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    /// The name of the scenario.
    pub name: &'a str,
    /// The stack whose client calls the server.
    pub stack: &'a str,
    /// The URL of the server without credentials.
    pub url: &'a str,
    /// The command that measures with the scenario.
    pub command: &'a str,
    /// The names of methods that are wanted; all if empty.
    pub wanted: &'a [String],
    /// Why the operation with this TOML text cannot be used in a scenario; `None` if it can.
    pub mistake_in: fn(&str) -> Option<String>,
}

/// A scenario, and how many operations it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The TOML text.
    pub text: String,
    /// The operations that are called.
    pub active: usize,
    /// The operations that are commented out.
    pub commented_out: usize,
    /// The methods that were left out because there are more than [`MAX_OPERATIONS`].
    pub left_out: usize,
    /// The names of methods that are wanted but not listed.
    pub missing: Vec<String>,
}

impl Template<'_> {
    /// The scenario with the methods of `listing`; without one, with the methods that are wanted.
    #[must_use]
    pub fn with(&self, listing: Option<&Listing>) -> Contents {
        let named: Vec<_> =
            self.wanted.iter().map(|name| MethodDescription::named(name.as_str(), "")).collect();
        let methods = listing.map_or(&named, |listing| &listing.methods);
        let wanted: Vec<_> = methods
            .iter()
            .filter(|method| self.wanted.is_empty() || self.wanted.contains(&method.name))
            .collect();
        let missing = self.wanted.iter().filter(|name| methods.iter().all(|method| method.name != **name));
        let left_out = wanted.len().saturating_sub(MAX_OPERATIONS);
        let mut names = BTreeSet::new();
        let operations: Vec<_> = wanted
            .iter()
            .take(MAX_OPERATIONS)
            .map(|method| Operation::new(method, unique_name(&method.name, &mut names), self))
            .collect();
        let active = operations.iter().filter(|operation| operation.reasons.is_empty()).count();
        let mut text = self.head(listing, left_out);
        text.push_str(&measurement(&operations));
        for operation in &operations {
            operation.write(&mut text);
        }
        if operations.is_empty() {
            text.push_str(EXAMPLE);
        }
        let missing = missing.cloned().collect();
        Contents { text, active, commented_out: operations.len() - active, left_out, missing }
    }

    fn head(&self, listing: Option<&Listing>, left_out: usize) -> String {
        let origin = match listing {
            Some(listing) => format!("listed by {}", listing.source),
            None => "which servers of this protocol do not list".to_owned(),
        };
        let mut text = String::new();
        let _ = write!(
            text,
            "# The methods of {}, {}.\n# Edit this file, then measure the server with\n#\n#     {}\n#\n{GUIDE}",
            comment(self.url),
            comment(&origin),
            comment(self.command),
        );
        if left_out > 0 {
            let _ = writeln!(
                text,
                "#\n# {left_out} more methods are left out: `rpcbench init` writes {MAX_OPERATIONS} at most. Name those that you want \
                 with --method."
            );
        }
        let _ = write!(
            text,
            "\nname = {}\nquestion = \"How long do the calls of this server take?\"\nblocks = 10\nwarmup = \"200ms\"\n\
             measure = \"1s\"\nstacks = [{}]\n# The floors are servers of rpcbench, which do not have these methods.\n\
             floors = false\n",
            toml_of(&self.name).unwrap_or_default(),
            toml_of(&self.stack).unwrap_or_default(),
        );
        text
    }
}

/// What a reader may want to change.
const GUIDE: &str = "\
# - Arguments are examples from the server's description, or guesses: give values that your server has.
# - Operations that seem to change data are commented out. Remove the `# ` before their lines to call them.
# - `weight` is the share of an operation in the mix; 1 without it.
# - `expect` checks each answer: { result = 3 }, { pointer = \"/name\", equals = \"Ann\" } or { status = 404 }. Without it,
#   answers are not checked.
# - Arguments can vary: write \"{id}\" for a value, and say what it is: variables = { id = { integer = [1, 1000] } }.
# - For a load that rises instead of the measurements, add to the command: --stage 10..500:30s --stage 500:1m
";

/// Stands in the place of operations where none is known.
const EXAMPLE: &str = "
# Write a table for each method that you want to call:
#
# [[operation]]
# name = \"get_order\"
# method = \"get_order\"
# params = [1]
";

fn measurement(operations: &[Operation<'_>]) -> String {
    let mut active = operations.iter().filter(|operation| operation.reasons.is_empty());
    let operation = match (active.next(), active.next()) {
        (Some(only), None) => only.name.as_str(),
        _ => MIX,
    };
    let remark = match operation {
        MIX => "`mix` is all operations, each as often as its weight says.",
        _ => "The name of an operation, or `mix` for all of them, each as often as its weight says.",
    };
    format!(
        "\n# One caller, then eight. {remark}\n[[measurement]]\nname = \"latency\"\noperation = {0}\nload = \"closed:1\"\n\
         placement = \"free\"\n\n[[measurement]]\nname = \"throughput\"\noperation = {0}\nload = \"closed:8\"\n\
         placement = \"free\"\n",
        toml_of(&operation).unwrap_or_default()
    )
}

/// An operation of the scenario.
struct Operation<'a> {
    name: String,
    method: &'a MethodDescription,
    /// The keys after the name, with their values in TOML.
    keys: Vec<(&'static str, String)>,
    /// Why it is commented out; empty if it is not.
    reasons: Vec<String>,
}

impl<'a> Operation<'a> {
    fn new(method: &'a MethodDescription, name: String, template: &Template<'_>) -> Self {
        let mut operation = Operation { keys: Vec::new(), reasons: Vec::new(), name, method };
        operation.add_keys();
        if operation.reasons.is_empty()
            && let Some(mistake) = (template.mistake_in)(&operation.table())
        {
            let mistake = shortened(&mistake, MAX_REASON_CHARS).into_owned();
            operation.reasons.push(format!("It cannot be called: {}.", comment(&mistake)));
        }
        // A method that was asked for by name is meant to be called.
        if method.seems_to_change_data() && !template.wanted.contains(&method.name) {
            operation.reasons.insert(0, "It seems to change data.".to_owned());
        }
        operation
    }

    fn add_keys(&mut self) {
        let (method, operation) = (self.method, self);
        if let Some(request) = &method.request {
            operation.add("verb", &request.verb);
            operation.add("path", &request.path);
            if !request.headers.is_empty() {
                let headers =
                    request.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
                operation.add_json("headers", &Json::Object(headers.collect()));
            }
            if let Some(body) = &request.body {
                operation.add_json("body", body);
            }
            if request.path.contains('{') {
                operation.reasons.push("A part of its path is not described: give it a value.".to_owned());
            }
            if request.headers.values().any(|value| is_read_elsewhere(value)) {
                operation.reasons.push(
                    "The value of a header would be read from a file, a variable or the input: give another one."
                        .to_owned(),
                );
            }
            return;
        }
        if operation.name != method.name {
            operation.add("method", &method.name);
        }
        match &method.arguments {
            Arguments::Unknown => operation.add_json("params", &Json::Array(vec![])),
            Arguments::Positional(arguments) => {
                let values = arguments.iter().map(|argument| argument.value.clone());
                operation.add_json("params", &Json::Array(values.collect()));
            }
            Arguments::Named(arguments) => {
                let values = arguments.iter().map(|argument| (argument.name.clone(), argument.value.clone()));
                operation.add_json("params", &Json::Object(values.collect()));
            }
        }
    }

    fn add(&mut self, key: &'static str, value: &impl Serialize) {
        match toml_of(value) {
            Some(value) => self.keys.push((key, value)),
            None => self.reasons.push("TOML cannot represent one of its values.".to_owned()),
        }
    }

    fn add_json(&mut self, key: &'static str, value: &Json) {
        self.add(key, &literal(value));
    }

    /// The TOML text.
    fn table(&self) -> String {
        let mut table = format!("[[operation]]\nname = {}\n", toml_of(&self.name).unwrap_or_default());
        for (key, value) in &self.keys {
            let _ = writeln!(table, "{key} = {value}");
        }
        table
    }

    fn write(&self, text: &mut String) {
        text.push('\n');
        let help = help_of(&self.method.help);
        if !help.is_empty() {
            let _ = writeln!(text, "# {help}");
        }
        for remark in self.remarks() {
            let _ = writeln!(text, "# {remark}");
        }
        let table = self.table();
        if self.reasons.is_empty() {
            text.push_str(&table);
        } else {
            table.lines().for_each(|line| {
                let _ = writeln!(text, "# {line}");
            });
        }
    }

    fn remarks(&self) -> Vec<String> {
        let guessed: Vec<String> = match &self.method.request {
            Some(request) => request.guessed.clone(),
            None => {
                let arguments = self.method.arguments.all().iter();
                let guessed = arguments.filter(|argument| argument.source == ValueSource::Guess);
                guessed.map(|argument| argument.name.clone()).filter(|name| !name.is_empty()).collect()
            }
        };
        let is_unknown = self.method.request.is_none() && self.method.arguments == Arguments::Unknown;
        let mut remarks = self.reasons.clone();
        if is_unknown {
            remarks.push("Its parameters are not known: give arguments.".to_owned());
        }
        if !guessed.is_empty() {
            remarks.push(format!("Guessed: {}.", help_of(&guessed.join(", "))));
        }
        remarks
    }
}

/// Whether the value of a header stands for the content of a file, an environment variable or the standard input. A server must not
/// make its caller send those.
fn is_read_elsewhere(value: &str) -> bool {
    value == "-" || value.starts_with('@') || value.starts_with("env:")
}

/// `value` in TOML, on the right of an equals sign; `None` for null and for numbers beyond 64 bits, also inside.
fn toml_of(value: &(impl Serialize + ?Sized)) -> Option<String> {
    toml::Value::try_from(value).ok().map(|value| value.to_string())
}

/// `value` with texts that stand for themselves: `{x}`, which stands for the variable `x`, is written `{{x}}`.
fn literal(value: &Json) -> Json {
    match value {
        Json::String(text) => Json::String(literal_text(text)),
        Json::Array(items) => items.iter().map(literal).collect(),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), literal(value))).collect())
        }
        other => other.clone(),
    }
}

fn literal_text(text: &str) -> String {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name =
        |name: &str| name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit());
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        written.push_str(before);
        match after.split_once('}') {
            Some((name, behind)) if is_name(name) => {
                let _ = write!(written, "{{{{{name}}}}}");
                rest = behind;
            }
            _ => {
                written.push('{');
                rest = after;
            }
        }
    }
    written + rest
}

/// The first line of a help text that is not blank, for a comment.
fn help_of(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    comment(&shortened(line, MAX_HELP_CHARS))
}

/// `text` without characters that end a comment or that a terminal would take for commands.
fn comment(text: &str) -> String {
    printable(text).into_owned()
}

/// The name of an operation for `method`, of the characters `a-z0-9_.-`, different from all `names`, to which it is added, and
/// from the operations that every scenario has.
fn unique_name(method: &str, names: &mut BTreeSet<String>) -> String {
    let mut base = String::new();
    for c in method.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '.' | '-') => base.push(c),
            _ if base.ends_with('_') => {}
            _ => base.push('_'),
        }
    }
    let base: String = base.trim_matches(['_', '.', '-']).chars().take(MAX_NAME_CHARS).collect();
    let is_taken = base == MIX || base.parse::<crate::load::Operation>().is_ok();
    let base = match base.as_str() {
        "" => "method".to_owned(),
        _ if is_taken => format!("{PREFIX}{base}"),
        _ => base,
    };
    let mut name = base.clone();
    let mut number = 2_u32;
    while !names.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests;
