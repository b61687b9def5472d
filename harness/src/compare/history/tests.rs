//! Histories of changed copies of a record.

use std::sync::LazyLock;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::compare::figures::{Trials, relative};
use crate::compare::tests::sample;
use crate::record::{Build, Status};
use crate::stats::median;

/// `count` records of consecutive days, in which `change` alters each.
fn folder(count: usize, change: impl Fn(usize, &mut Record)) -> Folder {
    let day = |index: usize| {
        let mut record = sample();
        record.id = format!("{index:08x}");
        record.started = format!("2026-{:02}-{:02}T03:00:00Z", 1 + index / 28, 1 + index % 28);
        let commit = format!("{index:040x}");
        record.tool.build = Build { commit: Some(commit.chars().rev().collect()), ..Build::default() };
        change(index, &mut record);
        Dated { started: record.started.parse().unwrap(), record }
    };
    Folder { records: (0..count).map(day).collect(), files: vec![], left_out: vec![] }
}

/// Multiplies the CPU time and latency of `stack` by `factor`, or those of all stacks.
fn slow_down(record: &mut Record, stack: Option<&str>, factor: f64) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let scaled = |value: u64| (value as f64 * factor) as u64;
    for trial in record.trials.iter_mut().filter(|trial| stack.is_none_or(|stack| trial.stack == stack)) {
        if let Some(latency) = &mut trial.latency {
            latency.p50 = latency.p50.map(scaled);
        }
        for used in [&mut trial.client, &mut trial.server, &mut trial.broker].into_iter().flatten() {
            used.cpu_ns = scaled(used.cpu_ns);
        }
    }
}

fn only(stacks: &[&str], metrics: &[MetricKind]) -> Filter {
    let stacks = stacks.iter().map(|stack| (*stack).to_owned()).collect();
    Filter { stacks, metrics: metrics.to_vec(), ..Filter::default() }
}

fn entry<'a>(history: &'a History, stack: &str, metric: Metric) -> &'a Entry {
    let mut entries = history.groups.iter().flat_map(|group| &group.series);
    entries.find(|entry| entry.series.stack == stack && entry.series.metric == metric).unwrap()
}

/// A history in which the machine is slower on some days, `rest` takes 1.1 times as long from record 12 on, and a call of
/// `zerorpc` a byte more from record 5 on.
static CHANGED: LazyLock<History> = LazyLock::new(|| {
    let folder = folder(20, |index, record| {
        if index % 3 == 0 {
            slow_down(record, None, 1.3);
        }
        if index >= 12 {
            slow_down(record, Some("rest"), 1.1);
            let fairness = record.fairness.iter_mut().find(|facts| facts.stack == "rest").unwrap();
            fairness.client.libraries[0].version = "99.0.0".to_owned();
            "Linux 99".clone_into(&mut record.machine.system);
            let other = record.fairness.iter_mut().find(|facts| facts.stack == "xmlrpc").unwrap();
            other.client.libraries[0].version = "99.0.0".to_owned();
        }
        if index >= 5 {
            record.wire.iter_mut().find(|wire| wire.stack == "zerorpc").unwrap().hops[0].bytes += 1;
        }
    });
    let metrics = [MetricKind::Latency, MetricKind::Bytes];
    History::new(&folder, &only(&["rest", "zerorpc", "tcp"], &metrics)).unwrap()
});

#[test]
fn a_change_of_a_stack_is_found_with_what_else_changed() {
    let rest = entry(&CHANGED, "rest", Metric::Latency);
    assert_eq!(rest.series.floor.as_deref(), Some("tcp"));
    assert_eq!(rest.series.points.len(), 20);
    assert!(rest.series.points.iter().all(|point| point.interval.is_some_and(|[low, high]| low <= high)));
    let [change] = rest.changes.as_slice() else { panic!("{:?}", rest.changes) };
    assert_eq!((change.last_before, change.first_after, change.is_worse), (11, 12, true));
    assert!((change.ratio - 1.1).abs() < 0.01 && change.p.unwrap() <= CHANGED.method.level, "{change:?}");
    let names: Vec<_> = change.settings.iter().map(|setting| setting.name.as_str()).collect();
    assert_eq!(names, ["the operating system", "the commit", "the client's libraries of rest"]);
}

