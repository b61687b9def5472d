//! Reports of codecs.

use ::codecs::Format;

use super::*;
use crate::record::{CodecTrial, Status, codec_sample};
use crate::scenario::{Claim, ClaimFigure, Condition, Over, Scenario};

const FORMATS: [Format; 4] = [Format::Json, Format::Raw, Format::Xml, Format::Msgpack];

/// A record of codecs alone: each format takes as many times as long as `raw` as it has here, in each block.
fn codecs_alone(blocks: u32) -> Record {
    let mut record = record(&["rest"], 1);
    record.scenario = Scenario::parse(
        "test",
        "name = \"codecs\"\nquestion = \"q\"\nblocks = 3\nwarmup = \"0s\"\nmeasure = \"20ms\"\nstacks = []\n\
         [[codec]]\nname = \"call\"\noperation = \"add\"\nformats = [\"json\", \"raw\", \"xml\", \"msgpack\"]",
    )
    .unwrap();
    (record.stacks, record.checks, record.trials) = (vec![], vec![], vec![]);
    (record.wire, record.sockets, record.fairness) = (vec![], vec![], vec![]);
    for block in 0..blocks {
        for (format, factor, bytes) in [
            (Format::Json, 4.0, 40),
            (Format::Raw, 1.0, 25),
            (Format::Xml, 20.0, 400),
            (Format::Msgpack, 3.0, 30),
        ] {
            // A block in which the machine was slower is slower for all.
            let ns = 50.0 * factor * f64::from(block + 1);
            let sample = codec_sample(format, block, ns);
            record.codecs.push(CodecTrial { call_bytes: bytes - 5, result_bytes: 5, ..sample });
        }
    }
    record
}

#[test]
fn codecs_alone_make_a_report_with_a_table_and_a_figure() {
    let record = codecs_alone(3);
    let files = checked(&record);
    for name in ["index.html", "report.md", "terminal", "codec-call.svg"] {
        let at = |format: Format| files[name].find(&format!("{format}")).unwrap_or(usize::MAX);
        assert!(FORMATS.iter().all(|format| at(*format) < usize::MAX), "{name}: {}", files[name]);
    }
    let line = files["terminal"].lines().find(|line| line.trim_start().starts_with("xml ")).unwrap();
    // The median block: 100 ns × 20 to encode, three times that to decode, 20 times as long as raw in every block.
    let cells: Vec<_> = line.split_whitespace().collect();
    assert!(cells.starts_with(&["xml", "any", "395", "5", "2.00", "(1.00–3.00)", "6.00"]), "{line}");
    assert!(line.contains("8.00") && line.contains("20.0"), "{line}");
    let report = report(&record, &Summary::new(&record).unwrap());
    let tables = report.codecs.unwrap();
    let order: Vec<_> =
        tables.measurements[0].rows.iter().map(|row| text::cell(&row.cells[0], None).value).collect();
    assert_eq!(order, ["raw", "msgpack", "json", "xml"]);
    assert_eq!(tables.formats.rows.len(), 4);
    assert_eq!(
        report.answer,
        ["call: to encode and decode add(2, 3) and its result, structs take \
             from 0.400 µs (raw) to 1.60 µs (json); values of any type take 8.00 µs (xml); the messages have from 25 (raw) to \
             400 (xml) bytes."]
    );
}

#[test]
fn trials_that_are_not_valid_are_left_out_with_the_reason() {
    let mut record = codecs_alone(3);
    for trial in record.codecs.iter_mut().filter(|trial| trial.format == Format::Json) {
        match trial.block {
            0 => trial.others = Some(0.5),
            1 => trial.fail("why".to_owned()),
            _ => {}
        }
        trial.audit(Contention::Reject);
    }
    let files = checked(&record);
    let reason = "2 trials left out: other processes used 50 % of the time of the codec's core";
    assert!(files["terminal"].contains(reason), "{}", files["terminal"]);
    assert!(files["terminal"].contains("! 2 of 12 trials of codecs are left out. The first: json (call)"));
    // Without a valid raw there is nothing to compare with, and without any valid trial no dot.
    for trial in &mut record.codecs {
        if [Format::Raw, Format::Json].contains(&trial.format) {
            trial.status = Status::Invalid;
        }
    }
    let files = checked(&record);
    assert!(!files["codec-call.svg"].contains("json"));
    let line = files["terminal"].lines().find(|line| line.trim_start().starts_with("xml ")).unwrap();
    assert!(line.contains("8.00") && !line.contains("20.0"), "{line}");
}

#[test]
fn hostile_names_of_codecs_are_escaped() {
    let mut record = codecs_alone(1);
    record.scenario.codecs[0].name = NASTY.to_owned();
    for trial in &mut record.codecs {
        trial.measurement = NASTY.to_owned();
        trial.fail(NASTY.to_owned());
    }
    for (name, contents) in checked(&record) {
        assert!(!contents.contains('\u{1b}'), "{name}");
        // The page has a script, and no other one. A terminal shows it as it is.
        let scripts = usize::from(name == "index.html");
        assert!(name == "terminal" || contents.matches("<script>").count() == scripts, "{name}");
    }
}

#[test]
fn claims_about_codecs_show_their_verdict_numbers_and_figure() {
    let condition = |name: &str, figure, at_most| Condition {
        name: name.to_owned(),
        measurement: "call".to_owned(),
        stack: None,
        format: Some(Format::Msgpack),
        figure,
        at_least: None,
        at_most: Some(at_most),
        reason: "a test".to_owned(),
        over: Some(Over { format: Some(Format::Json), ..Over::default() }),
    };
    let mut record = codecs_alone(12);
    record.scenario.claims = vec![Claim {
        name: "binary".to_owned(),
        statement: "MessagePack is cheaper than JSON.".to_owned(),
        conditions: vec![
            condition("it is shorter", ClaimFigure::EncodedBytes, 0.8),
            condition("it takes less time to decode", ClaimFigure::DecodeTime, 0.7),
            Condition { over: None, ..condition("it is 30 bytes long", ClaimFigure::EncodedBytes, 30.0) },
        ],
    }];
    let files = checked(&record);
    for name in ["index.html", "report.md", "terminal"] {
        for word in [
            "binary (holds in part)",
            "MessagePack is cheaper than JSON.",
            "encoded length of msgpack ÷ json, in call",
            "decoding time of msgpack ÷ json, in call",
            "it is shorter (0.75, at most 0.80)",
            "it takes less time to decode (0.75, at most 0.70)",
            "30 bytes, at most 30 bytes",
        ] {
            assert!(files[name].contains(word), "{name} has no `{word}`");
        }
    }
    let figure = &files["claim-binary.svg"];
    assert!(figure.contains("binary (holds in part)") && figure.contains("msgpack"), "{figure}");
    assert!(
        files["index.html"].contains("Filled: from and to structs; hollow: from and to values of any type.")
    );
    let report = report(&record, &Summary::new(&record).unwrap());
    let condition = serde_json::to_value(&report.claims[0].conditions[0].condition).unwrap();
    assert_eq!((&condition["format"], &condition["over"]["format"]), (&"msgpack".into(), &"json".into()));
    assert_eq!(condition.get("stack"), None);
}
