//! An operation of one's own, checked, and with its file read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calculator::{Call, ErrorKind, Params, Text, Value};
use http_layer::Headers;
use http_layer::http::{HeaderName, HeaderValue};
use rand_chacha::ChaCha8Rng;
use rest::RequestHead;

use super::super::operation::Operation;
use super::super::own_name::OwnName;
use super::super::prepared::PreparedCall;
use super::definition::{AnyValue, Expect, OwnOperation, Variables, Verb};
use super::generator::{Generator, NO_DATES, has_date};
use super::table::Table;
use super::template::{Names, Template, TextTemplate, is_name};
use crate::observe::{Expectation, Pointer};
use crate::stacks::{Stack, hint, nearest, revealed};

/// The largest weight.
const MAX_WEIGHT: u32 = 1_000;

/// The files read so far, so that operations with the same file share its rows.
pub(super) type Files = BTreeMap<PathBuf, Arc<Table>>;

/// What is wrong with the value of a key.
#[derive(Debug)]
pub(super) struct KeyMistake {
    pub(super) key: &'static str,
    pub(super) message: String,
}

fn mistake<T>(key: &'static str, message: impl Into<String>) -> Result<T, KeyMistake> {
    Err(KeyMistake { key, message: message.into() })
}

/// An operation of one's own.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: OwnName,
    /// Where it is defined, for messages.
    pub(super) place: String,
    pub(super) weight: u32,
    method: String,
    params: ParamsTemplate,
    request: Option<RequestTemplate>,
    is_only_request: bool,
    expected: ExpectedTemplate,
    /// Where the value of each variable comes from.
    sources: Vec<Source>,
    table: Option<Arc<Table>>,
}

#[derive(Debug)]
enum ParamsTemplate {
    Positional(Vec<Template>),
    Named(Vec<(Text, Template)>),
}

#[derive(Debug)]
struct RequestTemplate {
    verb: Verb,
    path: TextTemplate,
    headers: Vec<(String, TextTemplate)>,
    body: Option<Template>,
    status: Option<u16>,
}

#[derive(Debug)]
enum ExpectedTemplate {
    Value(Template),
    At { pointer: Pointer, equals: Template },
    Status(u16),
    Error(ErrorKind),
    AnyResult,
}

/// Where the value of a variable comes from.
#[derive(Debug)]
enum Source {
    /// This column of the table.
    Column(usize),
    Generated(Generator),
}

impl Compiled {
    /// Checks `definition`, which stands at `place`, and reads its file, whose path is relative to `folder`.
    pub(super) fn new(
        definition: &OwnOperation,
        place: String,
        folder: &Path,
        files: &mut Files,
    ) -> Result<Self, KeyMistake> {
        let OwnOperation { name, method, params, weight, expect, variables, .. } = definition;
        if *name == OwnName::MIX {
            return mistake("name", "`mix` stands for all operations of a scenario; choose another name");
        }
        if name.as_str().parse::<Operation>().is_ok() {
            let message = format!(
                "`{name}` is an operation of the calculator; choose another name, and give the `method`"
            );
            return mistake("name", message);
        }
        if weight.get() > MAX_WEIGHT {
            return mistake("weight", format!("expected a weight from 1 to {MAX_WEIGHT}, not {weight}"));
        }
        let mut names = Names::default();
        let params = parameters(params.as_ref(), &mut names)?;
        let request = request(definition, &mut names)?;
        let expected = expected(expect.as_ref(), &mut names)?;
        let table = variables.file.as_deref().map(|file| table(file, folder, files)).transpose()?;
        Ok(Compiled {
            name: *name,
            place,
            weight: weight.get(),
            method: method.clone().unwrap_or_else(|| name.to_string()),
            params,
            request,
            is_only_request: definition.is_only_request(),
            expected,
            sources: sources(&names, variables, table.as_deref())?,
            table,
        })
    }

    /// Why it cannot be called on `stack`, if it cannot.
    pub(super) fn obstacle(&self, stack: &Stack) -> Option<String> {
        let (name, stack_name) = (self.name, stack.name);
        if self.sends_request(stack) {
            return None;
        }
        let has_names = matches!(self.params, ParamsTemplate::Named(_));
        if self.is_only_request {
            Some(format!(
                "`{name}` is a request with a `path`, and {stack_name} calls methods: give its `method` and `params`, too, or list \
                 other `stacks`"
            ))
        } else if has_names && !stack.protocol.has_named_parameters() {
            Some(format!(
                "`{name}` has parameters by name, and {stack_name} has them by position only: write `params` as an array"
            ))
        } else if matches!(self.expected, ExpectedTemplate::Status(_)) {
            Some(format!("`{name}` expects a status, which only requests with a `path` have"))
        } else {
            let reason = stack.protocol.method_obstacle(stack, &self.method)?;
            Some(format!("`{name}` calls the method `{}`, and {reason}", self.method))
        }
    }

    fn sends_request(&self, stack: &Stack) -> bool {
        self.request.is_some() && stack.protocol.has_requests()
    }