#[test]
fn a_day_on_which_the_machine_is_slower_is_no_change_of_a_multiple() {
    assert_eq!(entry(&CHANGED, "zerorpc", Metric::Latency).changes, []);
    // The floor itself has no floor.
    assert_eq!(entry(&CHANGED, "tcp", Metric::Latency).series.floor, None);
}

#[test]
fn one_byte_more_is_a_change_without_a_probability() {
    let zerorpc = entry(&CHANGED, "zerorpc", Metric::Bytes);
    let [change] = zerorpc.changes.as_slice() else { panic!("{:?}", zerorpc.changes) };
    assert_eq!((change.last_before, change.first_after, change.p), (4, 5, None));
    assert!((change.after - change.before - 1.0).abs() < 1e-9, "{change:?}");
    assert_eq!(entry(&CHANGED, "rest", Metric::Bytes).changes, []);
}

#[test]
fn every_form_shows_the_changes() {
    let document = CHANGED.document();
    let (text, markdown, page) =
        (document.terminal(None).to_string(), document.markdown(), document.html().unwrap());
    for form in [&text, &markdown, &page] {
        for words in ["+10.0 %, worse", "+1 byte, worse", "Linux 99", "99.0.0", "2026-01-13"] {
            assert!(form.contains(words), "{words}: {form}");
        }
        assert!(!form.contains("NaN") && !form.contains("inf "), "{form}");
        // The client of another stack has nothing to do with it.
        assert!(!form.contains("libraries of xmlrpc"), "{form}");
    }
    assert!(text.contains("▁"), "{text}");
    assert_eq!(page.matches("<figure>").count(), CHANGED.groups[0].series.len());
    assert!(page.contains("default-src 'none'") && !page.contains("<script"));
    assert!(document.answer.iter().any(|said| said.contains("The newest change begins with 2026-01-13")));
}

#[test]
fn records_that_are_not_comparable_form_groups() {
    let folder = folder(6, |index, record| match index {
        1 => "Other".clone_into(record.machine.processor.as_mut().unwrap()),
        2 => record.scenario.measurements[0].load = "closed:7".parse().unwrap(),
        3 => "quick".clone_into(&mut record.scenario.name),
        4 => "Linux 99".clone_into(&mut record.machine.system),
        _ => {}
    });
    let history = History::new(&folder, &only(&["rest"], &[])).unwrap();
    let days = |group: &Group| group.records.iter().map(|origin| origin.id.clone()).collect::<Vec<_>>();
    let groups: Vec<_> = history.groups.iter().map(days).collect();
    assert_eq!(
        groups,
        [vec!["00000000", "00000004", "00000005"], vec!["00000003"], vec!["00000002"], vec!["00000001"]]
    );
    let unlike: Vec<_> = history.groups.iter().map(|group| group.unlike.join("; ")).collect();
    assert!(unlike[0].is_empty() && unlike[1].is_empty(), "{unlike:?}");
    assert!(unlike[2].starts_with("the load of `latency` is closed:7, not closed:1"), "{unlike:?}");
    assert!(unlike[3].starts_with("the processor is Other, not "), "{unlike:?}");
    let text = history.document().terminal(None).to_string();
    assert!(text.contains("standard (1): latency") && text.contains("quick: latency"), "{text}");
    let quick = Filter { scenarios: vec!["quick".to_owned()], ..Filter::default() };
    assert_eq!(History::new(&folder, &quick).unwrap().groups.len(), 1);
}

#[test]
fn too_few_records_have_no_change_and_the_page_says_how_many_it_takes() {
    let two = folder(2, |index, record| slow_down(record, Some("rest"), if index == 0 { 1.0 } else { 10.0 }));
    let history = History::new(&two, &only(&["rest"], &[MetricKind::Latency])).unwrap();
    assert_eq!(entry(&history, "rest", Metric::Latency).changes, []);
    assert_eq!((history.method.series, history.method.records_needed), (1, 11));
    let answer = history.document().answer.join(" ");
    assert!(
        answer.contains(
            "before there are 11 records of a series since its last change, and the longest series has 2"
        ),
        "{answer}"
    );
    assert!(history.document().html().is_ok());
}

