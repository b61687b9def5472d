//! The service's description, in OpenAPI 3.1.

use calculator::{ErrorKind, MethodInfo};
use serde_json::{Map, Value, json};

use crate::wire::{JSON, PROBLEM};

/// The OpenAPI 3.1 document of a service named `service`: a path per method, called by `post` or by `get`.
pub(crate) fn document(service: &str, methods: &[MethodInfo]) -> Value {
    let paths: Map<String, Value> =
        methods.iter().map(|method| (format!("/{}", method.name), path(method))).collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": service, "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "schemas": { "Problem": problem_schema() },
            "responses": {
                "Problem": {
                    "description": "The call failed; `kind` says why.",
                    "content": { PROBLEM: { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
        },
    })
}

fn path(method: &MethodInfo) -> Value {
    let properties: Map<String, Value> =
        method.params.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    let arguments = json!({
        "type": "object",
        "properties": properties,
        "required": method.params,
        "additionalProperties": false,
    });
    let parameters: Vec<Value> = method
        .params
        .iter()
        .map(|name| {
            json!({
                "name": name,
                "in": "query",
                "required": true,
                "description": "A JSON number is one; any other text is a string.",
                "schema": { "type": ["number", "string"] },
            })
        })
        .collect();
    json!({
        "post": {
            "operationId": method.name,
            "summary": method.doc,
            "requestBody": { "required": true, "content": { JSON: { "schema": arguments } } },
            "responses": responses(),
        },
        "get": {
            "operationId": format!("{}ByQuery", method.name),
            "summary": method.doc,
            "parameters": parameters,
            "responses": responses(),
        },
    })
}

fn responses() -> Value {
    let result = json!({ "type": "object", "properties": { "result": {} }, "required": ["result"] });
    json!({
        "200": { "description": "The result.", "content": { JSON: { "schema": result } } },
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
    })
}
