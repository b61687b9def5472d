//! `rpcbench call --repeat`: the same call several times, and how long it takes.

use std::collections::BTreeMap;
use std::time::Instant;

use calculator::{Call, CallError, Deadline, ErrorKind, printable_json};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::{Exit, Failure, Outcome, print, runtime};
use crate::stacks::{Invocation, Stack};
use crate::stats::{Distribution, new_histogram, record_duration};

/// What became of the calls. Programs rely on the names of the members.
#[derive(Debug, Serialize)]
struct Summary {
    /// Calls made.
    calls: u64,
    /// Calls with a result.
    answered: u64,
    /// Calls with an error, by its kind.
    failed: BTreeMap<ErrorKind, u64>,
    /// The message of the first error.
    first_error: Option<String>,
    /// The time of all calls together, in seconds.
    seconds: f64,
    /// The time of the fastest call with a result, in nanoseconds.
    min_ns: Option<u64>,
    /// Quantiles over all calls, in nanoseconds. Those with an error count as infinitely slow; a quantile among them is absent.
    p50_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    /// The time of the slowest call with a result.
    max_ns: Option<u64>,
}

/// Makes the call of `invocation` `times` times over one connection of `stack`, one after the other, and prints how long it took: as
/// one line of JSON if `as_json`.
pub(super) fn repeat(stack: &'static Stack, invocation: &Invocation, times: u32, as_json: bool) -> Outcome {
    let (named, typed) = (stack.protocol.has_named_parameters(), |value| stack.protocol.typed(value));
    let call = invocation.named_call(stack.name, named, typed).map_err(Failure::usage)?;
    let (summary, last_kind) =
        runtime()?.block_on(calls(stack, invocation, &call, times)).map_err(|error| {
            let address = net::redacted(&invocation.destination.url);
            Failure::could_not_run(format!("{}: no answer from {address}: {error}", stack.name))
        })?;
    if as_json {
        let text = serde_json::to_string(&summary).map_err(Failure::could_not_run)?;
        print(&format!("{}\n", printable_json(&text)))?;
    } else {
        print(&summary.text())?;
    }
    Ok(match last_kind {
        None => Exit::Done,
        Some(kind) if kind.is_transport() => Exit::CouldNotRun,
        Some(_) => Exit::No,
    })
}

/// Makes the calls. Also returns the kind of the last error, if there was one.
///
/// # Errors
/// When the server cannot be connected to.
async fn calls(
    stack: &'static Stack,
    invocation: &Invocation,
    call: &Call,
    times: u32,
) -> Result<(Summary, Option<ErrorKind>), CallError> {
    let client = stack.connect(invocation.destination.clone(), invocation.client_options()).await?;
    let mut deadline = Deadline::new(invocation.timeout);
    let mut latency = new_histogram();
    let (mut failed, mut first_error, mut last_kind) = (BTreeMap::new(), None, None);
    let begun = Instant::now();
    for _ in 0..times {
        let started = Instant::now();
        match deadline.within(started, client.call(call)).await {
            Ok(_) => record_duration(&mut latency, started.elapsed()),
            Err(error) => {
                *failed.entry(error.kind).or_default() += 1;
                last_kind = Some(error.kind);
                first_error.get_or_insert_with(|| error.to_string());
            }
        }
    }
    Ok((Summary::new(&latency, failed, first_error, begun.elapsed().as_secs_f64()), last_kind))
}

impl Summary {
    fn new(
        latency: &Histogram<u64>,
        failed: BTreeMap<ErrorKind, u64>,
        first_error: Option<String>,
        seconds: f64,
    ) -> Self {
        let missing = failed.values().sum();
        let distribution = Distribution::new(latency, missing);
        let quantile = |q| distribution.quantile(q);
        let known = |nanos: u64| (!latency.is_empty()).then_some(nanos);
        Summary {
            calls: latency.len() + missing,
            answered: latency.len(),
            failed,
            first_error,
            seconds,
            min_ns: known(latency.min()),
            p50_ns: quantile(0.5),
            p90_ns: quantile(0.9),
            p99_ns: quantile(0.99),
            max_ns: known(latency.max()),
        }
    }

    /// Some lines for people.
    #[allow(clippy::cast_precision_loss)]
    fn text(&self) -> String {
        let micros = |nanos: Option<u64>| {
            nanos.map_or_else(|| "–".to_owned(), |nanos| format!("{:.1} µs", nanos as f64 / 1_000.0))
        };
        let mut text = format!("{} calls in {:.3} s, {} answered\n", self.calls, self.seconds, self.answered);
        for (kind, count) in &self.failed {
            text += &format!("{count} failed: {kind}\n");
        }
        text +=
            &self.first_error.as_ref().map(|error| format!("the first error: {error}\n")).unwrap_or_default();
        text + &format!(
            "min {}, p50 {}, p90 {}, p99 {}, max {}\n",
            micros(self.min_ns),
            micros(self.p50_ns),
            micros(self.p90_ns),
            micros(self.p99_ns),
            micros(self.max_ns)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn calls_with_an_error_count_as_infinitely_slow() {
        let mut latency = new_histogram();
        (1..=97).for_each(|micros| record_duration(&mut latency, Duration::from_micros(micros)));
        let failed = BTreeMap::from([(ErrorKind::Timeout, 3)]);
        let summary = Summary::new(&latency, failed, Some("timeout: x".to_owned()), 1.0);
        assert_eq!((summary.calls, summary.answered, summary.p99_ns), (100, 97, None));
        assert_eq!(summary.p50_ns.map(|nanos| nanos / 1_000), Some(50));
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!((&json["failed"]["timeout"], &json["min_ns"]), (&3.into(), &1_000.into()));
        let text = summary.text();
        assert!(text.starts_with("100 calls in 1.000 s, 97 answered\n3 failed: timeout\n"), "{text}");
        assert!(text.contains("p99 –"), "{text}");
    }

    #[test]
    fn without_a_result_there_are_no_times() {
        let failed = BTreeMap::from([(ErrorKind::UnknownMethod, 2)]);
        let summary = Summary::new(&new_histogram(), failed, None, 0.1);
        assert_eq!((summary.calls, summary.min_ns, summary.p50_ns, summary.max_ns), (2, None, None, None));
    }
}