#[test]
fn the_page_counts_the_records_since_the_last_change() {
    let changed = |count: usize| {
        let folder = folder(count, |index, record| {
            slow_down(record, Some("rest"), if index < 12 { 1.0 } else { 2.0 });
        });
        let history = History::new(&folder, &only(&["rest"], &[MetricKind::Latency])).unwrap();
        assert_eq!(entry(&history, "rest", Metric::Latency).changes.len(), 1);
        history.document().answer.join(" ")
    };
    let few = changed(20);
    assert!(few.contains("since its last change, and the longest series has 8"), "{few}");
    let enough = changed(28);
    assert!(
        enough.contains("In a series of 16 records since its last change, a change is found once"),
        "{enough}"
    );
}

#[test]
fn levels_lie_between_the_changes() {
    let levels = |stack: &str, metric: Metric| {
        let Entry { series, changes } = entry(&CHANGED, stack, metric);
        let levels = changes::levels(series, changes);
        for (from, to, value) in &levels {
            let points = series.points.iter().filter(|point| (*from..=*to).contains(&point.record));
            assert_eq!(median(&points.map(|point| point.value).collect::<Vec<_>>()), Some(*value));
        }
        levels.into_iter().map(|(from, to, _)| (from, to)).collect::<Vec<_>>()
    };
    assert_eq!(levels("rest", Metric::Latency), [(0, 11), (12, 19)]);
    assert_eq!(levels("zerorpc", Metric::Bytes), [(0, 4), (5, 19)]);
    assert_eq!(levels("tcp", Metric::Latency), [(0, 19)]);
}

#[test]
fn fractions_of_a_second_have_their_place_in_time() {
    // As text, the dot of a fraction sorts before the Z.
    let times =
        ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00.5Z"];
    let folder = folder(4, |index, record| {
        times[index].clone_into(&mut record.started);
        if index % 2 == 1 {
            "later".clone_into(&mut record.scenario.name);
        }
        let changed = ["", "", "zerorpc", "rest"][index];
        for wire in record.wire.iter_mut().filter(|wire| wire.stack == changed) {
            wire.hops[0].bytes += 1;
        }
    });
    let history = History::new(&folder, &only(&[], &[MetricKind::Bytes])).unwrap();
    let names: Vec<_> = history.groups.iter().map(|group| group.scenario.as_str()).collect();
    assert_eq!(names, ["later", "standard"]);
    let answer = history.document().answer;
    let newest = answer.iter().find(|said| said.starts_with("The newest change")).unwrap();
    assert!(newest.contains(": rest ") && !newest.contains("zerorpc"), "{newest}");
}

#[test]
fn a_record_whose_server_ran_on_other_cores_has_no_point_and_is_counted() {
    let folder = folder(3, |index, record| {
        if index > 0 {
            let facts = record.stacks.iter_mut().find(|facts| facts.name == "zerorpc").unwrap();
            facts.target = Some("tcp://198.18.0.2:4242".to_owned());
            for trial in record.trials.iter_mut().filter(|trial| trial.stack == "zerorpc") {
                trial.server_placed = index == 1;
            }
        }
    });
    let history = |stacks: &[&str], kind: MetricKind| History::new(&folder, &only(stacks, &[kind])).unwrap();
    let both = history(&["rest", "zerorpc"], MetricKind::Latency);
    let points = |stack: &str| entry(&both, stack, Metric::Latency).series.points.len();
    assert_eq!((points("rest"), points("zerorpc")), (3, 2));
    assert_eq!(
        both.document().warnings,
        ["1 record has no timing of zerorpc in `latency`: its server ran on other or unknown cores"]
    );
    assert!(history(&["rest"], MetricKind::Latency).document().warnings.is_empty());
    assert!(history(&["zerorpc"], MetricKind::Bytes).document().warnings.is_empty());
}

#[test]
fn a_history_without_any_server_on_its_cores_shows_why_it_is_empty() {
    let folder = folder(2, |_, record| {
        let facts = record.stacks.iter_mut().find(|facts| facts.name == "rest").unwrap();
        facts.target = Some("http://198.18.0.2:4242".to_owned());
        for trial in record.trials.iter_mut().filter(|trial| trial.stack == "rest") {
            trial.server_placed = false;
        }
    });
    let history = History::new(&folder, &only(&["rest"], &[MetricKind::Latency])).unwrap();
    assert!(history.groups[0].series.is_empty());
    for form in [
        history.document().terminal(None).to_string(),
        history.document().markdown(),
        history.document().html().unwrap(),
    ] {
        assert!(form.contains("2 records have no timing of rest in"), "{form}");
    }
}

