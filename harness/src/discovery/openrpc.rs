//! OpenRPC documents, which JSON-RPC servers return from `rpc.discover`.

use serde_json::Value as Json;

use super::example::{resolved, value_of};
use super::method::{Argument, Arguments, Listing, MethodDescription, ValueSource};

/// The methods in an OpenRPC document; `None` if it is not one.
#[must_use]
pub fn listing_of_openrpc(document: &Json) -> Option<Listing> {
    let methods = document.get("methods")?.as_array()?;
    let methods =
        methods.iter().filter_map(|method| described(document, resolved(document, method))).collect();
    Some(Listing { source: "rpc.discover".to_owned(), methods })
}

fn described(document: &Json, method: &Json) -> Option<MethodDescription> {
    let name = method.get("name")?.as_str()?.to_owned();
    let text = |key: &str| method.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let help = text("summary").or_else(|| text("description")).unwrap_or_default().to_owned();
    let parameters = method.get("params").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    // The values of the first example of a whole call.
    let example =
        method.get("examples").and_then(|examples| examples.get(0)).map(|it| resolved(document, it));
    let arguments = parameters.iter().enumerate().map(|(index, parameter)| {
        let parameter = resolved(document, parameter);
        let name = parameter.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
        let in_example = || {
            let value = resolved(document, example?.get("params")?.get(index)?).get("value")?;
            Some((value.clone(), ValueSource::Example))
        };
        let is_required = parameter.get("required").and_then(Json::as_bool).unwrap_or(false);
        let schema = parameter.get("schema").unwrap_or(&Json::Null);
        let (value, source) = in_example().unwrap_or_else(|| value_of(document, schema));
        let is_optional = !is_required && source == ValueSource::Guess;
        (Argument { name, value, source }, is_optional)
    });
    let mut arguments: Vec<_> = arguments.collect();
    // An optional parameter of which nothing is known is left out, unless others follow it.
    let has_required = arguments.iter().any(|(_, is_optional)| !is_optional);
    while has_required && arguments.last().is_some_and(|(_, is_optional)| *is_optional) {
        arguments.pop();
    }
    let arguments = arguments.into_iter().map(|(argument, _)| argument).collect();
    let by_name = text("paramStructure") == Some("by-name");
    let arguments = if by_name { Arguments::Named(arguments) } else { Arguments::Positional(arguments) };
    Some(MethodDescription { name, help, arguments, request: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_have_values_of_their_types_or_from_examples() {
        let document = json!({"openrpc": "1.3.2", "components": {"schemas": {"Id": {"type": "integer"}}}, "methods": [
            {"name": "add", "summary": "Return x + y.", "params": [
                {"name": "x", "required": true, "schema": {"$ref": "#/components/schemas/Id"}},
                {"name": "y", "required": true, "schema": {"type": "number"}},
                {"name": "z", "schema": {"type": "number"}},
            ]},
            {"name": "find", "paramStructure": "by-name", "params": [{"name": "name", "schema": {"type": "string"}}],
             "examples": [{"params": [{"value": "Ann"}]}]},
            {"name": "plain", "description": "Does nothing."},
            {"params": []},
        ]});
        let listing = listing_of_openrpc(&document).unwrap();
        let titles: Vec<_> = listing.methods.iter().map(MethodDescription::title).collect();
        assert_eq!(titles, ["add(x, y)", "find(name)", "plain()"]);
        let values = |index: usize| -> Vec<Json> {
            listing.methods[index].arguments.all().iter().map(|argument| argument.value.clone()).collect()
        };
        assert_eq!(values(0), [json!(1), json!(1.0)]);
        assert_eq!(values(1), [json!("Ann")]);
        assert!(matches!(listing.methods[1].arguments, Arguments::Named(_)));
        assert_eq!(listing.methods[2].help, "Does nothing.");
        for other in [json!([]), json!({"methods": 5}), json!(null)] {
            assert_eq!(listing_of_openrpc(&other), None);
        }
    }
}
