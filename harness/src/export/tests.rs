//! Every format is read again by its reader or checked by its schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use calculator::ErrorKind;
use codecs::Format;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::{Value, json};

use super::{ExportError, Kind};
use crate::record::{
    AuditCheck, CheckName, Record, Status, TEN_BLOCKS, TimelineBin, TimelineResult, TopologyResult,
    codec_sample, read, topology_sample,
};
use crate::scenario::{Plan, Scenario};
use crate::stacks::Stack;

/// A record with its first measurement only, which has a comma, quotes and a line break in its name.
static SAMPLE: LazyLock<Record> = LazyLock::new(|| {
    let mut record = read(TEN_BLOCKS.as_ref()).unwrap();
    record.scenario.measurements.retain(|measurement| measurement.name == "latency");
    record.trials.retain(|trial| trial.measurement == "latency" && trial.block < 3);
    for name in record
        .trials
        .iter_mut()
        .map(|trial| &mut trial.measurement)
        .chain(record.scenario.measurements.iter_mut().map(|measurement| &mut measurement.name))
    {
        *name = NAME.to_owned();
    }
    let failed = record.trials.iter_mut().find(|trial| trial.stack == "rest").unwrap();
    failed.status = Status::Failed;
    failed.audit.push(AuditCheck::new(CheckName::Completed, false, || "<it> failed & ended".to_owned()));
    record
});

const NAME: &str = "latency, \"one\"\ncaller";

fn stacks() -> BTreeSet<&'static str> {
    SAMPLE.trials.iter().map(|trial| trial.stack.as_str()).collect()
}

#[test]
fn csv_has_a_row_for_each_trial() {
    let text = Kind::Csv.export(&SAMPLE).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), SAMPLE.trials.len());
    for (row, trial) in rows.iter().zip(&SAMPLE.trials) {
        assert_eq!(&row[column("measurement")], NAME);
        assert_eq!(row[column("stack")], trial.stack);
        assert_eq!(row[column("right")].parse::<u64>().unwrap(), trial.counts.right);
        let p50 = trial.latency.as_ref().and_then(|latency| latency.p50);
        assert_eq!(row[column("p50_ns")].parse().ok(), p50);
        assert_eq!(&row[column("status")] == "failed", trial.status == Status::Failed);
    }
    assert_eq!(headers.iter().collect::<BTreeSet<_>>().len(), headers.len(), "names are unique");
}

#[test]
fn topologies_have_a_row_for_each_stack_and_block() {
    let mut record = SAMPLE.clone();
    record.topologies = vec![
        topology_sample("2 × 3", "rest", 0, [2, 3], 6),
        TopologyResult { connections: None, ..topology_sample("2 × 3", "amqp", 1, [2, 3], 10) },
    ];
    let rows = rows(Kind::CsvTopologies, &record);
    assert_eq!(rows.len(), 2);
    assert_eq!([&*rows[0]["topology"], &*rows[0]["connections"]], ["2 × 3", "6"]);
    assert_eq!([&*rows[1]["connections"], &*rows[1]["block"]], ["", "1"]);
    assert_eq!(rows[0]["client_rss_after_bytes"], ((5 << 20) + 6 * 1_024).to_string());
    assert_eq!([&*rows[0]["broker_rss_after_bytes"], &*rows[0]["right"]], ["", "6"]);
}

#[test]
fn codecs_have_a_row_for_each_format_and_block() {
    let mut record = SAMPLE.clone();
    let mut failed = codec_sample(Format::Xml, 1, 9.0);
    failed.encode = None;
    record.codecs = vec![codec_sample(Format::Json, 0, 2.5), failed];
    let rows = rows(Kind::CsvCodecs, &record);
    assert_eq!(rows.len(), 2);
    assert_eq!([&*rows[0]["format"], &*rows[0]["encode_ns"], &*rows[0]["decode_ns"]], ["json", "2.5", "7.5"]);
    assert_eq!([&*rows[0]["call_bytes"], &*rows[0]["result_bytes"]], ["20", "10"]);
    assert_eq!([&*rows[1]["block"], &*rows[1]["encode_ns"]], ["1", ""]);
}

#[test]
fn timelines_have_a_row_for_each_bin() {
    let mut record = SAMPLE.clone();
    let scenario = Scenario::load("outage").unwrap();
    let plan = Plan::new(&scenario, &[0, 1]).unwrap();
    let planned = &plan.timelines()[0];
    let trial = planned.trial(Stack::named("rest").unwrap());
    let mut result = TimelineResult::new(&planned.timeline, &trial, 2);
    let failed = [(ErrorKind::Undeliverable, 3), (ErrorKind::Internal, 1)].into();
    result.bins = vec![
        TimelineBin { scheduled: 5, right: 5, p50_ns: Some(900), ..TimelineBin::default() },
        TimelineBin { scheduled: 5, right: 1, failed, answered: Some(1), ..TimelineBin::default() },
    ];
    record.timelines = vec![result];
    let rows = rows(Kind::CsvTimelines, &record);
    assert_eq!(rows.len(), 2);
    assert_eq!([&*rows[0]["timeline"], &*rows[0]["stack"]], [&*planned.timeline.name, "rest"]);
    assert_eq!(rows[0]["block"], "2");
    assert_eq!([&*rows[0]["from_ns"], &*rows[0]["p50_ns"], &*rows[0]["answered"]], ["0", "900", ""]);
    assert_eq!([&*rows[1]["from_ns"], &*rows[1]["failed"], &*rows[1]["answered"]], ["100000000", "4", "1"]);
}

