//! Several agents and their merged record, through the real binary: on one machine, and from network namespaces.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod namespaces;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Ended, Process, finish, rpcbench};
use nix::sys::signal::Signal;
use rpcbench::record::{self, Record, Status, Trial};
use tempfile::TempDir;

const SCENARIO: &str = "name = \"tiny\"\nquestion = \"Does it run?\"\nblocks = 2\nwarmup = \"20ms\"\n\
    measure = \"300ms\"\nstacks = []\n\n\
    [[measurement]]\nname = \"closed\"\noperation = \"add\"\nload = \"closed:3\"\nplacement = \"shared\"\n\n\
    [[measurement]]\nname = \"open\"\noperation = \"hello\"\nload = \"open:301:poisson\"\nplacement = \"split\"\n";

/// A folder for the records of agents, with a tiny scenario in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.toml"), SCENARIO).unwrap();
    folder
}

/// A server that reports its clock: itself, its URL, and its control port's address.
fn serve(command: &mut Command) -> (Process, String, String) {
    let server = Process::start(command);
    let url = server.url();
    let line = server.err.recv_timeout(common::TEST_TIMEOUT).unwrap();
    let control = line.strip_prefix("control port ").unwrap_or_else(|| panic!("{line}")).to_owned();
    (server, url, control)
}

/// Runs each of `agents` with an agreed start and waits for all. How long the checks before the start and the
/// connections of a trial take is the machine's affair; an agent that comes too late says so, and more time is agreed on.
fn together(agents: &mut dyn FnMut() -> Vec<Command>) -> Vec<Ended> {
    for (ahead, gap) in [(4, "500ms"), (8, "2s"), (16, "4s"), (32, "8s"), (64, "16s")] {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(ahead);
        let start = format!("{}.{:09}", start.as_secs(), start.subsec_nanos());
        let mut running: Vec<_> = agents()
            .into_iter()
            .map(|mut command| Process::start(command.args(["--at", &start, "--seed", "7", "--gap", gap])))
            .collect();
        let ended: Vec<_> = running.iter_mut().map(Process::ended).collect();
        let missed =
            |ended: &Ended| ended.status.code() == Some(3) && ended.err.join("\n").contains("a later --at");
        if !ended.iter().any(missed) {
            return ended;
        }
    }
    panic!("no start was far enough ahead, or no gap long enough");
}

/// Asserts that the agents have measured. A machine that is busy with something else may make a trial late, which is
/// reported by exit code 4.
#[track_caller]
fn measured(ended: &[Ended]) {
    for ended in ended {
        assert!(matches!(ended.status.code(), Some(0 | 4)), "{}", ended.err.join("\n"));
    }
}

/// The merged record in `folder`, as the published schema allows it.
fn merged(folder: &Path) -> Record {
    let text = std::fs::read_to_string(folder.join("record.json")).unwrap();
    let validator = jsonschema::validator_for(&record::json_schema()).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&serde_json::from_str(&text).unwrap()).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    record::read(folder).unwrap()
}

/// Asserts that the calls of `merged` are those of all `parts`, and that no call failed. Where the machine is busy, an
/// agent may not get its turn within a window of 300 ms; it does within some of them.
fn assert_complete(merged: &Record, parts: &[Record]) {
    assert!(!merged.interrupted);
    assert_eq!(merged.agents.len(), parts.len());
    for part in parts {
        let reasons: Vec<_> = part.trials.iter().filter_map(Trial::complaint).collect();
        assert!(part.trials.iter().any(|trial| trial.counts.right > 0), "{reasons:?}");
    }
    for trial in &merged.trials {
        let of_parts: Vec<_> = parts
            .iter()
            .flat_map(|part| &part.trials)
            .filter(|part| (part.block, part.position) == (trial.block, trial.position))
            .collect();
        assert_eq!((of_parts.len(), trial.agents.len()), (parts.len(), parts.len()));
        assert_eq!(trial.counts.right, of_parts.iter().map(|part| part.counts.right).sum::<u64>());
        assert_eq!(trial.counts.right, trial.counts.started, "{:?}", trial.complaint());
        let recorded = trial.latency.as_ref().map_or(0, |latency| latency.histogram().unwrap().len());
        assert_eq!(recorded, trial.counts.right);
        // The window was the same for all; an open loop is done with it when it has no slot left.
        assert!(of_parts.iter().all(|part| part.measured_seconds <= 0.3 + 1e-6));
    }
}

