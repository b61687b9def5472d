//! OpenAPI documents, which describe REST servers.

use std::collections::BTreeMap;

use net::url::{Url, form_urlencoded};
use serde_json::Value as Json;

use super::example::{resolved, stated_example, value_of};
use super::method::{Arguments, HttpRequest, Listing, MethodDescription, ValueSource};

/// The verbs of OpenAPI, in the order in which operations are listed.
const VERBS: [&str; 7] = ["get", "head", "options", "post", "put", "patch", "delete"];

/// Headers that clients set, so that no operation may.
const CLIENT_HEADERS: [&str; 6] =
    ["accept", "authorization", "connection", "content-length", "content-type", "host"];

/// The operations in an OpenAPI document (3.x, or 2.0) that was found at `url`; `None` if it is not one. Paths of the
/// requests are those from the root of the server.
#[must_use]
pub fn listing_of_openapi(document: &Json, url: &Url) -> Option<Listing> {
    let paths = document.get("paths")?.as_object()?;
    let base = base_path(document, url);
    let mut methods = Vec::new();
    for (path, item) in paths {
        let item = resolved(document, item);
        for verb in VERBS {
            if let Some(operation) = item.get(verb) {
                let place = Place { document, base: &base, path, item };
                methods.push(place.described(verb, operation));
            }
        }
    }
    Some(Listing { source: "its OpenAPI document".to_owned(), methods })
}

/// The path that precedes those of the document, without a slash at its end.
fn base_path(document: &Json, url: &Url) -> String {
    let server =
        document.pointer("/servers/0/url").or_else(|| document.get("basePath")).and_then(Json::as_str);
    // A template such as `https://{region}.example` has no one value.
    let server = server.filter(|server| !server.contains('{')).unwrap_or("/");
    let resolved = url.join(server).map_or_else(|_| "/".to_owned(), |url| url.path().to_owned());
    resolved.trim_end_matches('/').to_owned()
}

/// A path of a document.
struct Place<'a> {
    document: &'a Json,
    base: &'a str,
    path: &'a str,
    item: &'a Json,
}

impl Place<'_> {
    fn described(&self, verb: &str, operation: &Json) -> MethodDescription {
        let text = |key: &str| operation.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
        let name = text("operationId").map_or_else(|| format!("{verb} {}", self.path), str::to_owned);
        let help = text("summary").or_else(|| text("description")).unwrap_or_default().to_owned();
        let mut request = HttpRequest {
            verb: verb.to_ascii_uppercase(),
            path: format!("{}{}", self.base, self.path),
            ..HttpRequest::default()
        };
        for parameter in self.parameters(operation) {
            self.add_parameter(&mut request, parameter);
        }
        self.add_body(&mut request, operation);
        MethodDescription { name, help, arguments: Arguments::Unknown, request: Some(request) }
    }

    /// The parameters of the operation and those of the path, of which the former take precedence.
    fn parameters<'a>(&'a self, operation: &'a Json) -> Vec<&'a Json> {
        let mut parameters: Vec<&Json> = Vec::new();
        for holder in [operation, self.item] {
            let listed = holder.get("parameters").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            for parameter in listed.iter().map(|parameter| resolved(self.document, parameter)) {
                let key = |it: &Json| (it.get("name").cloned(), it.get("in").cloned());
                if !parameters.iter().any(|known| key(known) == key(parameter)) {
                    parameters.push(parameter);
                }
            }
        }
        parameters
    }

    fn add_parameter(&self, request: &mut HttpRequest, parameter: &Json) {
        let Some(name) = parameter.get("name").and_then(Json::as_str) else { return };
        let place = parameter.get("in").and_then(Json::as_str).unwrap_or_default();
        // In version 2 the parameter is its own schema, except the body.
        let schema = parameter.get("schema").unwrap_or(parameter);
        let (value, source) = match stated_example(self.document, parameter) {
            Some(example) => (example, ValueSource::Example),
            None => value_of(self.document, schema),
        };
        let is_required = parameter.get("required").and_then(Json::as_bool).unwrap_or(false);
        if place != "path" && !is_required && source == ValueSource::Guess {
            return;
        }
        match place {
            "path" => {
                let value = encoded_segment(&text_of(&value));
                request.path = request.path.replace(&format!("{{{name}}}"), &value);
            }
            "query" => {
                let separator = if request.path.contains('?') { '&' } else { '?' };
                let pair = form_urlencoded::Serializer::new(String::new())
                    .append_pair(name, &text_of(&value))
                    .finish();
                request.path = format!("{}{separator}{pair}", request.path);
            }
            "header" if !CLIENT_HEADERS.contains(&name.to_ascii_lowercase().as_str()) => {
                request.headers.insert(name.to_owned(), text_of(&value));
            }
            "body" => request.body = Some(value),
            // Cookies are left to `--header`.
            _ => return,
        }
        if source == ValueSource::Guess {
            request.guessed.push(name.to_owned());
        }
    }

    /// Adds the body of version 3.
    fn add_body(&self, request: &mut HttpRequest, operation: &Json) {
        let Some(body) = operation.get("requestBody") else { return };
        let types = resolved(self.document, body).get("content").and_then(Json::as_object);
        let types: BTreeMap<_, _> = types.into_iter().flatten().collect();
        let json = types.iter().find(|(kind, _)| {
            let essence = kind.split(';').next().unwrap_or_default().trim();
            essence == "application/json" || essence.ends_with("+json")
        });
        let Some((_, media)) = json else {
            request.guessed.push("the body, which is not JSON".to_owned());
            return;
        };
        let schema = media.get("schema").unwrap_or(&Json::Null);
        let (value, source) = match stated_example(self.document, media) {
            Some(example) => (example, ValueSource::Example),
            None => value_of(self.document, schema),
        };
        request.body = Some(value);
        if source == ValueSource::Guess {
            request.guessed.push("the body".to_owned());
        }
    }
}

