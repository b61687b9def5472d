//! The claims about codecs, on records that are made up.

use ::codecs::Format;

use super::brokers::check;
use super::trials::{Figures, whole};
use super::*;
use crate::record::{CodecTime, CodecTrial, codec_sample};
use crate::scenario::Scenario;

/// A record of the codecs of `scenario` with the lengths in bytes and the times in microseconds that `figure` has for the name of a
/// codec and a format.
fn record_of(scenario: &Scenario, figure: impl Fn(&str, Format, ClaimFigure) -> Option<f64>) -> Record {
    static MADE_UP: LazyLock<Record> = LazyLock::new(|| made_up(&["rest"], 1));
    let mut record = Record { scenario: scenario.clone(), ..MADE_UP.clone() };
    for measurement in &scenario.codecs {
        for block in 0..scenario.blocks_of_codecs(measurement).get() {
            let trial = |format: &Format| {
                let sample = codec_sample(*format, block, 100.0);
                let sample = CodecTrial { measurement: measurement.name.clone(), ..sample };
                with_figures(|wanted| figure(&measurement.name, *format, wanted), sample)
            };
            record.codecs.extend(measurement.formats.iter().map(trial));
        }
    }
    record
}

fn with_figures(figure: impl Fn(ClaimFigure) -> Option<f64>, trial: CodecTrial) -> CodecTrial {
    let half = figure(ClaimFigure::CodecTime).map(|micros| micros / 2.0);
    let time = |wanted, sample: Option<CodecTime>| {
        let micros = figure(wanted).or(half);
        sample.map(|time| CodecTime { ns: micros.map_or(time.ns, |micros| 1e3 * micros), ..time })
    };
    let bytes = figure(ClaimFigure::EncodedBytes).map_or(30, whole);
    CodecTrial {
        call_bytes: bytes - bytes / 2,
        result_bytes: bytes / 2,
        encode: time(ClaimFigure::EncodeTime, trial.encode),
        decode: time(ClaimFigure::DecodeTime, trial.decode),
        ..trial
    }
}

/// A scenario with a codec `call` in `blocks` blocks, and a claim that Protobuf has at most half of `figure` of JSON.
fn scenario(figure: &str, blocks: u32) -> Scenario {
    let text = format!(
        "name = \"n\"\nquestion = \"q\"\nblocks = {blocks}\nwarmup = \"0s\"\nmeasure = \"20ms\"\nstacks = []\n\
         [[codec]]\nname = \"call\"\noperation = \"add\"\nformats = [\"json\", \"protobuf\"]\n\
         [[claim]]\nname = \"half\"\nstatement = \"Protobuf takes half.\"\n\
         [[claim.condition]]\nname = \"it does\"\nmeasurement = \"call\"\nformat = \"protobuf\"\nfigure = \"{figure}\"\n\
         over = {{ format = \"json\" }}\nat_most = 0.5\nreason = \"half\"\n"
    );
    Scenario::parse("test", &text).unwrap()
}

/// A record of `scenario(figure, blocks)` in which JSON has `json` of each figure and Protobuf `protobuf`.
fn two(figure: &str, blocks: u32, [json, protobuf]: [f64; 2]) -> Record {
    let of = |format| if format == Format::Json { json } else { protobuf };
    record_of(&scenario(figure, blocks), |_, format, _| Some(of(format)))
}

#[test]
fn the_verdict_on_each_claim_of_the_scenario_follows_from_its_figures() {
    let scenario = Scenario::load("codecs").unwrap();
    assert!(!scenario.claims.is_empty());
    for claim in &scenario.claims {
        for (is_true, verdict) in [(true, Verdict::Holds), (false, Verdict::DoesNotHold)] {
            let figures = Figures::with_outcome(&claim.conditions, is_true);
            let alone = Scenario { claims: vec![claim.clone()], ..scenario.clone() };
            let figure =
                |measurement: &str, format: Format, figure| figures.get(measurement, format.name(), figure);
            check(&record_of(&alone, figure), verdict);
        }
    }
}

