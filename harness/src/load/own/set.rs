//! The operations of one's own of a scenario.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::operation::Operation;
use super::super::own_name::OwnName;
use super::super::prepared::PreparedCall;
use super::calls::OwnCalls;
use super::compiled::{Compiled, Files, KeyMistake};
use super::definition::OwnOperation;
use crate::stacks::Stack;

/// The most operations of a scenario.
const MAX_OPERATIONS: usize = 1_000;

/// The operations of one's own of a scenario, checked, and with their files read.
#[derive(Clone, Default)]
pub struct OwnOperations(Arc<[Arc<Compiled>]>);

/// Why an operation cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct OwnError {
    /// The number of the operation, from 0.
    pub index: usize,
    /// The key that is wrong.
    pub key: &'static str,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl OwnOperations {
    /// Checks `definitions`, of which each stands at a `place`, and reads their files, whose paths are relative to `folder`.
    ///
    /// # Errors
    /// [`OwnError`] for the first that cannot be used.
    pub fn new(
        definitions: &[OwnOperation],
        folder: &Path,
        place: impl Fn(usize) -> String,
    ) -> Result<Self, OwnError> {
        let mut files = Files::new();
        let mut compiled: Vec<Arc<Compiled>> = Vec::new();
        for (index, definition) in definitions.iter().enumerate() {
            let refused = |KeyMistake { key, message }| OwnError { index, key, message };
            let key = "name";
            if index >= MAX_OPERATIONS {
                return Err(refused(KeyMistake {
                    key,
                    message: format!("more than {MAX_OPERATIONS} operations"),
                }));
            }
            if compiled.iter().any(|known| known.name == definition.name) {
                let message = format!("two operations have the name `{}`", definition.name);
                return Err(refused(KeyMistake { key, message }));
            }
            let operation = Compiled::new(definition, place(index), folder, &mut files).map_err(refused)?;
            compiled.push(Arc::new(operation));
        }
        Ok(OwnOperations(compiled.into()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in the order of the scenario.
    pub fn names(&self) -> impl Iterator<Item = OwnName> {
        self.0.iter().map(|operation| operation.name)
    }

    /// The operations of one's own that `operation` stands for: itself, or all for `mix`; none for one of the calculator or an
    /// unknown one.
    fn covered(&self, operation: Operation) -> Vec<&Arc<Compiled>> {
        let Some(name) = operation.own_name() else { return vec![] };
        self.0.iter().filter(|own| name == OwnName::MIX || own.name == name).collect()
    }

    /// The names of the operations that `operation` stands for: itself, or all for `mix`; none for one of the calculator or an
    /// unknown one.
    #[must_use]
    pub fn parts(&self, operation: Operation) -> Vec<OwnName> {
        self.covered(operation).iter().map(|own| own.name).collect()
    }

    /// Why `operation` cannot be called on `stack`, if it cannot.
    #[must_use]
    pub fn obstacle(&self, operation: Operation, stack: &Stack) -> Option<String> {
        self.covered(operation).into_iter().find_map(|own| own.obstacle(stack))
    }

    /// The calls of a trial of `operation` on `stack`, with the seed of the run and the block of the trial; none for an operation of
    /// the calculator.
    #[must_use]
    pub fn calls(&self, operation: Operation, stack: &'static Stack, seed_and_block: (u64, u32)) -> OwnCalls {
        let operations = self.covered(operation).into_iter().map(Arc::clone).collect();
        OwnCalls::new(operations, stack, seed_and_block)
    }

    /// The first call of the operation `name` on `stack`, and where the operation is defined.
    #[must_use]
    pub fn example(&self, name: OwnName, stack: &Stack, seed: u64) -> Option<(PreparedCall, &str)> {
        let own = self.0.iter().find(|own| own.name == name)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Some((own.call(stack, 0, &mut rng), &own.place))
    }

    /// Whether something is expected of the answers of `name` beyond that there is a result.
    #[must_use]
    pub fn is_checked(&self, name: OwnName) -> bool {
        self.0.iter().any(|own| own.name == name && own.is_checked())
    }
}

/// They follow from the definitions, which are compared instead.
impl PartialEq for OwnOperations {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for OwnOperations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use calculator::{Call, Value};

    use super::*;
    use crate::observe::Expectation;

    fn definitions(text: &str) -> Vec<OwnOperation> {
        #[derive(serde::Deserialize)]
        struct Scenario {
            operation: Vec<OwnOperation>,
        }
        toml::from_str::<Scenario>(text).unwrap().operation
    }

    fn compile(text: &str) -> Result<OwnOperations, OwnError> {
        OwnOperations::new(&definitions(text), Path::new(""), |index| format!("mine.toml:{index}"))
    }

    fn stack(name: &str) -> &'static Stack {
        Stack::named(name).unwrap()
    }

    fn call(own: &OwnOperations, name: &str, on: &str) -> (Call, Expectation) {
        let (prepared, _) = own.example(OwnName::new(name).unwrap(), stack(on), 1).unwrap();
        (prepared.call, prepared.expected)
    }

    #[test]
    fn methods_of_other_services_are_not_for_clients_of_the_calculators_messages() {
        let own = compile(
            r#"
            [[operation]]
            name = "check"
            method = "grpc.health.v1.Health/Check"
            [[operation]]
            name = "plain"
            "#,
        )
        .unwrap();
        for (operation, on, can_be_called) in [
            ("check", "grpc-h2", false),
            ("check", "grpc-python", false),
            ("check", "grpc", true),
            ("check", "jsonrpc", true),
            ("plain", "grpc-h2", true),
        ] {
            let obstacle = own.obstacle(Operation::named(operation).unwrap(), stack(on));
            assert_eq!(obstacle.is_none(), can_be_called, "{on}: {obstacle:?}");
            assert!(obstacle.is_none_or(|reason| reason.contains("grpc.health.v1.Health/Check")));
        }
    }

    #[test]
    fn calls_have_the_method_and_parameters_or_the_request_of_the_definition() {
        let own = compile(
            r#"
            [[operation]]
            name = "get_user"
            method = "users.get"
            params = [7, "{id}", "no. {id}"]
            path = "/users/{name}"
            headers = { accept = "text/plain", x-id = "{id}" }
            expect = { result = { id = "{id}" } }
            variables = { id = { integer = [5, 5] }, name = { one_of = ["a b"] } }
            [[operation]]
            name = "rename"
            path = "/users/1"
            body = { name = "Bob" }
            expect = { status = 204 }
            [[operation]]
            name = "plain"
            params = { x = 1 }
            "#,
        )
        .unwrap();
        let (by_name, expected) = call(&own, "get_user", "zerorpc");
        assert_eq!(by_name, Call::positional("users.get", [7.into(), 5.into(), "no. 5".into()]));
        assert_eq!(expected, Expectation::Value(Value::map(vec![("id".into(), 5.into())])));
        let (request, _) = call(&own, "get_user", "rest");
        assert_eq!(request, Call::positional("GET /users/a%20b\naccept: text/plain\nx-id: 5", []));
        let (request, expected) = call(&own, "rename", "rest-hyper");
        let body = Value::map(vec![("name".into(), "Bob".into())]);
        assert_eq!(request, Call::positional("POST /users/1 204", [body]));
        assert_eq!(expected, Expectation::Status(204));
        let (named, expected) = call(&own, "plain", "jsonrpc");
        assert_eq!(named, Call::named("plain", [("x".into(), Value::Int(1))]));
        assert_eq!(expected, Expectation::AnyResult);
        for (operation, on, expected) in [
            ("rename", "xmlrpc", "is a request with a `path`, and xmlrpc calls methods"),
            ("plain", "xmlrpc", "write `params` as an array"),
            ("mix", "zerorpc", "is a request"),
        ] {
            let obstacle = own.obstacle(Operation::named(operation).unwrap(), stack(on)).unwrap();
            assert!(obstacle.contains(expected), "{obstacle}");
        }
        assert_eq!(own.obstacle(Operation::named("mix").unwrap(), stack("rest")), None);
        assert_eq!(own.parts(Operation::named("mix").unwrap()).len(), 3);
        assert!(
            own.parts(Operation::ADD).is_empty() && own.parts(Operation::named("none").unwrap()).is_empty()
        );
        assert!(
            !own.is_checked(OwnName::new("plain").unwrap())
                && own.is_checked(OwnName::new("rename").unwrap())
        );
    }

    #[test]
    fn a_mix_has_the_shares_of_its_weights_whoever_calls() {
        let own = compile(
            "[[operation]]\nname = \"a\"\nweight = 6\n[[operation]]\nname = \"b\"\nweight = 2\nparams = [\"{n}\"]\n\
             variables = { n = { integer = [1, 9] } }",
        )
        .unwrap();
        let calls = own.calls(Operation::own(OwnName::MIX), stack("jsonrpc"), (3, 0));
        for number in 0..5 {
            let mut caller = calls.of_caller(number).unwrap();
            let mut parts = [0; 2];
            for _ in 0..40 {
                let (prepared, part) = caller.current().unwrap();
                assert_eq!(prepared.call.method, ["a", "b"][part.unwrap()]);
                assert_eq!(prepared.call.params.len(), part.unwrap());
                parts[part.unwrap()] += 1;
                caller.advance();
            }
            assert_eq!(parts, [30, 10]);
        }
        let one = own.calls(Operation::named("b").unwrap(), stack("jsonrpc"), (3, 0));
        assert_eq!(one.of_caller(0).unwrap().current().unwrap().1, None);
        assert!(own.calls(Operation::ADD, stack("jsonrpc"), (3, 0)).of_caller(0).is_none());
    }

    #[test]
    fn few_calls_of_many_callers_have_the_shares_of_the_weights_too() {
        let text = "[[operation]]\nname = \"a\"\nweight = 30\n[[operation]]\nname = \"b\"\nweight = 2";
        let calls = compile(text).unwrap().calls(Operation::own(OwnName::MIX), stack("jsonrpc"), (3, 0));
        let mut parts = [0; 2];
        for turn in 0..4 {
            for number in 0..4 {
                let mut caller = calls.in_turn(turn).of_caller(number).unwrap();
                parts[caller.current().unwrap().1.unwrap()] += 1;
                caller.advance();
                parts[caller.current().unwrap().1.unwrap()] += 1;
            }
        }
        assert_eq!(parts, [30, 2]);
    }

    #[test]
    fn blocks_and_turns_make_other_calls_and_all_stacks_of_a_block_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<_> = (0..1_000).map(|row| row.to_string()).collect();
        std::fs::write(folder.path().join("ids.csv"), format!("id\n{}\n", rows.join("\n"))).unwrap();
        let text = "[[operation]]\nname = \"get\"\nparams = [\"{id}\", \"{random}\"]\n\
                    variables = { file = \"ids.csv\", random = { integer = [0, 1000000000] } }\n\
                    [[operation]]\nname = \"other\"\nweight = 3";
        let own = OwnOperations::new(&definitions(text), folder.path(), |_| String::new()).unwrap();
        let made = |on: &str, block: u32| -> Vec<(String, Vec<Value>)> {
            let calls = own.calls(Operation::own(OwnName::MIX), stack(on), (5, block));
            let in_turn = |turn| {
                let mut caller = calls.in_turn(turn).of_caller(0).unwrap();
                let mut made = vec![];
                // The last one, too, since it is prepared for the turn.
                for _ in 0..64 {
                    let call = &caller.current().unwrap().0.call;
                    made.push((call.method.to_string(), call.params.values().cloned().collect()));
                    caller.advance();
                }
                made
            };
            (0..2).flat_map(in_turn).collect()
        };
        let of_get = |block: u32| made("jsonrpc", block).into_iter().filter(|(method, _)| method == "get");
        let all: Vec<Vec<Value>> = (0..12).flat_map(of_get).map(|(_, values)| values).collect();
        assert!(all.len() > 350, "{}", all.len());
        for column in 0..2 {
            let different: std::collections::BTreeSet<String> =
                all.iter().map(|values| format!("{:?}", values[column])).collect();
            assert_eq!(different.len(), all.len(), "column {column}");
        }
        let order =
            |block: u32| made("jsonrpc", block).into_iter().map(|(method, _)| method).collect::<Vec<_>>();
        assert!((1..12).any(|block| order(block) != order(0)));
        assert_eq!(made("jsonrpc", 3), made("xmlrpc", 3));
    }

    #[test]
    fn a_cell_stays_as_it_is_written_within_a_text_and_is_a_number_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("versions.csv"), "version\n1.10\n2\n").unwrap();
        let text = "[[operation]]\nname = \"get\"\npath = \"/v/{version}\"\nheaders = { x-version = \"{version}\" }\n\
                    body = [\"{version}\", \"v{version}\"]\nvariables = { file = \"versions.csv\" }";
        let own = OwnOperations::new(&definitions(text), folder.path(), |_| String::new()).unwrap();
        let (call, _) = call(&own, "get", "rest");
        let body = Value::list(vec![Value::Float(1.1), "v1.10".into()]);
        assert_eq!(call, Call::positional("POST /v/1.10\nx-version: 1.10", [body]));
    }

    #[test]
    fn callers_take_the_rows_of_a_file_in_turn_and_begin_again_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ids.csv"), "id\n10\n11\n12\n").unwrap();
        let text = "[[operation]]\nname = \"get\"\nparams = [\"{id}\"]\nvariables = { file = \"ids.csv\" }";
        let own = OwnOperations::new(&definitions(text), folder.path(), |_| String::new()).unwrap();
        let calls = own.calls(Operation::named("get").unwrap(), stack("xmlrpc"), (1, 0));
        let mut callers = [0, 1].map(|number| calls.of_caller(number).unwrap());
        let mut ids = vec![];
        for _ in 0..3 {
            for caller in &mut callers {
                ids.extend(caller.current().unwrap().0.call.params.values().cloned());
                caller.advance();
            }
        }
        assert_eq!(ids, [10, 11, 12, 10, 11, 12].map(Value::Int));
    }

    #[test]
    fn what_cannot_be_called_is_refused_with_the_key_that_is_wrong() {
        for (keys, key, expected) in [
            ("name = \"mix\"", "name", "stands for all operations"),
            ("name = \"add\"", "name", "is an operation of the calculator"),
            ("weight = 1001", "weight", "1 to 1000"),
            ("params = 3", "params", "expected an array or a table, not int"),
            ("params = [1979-05-27]", "params", "write it as a text"),
            (
                "params = [\"{d}\"]\nvariables = { d = { one_of = [1, { on = [1979-05-27] }] } }",
                "variables",
                "`d`: a date has no form",
            ),
            ("expect = { result = 1979-05-27T07:32:00Z }", "expect", "write it as a text"),
            ("params = [\"{id}\"]", "params", "there is no variable `id`; there are no `variables`"),
            ("verb = \"GET\"", "verb", "give its `path`"),
            ("body = 1", "body", "give its `path`"),
            ("path = \"users\"", "path", "expected a / at its beginning"),
            ("path = \"/a b\"", "path", "percent-encoded"),
            (
                "path = \"/{idd}\"\nvariables = { id = { text = 1 } }",
                "variables",
                "the variable `id` is not used",
            ),
            (
                "path = \"/{id}{idd}\"\nvariables = { id = { text = 1 } }",
                "path",
                "there is no variable `idd`; did you mean `id`?; the variables are id; write {{idd}} for the text {idd}",
            ),
            ("path = \"/\"\nheaders = { \"a b\" = \"x\" }", "headers", "`a b` is not the name of a header"),
            (
                "path = \"/\"\nheaders = { Content-Length = \"1\" }",
                "headers",
                "the client sets the header content-length",
            ),
            (
                "path = \"/\"\nheaders = { a = \"env:RPCBENCH_NO_SUCH_VARIABLE\" }",
                "headers",
                "the header a: the environment",
            ),
            ("expect = {}", "expect", "expected `result`, or `pointer`"),
            ("expect = { pointer = \"/a\" }", "expect", "expected `result`, or `pointer`"),
            ("expect = { pointer = \"a\", equals = 1 }", "expect", "is not a JSON Pointer"),
            ("expect = { status = 99 }", "expect", "from 100 to 599"),
            ("expect = { error = \"unknown_method\" }", "expect", "did you mean `unknown-method`?"),
            ("expect = { error = \"timeout\" }", "expect", "the kinds are zero-division"),
            (
                "params = [\"{i}\"]\nvariables = { i = { integer = [2, 1] } }",
                "variables",
                "`i`: no integer is from 2",
            ),
            (
                "params = [\"{i}\"]\nvariables = { file = \"/nowhere/a.csv\" }",
                "variables",
                "/nowhere/a.csv: ",
            ),
        ] {
            let name = if key == "name" { "" } else { "name = \"get\"\n" };
            let error = compile(&format!("[[operation]]\nname = \"first\"\n[[operation]]\n{name}{keys}"))
                .unwrap_err();
            assert_eq!((error.index, error.key), (1, key), "{keys}: {error}");
            assert!(error.to_string().contains(expected), "{keys}: {error}");
        }
        let twice = compile("[[operation]]\nname = \"a\"\n[[operation]]\nname = \"a\"").unwrap_err();
        assert!(twice.to_string().contains("two operations have the name `a`"));
    }
}
