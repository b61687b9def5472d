//! Runs of codecs.

use ::codecs::Format;
use rpcbench::record::{self, Status};
use rpcbench::report::Summary;

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
