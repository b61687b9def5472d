//! Calls through exchanges with bindings.

use rpcbench::record::Status;

use crate::Run;
use crate::common::finish;

/// A run of calls through each kind of exchange, with few and with more bindings.
fn run_of_exchanges() -> Run {
    let run = Run::placed(&["amqp-bare", "amqp"], 1, "100ms", "shared");
    run.change_scenario(|text| {
        let mut text = text.replace("stacks =", "floors = false\nstacks =");
        for kind in ["direct", "topic", "fanout"] {
            for bindings in [1, 2, 5, 20] {
                text += &format!(
                    "\n[[measurement]]\nname = \"{kind} {bindings}\"\noperation = \"add\"\nload = \"closed:1\"\n\
                     placement = \"shared\"\nexchange = {{ kind = \"{kind}\", bindings = {bindings} }}\n"
                );
            }
        }
        text
    });
    run
}

#[test]
fn calls_are_answered_through_every_kind_of_exchange_and_its_bindings_are_drawn() {
    let run = run_of_exchanges();
    finish(&mut run.command(&["--require", "amqp-bare"])).with(0, &[]);
    let record = run.record();
    for kind in ["direct", "topic", "fanout"] {
        for bindings in [1, 2, 5, 20] {
            let name = format!("{kind} {bindings}");
            let trials: Vec<_> = record.trials.iter().filter(|trial| trial.measurement == name).collect();
            let [trial] = trials.as_slice() else { panic!("{name}: {} trials", trials.len()) };
            assert_eq!((trial.status, trial.complaint()), (Status::Valid, None), "{name}");
            // One server answers each call once, however many queues have a copy.
            assert!(trial.stack == "amqp-bare" && trial.counts.right > 0, "{name}: {:?}", trial.counts);
            assert_eq!(trial.counts.right, trial.counts.started, "{name}");
        }
    }
    let report = run.results().join("report");
    let text = std::fs::read_to_string(report.join("report.md")).unwrap();
    assert!(
        text.contains("topic exchange with 20 bindings") && text.contains("direct exchange with 1 binding")
    );
    for kind in ["direct", "topic", "fanout"] {
        let figure = report.join(format!("sweep-add-closed-1-{kind}-exchange-broker-cpu.svg"));
        let figure = std::fs::read_to_string(figure).unwrap();
        assert!(figure.contains("bindings of the exchange"), "{kind}");
    }
    #[cfg(target_os = "linux")]
    run.leaves_nothing();
}

#[test]
fn an_exchange_that_cannot_be_is_refused() {
    for (from, to, expected) in [
        ("kind = \"topic\"", "kind = \"topics\"", "did you mean `topic`?"),
        ("bindings = 20", "bindings = 0", "expected a nonzero u32"),
        ("bindings = 20", "bindings = 20000", "an exchange has 1 to 10000 bindings"),
        ("bindings = 5 }", "bindings = 5 }\nstacks = [\"amqp\"]", "`amqp` does not choose its exchange"),
    ] {
        let run = run_of_exchanges();
        run.change_scenario(|text| text.replacen(from, to, 1));
        finish(&mut run.command(&[])).with(2, &[expected]);
    }
}
