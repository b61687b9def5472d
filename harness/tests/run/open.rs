//! Runs of open loops, and searches: what is counted, whatever the machine makes of it.

use rpcbench::load::Load;
use rpcbench::record::{Status, Trial};

use crate::Run;
use crate::common::finish;

/// The trial of `stack` in a run whose audit may or may not have passed: on a busy machine a generator is late.
fn open(stack: &str, load: &str) -> Trial {
    trial_of(&Run::of(&[stack], 1, "500ms"), stack, load)
}

fn trial_of(run: &Run, stack: &str, load: &str) -> Trial {
    let ended = finish(&mut run.command(&["--load", load]));
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    run.record().trials.into_iter().find(|trial| trial.stack == stack).unwrap()
}

#[test]
fn an_open_loop_uses_every_slot_of_its_schedule() {
    for stack in ["tcp", "rest-hyper", "zerorpc", "grpc", "thrift"] {
        let trial = open(stack, "open:200:constant");
        assert_eq!(trial.load, "open:200:constant".parse::<Load>().unwrap());
        assert_eq!(
            (trial.counts.slots, trial.counts.started, trial.counts.not_sent),
            (100, 100, 0),
            "{stack}"
        );
        assert_eq!((trial.counts.right, trial.connections), (100, 16), "{stack}");
        let (latency, service) = (trial.latency.unwrap(), trial.service.unwrap());
        assert!(service.p50 <= latency.p50 && service.min <= latency.min, "{service:?} {latency:?}");
        assert_eq!(trial.schedule_lag.unwrap().histogram().unwrap().len(), 100);
    }
}

#[test]
fn a_rate_that_cannot_be_offered_is_reported_with_the_rate_that_was_reached() {
    let run = Run::of(&["rest-hyper"], 1, "500ms");
    // The slots of the warm-up alone fill the queue of 10,000 calls. Calls that wait at the end of the window are still made
    // for the length of the timeout. With the usual one, a busy machine may not come to those of the window.
    run.change_scenario(|text| format!("timeout = \"10min\"\n{text}"));
    let trial = trial_of(&run, "rest-hyper", "open:1000000:constant");
    assert_eq!(trial.status, Status::Invalid, "{:?}", trial.complaint());
    let complaint = trial.complaint().unwrap();
    assert!(complaint.contains("cannot offer 1000000 calls/s to this stack: it sent "), "{complaint}");
    assert!(trial.sent_per_second.unwrap() < 1e6 && trial.counts.is_conserved(), "{:?}", trial.counts);
    assert!(trial.counts.not_sent > 0, "{:?}", trial.counts);
}

#[test]
fn a_search_brackets_the_highest_rate_by_one_that_held_and_one_that_did_not() {
    let run = Run::of(&["rest-hyper"], 1, "50ms");
    let search = "[[search]]\nname = \"capacity\"\noperation = \"add\"\narrivals = \"poisson\"\np99 = \"60s\"\n\
                  placement = \"free\"\nconnections = 4\n";
    run.change_scenario(|text| format!("{}{search}", text.split_once("[[measurement]]").unwrap().0));
    let said = finish(&mut run.command(&[])).with(0, &["rest-hyper (capacity): "]).out.join("\n");
    assert!(said.contains("within 1m of their scheduled send time"), "{said}");

    let record = run.record();
    assert!(record.trials.is_empty() && record.searches.len() == 3, "{:?}", record.searches);
    for searched in &record.searches {
        let held = |rate| searched.probes.iter().filter(|p| Some(p.rate) == rate && p.held).count();
        let failed = |rate| searched.probes.iter().filter(|p| Some(p.rate) == rate && !p.held).count();
        assert!(searched.held < searched.failed && searched.failed.is_some(), "{searched:?}");
        assert!(searched.held.is_none() || held(searched.held) > 0, "{searched:?}");
        assert_eq!(failed(searched.failed), 2, "{searched:?}");
        assert!(searched.probes.iter().all(|probe| probe.held == probe.reason.is_empty()), "{searched:?}");
    }
}
