//! The page: its first screen, its decision table and its script.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{ALL, rendered};
use crate::record::Record;
use crate::report::Summary;
use crate::report::decision::{DecisionRatio, DecisionTable};
use crate::report::overview::{Overview, Recommendation};
use crate::report::tests::record;
use crate::stats::Statement;

fn table(record: &Record) -> DecisionTable {
    crate::report::decision::table(record, &Summary::new(record).unwrap()).unwrap()
}

fn overview(record: &Record) -> Overview {
    crate::report::overview::overview(record, &Summary::new(record).unwrap())
}

fn ratio(table: &DecisionTable, column: usize, stack: &str, baseline: &str) -> Option<DecisionRatio> {
    let position = |name: &str| table.rows.iter().position(|row| row.stack == name).unwrap();
    table.rows[position(stack)].cells[column].as_ref()?.ratios[position(baseline)]
}

#[test]
fn the_page_has_one_script_which_its_policy_names() {
    for record in [record(&ALL, 3), record(&["tcp"], 1)] {
        let page = &rendered(&record)["index.html"];
        let scripts: Vec<_> = page.split("<script>").skip(1).collect();
        let [only] = scripts.as_slice() else { panic!("{} scripts", scripts.len()) };
        let (text, _) = only.split_once("</script>").unwrap();
        let hash = STANDARD.encode(Sha256::digest(text));
        let (_, policy) = page.split_once("Content-Security-Policy\" content=\"").unwrap();
        let (policy, _) = policy.split_once('"').unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.ends_with(&format!("script-src 'sha256-{hash}'")), "{policy}");
    }
}

#[test]
fn every_caveat_is_on_the_page() {
    let mut record = record(&ALL, 3);
    record.interrupted = true;
    let summary = Summary::new(&record).unwrap();
    let report = crate::report::report(&record, &summary);
    let page = &rendered(&record)["index.html"];
    assert!(report.warnings.len() > 1 && report.asymmetries.len() > 1);
    for text in report.warnings.iter().chain(&report.asymmetries).chain(&report.answer) {
        let escaped = text.replace('&', "&amp;").replace('\'', "&#x27;").replace('/', "&#x2f;");
        assert!(page.contains(&escaped), "{text}");
    }
}

#[test]
fn the_decision_table_repeats_the_statements_of_the_measurements() {
    let record = record(&["tcp", "rest", "rest-hyper", "zerorpc", "amqp", "amqp-bare"], 14);
    let summary = Summary::new(&record).unwrap();
    let ranking = &summary.measurements[0].ranking;
    let table = table(&record);
    for pair in &ranking.comparisons.pairs {
        let [a, b] = pair.stacks.map(|position| ranking.stacks[position].as_str());
        let shown = ratio(&table, 0, a, b).unwrap();
        assert_eq!(shown.statement, Some(pair.statement), "{a} {b}");
        let (interval, expected) = (shown.interval.unwrap(), pair.ratio.unwrap().inverse());
        assert!((interval.low / expected.low - 1.0).abs() < 1e-9, "{a} {b}");
        assert!((interval.high / expected.high - 1.0).abs() < 1e-9, "{a} {b}");
        assert!(interval.low <= shown.factor && shown.factor <= interval.high, "{a} {b}");
    }
    // The floor has an interval, but takes part in no statement.
    let to_floor = ratio(&table, 0, "rest", "tcp").unwrap();
    assert!(to_floor.statement.is_none() && to_floor.interval.is_some());
}

#[test]
fn the_rows_are_in_order_of_latency_and_compared_with_the_floor() {
    let with_floor = table(&record(&["inproc", "tcp", "zerorpc", "rest"], 3));
    let names: Vec<_> = with_floor.rows.iter().map(|row| row.stack.as_str()).collect();
    assert_eq!(names, ["inproc", "tcp", "zerorpc", "rest"]);
    let keys: Vec<_> = with_floor.columns.iter().map(|column| column.key.as_str()).collect();
    assert_eq!(keys, ["latency", "throughput", "cpu-of-a-call", "bytes-of-a-call"]);
    assert!(with_floor.columns.iter().all(|column| column.baseline == Some(1)), "{:?}", with_floor.columns);
    // Without a floor, the best stack is the baseline.
    let without = table(&record(&["rest", "zerorpc"], 3));
    assert_eq!(without.rows[without.columns[0].baseline.unwrap()].stack, "rest");
}

#[test]
fn with_too_few_blocks_every_place_is_open() {
    let few = table(&record(&["tcp", "rest", "zerorpc", "jsonrpc"], 3));
    let cells = few.rows.iter().filter(|row| row.stack != "tcp").map(|row| row.cells[0].as_ref().unwrap());
    assert!(cells.clone().all(|cell| cell.rank == Some((1, 3)) && cell.group == Some(0)));
    // What all blocks show is visible nevertheless.
    let shown = ratio(&few, 0, "zerorpc", "rest").unwrap();
    assert!(shown.interval.is_none() && shown.is_visible() && shown.order().is_eq());

    let enough = table(&record(&["tcp", "rest", "zerorpc", "jsonrpc"], 14));
    let ranks: Vec<_> = enough.rows.iter().map(|row| row.cells[0].as_ref().unwrap().rank).collect();
    assert_eq!(ranks, [None, Some((1, 1)), Some((2, 2)), Some((3, 3))]);
}

