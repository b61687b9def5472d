//! Runs against services that exist.

use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use rpcbench::record::{Record, Trial};

use crate::common::{Process, finish, rpcbench};
use crate::{Folder, users, users_command};

/// The trials of `operation` on `stack`, each with right answers and no others. A machine that is busy with other tests may make a
/// trial invalid.
fn trials<'a>(record: &'a Record, stack: &str, operation: &str) -> Vec<&'a Trial> {
    let is_it = |trial: &&Trial| trial.stack == stack && trial.operation.to_string() == operation;
    let trials: Vec<_> = record.trials.iter().filter(is_it).collect();
    assert!(!trials.is_empty(), "{stack} {operation}");
    for trial in &trials {
        assert!(trial.counts.right > 0 && trial.counts.wrong == 0, "{stack} {operation}: {:?}", trial.counts);
        assert_eq!(trial.counts.errors(), 0, "{stack} {operation}: {:?}", trial.counts);
    }
    trials
}

/// An operation with a parameter from a file, one with generated ones and one without any.
const BY_METHOD: &str = r#"
[[operation]]
name = "get"
method = "get_user"
params = ["{id}"]
weight = 3
expect = { pointer = "/name", equals = "{name}" }
variables = { file = "users.csv" }

[[operation]]
name = "count"
expect = { result = 4 }
"#;

/// Measures the operations of [`BY_METHOD`] at `url` in closed and open loops.
fn measure_by_method(stack: &str, url: &str) -> Record {
    let measurements = [("get", "closed:1"), ("count", "open:200:poisson"), ("mix", "closed:2")];
    let folder = Folder::of(1, &measurements, BY_METHOD);
    folder.write("users.csv", "id,name\n1,Bob\n2,Cem\n3,Dora\n4,Ann\n");
    let ended = finish(&mut folder.run(&["--target", &format!("{stack}={url}")]));
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let record = folder.record();
    trials(&record, stack, "get");
    let open = trials(&record, stack, "count");
    assert!(open[0].counts.slots > 0 && open[0].service.is_some());
    for trial in trials(&record, stack, "mix") {
        let parts: Vec<_> =
            trial.operations.iter().map(|part| (part.operation.as_str(), &part.counts)).collect();
        let [("get", get), ("count", count)] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!(get.started + count.started, trial.counts.started);
        assert_eq!(get.right + count.right, trial.counts.right);
        assert!(get.started > count.started, "{get:?} {count:?}");
    }
    // Nothing of the calculator was called.
    assert!(record.checks.is_empty());
    let report = folder.report();
    assert!(report.contains("Calls by operation"), "{report}");
    assert!(!report.contains("answers were not checked"), "{report}");
    record
}

/// Checks that the bytes of `operation` were counted, and those of the request divided into parts.
fn check_bytes(record: &Record, operation: &str) {
    let wire = record.wire.iter().find(|wire| wire.operation.to_string() == operation).unwrap();
    assert!(wire.hops[0].parts.is_some() && wire.per_call.down > 0.0, "{wire:?}");
}

#[test]
fn an_xml_rpc_server_of_pythons_standard_library_is_measured() {
    let server = users("xmlrpc", &[]);
    measure_by_method("xmlrpc-hyper", &server.url());
}

#[test]
fn a_server_of_jsonrpclib_is_measured() {
    let server = users("jsonrpc", &[]);
    measure_by_method("jsonrpc-hyper", &server.url());
}

#[test]
fn a_server_of_zerorpc_is_measured() {
    let server = users("zerorpc", &[]);
    let record = measure_by_method("zerorpc", &server.url());
    check_bytes(&record, "get");
}

#[test]
fn a_server_of_oslo_messaging_is_measured() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let server = Process::start(users_command("amqp", &[]).env("RPCBENCH_BROKER", broker.url()));
    assert_eq!(server.url(), "users");
    let folder = Folder::of(
        1,
        &[("get", "closed:1")],
        "[[operation]]\nname = \"get\"\nmethod = \"get_user\"\nparams = { number = 2 }\n\
         expect = { pointer = \"/name\", equals = \"Cem\" }\n",
    );
    let target = format!("amqp={}", broker.url());
    let ended = finish(&mut folder.run(&["--target", &target, "--topic", "users"]));
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    trials(&folder.record(), "amqp", "get");
}