#[test]
fn agents_share_the_load_at_the_agreed_time_and_their_records_are_merged() {
    let folder = folder();
    let (_rest, url, control) = serve(&mut rpcbench(&["serve", "rest-hyper", "--control", "127.0.0.1:0"]));
    let (_zerorpc, other, _) = serve(&mut rpcbench(&["serve", "zerorpc", "--control", "127.0.0.1:0"]));
    let ended = together(&mut || {
        let agent = |number: &str, out: &str| {
            let targets = [format!("rest-hyper={url}"), format!("zerorpc={other}")];
            let mut command = rpcbench(&["agent", "tiny.toml", "--agent", number, "--out", out]);
            command.args(targets.iter().flat_map(|target| ["--target", target]));
            command.args(["--clock", &control]).current_dir(folder.path());
            command
        };
        let _ = std::fs::remove_file(folder.path().join("one.json"));
        // The second writes to standard output, as in a container, of which the log is kept.
        vec![agent("1/2", "one.json"), agent("2/2", "-")]
    });
    measured(&ended);
    assert_eq!(ended[0].out, ["partial record: one.json"]);
    let log = format!("it begins\n{}\n", ended[1].out.join("\n"));
    std::fs::write(folder.path().join("two.log"), log).unwrap();
    let parts = ["one.json", "two.log"].map(|name| record::read_from_log(&folder.path().join(name)).unwrap());
    assert_eq!(parts[0].id, parts[1].id);
    let shares = |record: &Record| -> Vec<String> {
        let mut loads: Vec<_> = record.trials.iter().map(|trial| trial.load.to_string()).collect();
        loads.sort();
        loads.dedup();
        loads
    };
    assert_eq!(shares(&parts[0]), ["closed:2", "open:151:poisson"]);
    assert_eq!(shares(&parts[1]), ["closed:1", "open:150:poisson"]);

    let mut merge = rpcbench(&["merge", "two.log", "one.json", "--out", "results"]);
    let said = finish(merge.current_dir(folder.path()));
    assert!(matches!(said.status.code(), Some(0 | 4)), "{}", said.err.join("\n"));
    let said = said.out.join("\n");
    for word in ["2 agents", "within", "record: results/record.json", "report: results/report/index.html"] {
        assert!(said.contains(word), "{said}");
    }
    let merged = merged(&folder.path().join("results"));
    assert_eq!(merged.trials.len(), 2 * 2 * 2);
    assert_complete(&merged, &parts);
    assert_eq!(shares(&merged), ["closed:3", "open:301:poisson"]);
    for agent in &merged.agents {
        let clock = agent.clock.as_ref().unwrap();
        assert!(clock.name == control && clock.end.is_some() && clock.error_ns() > 0);
    }
    // The agents have different arrivals.
    let slots =
        |record: &Record| -> Vec<u64> { record.trials.iter().map(|trial| trial.counts.slots).collect() };
    for (one, two) in slots(&parts[0]).into_iter().zip(slots(&parts[1])) {
        // A closed loop has none, and who was late counted none.
        assert!(one == 0 || two == 0 || one != two, "{one} slots");
    }

    let page = std::fs::read_to_string(folder.path().join("results/report/index.html")).unwrap();
    assert!(page.contains("by the clock of"));
    finish(rpcbench(&["report", "results"]).current_dir(folder.path())).with(0, &[]);
    let again =
        finish(rpcbench(&["report", "one.json", "--out", "part"]).current_dir(folder.path())).with(0, &[]);
    assert!(again.out.join("\n").contains("the figures of agent 1 of 2 alone"));

    // What does not belong together is refused in a line.
    for (arguments, words) in [
        (&["one.json", "--out", "x"][..], &["agent 2 of 2 is missing", "--allow-missing"][..]),
        (&["one.json", "one.json", "--out", "x"], &["both of agent 1"]),
        (
            &["one.json", "results/record.json", "--out", "x"],
            &["results/record.json is not a partial record", "holds 2"],
        ),
        (&["one.json", "tiny.toml", "--out", "x"], &["tiny.toml is not a record"]),
        (&["one.json", "two.log", "--out", "results"], &["holds a record already"]),
    ] {
        let ended = finish(rpcbench(&["merge"]).args(arguments).current_dir(folder.path())).with(2, words);
        assert_eq!((ended.out.len(), ended.err.len()), (0, 1), "{:?}", ended.err);
    }
    let alone = rpcbench(&["merge", "one.json", "--allow-missing", "--out", "alone"])
        .current_dir(folder.path())
        .output();
    assert_eq!(alone.unwrap().status.code(), Some(4));
    let alone = record::read(&folder.path().join("alone")).unwrap();
    assert!(alone.trials.iter().all(|trial| trial.status != Status::Valid));
}

