//! The scenario that is written for a server.

use serde_json::json;

use super::*;
use crate::discovery::{Argument, HttpRequest};

const TEMPLATE: Template<'static> = Template {
    name: "my",
    stack: "jsonrpc",
    url: "http://127.0.0.1:1/",
    command: "rpcbench run my.toml --target jsonrpc=http://127.0.0.1:1/",
    wanted: &[],
    mistake_in: |_| None,
};

fn listing(methods: Vec<MethodDescription>) -> Listing {
    Listing { source: "rpc.discover".to_owned(), methods }
}

fn with_values(name: &str, values: &[Json]) -> MethodDescription {
    let argument =
        |value: &Json| Argument { name: "x".to_owned(), value: value.clone(), source: ValueSource::Example };
    let arguments = Arguments::Positional(values.iter().map(argument).collect());
    MethodDescription { arguments, ..MethodDescription::named(name, "") }
}

/// The tables `[[operation]]` that are not commented out.
fn operations(text: &str) -> Vec<toml::Table> {
    let document: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let operations = document.get("operation").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    operations.into_iter().map(|operation| operation.as_table().unwrap().clone()).collect()
}

#[test]
fn the_text_of_a_small_service() {
    let argument = |name: &str, value: Json, source| Argument { name: name.to_owned(), value, source };
    let get = MethodDescription {
        arguments: Arguments::Positional(vec![argument("id", json!(1), ValueSource::Guess)]),
        ..MethodDescription::named("orders.get", "\n  The order with this id.\nMore.")
    };
    let place = MethodDescription {
        arguments: Arguments::Named(vec![argument("item", json!("tea"), ValueSource::Example)]),
        ..MethodDescription::named("placeOrder", "")
    };
    let contents = TEMPLATE.with(Some(&listing(vec![get, place, MethodDescription::named("total", "")])));
    assert_eq!((contents.active, contents.commented_out, contents.left_out), (2, 1, 0));
    let (head, operations) = contents.text.split_once("\n# One caller").unwrap();
    assert!(head.starts_with(
        "# The methods of http://127.0.0.1:1/, listed by rpc.discover.\n# Edit this file, then measure the server with\n\
         #\n#     rpcbench run my.toml --target jsonrpc=http://127.0.0.1:1/\n#\n"
    ));
    assert!(head.ends_with("stacks = [\"jsonrpc\"]\n# The floors are servers of rpcbench, which do not have these methods.\nfloors = false\n"));
    let (_, operations) = operations.split_once("closed:8\"\nplacement = \"free\"\n").unwrap();
    assert_eq!(
        operations,
        "
# The order with this id.
# Guessed: id.
[[operation]]
name = \"orders.get\"
params = [1]

# It seems to change data.
# [[operation]]
# name = \"placeorder\"
# method = \"placeOrder\"
# params = { item = \"tea\" }

# Its parameters are not known: give arguments.
[[operation]]
name = \"total\"
params = []
"
    );
}

#[test]
fn hostile_names_and_texts_are_values_again_when_the_file_is_read() {
    let hostile = [
        "a\"b",
        "x\n[[operation]]\nname = 'y'",
        "\u{1b}[2J\u{0}\r\u{202e}",
        "'''\"\"\"\\",
        "",
        "mix",
        "add",
        "{x} {{x}} { {1} {",
        "ünïcödé",
        "# comment",
    ];
    let methods: Vec<_> = hostile
        .iter()
        .map(|text| MethodDescription { help: (*text).to_owned(), ..with_values(text, &[json!(text)]) })
        .collect();
    let contents = TEMPLATE.with(Some(&listing(methods)));
    let read = operations(&contents.text);
    assert_eq!(read.len(), hostile.len());
    for (operation, text) in read.iter().zip(hostile) {
        let name = operation["name"].as_str().unwrap();
        let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
        assert!(!name.is_empty() && name.chars().all(is_plain) && name != MIX, "{name}");
        let method = operation.get("method").map_or(name, |method| method.as_str().unwrap());
        assert_eq!(method, text);
        assert_eq!(operation["params"][0].as_str(), Some(literal_text(text).as_str()));
    }
    assert!(!contents.text.contains(['\u{1b}', '\u{0}', '\r']));
    let names: BTreeSet<_> = read.iter().map(|operation| operation["name"].to_string()).collect();
    assert_eq!(names.len(), hostile.len());
}

#[test]
fn texts_stand_for_themselves() {
    for (text, written) in [
        ("{x}", "{{x}}"),
        ("a {x_1}{y} b", "a {{x_1}}{{y}} b"),
        ("{{x}}", "{{{x}}}"),
        ("{", "{"),
        ("{}{1}{a b}", "{}{1}{a b}"),
        ("{a{b}", "{a{{b}}"),
    ] {
        assert_eq!(literal(&json!({"k": [text]})), json!({"k": [written]}));
    }
}

