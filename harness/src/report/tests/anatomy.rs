//! The bytes of a call, and what a reader needs to trust and to repeat a run.

use super::*;
use crate::load::Operation;
use crate::record::{CapturedCall, CapturedHop, Party};
use crate::scenario::Scenario;

const REQUEST: &[u8] = b"POST /add HTTP/1.1\r\ncontent-length: 13\r\n\r\n{\"x\":2,\"y\":3}";
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"result\":5}";

fn captured(stack: &str, hops: &[(Party, Party, &[u8])]) -> CapturedCall {
    let hop = |(from, to, bytes): &(Party, Party, &[u8])| CapturedHop {
        from: *from,
        to: *to,
        bytes: bytes.to_vec(),
    };
    CapturedCall { stack: stack.to_owned(), operation: Operation::ADD, hops: hops.iter().map(hop).collect() }
}

/// A record with the bytes of `rest`, and with bytes of `amqp` that are no frames.
fn with_captures() -> Record {
    use Party::{Broker, Client, Server};
    let mut record = record(&["tcp", "rest", "zerorpc", "amqp"], 2);
    record.captures = vec![
        captured("rest", &[(Client, Server, REQUEST), (Server, Client, REPLY)]),
        captured(
            "amqp",
            &[
                (Client, Broker, NASTY.as_bytes()),
                (Broker, Server, b"\x01\xffabc"),
                (Server, Broker, b"<b>&amp;</b>"),
                (Broker, Client, b""),
            ],
        ),
    ];
    record
}

#[test]
fn every_byte_of_a_call_has_a_layer_and_a_meaning() {
    let record = with_captures();
    let report = report(&record, &Summary::new(&record).unwrap());
    let rest = report.calls.iter().find(|call| call.stack == "rest").unwrap();
    for (hop, bytes) in rest.hops.iter().zip([REQUEST, REPLY]) {
        let text: String = hop.parts.iter().map(|part| part.text()).collect();
        assert_eq!(text, String::from_utf8_lossy(bytes).replace("\r\n", "\\r\\n"));
        assert_eq!(hop.parts.iter().map(|part| part.bytes).sum::<usize>(), bytes.len());
        assert!(hop.parts.iter().all(|part| part.layer.is_some() && !part.meaning.is_empty()));
    }
    let json = serde_json::to_value(&report).unwrap();
    let first =
        &json["calls"].as_array().unwrap().iter().find(|call| call["stack"] == "rest").unwrap()["hops"][0];
    assert_eq!(
        (first["from"].as_str(), first["parts"][0]["layer"].as_str()),
        (Some("client"), Some("framing"))
    );
    assert_eq!(first["parts"][0]["content"][0]["text"], "POST /add HTTP/1.1");

    let files = checked(&record);
    let page = &files["index.html"];
    for part in rest.hops.iter().flat_map(|hop| &hop.parts) {
        // On hover, and in a table for readers without a mouse.
        let meaning = part.meaning.replace('\'', "&#x27;");
        assert!(page.contains(&format!("title=\"{meaning}; ")), "{meaning}");
        assert!(page.contains(&format!("<td class=\"text wide\">{meaning}</td>")), "{meaning}");
    }
    assert!(page.contains("<span class=\"values\" title=\"argument; 1 byte\">2</span>"), "{page}");
    assert!(page.contains("href=\"#anatomy\"") && page.contains("id=\"anatomy\""));
    assert!(files["report.md"].contains("## Anatomy of a call"));
    assert!(
        files["report.md"].contains("|  | arguments or result | 1 | 3 | argument |"),
        "{}",
        files["report.md"]
    );
}

#[test]
fn bytes_that_are_not_understood_are_shown_undivided() {
    let record = with_captures();
    let report = report(&record, &Summary::new(&record).unwrap());
    let amqp = report.calls.iter().find(|call| call.stack == "amqp").unwrap();
    let texts: Vec<_> =
        amqp.hops.iter().map(|hop| hop.parts.iter().map(|part| part.text()).collect::<String>()).collect();
    assert_eq!(texts[1..], ["⟨01 ff⟩abc", "<b>&amp;</b>", ""]);
    assert!(amqp.hops[..3].iter().all(|hop| hop.parts[0].layer.is_none()));
    let page = &checked(&record)["index.html"];
    assert!(!page.contains("<b>&amp;</b>") && page.contains("&lt;b&gt;&amp;amp;"), "{page}");
}

#[test]
fn stacks_whose_bytes_were_not_captured_are_named_and_old_records_have_no_section() {
    let record = with_captures();
    let note = report(&record, &Summary::new(&record).unwrap()).calls_note.unwrap();
    assert!(note.ends_with("Not captured: zerorpc."), "{note}");
    let mut older = record;
    older.captures.clear();
    older.trials.retain(|trial| trial.measurement != "latency");
    older.scenario.measurements.remove(0);
    let files = checked(&older);
    assert!(!files["index.html"].contains("id=\"anatomy\"") && !files["report.md"].contains("Anatomy"));
    // What was captured of a stack that the record does not know is not shown.
    let mut unknown = with_captures();
    unknown.captures[0].stack = "soap".to_owned();
    checked(&unknown);
}

/// The command that repeats the run of `record`.
fn command(record: &Record) -> String {
    let trust = report(record, &Summary::new(record).unwrap()).trust;
    let row = trust.rows.iter().find(|row| row.cells[0] == Cell::from("to repeat it")).unwrap();
    text::cell(&row.cells[1], None).value
}

#[test]
fn the_command_repeats_the_run_as_far_as_the_record_tells() {
    let mut record = super::records::small_record();
    record.scenario = Scenario::load("quick").unwrap();
    assert_eq!(command(&record), "rpcbench run quick --seed 7");
    record.tool.build.commit = Some("0123456789abcdef".to_owned());
    record.tool.build.dirty = Some(false);
    assert_eq!(
        command(&record),
        "git checkout 0123456789abcdef && cargo run --release --locked -p rpcbench -- run quick --seed 7"
    );
    // Files that differed from the commit are nowhere to be had.
    record.tool.build.dirty = Some(true);
    assert_eq!(command(&record), "rpcbench run quick --seed 7");
    record.scenario.timeout *= 2;
    assert_eq!(
        command(&record),
        "rpcbench run FILE --seed 7, where FILE has the settings of `scenario` in the record"
    );
    record.stacks[1].target = Some("tcp://h:1".to_owned());
    assert!(command(&record).ends_with(", with the same servers as targets"));
    // What could run something else is not part of a command.
    record.scenario.name = "quick; rm -rf ~".to_owned();
    record.tool.build.commit = Some("$(reboot)".to_owned());
    record.tool.build.dirty = Some(false);
    assert!(command(&record).starts_with("rpcbench run FILE --seed 7,"));
}

#[test]
fn the_facts_say_how_many_trials_count() {
    let mut record = record(&["tcp", "rest"], 2);
    record.trials[0].labels.push(Label::Disturbed);
    record.trials[1].status = crate::record::Status::Invalid;
    let text = &checked(&record)["report.md"];
    assert!(text.contains("7 of 8 count; 1 of these are labelled disturbed"), "{text}");
}