#[test]
fn rejects_what_an_agent_cannot_do_with_one_line() {
    let folder = folder();
    std::fs::write(folder.path().join("there.json"), "").unwrap();
    let rest = "rest=http://127.0.0.1:1/";
    for (arguments, code, words) in [
        (&["agent", "--out", "x"][..], 2, &["an agent starts no servers", "--target"][..]),
        (&["agent", "--out", "x", "--stack", "zerorpc", "--target", "tcp=tcp://h:1"], 2, &["--target tcp"]),
        (
            &["agent", "--out", "x", "--stack", "rest,amqp", "--target", rest],
            2,
            &["amqp has no --broker or --target"],
        ),
        (&["agent", "--out", "x", "--target", rest, "--target", rest], 2, &["named twice"]),
        (&["agent", "--out", "x", "--target", rest, "--agent", "3/2"], 2, &["I/N", "1/3"]),
        (
            &["agent", "--out", "x", "--target", rest, "--agent", "2"],
            2,
            &["which of the 2", "JOB_COMPLETION_INDEX"],
        ),
        (
            &["agent", "--out", "x", "--target", rest, "--agent", "4/4", "tiny.toml"],
            2,
            &["closed:3 cannot be shared by 4"],
        ),
        (&["agent", "--out", "x", "--target", rest, "saturation"], 2, &["saturation", "--load"]),
        (&["agent", "--out", "x", "--target", rest, "--at", "soon"], 2, &["next:60s", "1970"]),
        (&["agent", "--out", "x", "--target", rest, "--gap", "0s"], 2, &["10ms to 600s"]),
        (
            &["agent", "--out", "x", "--target", rest, "--at", "1000000000"],
            3,
            &["2001-09-09T01:46:40Z has passed", "--at"],
        ),
        (&["agent", "--out", "there.json", "--target", rest], 2, &["there.json exists already"]),
        (&["agent", "--out", "there.json/x", "--target", rest], 2, &["cannot write there.json/x"]),
        (&["agent", "--target", rest], 2, &["--out"]),
        (
            &["agent", "--out", "x", "--target", rest, "--clock", "nowhere", "--at", "1"],
            2,
            &["--clock", "HOST:PORT"],
        ),
        (
            &["agent", "--out", "x", "--target", rest, "--placement", "split"],
            2,
            &["--placement", "valid here"],
        ),
        (&["merge", "--out", "x"], 2, &["PARTIAL"]),
        (&["merge", "absent.json", "--out", "x"], 2, &["cannot read the record absent.json"]),
    ] {
        let ended = finish(rpcbench(arguments).current_dir(folder.path())).with(code, words);
        assert!(ended.out.is_empty() && !folder.path().join("x").exists(), "{arguments:?}");
    }
}

