//! The description of a service in OpenAPI 3.1.

use calculator::{ErrorKind, Method, MethodInfo};
use serde_json::{Map, Value, json};

use crate::wire::{JSON, PROBLEM_JSON, PROBLEM_XML, ParameterType, XML};

/// Builds the OpenAPI 3.1 document of the service with this name. Each method has a path, with `post` and `get`.
pub(crate) fn document(service: &str, methods: &[MethodInfo]) -> Value {
    let mut paths: Map<String, Value> =
        methods.iter().map(|method| (format!("/{}", method.name), path(method))).collect();
    paths.insert("/openapi.json".to_owned(), description_path());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": service,
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Call a method by POST with its arguments as a JSON object or an XML document, or by GET with \
                its arguments in the query. The response is JSON unless `accept` prefers XML. A failure is a problem \
                document (RFC 9457) whose `kind` says why.",
        },
        "paths": paths,
        "components": {
            "schemas": { "Problem": problem_schema() },
            "responses": {
                "Problem": {
                    "description": "The call failed; `kind` says why.",
                    "content": {
                        PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } },
                        PROBLEM_XML: { "schema": { "$ref": "#/components/schemas/Problem" } },
                    },
                },
            },
        },
    })
}

/// The path of the OpenAPI document itself.
fn description_path() -> Value {
    json!({
        "get": {
            "operationId": "openapi",
            "summary": "Return this description.",
            "responses": {
                "200": { "description": "This description.", "content": { JSON: { "schema": { "type": "object" } } } },
                "304": { "description": "The description matches a tag in `if-none-match`." },
                "default": { "$ref": "#/components/responses/Problem" },
            },
        },
    })
}

fn path(method: &MethodInfo) -> Value {
    let parameters: Vec<Value> = method
        .params
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "required": true, "schema": text_schema(method, name) }))
        .collect();
    let body = json!({
        JSON: { "schema": arguments_schema(method, json_schema) },
        XML: { "schema": with_xml_name(arguments_schema(method, text_schema), "arguments") },
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

/// The schema of all arguments of a method. `schema` returns the schema of the argument with a name.
fn arguments_schema(method: &MethodInfo, schema: fn(&MethodInfo, &str) -> Value) -> Value {
    let properties: Map<String, Value> =
        method.params.iter().map(|name| ((*name).to_owned(), schema(method, name))).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": method.params,
        "additionalProperties": false,
    })
}

/// The schema of the argument `name` in JSON.
fn json_schema(method: &MethodInfo, name: &str) -> Value {
    match ParameterType::of_method(method.name) {
        ParameterType::Number if (method.name, name) == (Method::Divide.name(), "y") => {
            json!({ "type": "number", "not": { "const": 0 } })
        }
        ParameterType::Number => json!({ "type": "number" }),
        ParameterType::Text => json!({ "type": "string" }),
        ParameterType::Any => json!({}),
    }
}

/// The schema of the argument `name` where it is only a text: in a query, and in XML without a `type`.
fn text_schema(method: &MethodInfo, name: &str) -> Value {
    match ParameterType::of_method(method.name) {
        ParameterType::Any => json!({ "type": ["number", "string"] }),
        ParameterType::Number | ParameterType::Text => json_schema(method, name),
    }
}

fn with_xml_name(mut schema: Value, name: &str) -> Value {
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
    let content =
        json!({ JSON: { "schema": result }, XML: { "schema": with_xml_name(schema.clone(), "result") } });
    let problem = |description: &str| {
        json!({
            "description": description,
            "content": {
                PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } },
                PROBLEM_XML: { "schema": { "$ref": "#/components/schemas/Problem" } },
            },
        })
    };
    json!({
        "200": { "description": "The result.", "content": content },
        "400": problem("The request is malformed."),
        "406": problem("The client accepts neither JSON nor XML."),
        "411": problem("The request has no length."),
        "413": problem("The request is too large or too deeply nested."),
        "415": problem("The body is neither JSON nor XML, or in a coding other than gzip."),
        "422": problem(
            "The arguments are invalid, or there is no result for them: a division by zero, an integer that exceeds 64 \
             bits, a number or text that the format cannot represent.",
        ),
        "default": { "$ref": "#/components/responses/Problem" },
    })
}

/// The schema of a problem document (RFC 9457, section 3.1) with the extension member `kind`.
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
