//! Load that changes in stages. Only facts are asserted that do not depend on how fast the machine is.

use rpcbench::record::{Status, TimelineResult};

use crate::common::{finish, interpreter};
use crate::{Folder, users};

const OPERATIONS: &str = r#"
[[operation]]
name = "get"
method = "get_user"
params = [2]
weight = 3
expect = { pointer = "/name", equals = "Cem" }

[[operation]]
name = "count"
expect = { result = 4 }

[[timeline]]
name = "ramp"
operation = "mix"
arrivals = "constant"
placement = "free"
connections = 1

[[timeline.stage]]
from = 20
to = 60
over = "1s"

[[timeline.stage]]
to = 60
over = "1s"
"#;

/// The only timeline of the record, whose calls were all answered rightly.
fn only(folder: &Folder) -> TimelineResult {
    let [result] = <[_; 1]>::try_from(folder.record().timelines).unwrap();
    assert_ne!(result.status, Status::Failed, "{:?}", result.complaint);
    let counts = result.counts();
    assert!(counts.is_conserved() && counts.right == counts.slots, "{counts:?}");
    result
}

#[test]
fn a_mix_of_operations_is_called_in_stages_and_objectives_apply_to_each() {
    let server = users("jsonrpc", &[]);
    let folder = Folder::of(1, &[], OPERATIONS);
    let target = format!("jsonrpc-hyper={}", server.url());
    let slos = ["--slo", "ramp.p50<60s", "--slo", "get.error_rate<1%", "--slo", "ramp.error_rate>50%"];
    let ended = finish(folder.run(&["--target", &target]).args(slos)).with(1, &[]);
    let result = only(&folder);
    // 40 in the first second and 60 in the next one.
    let scheduled: Vec<_> = result.stages.iter().map(|stage| stage.counts.slots).collect();
    assert_eq!(scheduled, [40, 60]);
    assert_eq!((result.bins.len(), result.intervals.len(), result.executed()), (20, 2, None));
    let parts: Vec<_> = result.operations.iter().map(|part| part.counts.right).collect();
    assert!(parts.iter().sum::<u64>() == 100 && parts[0] > parts[1] && parts[1] > 0, "{parts:?}");
    let said = ended.out.join("\n");
    assert!(
        said.contains("mix, 20 to 60 calls/s for 1s, then 60 calls/s for 1s, at even intervals"),
        "{said}"
    );
    assert!(said.contains("ramp over time") && said.contains("ramp, stage 2"), "{said}");
    assert!(!said.contains('\u{2581}') && !ended.err.join("").contains("p50"), "a view, without a terminal");
    let report = folder.report();
    assert!(report.contains("2: 60 calls/s for 1s") && report.contains("timeline-ramp.svg"), "{report}");
}

#[test]
fn a_call_of_the_command_line_is_made_in_stages() {
    let server = users("jsonrpc", &[]);
    let folder = Folder::of(1, &[], "");
    let mut command = crate::common::rpcbench(&["run", "--out", "results", "--call", "get_user(2)"]);
    command.current_dir(folder.0.path()).args([
        "--stage",
        "0..40:1s",
        "--stage",
        "40:1s",
        "--connections",
        "1",
    ]);
    command.args(["--target", &format!("jsonrpc-hyper={}", server.url())]);
    let ended = finish(&mut command);
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let result = only(&folder);
    let rates: Vec<_> = result.stages.iter().map(|stage| (stage.from, stage.to)).collect();
    assert_eq!((rates, result.timeline.as_str()), (vec![(0, 40), (40, 40)], "stages"));
    assert!(folder.record().trials.is_empty());
}

#[test]
fn a_stage_that_cannot_be_made_is_refused_before_there_is_load() {
    let folder = Folder::of(1, &[], OPERATIONS);
    let refused = |arguments: &[&str], words: &[&str]| {
        finish(&mut folder.run(arguments)).with(2, words);
        assert!(!folder.results().exists());
    };
    refused(&["--stage", "5:0s"], &["--stage", "a stage takes 1s to 600s, not 0s"]);
    refused(&["--stage", "1000000000:5s"], &["0 to 1000000 calls a second"]);
    refused(
        &["--stage", "0:5s", "--target", "jsonrpc=http://127.0.0.1:1/"],
        &["a stage from 0 to 0 makes no calls"],
    );
    refused(&["--stage", "5:5s", "--load", "closed:1"], &["cannot be used with"]);
    let broken = OPERATIONS.replace("from = 20\n", "from = 20\nload = \"open:5:constant\"\n");
    folder.write(
        "mine.toml",
        &format!(
            "name = \"mine\"\nquestion = \"?\"\nblocks = 1\nwarmup = \"10ms\"\n\
        measure = \"100ms\"\nstacks = []\n{broken}"
        ),
    );
    refused(&[], &["mine.toml:28:1: ", "unknown field `load`"]);
}

/// Runs the command in its arguments on a terminal, and copies to standard output what it shows there.
const ON_TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

#[test]
fn on_a_terminal_a_view_shows_the_last_second_without_colours() {
    let server = users("jsonrpc", &[]);
    let folder = Folder::of(1, &[], OPERATIONS);
    let run = folder.run(&["--target", &format!("jsonrpc-hyper={}", server.url())]);
    let mut command = interpreter();
    command.args(["-c", ON_TERMINAL]).arg(run.get_program()).args(run.get_args());
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(folder.0.path()).env("NO_COLOR", "1").env("TERM", "xterm");
    let ended = finish(&mut command);
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.out);
    let shown = ended.out.join("\n");
    assert!(shown.contains("jsonrpc-hyper ramp: ") && shown.contains("/s, p50 "), "{shown}");
    assert!(shown.contains("0 errors  ") && shown.contains('\u{2588}'), "{shown}");
    // Codes of colours begin with a digit from 3 on, or are a single 0 or 1.
    assert!(
        !["\u{1b}[3", "\u{1b}[4", "\u{1b}[9", "\u{1b}[0m", "\u{1b}[1m"]
            .iter()
            .any(|code| shown.contains(code))
    );
    only(&folder);
}
