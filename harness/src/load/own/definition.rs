//! The keys of an operation of one's own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use calculator::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::super::own_name::OwnName;
use super::generator::Generator;

/// A call of your own service, instead of one of the calculator's methods. A measurement names it as its `operation`; the operation
/// `mix` stands for all of them, called in proportion to their weights. A text `{x}` in `params`, `path`, `headers`, `body` or
/// `expect` stands for the variable `x`: if it is the whole text, it becomes the variable's value with its type; in a
/// longer text, the value as text.
/// `{{x}}` is the text `{x}` itself. See [your own service](own-service.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnOperation {
    /// The name in measurements, tables and figures: lower-case letters, digits, `_`, `.` and `-`.
    #[schemars(with = "String", example = &"get_user")]
    pub name: OwnName,
    /// The method to call. By default the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"users.get")]
    pub method: Option<String>,
    /// The parameters: an array for those by position, a table for those by name, where the protocol has names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AnyValue", example = serde_json::json!([7, "{id}"]))]
    pub params: Option<AnyValue>,
    /// The verb of a request with a `path`: GET, POST, PUT, PATCH or DELETE. By default GET, with a `body` POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"PUT")]
    pub verb: Option<Verb>,
    /// The path of a request, below the URL of the server, for the stacks of REST. Variables in it are percent-encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/users/{id}")]
    pub path: Option<String>,
    /// Headers of a request with a `path`. A value `@FILE` or `env:NAME` is read from there. The record has the values of headers
    /// that describe content, such as `accept`, and `…` for all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "without_secrets")]
    #[schemars(with = "BTreeMap<String, String>", example = serde_json::json!({ "accept": "application/json" }))]
    pub headers: BTreeMap<String, String>,
    /// The body of a request with a `path`: text is sent as it is, any other value as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AnyValue", example = serde_json::json!({ "name": "{name}" }))]
    pub body: Option<AnyValue>,
    /// The share of the operation in the operation `mix`, relative to the weights of the others: 1 to 1000.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(example = 3, extend("default" = 1))]
    pub weight: NonZeroU32,
    /// What is expected of each answer. Without it, any result counts, and the report says that answers were not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Expect", example = serde_json::json!({ "pointer": "/name", "equals": "Ann" }))]
    pub expect: Option<Expect>,
    /// The variables. Each call gets new values.
    #[serde(default, skip_serializing_if = "Variables::is_empty")]
    #[schemars(example = serde_json::json!({ "file": "users.csv" }))]
    pub variables: Variables,
}

/// What is expected of each answer of an operation: a whole `result`; or a value at a `pointer`; or a `status`, alone or with one of
/// these; or an `error`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The whole result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AnyValue", example = 3)]
    pub result: Option<AnyValue>,
    /// The part of the result that `equals` is about: a JSON Pointer (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/items/0/name")]
    pub pointer: Option<String>,
    /// The value at the `pointer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AnyValue", example = &"Ann")]
    pub equals: Option<AnyValue>,
    /// The HTTP status of the response to a request with a `path`. Without it, every status from 200 to 299.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 404)]
    pub status: Option<u16>,
    /// The kind of the error, as `rpcbench call --error-format json` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"unknown-method")]
    pub error: Option<String>,
}

/// The variables of an operation. Each key but `file` is the name of a variable with generated values, such as
/// `id = { integer = [1, 1000] }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Variables {
    /// A file whose columns are variables, relative to the scenario: a `.csv` file with a header, or a `.jsonl` file with an object
    /// on each line. Each call takes the next row, and the first one follows the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"users.csv")]
    pub file: Option<String>,
    /// The variables with generated values, by their names.
    #[serde(flatten)]
    pub generated: BTreeMap<String, Generator>,
}

impl Variables {
    fn is_empty(&self) -> bool {
        self.file.is_none() && self.generated.is_empty()
    }
}

/// The verb of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// Reads.
    Get,
    /// Adds.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Verb; 5] = [Verb::Get, Verb::Post, Verb::Put, Verb::Patch, Verb::Delete];

    /// The name in requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl OwnOperation {
    /// An operation with the default of every key but the name.
    #[must_use]
    pub fn new(name: OwnName) -> Self {
        OwnOperation {
            name,
            method: None,
            params: None,
            verb: None,
            path: None,
            headers: BTreeMap::new(),
            body: None,
            weight: NonZeroU32::MIN,
            expect: None,
            variables: Variables::default(),
        }
    }

    /// Whether it is only an HTTP request: it has a path, and neither a method nor parameters.
    #[must_use]
    pub fn is_only_request(&self) -> bool {
        self.path.is_some() && self.method.is_none() && self.params.is_none()
    }

    /// Whether something is expected of its answers beyond that there is a result.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.expect.is_some()
    }
}

/// Any value that TOML and JSON can represent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnyValue(pub Value);

impl JsonSchema for AnyValue {
    fn schema_name() -> Cow<'static, str> {
        "AnyValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Any value." })
    }
}

/// The headers whose values are no secrets.
const PLAIN_HEADERS: [&str; 6] =
    ["accept", "accept-charset", "accept-encoding", "accept-language", "content-type", "user-agent"];

/// Writes headers without the values that may be secrets. Where a value is read from elsewhere, the place is no secret.
fn without_secrets<S: Serializer>(
    headers: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| {
        let is_plain = PLAIN_HEADERS.contains(&&*name.to_ascii_lowercase());
        let is_place = value.starts_with('@') || value.starts_with("env:");
        (name, if is_plain || is_place { value.as_str() } else { "…" })
    }))
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(weight: &NonZeroU32) -> bool {
    *weight == NonZeroU32::MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_survives_a_record_without_the_secrets_in_its_headers() {
        let text = r#"
            name = "rename"
            verb = "PUT"
            path = "/users/{id}"
            headers = { Accept = "text/plain", authorization = "Bearer secret", x-token = "env:TOKEN" }
            body = { name = "{name}", tags = [1, 2.5, true] }
            weight = 3
            expect = { status = 204 }
            variables = { file = "users.csv", name = { text = 12 } }
        "#;
        let operation: OwnOperation = toml::from_str(text).unwrap();
        assert!(operation.is_only_request() && operation.is_checked());
        let written = serde_json::to_string(&operation).unwrap();
        assert!(!written.contains("secret"), "{written}");
        let mut read: OwnOperation = serde_json::from_str(&written).unwrap();
        assert_eq!(
            (read.headers["Accept"].as_str(), read.headers["authorization"].as_str()),
            ("text/plain", "…")
        );
        assert_eq!(read.headers["x-token"], "env:TOKEN");
        read.headers.clone_from(&operation.headers);
        assert_eq!(read, operation);
    }

    #[test]
    fn what_is_not_a_key_or_not_a_value_is_refused() {
        for (line, expected) in [
            ("methd = \"x\"", "unknown field `methd`"),
            ("verb = \"BREW\"", "`GET`"),
            ("weight = 0", "nonzero"),
            ("variables = { id = { intger = [1, 2] } }", "`integer`"),
            ("expect = { statu = 1 }", "unknown field `statu`"),
        ] {
            let error = toml::from_str::<OwnOperation>(&format!("name = \"a\"\n{line}")).unwrap_err();
            assert!(error.to_string().contains(expected), "{line}: {error}");
        }
        assert!(toml::from_str::<OwnOperation>("name = \"Get User\"").is_err());
    }
}
