//! Runs with brokers of several kinds.

use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};

use crate::Run;
use crate::common::finish;

#[test]
fn each_protocol_has_its_own_broker() {
    let stacks = ["amqp", "amqp-quorum", "amqp-direct", "amqp-bare", "nats", "nats-bare"];
    let run = Run::of(&stacks, 1, "200ms");
    let required = format!("--require={}", stacks.join(","));
    finish(&mut run.command(&[&required]))
        .with(0, &["starting a private RabbitMQ", "starting a private nats-server"]);
    let record = run.record();
    assert_eq!(record.skipped, []);
    for stack in stacks {
        let trial = record.trials.iter().find(|trial| trial.stack == stack).unwrap();
        assert!(trial.counts.right > 0 && trial.counts.not_right() == trial.counts.unfinished, "{trial:?}");
        assert_eq!(trial.broker.is_some_and(|used| used.cpu_ns > 0), rpcbench::sys::FULL, "{stack}");
        let fairness = record.fairness.iter().find(|fairness| fairness.stack == stack).unwrap();
        let terms = fairness.broker.as_ref().unwrap();
        let product = if stack.starts_with("nats") { "nats-server 2." } else { "RabbitMQ " };
        assert!(terms.product.as_ref().is_some_and(|found| found.starts_with(product)), "{terms:?}");
        let is_quorum = stack == "amqp-quorum";
        let terms = (terms.queue.as_deref() == Some("quorum"), terms.durable);
        assert_eq!(terms, (is_quorum, Some(is_quorum)), "{stack}");
    }
    // The same messages through both brokers.
    let messages = |stack: &str| {
        let wire = record.wire.iter().find(|wire| wire.stack == stack).unwrap();
        let parts = wire.hops.iter().map(|hop| hop.parts.map(|parts| (parts.arguments, parts.envelope)));
        parts.collect::<Vec<_>>()
    };
    if rpcbench::sys::FULL {
        assert_eq!(messages("nats"), messages("amqp-direct"));
        assert_eq!(messages("nats-bare"), messages("amqp-bare"));
        assert!(messages("nats").len() == 4 && messages("nats").iter().all(Option::is_some));
    }
    #[cfg(target_os = "linux")]
    run.leaves_nothing();
}

#[test]
fn without_nats_server_its_stacks_are_skipped_by_name_and_others_are_measured() {
    let run = Run::of(&["rest-hyper", "nats"], 1, "200ms");
    let mut command = run.command(&[]);
    command.env("RPCBENCH_NATS_SERVER", "/nowhere/nats-server");
    finish(&mut command).with(0, &["nats is skipped", "apt install nats-server"]);
    let record = run.record();
    assert!(record.trials.iter().any(|trial| trial.stack == "rest-hyper"));
    assert!(record.trials.iter().all(|trial| trial.stack != "nats"));
}

#[test]
fn a_broker_that_runs_already_is_used_by_the_protocol_whose_url_it_is() {
    let broker = PrivateBroker::start(BrokerKind::Nats, &[]).unwrap();
    let run = Run::of(&["nats"], 1, "200ms");
    let ended = finish(&mut run.command(&["--require=nats", "--broker", broker.url()])).with(0, &[]);
    assert!(ended.err.iter().all(|line| !line.contains("starting a private")), "{:?}", ended.err);
    assert!(run.record().trials.iter().any(|trial| trial.stack == "nats" && trial.counts.right > 0));
    let text = std::fs::read_to_string(run.results().join("record.json")).unwrap();
    let password = broker.url().split(['@', ':']).nth(2).unwrap();
    assert!(!text.contains(password), "the record has the password");

    let both = format!("{} amqp://localhost", broker.url());
    let again = Run::of(&["nats"], 1, "200ms");
    finish(again.command(&["--require=nats"]).env("RPCBENCH_BROKER", both)).with(0, &[]);
    let twice = ["--broker=nats://u:secret@h", "--broker=nats://i"];
    let ended = finish(&mut again.command(&twice)).with(2, &["nats-server is given twice"]);
    assert!(!ended.err.join("\n").contains("secret"));
    broker.stop().unwrap();
}