#[test]
fn what_a_folder_drops_of_its_records_has_no_influence() {
    let whole = folder(3, |index, record| record.wire[0].hops[0].bytes += u64::from(index == 2));
    let reduced = whole.records.iter().map(|dated| {
        let record = folder::without_details(dated.record.clone());
        let length = |record: &Record| serde_json::to_string(record).unwrap().len();
        assert!(2 * length(&record) < length(&dated.record));
        Dated { started: dated.started, record }
    });
    let reduced = Folder { records: reduced.collect(), files: vec![], left_out: vec![] };
    let history = |folder: &Folder| History::new(folder, &Filter::default()).unwrap();
    assert!(history(&whole).entries().any(|(_, entry)| !entry.changes.is_empty()));
    assert_eq!(history(&whole), history(&reduced));
}

#[test]
fn a_floor_that_an_old_record_lacks_is_not_used() {
    let folder = folder(3, |index, record| {
        if index == 0 {
            record.trials.retain(|trial| trial.stack != "tcp");
        }
    });
    let history = History::new(&folder, &only(&["rest"], &[MetricKind::Latency])).unwrap();
    let rest = entry(&history, "rest", Metric::Latency);
    assert_eq!((rest.series.floor.as_deref(), rest.series.points.len()), (None, 3));
    assert!(history.document().terminal(None).to_string().contains("p50, µs"));
}

#[test]
fn a_record_without_a_valid_trial_of_a_stack_has_no_point() {
    let folder = folder(3, |index, record| {
        for trial in record.trials.iter_mut().filter(|trial| index == 1 && trial.stack == "rest") {
            trial.status = Status::Invalid;
        }
        if index == 2 {
            record.wire.iter_mut().for_each(|wire| wire.exact = false);
            record.wire.iter_mut().for_each(|wire| wire.hops[0].bytes += 1);
        }
    });
    let history = History::new(&folder, &only(&["rest"], &[])).unwrap();
    let points = &entry(&history, "rest", Metric::Latency).series.points;
    assert_eq!(points.iter().map(|point| point.record).collect::<Vec<_>>(), [0, 2]);
    // Bytes that varied are shown, and are no change.
    let bytes = entry(&history, "rest", Metric::Bytes);
    assert_eq!((bytes.series.points.len(), bytes.changes.len()), (3, 0));
}

/// The blocks of each record are drawn at random from those of a real record.
#[test]
fn the_noise_of_real_records_has_no_changes_and_a_step_is_found_in_it() {
    const RECORDS: usize = 24;
    const CHANGED_FROM: usize = 14;
    let record = sample();
    let trials = Trials { record: &record, measurement: "latency" };
    let figures = |stack: &str| trials.figures(stack, false, Metric::Latency);
    let stacks = record.stacks.iter().map(|facts| facts.name.as_str());
    let blocks: Vec<_> = stacks.map(|stack| relative(&figures(stack), &figures("tcp"))).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let search = Search { level: 0.01, seed: 3 };
    let (mut all, mut false_alarms, mut found) = (0, 0, 0);
    // The floor is always once its own multiple.
    for blocks in blocks.iter().filter(|blocks| blocks.iter().any(|block| *block > 1.01)) {
        for _ in 0..50 {
            let mut drawn = || {
                let some: Vec<f64> = (0..10).map(|_| blocks[rng.random_range(0..blocks.len())]).collect();
                median(&some).unwrap()
            };
            let mut values: Vec<f64> = (0..RECORDS).map(|_| drawn()).collect();
            all += 1;
            false_alarms += usize::from(!search.change_points(&values).is_empty());
            values[CHANGED_FROM..].iter_mut().for_each(|value| *value *= 1.1);
            found +=
                usize::from(search.change_points(&values).iter().any(|change| change.at == CHANGED_FROM));
        }
    }
    assert_eq!(all, 500);
    // 500 × 1 % and three standard deviations.
    assert!(false_alarms <= 11, "{false_alarms} of {all}");
    assert!(found >= 450, "{found} of {all}");
}
