//! The methods of a server as it lists them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// The methods of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// What the server answered, such as `system.listMethods`.
    pub source: String,
    /// The methods, in the order of the answer.
    pub methods: Vec<MethodDescription>,
}

/// A method as its server describes it. Texts are the server's: escape them before they are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodDescription {
    /// The name by which it is called; for REST the name of the operation.
    pub name: String,
    /// Its help text; empty without one.
    pub help: String,
    /// Its arguments, each with a value to call it with.
    pub arguments: Arguments,
    /// The request that calls it, for REST.
    pub request: Option<HttpRequest>,
}

/// The arguments of a method.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// The server does not say.
    Unknown,
    /// By position.
    Positional(Vec<Argument>),
    /// By name.
    Named(Vec<Argument>),
}

/// An argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The name, or the type where it has no name; empty if neither is known.
    pub name: String,
    /// A value to call the method with.
    pub value: Json,
    /// The origin of the value.
    pub source: ValueSource,
}

/// The origin of an argument's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// An example in the server's description.
    Example,
    /// The default that the server states.
    Default,
    /// Made up from the type or the name.
    Guess,
}

/// The request that calls a method of a REST server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpRequest {
    /// The verb, in capitals.
    pub verb: String,
    /// The path with its query.
    pub path: String,
    /// Headers that the method requires.
    pub headers: BTreeMap<String, String>,
    /// The body, if it has one.
    pub body: Option<Json>,
    /// The names of the parts whose values were made up.
    pub guessed: Vec<String>,
}

impl Listing {
    /// The listing without the methods that servers have for listing others and for several calls at once.
    #[must_use]
    pub fn without_built_in(mut self) -> Self {
        let is_built_in = |name: &str| BUILT_IN.iter().any(|prefix| name.starts_with(prefix));
        // Resources of REST may have any name.
        self.methods.retain(|method| method.request.is_some() || !is_built_in(&method.name));
        self
    }
}

impl Arguments {
    /// The arguments; none where the server does not say.
    #[must_use]
    pub fn all(&self) -> &[Argument] {
        match self {
            Arguments::Unknown => &[],
            Arguments::Positional(arguments) | Arguments::Named(arguments) => arguments,
        }
    }
}

impl MethodDescription {
    /// A method of which only the name and the help text are known.
    #[must_use]
    pub fn named(name: impl Into<String>, help: impl Into<String>) -> Self {
        let (name, help) = (name.into(), help.into());
        MethodDescription { name, help, arguments: Arguments::Unknown, request: None }
    }

    /// The name with the parameters, as far as they are known: `add(x, y=2)`.
    #[must_use]
    pub fn title(&self) -> String {
        if self.arguments == Arguments::Unknown {
            return self.name.clone();
        }
        let shown = self.arguments.all().iter().map(|argument| match argument.source {
            ValueSource::Default => format!("{}={}", argument.name, argument.value),
            ValueSource::Example | ValueSource::Guess => argument.name.clone(),
        });
        format!("{}({})", self.name, shown.collect::<Vec<_>>().join(", "))
    }

    /// Whether calls seem to change data: a verb of HTTP other than GET and HEAD, or a name such as `set_price` or
    /// `deleteOrder`.
    #[must_use]
    pub fn seems_to_change_data(&self) -> bool {
        match &self.request {
            Some(request) => !matches!(request.verb.as_str(), "GET" | "HEAD" | "OPTIONS"),
            None => name_seems_to_change_data(&self.name),
        }
    }
}

/// How the names of methods begin that servers have for listing others, for several calls at once, and for their health.
const BUILT_IN: [&str; 5] = ["system.", "rpc.", "_zerorpc_", "grpc.reflection.", "grpc.health."];

/// The first words of names of methods that change something.
const CHANGING: &[&str] = &[
    "apply",
    "ban",
    "cancel",
    "change",
    "clear",
    "close",
    "commit",
    "create",
    "del",
    "delete",
    "disable",
    "drop",
    "enable",
    "execute",
    "import",
    "insert",
    "install",
    "kill",
    "move",
    "patch",
    "pay",
    "place",
    "post",
    "publish",
    "purge",
    "push",
    "put",
    "reboot",
    "register",
    "remove",
    "rename",
    "replace",
    "reset",
    "restart",
    "save",
    "send",
    "set",
    "shutdown",
    "start",
    "stop",
    "store",
    "submit",
    "terminate",
    "uninstall",
    "unregister",
    "update",
    "upload",
    "write",
];

/// Such words that are also the names of harmless functions, unless another word follows them.
const CHANGING_WITH_OBJECT: &[&str] = &["add"];

fn name_seems_to_change_data(name: &str) -> bool {
    // `orders.delete` and `ns:delete`: the part that says what is done is the last one.
    let last = name.rsplit(['.', ':', '/']).find(|part| !part.is_empty()).unwrap_or_default();
    let words = words_of(last);
    match words.as_slice() {
        [] => false,
        [first, rest @ ..] => {
            CHANGING.contains(&first.as_str())
                || !rest.is_empty() && CHANGING_WITH_OBJECT.contains(&first.as_str())
        }
    }
}

/// The words of `delete_order`, `deleteOrder` and `delete-order`, in lower case.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if after_lower && c.is_uppercase() || !c.is_alphanumeric() {
            words.push(String::new());
        }
        after_lower = c.is_lowercase();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_seem_to_change_data_are_recognised() {
        for name in
            ["set_price", "deleteOrder", "orders.create", "cancel-order", "RemoveAll", "add_user", "addUser"]
        {
            assert!(MethodDescription::named(name, "").seems_to_change_data(), "{name}");
        }
        for name in ["get_order", "list", "add", "settings", "total", "system.listMethods", "", "."] {
            assert!(!MethodDescription::named(name, "").seems_to_change_data(), "{name}");
        }
    }

    #[test]
    fn of_rest_the_verb_decides() {
        for (verb, changes) in [("GET", false), ("HEAD", false), ("POST", true), ("DELETE", true)] {
            let request = HttpRequest { verb: verb.to_owned(), ..HttpRequest::default() };
            let method =
                MethodDescription { request: Some(request), ..MethodDescription::named("set_x", "") };
            assert_eq!(method.seems_to_change_data(), changes, "{verb}");
        }
    }

    #[test]
    fn a_title_shows_the_parameters_and_defaults_that_are_known() {
        let argument = |name: &str, source| Argument { name: name.to_owned(), value: Json::from(2), source };
        let mut method = MethodDescription::named("add", "");
        assert_eq!(method.title(), "add");
        method.arguments =
            Arguments::Named(vec![argument("x", ValueSource::Guess), argument("y", ValueSource::Default)]);
        assert_eq!(method.title(), "add(x, y=2)");
    }

    #[test]
    fn methods_that_list_others_are_left_out() {
        let names = [
            "system.listMethods",
            "rpc.discover",
            "_zerorpc_ping",
            "grpc.health.v1.Health/Check",
            "get_order",
            "system",
        ];
        let methods = names.map(|name| MethodDescription::named(name, "")).to_vec();
        let kept = Listing { source: String::new(), methods }.without_built_in();
        let kept: Vec<_> = kept.methods.iter().map(|method| method.name.as_str()).collect();
        assert_eq!(kept, ["get_order", "system"]);
    }
}
