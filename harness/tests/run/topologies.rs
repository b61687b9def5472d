//! Topologies: what is counted of real clients, servers and brokers.

use nix::sys::signal::{Signal, killpg};
use rpcbench::record::{self, Status, TopologyResult};

use crate::common::{Process, finish, rpcbench};
use crate::{Run, in_shell};

/// A run whose only purpose is a topology of `stacks`.
fn run_with(stacks: &[&str], [clients, servers]: [u32; 2], blocks: u32) -> Run {
    let run = Run::of(stacks, blocks, "20ms");
    run.change_scenario(|text| {
        let (head, _) = text.split_once("[[measurement]]").unwrap();
        format!(
            "timeout = \"60s\"\nfloors = false\n{head}\n[[topology]]\nname = \"{clients} × {servers}\"\noperation = \"add\"\n\
             clients = {clients}\nservers = {servers}\nplacement = \"free\"\n"
        )
    });
    run
}

/// The only result of `stack` in the record of `run`, which is checked.
fn result_of(run: &Run, stack: &str) -> TopologyResult {
    let results: Vec<_> =
        run.record().topologies.into_iter().filter(|result| result.stack == stack).collect();
    let [result] = results.try_into().unwrap();
    assert_eq!((result.status, &result.complaint), (Status::Valid, &None), "{stack}");
    let pairs = u64::from(result.clients * result.servers);
    assert_eq!((result.counts.started, result.counts.right), (pairs, pairs), "{stack}");
    assert!(result.setup_ns.is_some_and(|ns| ns > 0), "{stack}");
    result
}

#[test]
fn direct_protocols_have_a_connection_for_each_pair_and_a_broker_has_those_of_its_clients_and_servers() {
    let run = run_with(&["rest", "rest-hyper", "xmlrpc", "jsonrpc", "zerorpc", "amqp", "tcp"], [3, 2], 1);
    let ended = finish(&mut run.command(&["--require", "amqp"])).with(0, &["7 topologies, about "]);
    for stack in ["rest", "rest-hyper", "xmlrpc", "jsonrpc", "zerorpc", "tcp"] {
        let result = result_of(&run, stack);
        assert_eq!(result.broker_memory, None, "{stack}");
        #[cfg(target_os = "linux")]
        assert_eq!(result.connections, Some(6), "{stack}");
    }
    let amqp = result_of(&run, "amqp");
    #[cfg(target_os = "linux")]
    {
        // One for requests and one for replies, at each end.
        assert_eq!(amqp.connections, Some(2 * (3 + 2)));
        // Erlang alone takes more, and each connection some.
        assert!(amqp.broker_memory.is_some_and(|memory| memory.after > 20 << 20), "{amqp:?}");
        let grown = [amqp.client_memory, result_of(&run, "rest").server_memory];
        assert!(grown.iter().all(|memory| memory.is_some_and(|memory| memory.after > 0)), "{grown:?}");
    }
    let record = run.record();
    let validator = jsonschema::validator_for(&record::json_schema()).unwrap();
    let written = serde_json::to_value(&record).unwrap();
    let errors: Vec<_> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let printed = ended.out.join("\n");
    assert!(printed.contains("Connections of N clients and M servers"), "{printed}");
    assert!(run.results().join("report/topology-add-free.svg").exists());
    let exported = ["export", "results", "--format", "csv-topologies"];
    let exported = finish(rpcbench(&exported).current_dir(run.folder.path())).with(0, &[]);
    assert_eq!(exported.out.len(), 1 + 7);
    #[cfg(target_os = "linux")]
    run.leaves_nothing();
}

#[test]
fn blocks_count_the_same() {
    let run = run_with(&["rest-hyper", "zerorpc"], [2, 4], 3);
    finish(&mut run.command(&[])).with(0, &["6 topologies"]);
    let record = run.record();
    assert_eq!(record.topologies.len(), 6);
    assert!(!record.interrupted);
    #[cfg(target_os = "linux")]
    for result in &record.topologies {
        assert_eq!(result.connections, Some(8), "{} in block {}", result.stack, result.block);
    }
}

#[test]
fn a_run_that_is_interrupted_or_killed_during_a_topology_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let run = run_with(&["amqp"], [2, 2], 1_000);
        let mut process = run.start(&["--require", "amqp"]);
        crate::wait_for(&process, "1000 topologies");
        // The second one: the first ran during the checks.
        crate::wait_for(&process, "starting a private RabbitMQ");
        run.process(" serve amqp");
        killpg(process.pid(), signal).unwrap();
        let ended = process.ended();
        assert_eq!(ended.status.code(), (signal == Signal::SIGINT).then_some(130), "{:?}", ended.err);
        #[cfg(target_os = "linux")]
        run.leaves_nothing();
    }
}

#[test]
fn a_topology_that_cannot_be_built_is_refused_before_the_run() {
    let run = run_with(&["rest-hyper"], [2, 33], 1);
    finish(&mut run.command(&[])).with(2, &["the topology `2 × 33`: it has 1 to 32 servers"]);
    #[cfg(target_os = "linux")]
    {
        let run = run_with(&["rest-hyper"], [32, 32], 1);
        let ended = finish(&mut in_shell("ulimit -n 1000", &run.command(&[])));
        ended.with(2, &["take up to 1352 file descriptors, and a process may have 1000"]);
    }
}

#[test]
fn a_server_that_was_already_running_is_not_part_of_a_topology() {
    let server = Process::start(&mut rpcbench(&["serve", "rest-hyper", "--listen", "127.0.0.1:0"]));
    let run = run_with(&["rest-hyper"], [1, 1], 1);
    let target = format!("rest-hyper={}", server.url());
    finish(&mut run.command(&["--target", &target])).with(4, &["its server was already running"]);
    assert_eq!(run.record().topologies[0].status, Status::Failed);
}