#[test]
fn requests_have_verbs_paths_headers_and_bodies_and_their_secrets_are_not_recorded() {
    let server = users("rest", &[]);
    let operations = r#"
[[operation]]
name = "get"
path = "/users/{id}"
headers = { x-key = "secret" }
expect = { status = 200, pointer = "/id", equals = "{id}" }
variables = { id = { integer = [1, 1000] } }

[[operation]]
name = "absent"
path = "/nowhere"
expect = { status = 404 }

[[operation]]
name = "rename"
verb = "PUT"
path = "/users/7"
body = { name = "{name}" }
expect = { result = "7 is now {name}" }
variables = { name = { text = 12 } }
"#;
    let folder = Folder::of(1, &[("mix", "closed:2"), ("get", "open:300:constant")], operations);
    let ended = finish(&mut folder.run(&["--target", &format!("rest-hyper={}", server.url())]));
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let record = folder.record();
    let mix = trials(&record, "rest-hyper", "mix");
    assert!(mix[0].operations.iter().all(|part| part.counts.right > 0), "{:?}", mix[0].operations);
    trials(&record, "rest-hyper", "get");
    check_bytes(&record, "get");
    check_bytes(&record, "rename");
    let text = std::fs::read_to_string(folder.results().join("record.json")).unwrap();
    assert!(!text.contains("secret") && !folder.report().contains("secret"));
}

#[test]
fn two_servers_of_one_protocol_are_compared() {
    // The client idles most of the time, so that with several callers it is the servers that limit the rate.
    let [old, new] = ["0.002", "0.006"].map(|delay| users("xmlrpc", &["--delay", delay]));
    let operation = "[[operation]]\nname = \"get\"\nmethod = \"get_user\"\nparams = [7]\n";
    let folder = Folder::of(12, &[("get", "closed:1"), ("get", "closed:4")], operation);
    let targets = [format!("xmlrpc@old={}", old.url()), format!("xmlrpc@new={}", new.url())];
    let ended = finish(&mut folder.run(&["--target", &targets[0], "--target", &targets[1]]));
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let record = folder.record();
    let mut stacks: Vec<_> = record.stacks.iter().map(|facts| facts.name.as_str()).collect();
    stacks.sort_unstable();
    assert_eq!(stacks, ["xmlrpc@new", "xmlrpc@old"]);
    let report = folder.report();
    let with_four = report.split("## get closed:4").nth(1).unwrap_or_default();
    assert!(report.contains("faster by") && with_four.contains("faster by"), "{report}");
    assert!(report.contains("xmlrpc@old compared with xmlrpc@new: faster by"), "{report}");
    assert!(report.contains("answers of get were not checked"), "{report}");
}

#[test]
fn a_call_of_the_command_line_is_measured_without_a_scenario() {
    let server = users("jsonrpc", &[]);
    let folder = Folder::of(1, &[], "");
    // On a busy machine, the server may not answer for a tenth of a second.
    let mut command = rpcbench(&["run", "--out", "results", "--blocks", "1", "--seconds", "0.5"]);
    command.current_dir(folder.0.path()).args(["--call", "get_user(7)", "--call", "count()"]);
    command.args(["--load", "closed:1", "--target", &format!("jsonrpc={}", server.url())]);
    let ended = finish(&mut command);
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let record = folder.record();
    trials(&record, "jsonrpc", "get_user");
    trials(&record, "jsonrpc", "count");
    assert!(record.trials.iter().all(|trial| trial.stack == "jsonrpc"));
}