#[test]
fn what_toml_cannot_represent_is_commented_out() {
    let methods = vec![
        with_values("null", &[json!(null)]),
        with_values("inside", &[json!({"a": [null]})]),
        with_values("large", &[json!(u64::MAX)]),
        with_values("plain", &[json!({"a": [1, 2.5, true, {"b": "c"}]})]),
    ];
    let contents = TEMPLATE.with(Some(&listing(methods)));
    assert_eq!((contents.active, contents.commented_out), (1, 3));
    let [plain] = &*operations(&contents.text) else { panic!("one operation") };
    let params = serde_json::to_value(&plain["params"]).unwrap();
    assert_eq!(params, json!([{"a": [1, 2.5, true, {"b": "c"}]}]));
    assert!(contents.text.contains("operation = \"plain\"\n"), "{}", contents.text);
}

#[test]
fn requests_of_rest_have_verb_path_headers_and_body() {
    let request = HttpRequest {
        verb: "GET".to_owned(),
        path: "/orders/1".to_owned(),
        headers: [("X-Tag".to_owned(), "a\"b".to_owned())].into(),
        body: Some(json!({"a": 1})),
        guessed: vec!["id".to_owned()],
    };
    let undescribed = HttpRequest { path: "/{id}".to_owned(), ..request.clone() };
    let of = |name: &str, request| MethodDescription {
        request: Some(request),
        ..MethodDescription::named(name, "")
    };
    let contents = TEMPLATE.with(Some(&listing(vec![of("get", request), of("other", undescribed)])));
    let [get] = &*operations(&contents.text) else { panic!("one operation") };
    assert_eq!((get["verb"].as_str(), get["path"].as_str()), (Some("GET"), Some("/orders/1")));
    assert_eq!(get["headers"]["X-Tag"].as_str(), Some("a\"b"));
    assert_eq!(get["body"]["a"].as_integer(), Some(1));
    assert!(contents.text.contains("# Guessed: id.\n") && contents.text.contains("# path = \"/{id}\"\n"));
}

#[test]
fn a_server_cannot_make_a_scenario_send_secrets_of_its_reader() {
    let of = |verb: &str, value: &str| MethodDescription {
        request: Some(HttpRequest {
            verb: verb.to_owned(),
            path: "/".to_owned(),
            headers: [("X-Tag".to_owned(), value.to_owned())].into(),
            ..HttpRequest::default()
        }),
        ..MethodDescription::named(format!("{verb} {value}"), "")
    };
    let secrets = ["env:SECRET", "@/home/me/.netrc", "-"];
    let mut methods: Vec<_> = secrets.iter().map(|value| of("GET", value)).collect();
    // Who activates it although it seems to change data must know, too.
    methods.push(of("DELETE", "env:SECRET"));
    methods.extend(["a@b", "environment", "a-b"].map(|value| of("GET", value)));
    let is_unread = |text: &str| {
        assert!(!text.contains("SECRET"), "the value of the header is read: {text}");
        None
    };
    let contents = Template { mistake_in: is_unread, ..TEMPLATE }.with(Some(&listing(methods)));
    assert_eq!((contents.active, contents.commented_out), (3, 4), "{}", contents.text);
    assert_eq!(contents.text.matches("# The value of a header would be read from a file").count(), 4);
    assert!(contents.text.contains("# It seems to change data.\n# The value of a header"));
}

#[test]
fn a_long_listing_is_cut_and_methods_can_be_chosen() {
    let many: Vec<_> = (0..10_000).map(|i| MethodDescription::named(format!("get_{i}"), "")).collect();
    let listing = listing(many);
    let contents = TEMPLATE.with(Some(&listing));
    assert_eq!((contents.active, contents.left_out), (MAX_OPERATIONS, 9_800));
    assert!(contents.text.contains("# 9800 more methods are left out"));
    let wanted = ["get_9999".to_owned(), "nosuch".to_owned()];
    let contents = Template { wanted: &wanted, ..TEMPLATE }.with(Some(&listing));
    assert_eq!((contents.active, contents.left_out), (1, 0));
    assert_eq!(contents.missing, ["nosuch"]);
}

#[test]
fn without_a_listing_the_wanted_methods_or_an_example_are_written() {
    let wanted = ["set_price".to_owned()];
    let contents = Template { wanted: &wanted, ..TEMPLATE }.with(None);
    assert_eq!((contents.active, contents.missing.len()), (1, 0));
    assert_eq!(operations(&contents.text)[0]["name"].as_str(), Some("set_price"));
    let contents = TEMPLATE.with(None);
    assert_eq!((contents.active, operations(&contents.text).len()), (0, 0));
    assert!(contents.text.contains("# [[operation]]"));
    assert!(contents.text.contains("do not list"));
}