    /// Whether something is expected of its answers beyond that there is a result.
    pub(super) fn is_checked(&self) -> bool {
        !matches!(self.expected, ExpectedTemplate::AnyResult)
    }

    /// Whether all calls are the same.
    pub(super) fn is_fixed(&self) -> bool {
        self.sources.is_empty()
    }

    /// The number of rows of its file; 0 without one.
    pub(super) fn rows(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.rows())
    }

    /// A call on `stack`, with the values of `row` and random ones.
    pub(super) fn call(&self, stack: &Stack, row: usize, rng: &mut ChaCha8Rng) -> PreparedCall {
        let value = |source: &Source| match (source, &self.table) {
            (Source::Column(column), Some(table)) => (table.value(row, *column), table.text(row, *column)),
            (Source::Column(_), None) => (Value::Null, Value::Null),
            (Source::Generated(generator), _) => {
                let value = generator.value(rng);
                (value.clone(), value)
            }
        };
        let (values, texts): (Vec<Value>, Vec<Value>) = self.sources.iter().map(value).unzip();
        let render = |template: &Template| template.render(&values, &texts);
        let typed = |template| stack.protocol.typed(render(template));
        let call = match self.request.as_ref().filter(|_| self.sends_request(stack)) {
            Some(request) => request.render(&texts, render),
            None => Call {
                method: self.method.clone().into(),
                params: match &self.params {
                    ParamsTemplate::Positional(items) => {
                        Params::Positional(items.iter().map(typed).collect())
                    }
                    ParamsTemplate::Named(members) => Params::Named(
                        members.iter().map(|(name, value)| (name.clone(), typed(value))).collect(),
                    ),
                },
            },
        };
        let expected = match &self.expected {
            ExpectedTemplate::Value(value) => Expectation::Value(typed(value)),
            ExpectedTemplate::At { pointer, equals } => {
                Expectation::At { pointer: pointer.clone(), equals: typed(equals) }
            }
            ExpectedTemplate::Status(status) => Expectation::Status(*status),
            ExpectedTemplate::Error(kind) => Expectation::Error(*kind),
            ExpectedTemplate::AnyResult => Expectation::AnyResult,
        };
        PreparedCall { call, expected }
    }
}

impl RequestTemplate {
    /// The request with the `texts` of the variables, and the body as `render` renders it.
    fn render(&self, texts: &[Value], render: impl Fn(&Template) -> Value) -> Call {
        let path = self.path.render_encoded(texts);
        // A line break in the value of a variable would begin another header.
        let line = |(name, value): &(String, TextTemplate)| {
            format!("{name}: {}", value.render(texts).replace(['\r', '\n'], " "))
        };
        let headers = self.headers.iter().map(line).collect::<Vec<_>>().join("\n");
        let verb = RequestHead::verb(self.verb.name()).unwrap_or_default();
        let head = RequestHead { verb, path: &path, status: self.status, headers: &headers };
        Call::positional(head.to_string(), self.body.iter().map(render))
    }
}

fn template(value: &AnyValue, key: &'static str, names: &mut Names) -> Result<Template, KeyMistake> {
    if has_date(&value.0) {
        return mistake(key, NO_DATES);
    }
    Ok(Template::new(&value.0, key, names))
}

fn parameters(params: Option<&AnyValue>, names: &mut Names) -> Result<ParamsTemplate, KeyMistake> {
    let part = |value: &Value, names: &mut Names| template(&AnyValue(value.clone()), "params", names);
    match params.map(|params| &params.0) {
        None => Ok(ParamsTemplate::Positional(vec![])),
        Some(Value::List(items)) => {
            let items = items.iter().map(|item| part(item, names));
            Ok(ParamsTemplate::Positional(items.collect::<Result<_, _>>()?))
        }
        Some(Value::Map(members)) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), part(value, names)?)));
            Ok(ParamsTemplate::Named(members.collect::<Result<_, _>>()?))
        }
        Some(other) => mistake("params", format!("expected an array or a table, not {}", other.kind())),
    }
}

fn request(definition: &OwnOperation, names: &mut Names) -> Result<Option<RequestTemplate>, KeyMistake> {
    let OwnOperation { verb, path, headers, body, expect, .. } = definition;
    let Some(path) = path else {
        let without_path =
            [("verb", verb.is_some()), ("headers", !headers.is_empty()), ("body", body.is_some())];
        return match without_path.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => mistake(key, format!("`{key}` belongs to a request; give its `path`")),
            None => Ok(None),
        };
    };
    if !path.starts_with('/') || path.contains('#') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!(
            "`{path}` is not a path: expected a / at its beginning, and nothing that must be percent-encoded, for example /users/7"
        );
        return mistake("path", message);
    }
    let mut of_request = vec![];
    for (name, given) in headers {
        // The value may be a secret.
        let parsed = name.parse::<HeaderName>();
        match parsed {
            Ok(name) if Headers::RESERVED.contains(&name) => {
                return mistake("headers", format!("the client sets the header {name} itself; leave it out"));
            }
            Ok(_) => {}
            Err(_) => return mistake("headers", format!("`{name}` is not the name of a header")),
        }
        let value = revealed(given)
            .map_err(|error| KeyMistake { key: "headers", message: format!("the header {name}: {error}") })?;
        if value.parse::<HeaderValue>().is_err() {
            return mistake("headers", format!("the value of {name} is not one that a header can have"));
        }
        of_request.push((name.clone(), TextTemplate::new(&value, "headers", names)));
    }
    let by_body = if body.is_some() { Verb::Post } else { Verb::Get };
    Ok(Some(RequestTemplate {
        verb: verb.unwrap_or(by_body),
        path: TextTemplate::new(path, "path", names),
        headers: of_request,
        body: body.as_ref().map(|body| template(body, "body", names)).transpose()?,
        status: expect.as_ref().and_then(|expect| expect.status),
    }))
}