#[test]
fn the_cpu_time_of_a_server_that_was_not_saturated_is_a_bound() {
    // Each end uses half of its core.
    let mut record = record(&["tcp", "rest", "zerorpc"], 14);
    for trial in &mut record.trials {
        trial.cores.server = vec![1];
    }
    let table = table(&record);
    let throughput = 1;
    assert_eq!(table.columns[throughput].key, "throughput");
    let cell = table.rows[1].cells[throughput].as_ref().unwrap();
    assert!(cell.is_upper_bound && cell.rank.is_none());
    assert_eq!(ratio(&table, throughput, "zerorpc", "rest"), None, "two bounds cannot be compared");
}

#[test]
fn bytes_are_compared_exactly() {
    let mut record = record(&["tcp", "rest", "zerorpc"], 1);
    record.wire[1].per_call.up = 253.0;
    let table = table(&record);
    let column = table.columns.iter().position(|column| column.key == "bytes-of-a-call").unwrap();
    let shown = ratio(&table, column, "zerorpc", "rest").unwrap();
    // 253 and 7 against 123 and 7.
    assert!((shown.factor - 2.0).abs() < 1e-9 && shown.order().is_gt(), "{shown:?}");
    let cell = table.rows.iter().find(|row| row.stack == "rest").unwrap().cells[column].as_ref().unwrap();
    assert_eq!((cell.rank, cell.blocks), (Some((1, 1)), 0));
}

fn needs(record: &Record) -> Vec<Recommendation> {
    overview(record).recommendations
}

fn need<'a>(all: &'a [Recommendation], need: &str) -> &'a Recommendation {
    all.iter().find(|it| it.need == need).unwrap_or_else(|| panic!("no {need}: {all:?}"))
}

#[test]
fn recommendations_follow_from_the_statements() {
    // Each stack is a microsecond slower than the one before it.
    let certain = needs(&record(&ALL, 14));
    let latency = need(&certain, "Lowest latency");
    assert_eq!(latency.stacks, ["rest"]);
    assert!(latency.reason.starts_with("ahead of the next, rest-hyper, by "), "{}", latency.reason);
    assert!(latency.figure.ends_with(" × tcp"), "{}", latency.figure);
    let broker = need(&certain, "Through a broker");
    assert_eq!(broker.stacks, ["amqp"]);
    assert!(
        broker.reason.contains("zerorpc, the slowest stack without a broker, is faster by "),
        "{}",
        broker.reason
    );
    let bytes = need(&certain, "Fewest bytes");
    assert_eq!(bytes.stacks.len(), 8, "all take 130 bytes: {:?}", bytes.stacks);
    assert!(certain.iter().all(|it| !it.stacks.contains(&"amqp-bare".to_owned())), "a floor is not a choice");

    let open = needs(&record(&ALL, 3));
    let latency = need(&open, "Lowest latency");
    assert_eq!(latency.stacks, ["rest"]);
    assert_eq!(latency.reason, "by its median; a statement needs at least 13 blocks");
}

#[test]
fn stacks_that_do_not_certainly_differ_are_recommended_together() {
    let mut record = record(&["tcp", "rest", "rest-hyper", "zerorpc"], 14);
    let of_rest = |block: u32| {
        let trials = record.trials.iter();
        let mut found =
            trials.filter(|it| it.stack == "rest" && it.measurement == "latency" && it.block == block);
        found.next().unwrap().latency.clone()
    };
    let latencies: Vec<_> = (0..14).map(of_rest).collect();
    for trial in record.trials.iter_mut().filter(|it| it.stack == "rest-hyper" && it.measurement == "latency")
    {
        trial.latency.clone_from(&latencies[trial.block as usize]);
    }
    let all = needs(&record);
    let latency = need(&all, "Lowest latency");
    assert_eq!(latency.stacks, ["rest", "rest-hyper"]);
    assert_eq!(latency.reason, "no difference above 1.0 % between them");
    let table = table(&record);
    assert_eq!(ratio(&table, 0, "rest", "rest-hyper").unwrap().statement, Some(Statement::NoDifference));
    let cells: Vec<_> = table.rows.iter().map(|row| row.cells[0].as_ref().unwrap()).collect();
    assert_eq!(cells.iter().map(|cell| cell.group).collect::<Vec<_>>(), [None, Some(0), Some(0), None]);
    assert_eq!(cells[1].rank, Some((1, 2)));
}

#[test]
fn the_facts_name_the_error_rate_the_costs_and_the_limits() {
    let facts = |blocks| {
        let facts = overview(&record(&ALL, blocks)).facts;
        facts.into_iter().map(|fact| fact.text).collect::<Vec<_>>()
    };
    let [sure, costs, limits] = &facts(14)[..] else { panic!("three facts") };
    assert!(sure.contains("36 of 36 pairs of stacks are decided (latency), from 14 blocks"), "{sure}");
    assert!(sure.contains("one such table in 100") && sure.contains("δ = 1.0 %"), "{sure}");
    assert!(costs.contains("(rest) to ") && costs.contains("bytes on the wire"), "{costs}");
    assert!(limits.contains("a network between machines, TLS and handlers that take time"), "{limits}");
    assert!(facts(3)[0].starts_with("Nothing is certain yet: this run has 3 blocks"), "{}", facts(3)[0]);
}

#[test]
fn an_answer_without_latencies_is_the_first_sentence() {
    let mut none = record(&["tcp", "rest"], 1);
    none.trials.clear();
    none.wire.clear();
    let overview = overview(&none);
    assert_eq!(overview.lead, "No trial is valid, so there is no answer.");
    assert_eq!(overview.recommendations, []);
    assert!(crate::report::decision::table(&none, &Summary::new(&none).unwrap()).is_none());
}
