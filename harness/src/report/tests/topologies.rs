//! Reports of topologies.

use super::records::of_trials;
use super::*;
use crate::record::{StackFacts, topology_sample};
use crate::scenario::Scenario;
use crate::stacks::Stack;

/// A record of `connections` in which REST has a connection for each pair, AMQP two for each process, and the server of zerorpc
/// does not start.
fn connections() -> Record {
    let scenario = Scenario::load("connections").unwrap();
    let facts = |name| StackFacts::new(Stack::named(name).unwrap(), "async".to_owned(), None);
    let mut record = of_trials(scenario, ["rest", "amqp", "zerorpc"].map(facts).to_vec(), vec![]);
    for topology in &record.scenario.topologies {
        let [n, m] = [topology.clients.get(), topology.servers.get()];
        for block in 0..2 {
            record.topologies.push(topology_sample(&topology.name, "rest", block, [n, m], (n * m).into()));
            let through_broker = (2 * (n + m)).into();
            record.topologies.push(topology_sample(&topology.name, "amqp", block, [n, m], through_broker));
        }
    }
    let mut failed = topology_sample("1 × 1", "zerorpc", 0, [1, 1], 1);
    failed.fail("the server <did> not start".to_owned());
    record.topologies.push(failed);
    record
}

#[test]
fn topologies_have_a_table_with_the_form_that_fits_in_every_form_of_report_and_a_figure() {
    let record = connections();
    let summary = Summary::new(&record).unwrap();
    let terminal = printed(&record, &summary);
    assert!(terminal.contains("2 N + 2 M in amqp; N × M in rest"), "{terminal}");
    assert!(terminal.contains("1 of 33 topologies are left out. The first: zerorpc (1 × 1)"), "{terminal}");

    let report = report(&record, &summary);
    let answer = report.answer.iter().find(|sentence| sentence.starts_with("32 clients (N)")).unwrap();
    assert!(answer.contains("amqp 128 (2 N + 2 M), rest 1,024 (N × M)."), "{answer}");
    let [table] = report.topologies.as_slice() else { panic!("one table") };
    // AMQP has the fewest connections in the largest topology; the smallest topology is first.
    let texts: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| row.cells.iter().zip(&table.columns).map(|(cell, it)| text::inline(cell, it)).collect())
        .collect();
    assert_eq!(texts.len(), 17);
    assert_eq!(
        texts[0],
        ["amqp", "1", "1", "4", "4.00", "2.00", "4.00", "4", "4", "102,400", "258"].map(str::to_owned)
    );
    let last = &texts[15];
    assert_eq!(last[..6], ["rest", "32", "32", "1,024", "1.00", "16.0"].map(str::to_owned));
    assert_eq!(last[6..], ["1024.00", "1,024", "1,024", "–", "2"].map(str::to_owned));
    assert!(texts[16][1].contains("the server <did> not start"), "{:?}", texts[16]);

    let folder = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(write(&record, &summary, folder.path()).unwrap()).unwrap();
    let form = "2 N + 2 M in amqp; N × M in rest";
    assert_eq!(page.matches(form).count(), 2, "in the table and in the figure");
    assert!(!page.contains("<did>"));
    let markdown = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(markdown.contains("](topology-add-split.svg)"), "{markdown}");
    assert!(markdown.contains("## Connections of N clients and M servers"));
    assert!(folder.path().join("topology-add-split.svg").exists());
}

#[test]
fn connections_that_are_not_known_or_fit_no_form_are_shown_as_such() {
    let mut record = connections();
    record.topologies.iter_mut().for_each(|result| match result.stack.as_str() {
        "rest" => result.connections = None,
        // Two blocks that differ.
        _ => result.connections = result.connections.map(|count| count + u64::from(result.block)),
    });
    let summary = Summary::new(&record).unwrap();
    let report = report(&record, &summary);
    let [table] = report.topologies.as_slice() else { panic!("one table") };
    assert_eq!(table.note, None);
    let rest = table.rows.iter().find(|row| row.cells[0] == "rest".into()).unwrap();
    assert_eq!((&rest.cells[3], &rest.cells[4]), (&Cell::Missing, &Cell::Missing));
    let amqp = text::inline(&table.rows[0].cells[3], &table.columns[3]);
    assert_eq!(amqp, "4 (4–5)");
    assert!(report.answer.iter().any(|sentence| sentence.ends_with("have these connections: amqp 128.")));
    write(&record, &summary, tempfile::tempdir().unwrap().path()).unwrap();
    record.topologies.clear();
    assert!(super::report(&record, &Summary::new(&record).unwrap()).topologies.is_empty());
}