fn expected(expect: Option<&Expect>, names: &mut Names) -> Result<ExpectedTemplate, KeyMistake> {
    const KEY: &str = "expect";
    let Some(Expect { result, pointer, equals, status, error }) = expect else {
        return Ok(ExpectedTemplate::AnyResult);
    };
    if let Some(status) = status.filter(|status| !(100..=599).contains(status)) {
        return mistake(KEY, format!("expected a status from 100 to 599, not {status}"));
    }
    match (result, pointer, equals, status, error) {
        (Some(result), None, None, _, None) => Ok(ExpectedTemplate::Value(template(result, KEY, names)?)),
        (None, Some(pointer), Some(equals), _, None) => {
            let parsed = pointer.parse::<Pointer>();
            let parsed = parsed.map_err(|error| KeyMistake { key: KEY, message: error.to_string() })?;
            Ok(ExpectedTemplate::At { pointer: parsed, equals: template(equals, KEY, names)? })
        }
        (None, None, None, Some(status), None) => Ok(ExpectedTemplate::Status(*status)),
        (None, None, None, None, Some(name)) => {
            let kinds =
                || ErrorKind::ALL.into_iter().filter(|kind| !kind.is_transport()).map(ErrorKind::name);
            match ErrorKind::from_name(name).filter(|kind| !kind.is_transport()) {
                Some(kind) => Ok(ExpectedTemplate::Error(kind)),
                None => {
                    let (suggestion, list) =
                        (hint(nearest(name, kinds())), kinds().collect::<Vec<_>>().join(", "));
                    mistake(KEY, format!("unknown kind of error `{name}`{suggestion}; the kinds are {list}"))
                }
            }
        }
        _ => mistake(
            KEY,
            "expected `result`, or `pointer` with `equals`, or `status`, also with one of these, or `error`",
        ),
    }
}

fn table(file: &str, folder: &Path, files: &mut Files) -> Result<Arc<Table>, KeyMistake> {
    let path = folder.join(file);
    if let Some(known) = files.get(&path) {
        return Ok(Arc::clone(known));
    }
    let table = Table::read(&path)
        .map_err(|error| KeyMistake { key: "variables", message: format!("{}: {error}", path.display()) })?;
    let table = Arc::new(table);
    files.insert(path, Arc::clone(&table));
    Ok(table)
}

/// Where the values of the variables `names` come from. Each of `variables` must be one of them.
fn sources(names: &Names, variables: &Variables, table: Option<&Table>) -> Result<Vec<Source>, KeyMistake> {
    const KEY: &str = "variables";
    for (name, generator) in &variables.generated {
        if !is_name(name) {
            return mistake(
                KEY,
                format!("`{name}` is not the name of a variable: expected letters, digits and `_`"),
            );
        }
        if let Some(message) = generator.mistake() {
            return mistake(KEY, format!("`{name}`: {message}"));
        }
        if names.all.iter().all(|(used, _)| used != name) {
            return mistake(
                KEY,
                format!("the variable `{name}` is not used; write {{{name}}} where its value belongs"),
            );
        }
    }
    let source = |&(ref name, key): &(String, &'static str)| {
        if let Some(generator) = variables.generated.get(name) {
            return Ok(Source::Generated(generator.clone()));
        }
        if let Some(column) = table.and_then(|table| table.column(name)) {
            return Ok(Source::Column(column));
        }
        let known: Vec<&str> = variables
            .generated
            .keys()
            .map(String::as_str)
            .chain(table.into_iter().flat_map(Table::names))
            .collect();
        let suggestion = hint(nearest(name, known.iter().copied()));
        let list = if known.is_empty() {
            "there are no `variables`".to_owned()
        } else {
            format!("the variables are {}", known.join(", "))
        };
        mistake(
            key,
            format!(
                "there is no variable `{name}`{suggestion}; {list}; write {{{{{name}}}}} for the text {{{name}}}"
            ),
        )
    };
    let sources = names.all.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let uses_file = sources.iter().any(|source| matches!(source, Source::Column(_)));
    match &variables.file {
        Some(file) if !uses_file => {
            mistake(KEY, format!("no column of {file} is used; write {{NAME}} where a value belongs"))
        }
        _ => Ok(sources),
    }
}
