//! Claims in a report.

use super::*;
use crate::claims::{Outcome, Verdict};
use crate::report::ClaimReport;
use crate::scenario::{Claim, ClaimFigure, Condition, Over};

/// A condition about `rest`, which in the record is a microsecond slower than `tcp`, and as many bytes.
fn condition(name: &str, figure: ClaimFigure, at_least: f64) -> Condition {
    Condition {
        name: name.to_owned(),
        measurement: "latency".to_owned(),
        stack: Some("rest".to_owned()),
        format: None,
        figure,
        at_least: Some(at_least),
        at_most: None,
        reason: format!("a reason for {at_least}"),
        over: Some(Over { stack: Some("tcp".to_owned()), ..Over::default() }),
    }
}

/// A record with one claim.
fn with_claim(conditions: Vec<Condition>, blocks: u32) -> Record {
    let mut record = record(&["tcp", "rest", "amqp"], blocks);
    let statement = "REST is slower than plain TCP.".to_owned();
    record.scenario.claims = vec![Claim { name: "slower".to_owned(), statement, conditions }];
    record.wire.push(record.wire[0].clone());
    record.wire.last_mut().unwrap().stack = "tcp".to_owned();
    record
}

fn reported(record: &Record) -> ClaimReport {
    let [claim] = report(record, &Summary::new(record).unwrap()).claims.try_into().unwrap();
    claim
}

#[test]
fn every_format_shows_the_verdict_the_numbers_and_the_reasons() {
    let conditions = vec![
        condition("a call takes longer", ClaimFigure::MedianLatency, 1.2),
        Condition { over: None, ..condition("a call takes 130 bytes", ClaimFigure::Bytes, 130.0) },
        condition("a call takes twice the bytes", ClaimFigure::Bytes, 2.0),
    ];
    let record = with_claim(conditions, 12);
    let claim = reported(&record);
    assert_eq!(claim.verdict, Verdict::HoldsInPart);
    let outcomes: Vec<_> = claim.conditions.iter().map(|condition| condition.outcome).collect();
    assert_eq!(outcomes, [Outcome::True, Outcome::True, Outcome::False]);
    let ratio = claim.conditions[0].estimate.unwrap().value();
    let words = [
        "slower (holds in part)",
        "REST is slower than plain TCP.",
        "Holds in part; 2 of 3 conditions are true, 1 false.",
        &format!("a call takes longer ({}, at least 1.20)", text::ratio(ratio)),
        "130 bytes, at least 130 bytes",
        "False: a call takes twice the bytes (1.00, at least 2.00).",
        "a reason for 1.2",
        "median latency of rest ÷ tcp, in latency",
        "≥ 1.20",
        "exact",
    ];
    let files = checked(&record);
    for name in ["index.html", "report.md", "terminal"] {
        for word in words {
            assert!(files[name].contains(word), "{name} has no `{word}`");
        }
    }
    assert!(files["index.html"].contains("slower: holds in part; 2 of 3 conditions are true, 1 false. REST"));
    for word in ["slower (holds in part)", "a call takes longer", "≥ 1.20", "undecided"] {
        assert_eq!(files["claim-slower.svg"].contains(word), word != "undecided", "{word}");
    }
    let json = serde_json::to_value(&claim).unwrap();
    assert_eq!(
        (&json["verdict"], &json["conditions"][0]["outcome"]),
        (&"holds-in-part".into(), &"true".into())
    );
    let estimate = &json["conditions"][0]["estimate"]["measured"];
    assert!(estimate["low"].as_f64() <= estimate["high"].as_f64() && estimate["low"].as_f64() > Some(1.2));
    assert_eq!(json["conditions"][0]["condition"]["at_least"], 1.2);
}

#[test]
fn a_condition_without_a_figure_shows_why() {
    let mut record = with_claim(vec![condition("a call takes longer", ClaimFigure::MedianLatency, 1.2)], 3);
    let few = checked(&record);
    assert!(few["terminal"].contains("takes 8 blocks") && few["terminal"].contains("slower (cannot tell)"));
    record.trials.retain(|trial| trial.stack != "rest");
    record.stacks.retain(|facts| facts.name != "rest");
    record.skipped.push(Skipped { stack: "rest".to_owned(), reason: "install it with apt".to_owned() });
    let skipped = checked(&record);
    for name in ["index.html", "report.md", "terminal", "claim-slower.svg"] {
        assert!(skipped[name].contains("rest was not measured: install it with apt"), "{name}");
    }
}

#[test]
fn values_beyond_the_axis_stay_inside_the_figure() {
    let conditions = [1e-300, 1.0, 1e300].map(|limit| condition("it", ClaimFigure::MedianLatency, limit));
    let mut strange = with_claim(conditions.to_vec(), 12);
    for trial in strange.trials.iter_mut().filter(|trial| trial.stack == "rest") {
        trial.latency.as_mut().unwrap().p50 = None;
    }
    checked(&strange);
    strange.scenario.claims[0].conditions.clear();
    checked(&strange);
}

#[test]
fn several_claims_begin_with_a_table_of_their_verdicts() {
    let longer = condition("a call takes longer", ClaimFigure::MedianLatency, 1.2);
    let mut record = with_claim(vec![longer.clone()], 12);
    assert!(!checked(&record)["index.html"].contains("href=\"#c0\""), "one claim needs no table");
    let far_longer = Condition { at_least: Some(1000.0), ..longer.clone() };
    let statement = "REST is slower in every respect.".to_owned();
    let conditions = vec![longer, far_longer];
    record.scenario.claims.push(Claim { name: "far-slower".to_owned(), statement, conditions });
    let files = checked(&record);
    let page = &files["index.html"];
    let rows = [
        ["REST is slower than plain TCP.", "holds", "1", "0", "0"],
        ["REST is slower in every respect.", "holds in part", "1", "1", "0"],
    ];
    for (position, cells) in rows.into_iter().enumerate() {
        let [statement, verdict, counts @ ..] = cells;
        let counts = counts.map(|count| format!("<td>{count}</td>")).concat();
        let row =
            format!("<a href=\"#c{position}\">{statement}</a></th><td class=\"text\">{verdict}</td>{counts}");
        let joined: String = page.lines().collect();
        assert!(joined.contains(&row), "{row}");
        assert!(page.contains(&format!("<h3 id=\"c{position}\">")));
        assert!(files["report.md"].contains(&format!("| {} |", cells.join(" | "))));
    }
}
