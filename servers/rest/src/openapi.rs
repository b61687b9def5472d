//! The service's description, in OpenAPI 3.1.

use calculator::{ErrorKind, Method, MethodInfo};
use serde_json::{Map, Value, json};

use crate::wire::{JSON, Kind, PROBLEM, PROBLEM_XML, XML};

/// The OpenAPI 3.1 document of a service named `service`: a path per method, called by `post` or by `get`.
pub(crate) fn document(service: &str, methods: &[MethodInfo]) -> Value {
    let mut paths: Map<String, Value> =
        methods.iter().map(|method| (format!("/{}", method.name), path(method))).collect();
    paths.insert("/openapi.json".to_owned(), own_path());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": service,
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Each method is called by POST with its arguments as a JSON object or an XML document, or by \
                GET with its arguments in the query. JSON is answered unless `accept` prefers XML. A failure is a \
                problem document (RFC 9457) whose `kind` says why.",
        },
        "paths": paths,
        "components": {
            "schemas": { "Problem": problem_schema() },
            "responses": {
                "Problem": {
                    "description": "The call failed; `kind` says why.",
                    "content": {
                        PROBLEM: { "schema": { "$ref": "#/components/schemas/Problem" } },
                        PROBLEM_XML: { "schema": { "$ref": "#/components/schemas/Problem" } },
                    },
                },
            },
        },
    })
}

fn own_path() -> Value {
    json!({
        "get": {
            "operationId": "openapi",
            "summary": "Return this description.",
            "responses": {
                "200": { "description": "This description.", "content": { JSON: { "schema": { "type": "object" } } } },
                "304": { "description": "It is the one that `if-none-match` names." },
                "default": { "$ref": "#/components/responses/Problem" },
            },
        },
    })
}

fn path(method: &MethodInfo) -> Value {
    let parameters: Vec<Value> = method
        .params
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "required": true, "schema": in_text(method, name) }))
        .collect();
    let body = json!({
        JSON: { "schema": arguments(method, in_json) },
        XML: { "schema": as_xml(arguments(method, in_text), "arguments") },
    });
    json!({
        "post": {
            "operationId": method.name,
            "summary": method.doc,
            "requestBody": { "required": true, "content": body },
            "responses": responses(method),
        },
        "get": {
            "operationId": format!("{}ByQuery", method.name),
            "summary": method.doc,
            "parameters": parameters,
            "responses": responses(method),
        },
    })
}

fn arguments(method: &MethodInfo, schema: fn(&MethodInfo, &str) -> Value) -> Value {
    let properties: Map<String, Value> =
        method.params.iter().map(|name| ((*name).to_owned(), schema(method, name))).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": method.params,
        "additionalProperties": false,
    })
}

/// What the argument `name` is in JSON.
fn in_json(method: &MethodInfo, name: &str) -> Value {
    match Kind::of(method.name) {
        Kind::Number if (method.name, name) == (Method::Divide.name(), "y") => {
            json!({ "type": "number", "not": { "const": 0 } })
        }
        Kind::Number => json!({ "type": "number" }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Any => json!({}),
    }
}

/// What the argument `name` is where there is only text: in a query, and in XML without a `type`.
fn in_text(method: &MethodInfo, name: &str) -> Value {
    match Kind::of(method.name) {
        Kind::Any => json!({ "type": ["number", "string"] }),
        Kind::Number | Kind::Text => in_json(method, name),
    }
}

fn as_xml(mut schema: Value, name: &str) -> Value {
    schema["xml"] = json!({ "name": name });
    schema
}

fn responses(method: &MethodInfo) -> Value {
    let schema = match Method::from_name(method.name) {
        Some(Method::Hello) => json!({ "type": "string" }),
        Some(Method::Add | Method::Multiply | Method::Subtract | Method::Divide) => {
            json!({ "type": "number" })
        }
        Some(Method::Echo) | None => json!({}),
    };
    let result = json!({
        "type": "object",
        "properties": { "result": schema },
        "required": ["result"],
        "additionalProperties": false,
    });
    let content = json!({ JSON: { "schema": result }, XML: { "schema": as_xml(schema.clone(), "result") } });
    let problem = |description: &str| {
        json!({
            "description": description,
            "content": {
                PROBLEM: { "schema": { "$ref": "#/components/schemas/Problem" } },
                PROBLEM_XML: { "schema": { "$ref": "#/components/schemas/Problem" } },
            },
        })
    };
    json!({
        "200": { "description": "The result.", "content": content },
        "400": problem("The request is malformed."),
        "406": problem("The client accepts neither JSON nor XML."),
        "411": problem("The request has no length."),
        "413": problem("The request is too large, or nested too deep."),
        "415": problem("The body is neither JSON nor XML, or in a coding other than gzip."),
        "422": problem(
            "The arguments do not fit, or there is no result for them: a division by zero, an integer that exceeds 64 \
             bits, a number or text that has no form in the format.",
        ),
        "default": { "$ref": "#/components/responses/Problem" },
    })
}

/// RFC 9457, section 3.1, with the extension member `kind`.
fn problem_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "kind": { "type": "string", "enum": ErrorKind::ALL.map(ErrorKind::name) },
        },
        "required": ["type", "title", "status", "detail", "kind"],
        "xml": { "name": "problem", "namespace": "urn:ietf:rfc:7807" },
    })
}
