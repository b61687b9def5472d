//! Comparisons of changed copies of a record.

use std::num::NonZeroU32;
use std::sync::LazyLock;

use super::*;
use crate::deploy::Placement;
use crate::load::Operation;
use crate::record::{Build, TEN_BLOCKS, Trial, read};
use crate::stats::Statement;

/// A record with its first measurement only: reading the histograms of all takes an unoptimised build long.
static SAMPLE: LazyLock<Record> = LazyLock::new(|| {
    let mut record = read(TEN_BLOCKS.as_ref()).unwrap();
    record.scenario.measurements.retain(|measurement| measurement.name == "latency");
    record.trials.retain(|trial| trial.measurement == "latency");
    // Three times its blocks, so that there are enough for statements.
    let (measured, blocks) = (record.trials.clone(), record.scenario.blocks.get());
    for copy in 1..3 {
        let later = |trial: &Trial| Trial { block: trial.block + copy * blocks, ..trial.clone() };
        record.trials.extend(measured.iter().map(later));
    }
    record.scenario.blocks = record.scenario.blocks.saturating_mul(NonZeroU32::new(3).unwrap());
    record
});

pub(super) fn sample() -> Record {
    SAMPLE.clone()
}

fn compared(change: impl FnOnce(&mut Record)) -> Result<Comparison, CompareError> {
    let (base, mut new) = (sample(), sample());
    change(&mut new);
    Comparison::new(&base, &new, &[])
}

/// The statement about a stack's metric in the measurement `latency`.
fn latency(comparison: &Comparison, stack: &str, metric: Metric) -> TimingComparison {
    let measurement = comparison.measurements.iter().find(|found| found.name == "latency").unwrap();
    measurement.timings.iter().find(|found| found.stack == stack && found.metric == metric).unwrap().clone()
}

#[test]
fn a_record_does_not_differ_from_itself() {
    let same = compared(|_| ()).unwrap();
    assert!(same.settings.is_empty() && same.missing.is_empty());
    assert!(same.bytes.iter().all(|bytes| bytes.is_equal != Some(false) && bytes.difference() == 0));
    assert!(same.bytes.iter().any(|bytes| bytes.is_equal == Some(true)));
    let timings: Vec<_> = same.measurements.iter().flat_map(|measurement| &measurement.timings).collect();
    assert!(timings.len() > 25);
    for timing in timings {
        assert_eq!(timing.base.to_bits(), timing.new.to_bits());
        assert!(!matches!(timing.statement, Statement::Faster | Statement::Slower), "{timing:?}");
        assert!(timing.ratio.unwrap().contains_one(), "{timing:?}");
    }
}

#[test]
fn one_byte_more_is_found_and_packets_are_not_compared() {
    let changed = compared(|new| {
        let wire = new.wire.iter_mut().find(|wire| wire.stack == "zerorpc" && wire.exact).unwrap();
        wire.hops[0].bytes += 1;
        wire.hops[0].packets += 1.0;
        for other in new.wire.iter_mut().filter(|wire| wire.stack == "rest") {
            other.hops[0].packets += 2.0;
        }
    })
    .unwrap();
    let differing: Vec<_> = changed.bytes.iter().filter(|bytes| bytes.is_equal == Some(false)).collect();
    assert_eq!(differing.len(), 1);
    assert_eq!((differing[0].stack.as_str(), differing[0].difference()), ("zerorpc", 1));
    assert_eq!(changed.bytes[0], *differing[0], "what differs comes first");
    assert!(changed.document().answer[0].contains("zerorpc (+1 byte)"), "{:?}", changed.document().answer);
}

#[test]
fn bytes_that_varied_are_not_compared() {
    let varied = compared(|new| {
        for wire in &mut new.wire {
            wire.exact = false;
            wire.hops[0].bytes += 1;
        }
    })
    .unwrap();
    assert!(varied.bytes.iter().all(|bytes| bytes.is_equal.is_none()));
}

#[test]
fn a_stack_that_takes_twice_the_time_is_slower_and_half_the_cpu_time_is_faster() {
    let changed = compared(|new| {
        for trial in new.trials.iter_mut().filter(|trial| trial.stack == "rest-hyper") {
            if let Some(latency) = &mut trial.latency {
                latency.p50 = latency.p50.map(|p50| 2 * p50);
            }
            if let Some(server) = &mut trial.server {
                server.cpu_ns /= 2;
            }
        }
    })
    .unwrap();
    for (metric, statement, ratio) in
        [(Metric::Latency, Statement::Slower, 0.5), (Metric::ServerCpu, Statement::Faster, 2.0)]
    {
        let found = latency(&changed, "rest-hyper", metric);
        assert_eq!(found.statement, statement, "{found:?}");
        assert!((found.ratio.unwrap().median / ratio - 1.0).abs() < 0.01, "{found:?}");
    }
    let untouched = latency(&changed, "zerorpc", Metric::Latency);
    assert!(!matches!(untouched.statement, Statement::Faster | Statement::Slower), "{untouched:?}");
}

