//! Runs of codecs.

use ::codecs::Format;
use rpcbench::record::{self, Status};
use rpcbench::report::Summary;

use std::process::Command;

use crate::Run;
use crate::common::{finish, rpcbench};

const CODECS: &str = "
[[codec]]
name = \"call\"
operation = \"add\"
formats = [\"json\", \"raw\"]
slice = \"100us\"

[[codec]]
name = \"document\"
operation = \"echo:100B\"
";

#[test]
fn codecs_are_measured_in_every_block_beside_stacks_and_alone() {
    let run = Run::of(&["rest-hyper"], 2, "20ms");
    run.change_scenario(|scenario| format!("{scenario}{CODECS}"));
    // Two floors and a stack; two formats and eleven.
    let ended = finish(&mut run.command(&[])).with(0, &["2 blocks of 16 trials", "measuring 32 trials"]);
    let shown = ended.out.join("\n");
    let record = run.record();
    assert_eq!((record.trials.len(), record.codecs.len()), (6, 26));
    let validator = jsonschema::validator_for(&record::json_schema()).unwrap();
    let written = serde_json::to_value(&record).unwrap();
    let errors: Vec<_> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    for trial in &record.codecs {
        assert_eq!(trial.status, Status::Valid, "{}: {:?}", trial.format, trial.complaint());
        let (encode, decode) = (trial.encode.unwrap(), trial.decode.unwrap());
        assert!(encode.ns > 0.0 && decode.ns > 0.0 && encode.times >= encode.slices);
        // 20 ms in slices of 100 µs, or of 1 ms.
        let slices = if trial.measurement == "call" { 200 } else { 20 };
        assert_eq!((encode.slices, decode.slices), (slices, slices));
    }
    let raw = |block| {
        let is_raw = |trial: &&record::CodecTrial| {
            trial.format == Format::Raw && trial.block == block && trial.measurement == "call"
        };
        record.codecs.iter().find(is_raw).map(|trial| (trial.call_bytes, trial.result_bytes))
    };
    assert_eq!((raw(0), raw(1)), (Some((17, 8)), Some((17, 8))));
    assert!(shown.contains("call: add(2, 3) and its result") && shown.contains("thrift-compact"), "{shown}");
    assert!(Summary::new(&record).is_ok());

    let alone = Run::of(&[], 1, "20ms");
    alone.change_scenario(|scenario| {
        let (general, _) = scenario.split_once("[[measurement]]").unwrap();
        format!("{general}[[codec]]\nname = \"call\"\noperation = \"add\"\n")
    });
    let ended = finish(&mut alone.command(&[])).with(0, &["1 block of 11 trials"]);
    assert!(!ended.out.join("\n").contains("no answer"));
    assert!(alone.results().join("report/codec-call.svg").exists());
    finish(rpcbench(&["report", "results"]).current_dir(alone.folder.path())).with(0, &[]);
}

#[test]
fn a_codec_without_structs_is_refused_before_anything_is_measured() {
    let run = Run::of(&["rest-hyper"], 1, "20ms");
    run.change_scenario(|scenario| {
        scenario.to_owned() + "\n[[codec]]\nname = \"c\"\noperation = \"hello\"\n"
    });
    finish(&mut run.command(&[])).with(2, &["an operation with numbers, or echo:SIZE, not `hello`"]);
}

/// Claims that do not depend on how fast anything is: about lengths, and that encoding takes time.
const CLAIMS: &str = r#"
[[claim]]
name = "length"
statement = "A call is shorter in raw bytes."
[[claim.condition]]
name = "it is shorter than in XML"
measurement = "call"
format = "raw"
figure = "encoded-bytes"
over = { format = "xml" }
at_most = 0.5
reason = "XML has names"
[[claim.condition]]
name = "it has 25 bytes"
measurement = "call"
format = "raw"
figure = "encoded-bytes"
at_most = 25
reason = "17 for the call and 8 for the result"

[[claim]]
name = "time"
statement = "Encoding and decoding take time."
[[claim.condition]]
name = "encoding XML does"
measurement = "call"
format = "xml"
figure = "encode-time"
at_least = 1e-9
reason = "less than any clock shows"
[[claim.condition]]
name = "both together do"
measurement = "call"
format = "xml"
figure = "codec-time"
at_least = 1e-9
reason = "less than any clock shows"
"#;

#[test]
fn a_run_judges_claims_about_codecs_also_in_a_scenario_that_includes_them() {
    let run = Run::of(&[], 10, "20ms");
    run.change_scenario(|scenario| {
        let (general, _) = scenario.split_once("[[measurement]]").unwrap();
        let general = general.replace("\"tiny\"", "\"inner\"");
        format!(
            "{general}[[codec]]\nname = \"call\"\noperation = \"add\"\nformats = [\"raw\", \"xml\"]\n{CLAIMS}"
        )
    });
    finish(&mut run.command(&["--blocks", "1"])).with(
        0,
        &["the claim `time` takes 9 blocks, and has 1: no verdict is possible", "measuring 2 trials"],
    );
    assert_eq!(
        verdicts(&mut run.command_with(&["report", "results", "--format", "json"])),
        ["holds", "cannot-tell"]
    );

    let inner = run.folder.path().join("inner.toml");
    std::fs::rename(run.folder.path().join("tiny.toml"), inner).unwrap();
    // The blocks are those of the codecs.
    let outer = "name = \"outer\"\nquestion = \"?\"\nblocks = 12\nwarmup = \"10ms\"\nmeasure = \"50ms\"\nstacks = []\n\
                 include = [\"inner.toml\"]\n";
    std::fs::write(run.folder.path().join("tiny.toml"), outer).unwrap();
    let included = &["run", "tiny.toml", "--out", "included"];
    let ended = finish(&mut run.command_with(included)).with(0, &["measuring 20 trials"]);
    let printed = ended.out.join("\n");
    for expected in
        ["inner: length (holds)", "inner: time (holds)", "encoded length of raw ÷ xml, in inner: call"]
    {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    assert_eq!(
        verdicts(&mut run.command_with(&["report", "included", "--format", "json"])),
        ["holds", "holds"]
    );
    // Options set the blocks and the window of included codecs, too.
    let shorter = &["run", "tiny.toml", "--blocks", "1", "--seconds", "0.03", "--out", "shorter"];
    finish(&mut run.command_with(shorter)).with(0, &["measuring 2 trials"]);
    let shorter = record::read(&run.folder.path().join("shorter")).unwrap();
    assert!(shorter.codecs.iter().all(|trial| trial.encode.is_some_and(|time| time.slices == 30)));
    for figure in ["claim-inner-time.svg", "codec-inner-call.svg"] {
        assert!(run.folder.path().join("included/report").join(figure).is_file(), "{figure}");
    }
}

/// The verdicts in the JSON report that `command` prints.
fn verdicts(command: &mut Command) -> Vec<String> {
    let report = finish(command).with(0, &[]);
    let report: serde_json::Value = serde_json::from_str(&report.out.join("\n")).unwrap();
    let claims = report["claims"].as_array().unwrap();
    claims.iter().map(|claim| claim["verdict"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_claim_about_a_codec_that_does_not_exist_is_a_usage_error() {
    let run = Run::of(&["rest-hyper"], 1, "20ms");
    let claims = CLAIMS.replacen("\"call\"", "\"cal\"", 1);
    run.change_scenario(|scenario| {
        format!("{scenario}\n[[codec]]\nname = \"call\"\noperation = \"add\"\n{claims}")
    });
    finish(&mut run.command(&[])).with(2, &["tiny.toml:", "none is named `cal`; did you mean `call`?"]);
}