#[test]
fn times_are_compared_block_by_block_and_need_enough_of_them() {
    for figure in ["encode-time", "decode-time", "codec-time"] {
        let verdict = |record: &Record| only(record).verdict;
        assert_eq!(verdict(&two(figure, 8, [10.0, 4.0])), Verdict::Holds, "{figure}");
        assert_eq!(verdict(&two(figure, 8, [10.0, 6.0])), Verdict::DoesNotHold, "{figure}");
        // The machine was slower in every other block, for both alike.
        let mut slower = two(figure, 8, [10.0, 4.0]);
        for trial in slower.codecs.iter_mut().filter(|trial| trial.block % 2 == 0) {
            [&mut trial.encode, &mut trial.decode].into_iter().flatten().for_each(|time| time.ns *= 10.0);
        }
        assert_eq!(verdict(&slower), Verdict::Holds, "{figure}");
        // For one of the two alone: the interval contains the threshold.
        let mut noisy = two(figure, 8, [10.0, 4.0]);
        for trial in noisy.codecs.iter_mut().filter(|it| it.block % 2 == 0 && it.format == Format::Protobuf) {
            [&mut trial.encode, &mut trial.decode].into_iter().flatten().for_each(|time| time.ns *= 2.0);
        }
        assert_eq!(verdict(&noisy), Verdict::CannotTell, "{figure}");
        let few = only(&two(figure, 7, [10.0, 4.0]));
        assert_eq!((few.verdict, few.blocks_needed), (Verdict::CannotTell, 8), "{figure}");
        // One of eight blocks is missing on one side.
        let mut missing = two(figure, 8, [10.0, 4.0]);
        missing.codecs[0].status = Status::Invalid;
        assert_eq!(verdict(&missing), Verdict::CannotTell, "{figure}");
    }
}

#[test]
fn a_length_decides_after_one_block_even_if_others_used_the_core() {
    let lengths = |bytes| {
        let mut record = two("encoded-bytes", 1, [40.0, bytes]);
        record.codecs.iter_mut().for_each(|trial| trial.status = Status::Invalid);
        only(&record)
    };
    let (short, long) = (lengths(20.0), lengths(21.0));
    assert_eq!(
        (short.verdict, short.conditions[0].estimate.clone()),
        (Verdict::Holds, Ok(Estimate::Counted(0.5)))
    );
    assert_eq!((long.verdict, long.blocks_needed), (Verdict::DoesNotHold, 1));
}

#[test]
fn a_figure_itself_is_in_microseconds_or_bytes() {
    for (figure, expected) in
        [("encode-time", 0.1), ("decode-time", 0.3), ("codec-time", 0.4), ("encoded-bytes", 30.0)]
    {
        let mut scenario = scenario(figure, 8);
        scenario.claims[0].conditions[0].over = None;
        let found =
            only(&record_of(&scenario, |_, _, _| None)).conditions[0].estimate.clone().unwrap().value();
        assert!((found / expected - 1.0).abs() < 1e-9, "{figure}: {found}");
    }
}

#[test]
fn without_a_figure_of_codecs_the_reason_is_given() {
    let whole = two("encode-time", 8, [10.0, 4.0]);
    let without = |change: fn(&mut Record)| {
        let mut record = whole.clone();
        change(&mut record);
        reason(&record)
    };
    let renamed = without(|record| record.scenario.codecs[0].name = "other".to_owned());
    assert_eq!(renamed, "the run has no codec `call`");
    let left_out = without(|record| record.codecs.retain(|trial| trial.format != Format::Json));
    assert_eq!(left_out, "json was not measured in `call`");
    let interrupted = without(|record| {
        record.codecs.clear();
        record.interrupted = true;
    });
    assert_eq!(interrupted, "protobuf was not measured in `call`: the run was interrupted earlier");
    let failed = without(|record| record.codecs.iter_mut().for_each(|trial| trial.fail("why".to_owned())));
    assert_eq!(failed, "no trial of protobuf in `call` is valid: why");
    let apart = without(|record| {
        record.codecs.retain(|trial| (trial.format == Format::Json) == (trial.block % 2 == 0));
    });
    assert!(apart.contains("no block has valid trials of both sides"), "{apart}");
    let nameless = without(|record| record.scenario.claims[0].conditions[0].format = None);
    assert_eq!(nameless, "the condition does not say which stack or format it is about");
    let mut failed = two("encoded-bytes", 8, [40.0, 20.0]);
    failed.codecs.iter_mut().for_each(|trial| trial.fail("why".to_owned()));
    assert_eq!(reason(&failed), "no trial of protobuf in `call` is valid: why");
}