#[test]
fn a_machine_that_is_slower_as_a_whole_makes_no_difference() {
    let changed = compared(|new| {
        for latency in new.trials.iter_mut().filter_map(|trial| trial.latency.as_mut()) {
            latency.p50 = latency.p50.map(|p50| 3 * p50);
        }
    })
    .unwrap();
    let found = latency(&changed, "rest-hyper", Metric::Latency);
    assert!((found.new / found.base - 3.0).abs() < 0.01 && found.ratio.unwrap().contains_one(), "{found:?}");
    assert!(!matches!(found.statement, Statement::Faster | Statement::Slower), "{found:?}");
}

#[test]
fn decisive_settings_are_refused_by_name_unless_they_are_allowed() {
    type Change = fn(&mut Record);
    let cases: [(SettingKind, &str, Change); 6] = [
        (SettingKind::Machines, "the number of cores is", |new| new.machine.cores += 2),
        (SettingKind::Machines, "the processor is", |new| new.machine.processor = Some("Other".to_owned())),
        (SettingKind::Placements, "the placement of `latency` is", |new| {
            new.scenario.measurements[0].placement = Placement::Free;
        }),
        (SettingKind::Scenarios, "the load of `latency` is closed:1 in the first and closed:7", |new| {
            new.scenario.measurements[0].load = "closed:7".parse().unwrap();
        }),
        (
            SettingKind::Scenarios,
            "the executor of `latency` is the default in the first and blocking",
            |new| {
                new.scenario.measurements[0].executor = Some("blocking".parse().unwrap());
            },
        ),
        (
            SettingKind::Scenarios,
            "the work of handlers of `latency` is none in the first and sleep:5ms",
            |new| {
                new.scenario.measurements[0].work = Some("sleep:5ms".parse().unwrap());
            },
        ),
    ];
    for (kind, words, change) in cases {
        let message = compared(change).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        assert!(message.ends_with(&format!("--across {}", kind.name())), "{message}");
        let (base, mut new) = (sample(), sample());
        change(&mut new);
        let allowed = Comparison::new(&base, &new, &[kind]).unwrap();
        assert_eq!(allowed.settings.len(), 1);
        assert!(allowed.document().warnings[0].contains("differs"), "{:?}", allowed.document().warnings);
    }
}

/// The reference record as if it had these operations of one's own, with `measured` in every measurement and the bytes of `get`.
fn with_own(measured: &str, definitions: &str) -> Record {
    let mut record = sample();
    let definitions: toml::Table = definitions.parse().unwrap();
    record.scenario.operations = definitions["operation"].clone().try_into().unwrap();
    let operation = Operation::named(measured).unwrap();
    record.scenario.measurements.iter_mut().for_each(|it| it.operation = operation);
    record.trials.iter_mut().for_each(|trial| trial.operation = operation);
    record.wire.iter_mut().for_each(|wire| wire.operation = Operation::named("get").unwrap());
    record
}

#[test]
fn operations_with_one_name_are_compared_only_if_they_are_defined_alike() {
    const GET: &str = "[[operation]]\nname = \"get\"\nparams = [1]\n";
    let other = "[[operation]]\nname = \"other\"\n";
    for (measured, base, new, differ) in [
        ("get", GET.to_owned(), GET.to_owned(), false),
        ("get", GET.to_owned(), GET.replace("[1]", "[[1, 2]]"), true),
        ("get", GET.to_owned(), format!("{GET}method = \"users.get\""), true),
        ("get", GET.to_owned(), format!("{GET}expect = {{ result = 1 }}"), true),
        ("get", GET.to_owned(), format!("{GET}weight = 2"), false),
        ("get", GET.to_owned(), format!("{GET}{other}"), false),
        ("mix", GET.to_owned(), format!("{GET}weight = 2"), true),
        ("mix", GET.to_owned(), format!("{GET}{other}"), true),
    ] {
        let [base, new] = [base, new].map(|definitions| with_own(measured, &definitions));
        let compared = Comparison::new(&base, &new, &[]);
        let separating = settings::separating(&base, &new);
        assert_eq!(
            (compared.is_err(), separating.is_empty()),
            (differ, !differ),
            "{measured}: {separating:?}"
        );
        if let Err(error) = compared {
            assert!(error.to_string().contains("the definition of `"), "{error}");
        }
    }
    let [base, new] = ["[1]", "[2]"].map(|params| with_own("get", &GET.replace("[1]", params)));
    let allowed = Comparison::new(&base, &new, &[SettingKind::Scenarios]).unwrap();
    assert_eq!(allowed.bytes, []);
    assert!(allowed.missing.iter().any(|sentence| sentence.contains("the records define get differently")));
    let rated = with_own("get", &format!("{GET}weight = 2"));
    assert!(!Comparison::new(&base, &rated, &[]).unwrap().bytes.is_empty());
}

