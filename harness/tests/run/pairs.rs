//! A pair of a stack with itself, whose servers run at the same time.

use crate::Run;
use crate::common::finish;

#[test]
fn each_server_behind_a_broker_answers_only_the_callers_of_its_trial() {
    let stacks = ["amqp", "amqp-bare"];
    let run = Run::of(&stacks, 1, "400ms");
    run.change_scenario(|text| {
        let pairs = stacks.map(|stack| [stack, stack]);
        format!("pairs = {pairs:?}\nfloors = false\n{text}slice = \"100ms\"\n")
    });
    // Only the servers of the second halves give wrong answers.
    let ended = finish(&mut run.command(&["--twin-arg=--wrong=1/2"]));
    assert_eq!(ended.status.code(), Some(4), "{:?}", ended.err);
    let record = run.record();
    assert_eq!(record.trials.len(), 8);
    for trial in &record.trials {
        assert!(trial.counts.right > 0, "{}: {:?}", trial.stack, trial.complaint());
        assert_eq!(trial.counts.wrong > 0, trial.twin, "{}: {:?}", trial.stack, trial.counts);
    }
}
