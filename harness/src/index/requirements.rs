//! What a record must fulfil to be published beside others.

use crate::record::{Record, Status};

/// The largest share of trials that may be invalid or failed.
const MAX_INVALID_SHARE: f64 = 0.05;

/// The requirements for publication that `record` does not meet, a sentence without a full stop each; empty where it meets all.
///
/// They ensure that a reader can repeat the run: it is complete, and the program is optimised and was built from a known commit.
/// Whether its figures are good does not matter.
#[must_use]
pub fn unmet(record: &Record) -> Vec<String> {
    let build = &record.tool.build;
    let mut unmet = Vec::new();
    if record.interrupted {
        unmet.push("the run was interrupted".to_owned());
    }
    if let [agent] = record.agents.as_slice()
        && agent.of > 1
    {
        unmet.push(format!("it is the part of agent {} of {}; merge the parts", agent.number, agent.of));
    }
    if !record.tool.optimised {
        unmet.push("the program was built without optimisations".to_owned());
    }
    match (&build.commit, build.dirty) {
        (None, _) => unmet.push(
            "the commit of the program is not known: build it in a checkout of the repository".to_owned(),
        ),
        (Some(_), Some(true)) => {
            unmet.push("the program was built from files that differ from its commit".to_owned());
        }
        (Some(_), _) => {}
    }
    if record.is_empty() {
        unmet.push("nothing was measured".to_owned());
    }
    let invalid = record.trials.iter().filter(|trial| trial.status != Status::Valid).count();
    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2⁵³ trials")]
    if invalid as f64 > MAX_INVALID_SHARE * record.trials.len() as f64 {
        unmet.push(format!(
            "{invalid} of {} trials are not valid; at most {:.0} % may be",
            record.trials.len(),
            100.0 * MAX_INVALID_SHARE
        ));
    }
    unmet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::record;

    fn publishable() -> Record {
        let mut record = record(&["tcp", "rest"], 10);
        record.tool.optimised = true;
        record.tool.build.commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
        record.tool.build.dirty = Some(false);
        record
    }

    #[test]
    fn each_requirement_is_named_where_it_is_not_met() {
        assert!(unmet(&publishable()).is_empty());
        type Change = fn(&mut Record);
        let changes: [(Change, &str); 5] = [
            (|record| record.interrupted = true, "interrupted"),
            (|record| record.tool.optimised = false, "without optimisations"),
            (|record| record.tool.build.commit = None, "is not known"),
            (|record| record.tool.build.dirty = Some(true), "differ from its commit"),
            (
                |record| {
                    record.trials.iter_mut().step_by(10).for_each(|trial| trial.status = Status::Invalid);
                },
                "at most 5 %",
            ),
        ];
        for (change, expected) in changes {
            let mut record = publishable();
            change(&mut record);
            let found = unmet(&record);
            assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        }
        let mut empty = publishable();
        empty.trials.clear();
        assert_eq!(unmet(&empty), ["nothing was measured"]);
    }
}