#[test]
fn one_call_can_be_repeated_and_a_request_can_be_sent() {
    let rest = users("rest", &[]);
    let url = rest.url();
    let call = |arguments: &[&str]| {
        let mut command = rpcbench(&["call", "rest", &url]);
        finish(command.args(arguments))
    };
    let ended = call(&["GET /users/7", "--header", "x-key: secret"]).with(0, &[]);
    assert_eq!(ended.out, ["{\"id\": 7, \"name\": \"Dora\", \"tags\": [\"a\", \"b\"]}"]);
    let ended = call(&["PUT /users/7", "{\"name\": \"Eve\"}"]).with(0, &[]);
    assert_eq!(ended.out, ["\"7 is now Eve\""]);
    call(&["GET /users/7"]).with(1, &["the header x-key is missing"]);
    let repeated = ["GET /users/7", "--header", "x-key: secret", "--repeat", "20", "--json"];
    let ended = call(&repeated).with(0, &[]);
    let summary: serde_json::Value = serde_json::from_str(&ended.out.join("")).unwrap();
    assert_eq!((&summary["calls"], &summary["answered"]), (&20.into(), &20.into()));
    assert!(summary["p50_ns"].as_u64() >= summary["min_ns"].as_u64());
    let ended = call(&["GET /nowhere", "--repeat", "3"]).with(1, &[]);
    assert!(
        ended.out[0].starts_with("3 calls in ") && ended.out[1].contains("3 failed: unknown-method"),
        "{:?}",
        ended.out
    );
}

#[test]
fn a_broken_objective_ends_the_run_with_exit_code_1() {
    let server = users("rest", &[]);
    let target = format!("rest-hyper={}", server.url());
    let operation = "slo = [\"get.error_rate<=0\"]\n[[operation]]\nname = \"get\"\npath = \"/users/7\"\n\
                     headers = { x-key = \"secret\" }\n";
    let run = |slo: &str| {
        let folder = Folder::of(1, &[("get", "closed:1")], operation);
        let ended = finish(&mut folder.run(&["--target", &target, "--slo", slo]));
        let report = folder.report();
        (ended, report)
    };
    let (ended, report) = run("p50<1ns");
    assert!(ended.out.join("\n").contains("Service level objectives: 1 kept, 1 broken"), "{:?}", ended.out);
    ended.with(1, &[]);
    assert!(report.contains("## Service level objectives") && report.contains("| broken |"), "{report}");
    let (ended, _) = run("p50<100s");
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let folder = Folder::of(1, &[("get", "closed:1")], operation);
    finish(&mut folder.run(&["--target", "rest-hyper=http://127.0.0.1:1/", "--slo", "gt.p50<1s"]))
        .with(2, &["nothing is measured that is named `gt`; did you mean `get`?"]);
}

#[test]
fn a_broken_objective_is_not_hidden_by_an_undecided_one_of_the_next_scenario() {
    let server = users("rest", &[]);
    let target = format!("rest-hyper={}", server.url());
    // There are too few calls for the second.
    let of = |slo: &str| {
        let operation = format!(
            "slo = [\"{slo}\"]\n[[operation]]\nname = \"get\"\npath = \"/users/7\"\nheaders = {{ x-key = \"secret\" }}\n"
        );
        Folder::of(1, &[("get", "closed:1")], &operation)
    };
    let (broken, undecided) = (of("get.p50<1ns"), of("get.p99.9<100s"));
    let run = |folders: &[&Folder]| {
        let out = tempfile::tempdir().unwrap();
        let scenarios = folders.iter().map(|folder| folder.0.path().join("mine.toml"));
        finish(rpcbench(&["run", "--target", &target]).args(scenarios).current_dir(out.path()))
    };
    run(&[&undecided]).with(4, &[]);
    run(&[&broken, &undecided]).with(1, &[]);
}

#[test]
fn a_file_with_a_million_rows_takes_less_than_256_mib() {
    const MAX_BYTES: u64 = 256 << 20;
    let server = users("jsonrpc", &[]);
    let operation = "[[operation]]\nname = \"get\"\nmethod = \"get_user\"\nparams = [\"{id}\"]\n\
                     expect = { pointer = \"/id\", equals = \"{id}\" }\nvariables = { file = \"users.csv\" }\n";
    let folder = Folder::of(1, &[("get", "closed:1")], operation);
    let rows: String =
        (0..1_000_000).map(|id| format!("{id},user number {id},user{id}@example.com\n")).collect();
    folder.write("users.csv", &format!("id,name,mail\n{rows}"));
    drop(rows);
    let ended = finish(&mut folder.run(&["--target", &format!("jsonrpc-hyper={}", server.url())]));
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let record = folder.record();
    for trial in trials(&record, "jsonrpc-hyper", "get") {
        let peak = trial.client.unwrap().peak_rss;
        assert!(peak < MAX_BYTES, "{} MiB", peak >> 20);
    }
}