/// The rows of `record` in a format of comma-separated values: the cells by their columns.
fn rows(kind: Kind, record: &Record) -> Vec<BTreeMap<String, String>> {
    let text = kind.export(record).unwrap();
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

#[test]
fn bmf_matches_its_published_schema() {
    // https://bencher.dev/bmf.json
    let schema = json!({
        "type": "object",
        "patternProperties": { ".+": {
            "type": "object",
            "patternProperties": { ".+": {
                "type": "object",
                "properties": {
                    "value": { "type": "number" },
                    "lower_value": { "type": "number" },
                    "upper_value": { "type": "number" }
                },
                "required": ["value"]
            } }
        } }
    });
    let exported: Value = serde_json::from_str(&Kind::Bmf.export(&SAMPLE).unwrap()).unwrap();
    jsonschema::validate(&schema, &exported).unwrap();
    assert_eq!(exported.as_object().unwrap().len(), stacks().len());
    let latency = &exported[format!("{NAME}/zerorpc")]["latency"];
    assert!(latency["lower_value"].as_f64() <= latency["value"].as_f64());
    assert!(latency["value"].as_f64() <= latency["upper_value"].as_f64());
}

#[test]
fn gha_entries_have_what_the_action_requires_and_each_metric_one_direction() {
    let entries =
        |kind: Kind| -> Vec<Value> { serde_json::from_str(&kind.export(&SAMPLE).unwrap()).unwrap() };
    let (smaller, bigger) = (entries(Kind::Gha), entries(Kind::GhaBigger));
    for entry in smaller.iter().chain(&bigger) {
        assert!(
            entry["name"].is_string() && entry["unit"].is_string() && entry["value"].is_number(),
            "{entry}"
        );
        assert!(entry.get("range").is_none_or(Value::is_string), "{entry}");
    }
    let ends =
        |entries: &[Value], end: &str| entries.iter().all(|e| e["name"].as_str().unwrap().ends_with(end));
    assert!(ends(&bigger, "/throughput") && bigger.len() == stacks().len());
    assert!(smaller.iter().any(|entry| entry["name"].as_str().unwrap().ends_with("rest-hyper/latency")));
    assert!(!smaller.iter().any(|entry| entry["name"].as_str().unwrap().ends_with("/throughput")));
}

#[test]
fn junit_has_a_case_for_each_stack_and_fails_those_with_an_invalid_trial() {
    let text = Kind::Junit.export(&SAMPLE).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    let [suite] = report.test_suites.as_slice() else { panic!("one measurement") };
    assert_eq!((suite.tests, suite.failures), (stacks().len() + suite.disabled.unwrap_or(0), 1));
    let failed = suite.test_cases.iter().find(|case| case.name.as_str() == "rest").unwrap();
    assert!(text.contains("&lt;it&gt; failed &amp; ended"), "{text}");
    assert!(matches!(failed.status, quick_junit::TestCaseStatus::NonSuccess { .. }));
}

#[test]
fn the_interval_log_holds_the_histograms() {
    let text = Kind::Hlog.export(&SAMPLE).unwrap();
    let entries: Vec<_> = IntervalLogIterator::new(text.as_bytes()).collect::<Result<_, _>>().unwrap();
    let intervals: Vec<_> = entries
        .iter()
        .filter_map(|entry| if let LogEntry::Interval(interval) = entry { Some(interval) } else { None })
        .collect();
    let valid: Vec<_> = SAMPLE
        .trials
        .iter()
        .filter(|trial| trial.status == Status::Valid && !trial.twin && trial.latency.is_some())
        .collect();
    assert_eq!(intervals.len(), valid.len());
    for (interval, trial) in intervals.iter().zip(valid) {
        let bytes = BASE64.decode(interval.encoded_histogram()).unwrap();
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(histogram, trial.latency.as_ref().unwrap().histogram().unwrap());
        assert_eq!(interval.tag().unwrap().as_str(), format!("latency__\"one\"_caller/{}", trial.stack));
    }
}

#[test]
fn a_record_without_valid_trials_says_so() {
    let mut record = SAMPLE.clone();
    record.trials.clear();
    let kinds = [Kind::Csv, Kind::Bmf, Kind::Gha, Kind::GhaBigger, Kind::Junit, Kind::Hlog];
    for kind in kinds.into_iter().chain([Kind::CsvTopologies, Kind::CsvTimelines, Kind::CsvCodecs]) {
        assert!(matches!(kind.export(&record), Err(ExportError::Nothing(_))), "{kind:?}");
    }
}
