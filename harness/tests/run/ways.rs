//! Messages without an answer: casts, fanout casts and notifications, counted where they arrive.

use rpcbench::record::{Record, Status, Trial};
use rpcbench::stacks::Way;

use crate::Run;
use crate::common::finish;

/// A run of two servers that get messages in every way.
fn run_of_ways() -> Run {
    let run = Run::placed(&["amqp", "rest-hyper"], 1, "100ms", "shared");
    run.change_scenario(|text| {
        let mut text = text.replace("stacks =", "floors = false\nstacks =");
        for way in ["cast", "fanout", "notify"] {
            text += &format!(
                "\n[[measurement]]\nname = \"{way}\"\noperation = \"add\"\nway = \"{way}\"\nload = \"closed:2\"\n\
                 placement = \"shared\"\nservers = 2\n"
            );
        }
        text
    });
    run
}

/// The only trial in `measurement`, which is valid.
fn trial<'a>(record: &'a Record, measurement: &str) -> &'a Trial {
    let trials: Vec<_> = record.trials.iter().filter(|trial| trial.measurement == measurement).collect();
    let [trial] = trials.as_slice() else { panic!("{measurement}: {} trials", trials.len()) };
    assert_eq!((trial.status, trial.complaint()), (Status::Valid, None), "{measurement}");
    assert_eq!((trial.stack.as_str(), trial.servers.len()), ("amqp", 2), "{measurement}");
    trial
}

#[test]
fn each_message_arrives_at_one_receiver_or_at_all_and_none_is_lost() {
    let run = run_of_ways();
    finish(&mut run.command(&["--require", "amqp"])).with(0, &[]);
    let record = run.record();
    for (way, receivers) in [(Way::Cast, 1), (Way::Fanout, 2), (Way::Notify, 1)] {
        let trial = trial(&record, way.name());
        let deliveries = trial.deliveries.as_ref().unwrap();
        assert_eq!(trial.way, way);
        assert!(trial.counts.right > 0 && deliveries.confirmed > trial.counts.right, "{way}: {deliveries:?}");
        assert_eq!(deliveries.sent, deliveries.confirmed, "{way}");
        assert_eq!(deliveries.received(), Some(receivers * deliveries.confirmed), "{way}: {deliveries:?}");
        assert!(deliveries.is_complete(way), "{way}: {deliveries:?}");
        let all_receive = deliveries.receivers.iter().all(|receiver| receiver.calls > Some(0));
        assert!(all_receive, "{way}: {deliveries:?}");
        let bytes = record.wire_of(trial).unwrap();
        let call = record.wire.iter().find(|wire| wire.stack == "amqp").unwrap();
        assert!(bytes.behind_broker.unwrap().down < call.behind_broker.unwrap().down, "{way} has no answer");
        assert!(bytes.hops.iter().all(|hop| hop.parts.is_none()));
    }
    // A call has an answer, and its server is the only one.
    let calls: Vec<_> = record.trials.iter().filter(|trial| trial.measurement == "latency").collect();
    assert!(calls.len() == 2 && calls.iter().all(|trial| trial.deliveries.is_none()));

    let report = std::fs::read_to_string(run.results().join("report/report.md")).unwrap();
    for part in ["### Where the messages arrived", "client, server and broker on one core, fanout, 2 servers"]
    {
        assert!(report.contains(part), "{part}\n{report}");
    }
    #[cfg(target_os = "linux")]
    run.leaves_nothing();
}

#[test]
fn a_way_that_a_listed_stack_does_not_have_is_refused() {
    let run = run_of_ways();
    run.change_scenario(|text| format!("{text}stacks = [\"rest-hyper\"]\n"));
    finish(&mut run.command(&[]))
        .with(2, &["tiny.toml:", "`rest-hyper` has only calls; `notify` sets the way `notify`"]);
    run.change_scenario(|text| text.replace("way = \"cast\"", "way = \"casts\""));
    finish(&mut run.command(&[])).with(2, &["did you mean `cast`?"]);
}