/// A value as it stands in a path or a query: lists with commas, objects as JSON.
fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// `text` as a segment of a path.
fn encoded_segment(text: &str) -> String {
    // In forms a space is a plus sign, which is an ordinary character in paths.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn requests(document: &Json) -> Vec<(String, HttpRequest)> {
        let url = Url::parse("http://h:1/docs/openapi.json").unwrap();
        let listing = listing_of_openapi(document, &url).unwrap();
        listing.methods.into_iter().map(|method| (method.name, method.request.unwrap())).collect()
    }

    #[test]
    fn paths_queries_headers_and_bodies_are_filled_with_examples_and_guesses() {
        let document = json!({
            "openapi": "3.1.0",
            "servers": [{"url": "/api/v1/"}],
            "components": {
                "parameters": {"Id": {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}},
                "schemas": {"Order": {"type": "object", "properties": {"item": {"type": "string", "example": "tea"}}}},
            },
            "paths": {
                "/orders": {
                    "get": {"operationId": "listOrders", "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 10}},
                        {"name": "state", "in": "query", "required": true, "schema": {"enum": ["new & paid"]}},
                        {"name": "unknown", "in": "query", "schema": {"type": "string"}},
                        {"name": "X-Tag", "in": "header", "required": true, "example": "t"},
                        {"name": "Authorization", "in": "header", "required": true, "example": "secret"},
                    ]},
                    "post": {"summary": "Place an order.", "requestBody": {"content": {
                        "application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Order"}},
                    }}},
                },
                "/orders/{id}": {
                    "parameters": [{"$ref": "#/components/parameters/Id"}],
                    "delete": {"operationId": "cancel"},
                    "put": {"requestBody": {"content": {"text/csv": {}}}},
                    "get": {"parameters": [{"name": "id", "in": "path", "required": true, "example": "a/b c"}]},
                },
            },
        });
        let found = requests(&document);
        let shown: Vec<_> = found
            .iter()
            .map(|(name, request)| (name.as_str(), request.verb.as_str(), request.path.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("listOrders", "GET", "/api/v1/orders?limit=10&state=new+%26+paid"),
                ("post /orders", "POST", "/api/v1/orders"),
                ("get /orders/{id}", "GET", "/api/v1/orders/a%2Fb%20c"),
                ("put /orders/{id}", "PUT", "/api/v1/orders/1"),
                ("cancel", "DELETE", "/api/v1/orders/1"),
            ]
        );
        assert_eq!(found[0].1.headers, BTreeMap::from([("X-Tag".to_owned(), "t".to_owned())]));
        assert_eq!(found[0].1.guessed, ["state"]);
        assert_eq!(found[1].1.body, Some(json!({"item": "tea"})));
        assert_eq!(found[3].1.guessed, ["id", "the body, which is not JSON"]);
    }

    #[test]
    fn version_2_has_a_base_path_and_bodies_among_the_parameters() {
        let document = json!({"swagger": "2.0", "basePath": "/v2", "paths": {"/pets": {
            "post": {"parameters": [{"name": "pet", "in": "body", "schema": {"$ref": "#/definitions/Pet"}, "required": true}]},
            "get": {"parameters": [{"name": "kind", "in": "query", "type": "integer", "required": true}]},
        }}, "definitions": {"Pet": {"type": "object", "properties": {"age": {"type": "integer"}}}}});
        let found = requests(&document);
        assert_eq!(found[0].1.path, "/v2/pets?kind=1");
        assert_eq!((found[1].1.path.as_str(), &found[1].1.body), ("/v2/pets", &Some(json!({"age": 1}))));
    }

    #[test]
    fn servers_elsewhere_give_their_path_and_templates_none() {
        let url = Url::parse("http://h:1/docs/openapi.json").unwrap();
        for (server, expected) in [
            ("https://api.example/v1/", "/v1"),
            ("api", "/docs/api"),
            ("https://{region}.example/v1", ""),
            ("http://[", ""),
        ] {
            assert_eq!(base_path(&json!({"servers": [{"url": server}]}), &url), expected, "{server}");
        }
        assert_eq!(base_path(&json!({}), &url), "");
    }

    #[test]
    fn another_document_is_not_taken_for_one() {
        let url = Url::parse("http://h/").unwrap();
        for other in [json!(null), json!([1]), json!({"paths": []}), json!({"openapi": "3.1.0"})] {
            assert_eq!(listing_of_openapi(&other, &url), None);
        }
        let strange =
            json!({"paths": {"/a": {"get": 5}, "/b": null, "/c": {"get": {"parameters": {"x": 1}}}}});
        assert_eq!(listing_of_openapi(&strange, &url).unwrap().methods.len(), 2);
    }
}
