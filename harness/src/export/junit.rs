//! JUnit XML, which CI systems show: a test suite for each measurement, a test case for each stack.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{ExportError, Format, unwritable};
use crate::record::Record;
use crate::report::{MeasurementSummary, StackSummary, Summary};

pub(super) struct Junit;

impl Format for Junit {
    fn export(&self, record: &Record) -> Result<String, ExportError> {
        if record.trials.is_empty() {
            return Err(ExportError::Nothing("trial"));
        }
        let summary = Summary::new(record)?;
        let mut report = Report::new(format!("rpcbench {}", record.scenario.name));
        report.add_test_suites(summary.measurements.iter().map(|measurement| suite(record, measurement)));
        report.to_string().map_err(unwritable)
    }
}

fn suite(record: &Record, summary: &MeasurementSummary) -> TestSuite {
    let name = &summary.measurement.name;
    let mut suite = TestSuite::new(name.as_str());
    suite.add_property(("run", record.id.as_str()));
    suite.add_property(("started", record.started.as_str()));
    suite.add_test_cases(summary.stacks.iter().map(|stack| case(record, name, stack)));
    suite.add_test_cases(summary.not_measured.iter().map(|stack| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(stack.reason.as_str());
        TestCase::new(stack.stack.as_str(), status)
    }));
    suite
}

/// A stack passes if all of its trials are valid.
fn case(record: &Record, measurement: &str, stack: &StackSummary) -> TestCase {
    let status = match &stack.not_valid {
        None => TestCaseStatus::success(),
        Some((trials, reason)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_message(format!("{trials} of {} trials are not valid: {reason}", trials + stack.valid));
            status
        }
    };
    let mut case = TestCase::new(stack.stack.as_str(), status);
    case.set_classname(format!("{}.{measurement}", record.scenario.name));
    let trials =
        record.trials.iter().filter(|t| t.measurement == measurement && t.stack == stack.stack && !t.twin);
    let seconds: f64 = trials.map(|trial| trial.measured_seconds).sum();
    case.set_time(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    for metric in super::metrics::metrics(stack) {
        case.add_property((format!("{} ({})", metric.slug, metric.unit), format!("{:.0}", metric.value)));
    }
    case
}