#[test]
fn what_is_compared_may_differ_and_is_listed() {
    let changed = compared(|new| {
        new.tool.build = Build { commit: Some("0123456789abcdef".repeat(3)), ..Build::default() };
        new.stacks.retain(|facts| facts.name != "amqp");
        let fairness = new.fairness.iter_mut().find(|facts| facts.stack == "rest").unwrap();
        fairness.client.libraries[0].version = "99.0.0".to_owned();
    })
    .unwrap();
    let names: Vec<_> = changed.settings.iter().map(|setting| setting.name.as_str()).collect();
    assert!(names.contains(&"the commit") && names.contains(&"the client's libraries of rest"), "{names:?}");
    assert!(changed.settings.iter().all(|setting| setting.kind == SettingKind::Subject));
    assert_eq!(changed.missing, ["Only the first record has the stack amqp."]);
}

#[test]
fn records_without_anything_in_common_are_refused() {
    let refused = compared(|new| {
        new.wire.clear();
        new.scenario.measurements.clear();
    });
    assert!(matches!(refused, Err(CompareError::NothingInCommon)));
}

#[test]
fn every_form_holds_the_same_statements() {
    let document =
        compared(|new| new.machine.processor.clone_from(&sample().machine.processor)).unwrap().document();
    let (text, markdown, page) =
        (document.terminal(None).to_string(), document.markdown(), document.html().unwrap());
    for form in [&text, &markdown, &page] {
        assert!(form.contains("The bytes of every call are unchanged."), "{form}");
        for stack in ["rest-hyper", "zerorpc", "amqp"] {
            assert!(form.contains(stack));
        }
        for not_finite in ["NaN", "inf "] {
            assert!(!form.contains(not_finite));
        }
    }
    assert!(page.contains("default-src 'none'") && !page.contains("<script"));
}

#[test]
fn a_server_on_other_cores_is_named_and_not_compared() {
    let changed = compared(|new| {
        let facts = new.stacks.iter_mut().find(|facts| facts.name == "zerorpc").unwrap();
        facts.target = Some("tcp://198.18.0.2:4242".to_owned());
        for trial in new.trials.iter_mut().filter(|trial| trial.stack == "zerorpc") {
            trial.server_placed = false;
        }
    })
    .unwrap();
    let timings = &changed.measurements[0].timings;
    assert!(timings.iter().all(|timing| timing.stack != "zerorpc") && !timings.is_empty());
    assert_eq!(
        changed.missing,
        ["Timings of zerorpc in `latency` are not compared: its server ran on other or unknown cores."]
    );
}

#[test]
fn a_server_on_other_cores_in_one_measurement_is_compared_in_the_others() {
    let mut base = sample();
    let mut other = base.scenario.measurements[0].clone();
    other.name = "again".to_owned();
    base.scenario.measurements.push(other);
    let again = |trial: &Trial| Trial { measurement: "again".to_owned(), ..trial.clone() };
    let copies: Vec<_> = base.trials.iter().map(again).collect();
    base.trials.extend(copies);
    let mut new = base.clone();
    let facts = new.stacks.iter_mut().find(|facts| facts.name == "zerorpc").unwrap();
    facts.target = Some("tcp://198.18.0.2:4242".to_owned());
    for trial in new.trials.iter_mut().filter(|trial| trial.stack == "zerorpc") {
        trial.server_placed = trial.measurement == "latency";
    }
    let changed = Comparison::new(&base, &new, &[]).unwrap();
    let is_compared = |name: &str| {
        let measurement = changed.measurements.iter().find(|found| found.name == name).unwrap();
        measurement.timings.iter().any(|timing| timing.stack == "zerorpc")
    };
    assert!(is_compared("latency") && !is_compared("again"));
    assert_eq!(
        changed.missing,
        ["Timings of zerorpc in `again` are not compared: its server ran on other or unknown cores."]
    );
}

#[test]
fn each_metric_has_the_delta_of_its_own_pairs() {
    let changed = compared(|new| {
        for trial in new.trials.iter_mut().filter(|trial| trial.twin) {
            if let Some(client) = &mut trial.client {
                client.cpu_ns += client.cpu_ns / 2;
            }
        }
    })
    .unwrap();
    let of = |metric| latency(&changed, "zerorpc", metric).delta;
    assert!(of(Metric::ClientCpu) > 0.4 && of(Metric::Latency) < 0.2, "{}", of(Metric::Latency));
}

#[test]
fn every_setting_of_the_fairness_table_is_compared() {
    let changed = compared(|new| {
        for facts in new.sockets.iter_mut().filter(|facts| facts.stack == "rest") {
            facts.nodelay = !facts.nodelay;
        }
        let fairness = new.fairness.iter_mut().find(|facts| facts.stack == "rest").unwrap();
        fairness.compression = "gzip".to_owned();
    })
    .unwrap();
    let names: Vec<_> = changed.settings.iter().map(|setting| setting.name.as_str()).collect();
    assert_eq!(names, ["the TCP_NODELAY of rest", "the compression of rest"]);
}