#[test]
fn a_server_that_is_never_there_ends_the_agent_at_the_start_and_an_interrupt_ends_the_wait() {
    let folder = folder();
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3);
    let start = start.as_secs().to_string();
    let agent = ["agent", "--out", "x.json", "--target", "rest=http://127.0.0.1:1/", "--at", &start];
    let ended = finish(rpcbench(&agent).current_dir(folder.path())).with(3, &[]);
    let said = ended.err.join("\n");
    assert!(said.contains("127.0.0.1:1") || said.contains("has passed"), "{said}");

    let (_server, url) = {
        let server = Process::start(&mut rpcbench(&["serve", "rest-hyper"]));
        let url = server.url();
        (server, url)
    };
    let target = format!("rest-hyper={url}");
    let mut waiting = Process::start(
        rpcbench(&["agent", "tiny.toml", "--out", "y.json", "--target", &target, "--at", "next:24h"])
            .current_dir(folder.path()),
    );
    while !waiting.err.recv_timeout(common::TEST_TIMEOUT).unwrap().contains("measuring") {}
    waiting.signal(Signal::SIGTERM);
    waiting.ended().with(143, &["ending the run"]);
    let record = record::read(&folder.path().join("y.json")).unwrap();
    assert!(record.interrupted && record.trials.is_empty());
}

#[test]
fn the_operations_of_a_mix_add_up_over_agents() {
    let folder = folder();
    let scenario = SCENARIO.replace("\"hello\"", "\"mix\"").replace("blocks = 2", "blocks = 1")
        + "\n[[operation]]\nname = \"sum\"\nmethod = \"add\"\nparams = [2, \"{y}\"]\nweight = 3\n\
           variables = { y = { integer = [1, 9] } }\n\
           \n[[operation]]\nname = \"greeting\"\nmethod = \"hello\"\nparams = [\"Ann\"]\nexpect = { result = \"hello, Ann\" }\n";
    std::fs::write(folder.path().join("tiny.toml"), scenario).unwrap();
    let (_server, url, control) =
        serve(&mut rpcbench(&["serve", "jsonrpc-hyper", "--control", "127.0.0.1:0"]));
    let names = ["one.json", "two.json"];
    let ended = together(&mut || {
        let agent = |number: &str, out: &str| {
            let _ = std::fs::remove_file(folder.path().join(out));
            let mut command = rpcbench(&["agent", "tiny.toml", "--agent", number, "--out", out]);
            command.args(["--target", &format!("jsonrpc-hyper={url}"), "--clock", &control]);
            command.current_dir(folder.path());
            command
        };
        vec![agent("1/2", names[0]), agent("2/2", names[1])]
    });
    measured(&ended);
    let parts = names.map(|name| record::read_from_log(&folder.path().join(name)).unwrap());
    let said =
        finish(rpcbench(&["merge", names[0], names[1], "--out", "results"]).current_dir(folder.path()));
    assert!(matches!(said.status.code(), Some(0 | 4)), "{}", said.err.join("\n"));
    let merged = merged(&folder.path().join("results"));
    let of_mix = |record: &Record| -> Vec<Trial> {
        record.trials.iter().filter(|trial| trial.operation.to_string() == "mix").cloned().collect()
    };
    let (mix, of_parts) = (of_mix(&merged), parts.iter().flat_map(of_mix).collect::<Vec<_>>());
    assert_eq!((mix.len(), of_parts.len()), (1, 2));
    for part in &mix[0].operations {
        let of_agents = of_parts.iter().flat_map(|trial| &trial.operations);
        let of_agents = of_agents.filter(|other| other.operation == part.operation);
        assert_eq!(part.counts.right, of_agents.map(|other| other.counts.right).sum::<u64>());
        assert_eq!(
            part.latency.as_ref().map_or(0, |latency| latency.histogram().unwrap().len()),
            part.counts.right
        );
    }
    let right: u64 = mix[0].operations.iter().map(|part| part.counts.right).sum();
    assert_eq!((mix[0].operations.len(), right), (2, mix[0].counts.right));
}
