//! Text for terminals: it fits their width, and has colours only where they are wanted.

use std::path::Path;

use super::common::{finish, rpcbench};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records/ten-blocks");

/// What `rpcbench report` prints about a record with these settings, and further arguments.
fn report(environment: &[(&str, &str)], arguments: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    let mut command = rpcbench(&["report", RECORD, "--out", out.to_str().unwrap()]);
    let mut lines = finish(command.args(arguments).envs(environment.iter().copied())).out;
    // The path of a temporary folder may be of any length.
    assert!(lines.pop().unwrap().starts_with("report: "));
    lines
}

/// The number of characters of `line`; a report about this record has none that is wider than a column.
fn width(line: &str) -> usize {
    line.chars().count()
}

#[test]
fn a_report_fits_the_terminal_and_says_the_same_at_every_width() {
    let words = |lines: &[String]| {
        let mut words: Vec<_> =
            lines.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect();
        words.sort();
        words.dedup();
        words
    };
    let unlimited = report(&[], &["--verbose"]);
    assert!(unlimited.iter().map(|line| width(line)).max() > Some(200));
    for columns in [80, 100, 200] {
        let lines = report(&[("COLUMNS", &columns.to_string())], &["--verbose"]);
        let widest = lines.iter().max_by_key(|line| width(line)).unwrap();
        assert!(width(widest) <= columns, "{columns}: {widest}");
        assert!(lines.len() > unlimited.len());
        assert_eq!(words(&lines), words(&unlimited), "{columns}");
    }
    // What is no width is ignored.
    for columns in ["", "0", "-3", "wide"] {
        assert_eq!(report(&[("COLUMNS", columns)], &["--verbose"]), unlimited, "{columns}");
    }
}

#[test]
fn the_answer_comes_last_and_conditions_only_if_asked_for() {
    let brief = report(&[], &[]);
    let verbose = report(&[], &["-v"]);
    let last = brief.iter().rev().find(|line| !line.is_empty()).unwrap();
    assert!(last.starts_with("An add(2, 3) and its answer take from "), "{last}");
    for title in ["What the stacks ran with", "Conformance", "Stacks", "Settings"] {
        let shows = |lines: &[String]| lines.iter().any(|line| line.starts_with(title));
        assert!(shows(&verbose) && !shows(&brief), "{title}");
    }
    assert!(brief.iter().any(|line| line.ends_with("not equal for all stacks; --verbose shows them")));
    assert!(brief.iter().all(|line| verbose.contains(line) || line.contains("--verbose")));
}

#[test]
fn colours_are_for_terminals_and_can_be_forced_and_forbidden() {
    let has_colours =
        |environment: &[(&str, &str)]| report(environment, &[]).iter().any(|line| line.contains('\u{1b}'));
    assert!(!has_colours(&[]));
    assert!(has_colours(&[("CLICOLOR_FORCE", "1")]));
    assert!(!has_colours(&[("NO_COLOR", "1")]));
    // Without the codes, the text is the same.
    let plain = report(&[], &[]);
    let coloured = report(&[("CLICOLOR_FORCE", "1")], &[]);
    let stripped: Vec<_> =
        coloured.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
    assert_eq!(stripped, plain);
}

#[test]
fn the_published_schema_is_that_of_a_report_and_a_report_conforms_to_it() {
    let schema = rpcbench::report::json_schema();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/report.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    if std::env::var_os("RPCBENCH_BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap_or_default() == text,
        "results/report.schema.json is not the schema of a report any more; if reports were meant to change, run \
         RPCBENCH_BLESS=1 cargo test -p rpcbench --test cli"
    );
    let validator = jsonschema::validator_for(&schema).unwrap();
    let of_claims = concat!(env!("CARGO_MANIFEST_DIR"), "/../results/streams");
    let of_codecs = concat!(env!("CARGO_MANIFEST_DIR"), "/../results/codecs");
    for record in [RECORD, of_claims, of_codecs] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = rpcbench(&["report", "--format", "json", "--out"]);
        let printed = finish(command.arg(folder.path()).arg(record)).out.join("\n");
        let report = serde_json::from_str(&printed).unwrap();
        let errors: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{record}: {errors:?}");
        // Something that the schema does not allow.
        let mut wrong = report.clone();
        wrong["trust"]["columns"][0]["unit"] = "parsecs".into();
        assert!(!validator.is_valid(&wrong), "{record}");
    }
}
