//! `rpcbench history`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::common::hostile::{HOSTILE, assert_harmless};
use super::common::{finish, rpcbench};
use super::compare::write_changed;

/// Writes a record of a day, with few stacks, into a folder of `folder`.
fn write_day(folder: &Path, day: usize, change: impl FnOnce(&mut Value)) {
    write_changed(&folder.join(format!("january/{day:02}")), |record| {
        record["id"] = json!(format!("{day:08x}"));
        record["started"] = json!(format!("2026-01-{day:02}T03:00:00Z"));
        let is_wanted = |stack: &Value| stack == "rest" || stack == "tcp";
        record["stacks"].as_array_mut().unwrap().retain(|facts| is_wanted(&facts["name"]));
        for list in ["trials", "wire"] {
            record[list].as_array_mut().unwrap().retain(|entry| is_wanted(&entry["stack"]));
        }
        change(record);
    });
}

/// Multiplies the CPU time of both ends of `rest`.
fn take_more_cpu(record: &mut Value, factor: u64) {
    for trial in record["trials"].as_array_mut().unwrap().iter_mut().filter(|trial| trial["stack"] == "rest")
    {
        for end in ["client", "server"] {
            trial[end]["cpu_ns"] = json!(factor * trial[end]["cpu_ns"].as_u64().unwrap());
        }
    }
}

#[test]
fn a_history_is_printed_in_every_form_with_its_changes() {
    let folder = tempfile::tempdir().unwrap();
    for day in 1..=20 {
        write_day(folder.path(), day, |record| {
            if day > 10 {
                take_more_cpu(record, 2);
                record["wire"][0]["hops"][0]["bytes"] = json!(1_000);
            }
        });
    }
    write_day(folder.path(), 21, |record| record["interrupted"] = json!(true));
    write_changed(&folder.path().join("the same"), |record| {
        record["id"] = json!("00000001");
        record["started"] = json!("2026-01-01T03:00:00Z");
    });
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("record.json"), "{\"schema\": 1, \"id\": \"0").unwrap();
    fs::write(folder.path().join("notes.json"), "not a record").unwrap();

    let path = folder.path().to_str().unwrap();
    let history =
        |further: &[&str]| finish(&mut rpcbench(&[&["history", path], further].concat())).with(0, &[]);
    let text = history(&["--metric", "cpu,bytes"]).out;
    let has = |words: &str| text.iter().any(|line| line.contains(words));
    for words in [
        "standard: changes",
        "2026-01-11",
        "× 2.0",
        "worse",
        "exact",
        "broken/record.json: not a record: EOF",
        "january/21/record.json: the run was interrupted",
        "the same/record.json: the run 00000001 of 2026-01-01T03:00:00Z is in another file, too",
        "The newest change begins with 2026-01-11",
    ] {
        assert!(has(words), "{words}: {text:#?}");
    }
    assert!(!has("p50") && !has("notes.json"), "{text:#?}");

    let json: Value = serde_json::from_str(&history(&["--format", "json"]).out.join("\n")).unwrap();
    assert_eq!(json["groups"][0]["records"].as_array().unwrap().len(), 20);
    assert_eq!(json["left_out"].as_array().unwrap().len(), 3);
    let series = json["groups"][0]["series"].as_array().unwrap();
    let cpu =
        series.iter().find(|series| series["stack"] == "rest" && series["metric"] == "server-cpu").unwrap();
    assert_eq!((&cpu["floor"], &cpu["changes"][0]["first_after"]), (&json!("tcp"), &json!(10)));
    let markdown = history(&["--format", "markdown", "--stack", "rest"]).out.join("\n");
    assert!(markdown.starts_with("# History") && !markdown.contains("| tcp |"), "{markdown}");

    let page = folder.path().join("history.html");
    let out = page.to_str().unwrap();
    assert!(history(&["--format", "html", "--out", out]).out.is_empty());
    assert!(fs::read_to_string(&page).unwrap().contains("<svg class=\"plot\""));
    // A record that cannot be used is not overwritten either.
    let record = broken.join("record.json");
    let refused = ["history", path, "--out", record.to_str().unwrap()];
    finish(&mut rpcbench(&refused)).with(2, &["would overwrite a record"]);
}

#[test]
fn what_has_no_history_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    finish(&mut rpcbench(&["history", "/nowhere/at/all"]))
        .with(2, &["cannot read the folder /nowhere/at/all"]);
    finish(&mut rpcbench(&["history", path])).with(2, &[path, "contains no record", "rpcbench run --out"]);
    finish(&mut rpcbench(&["history"])).with(2, &["<DIR>"]);
    write_day(folder.path(), 1, |record| record["interrupted"] = json!(true));
    let file = folder.path().join("january/01/record.json");
    finish(&mut rpcbench(&["history", file.to_str().unwrap()])).with(2, &["is a file"]);
    finish(&mut rpcbench(&["history", path])).with(2, &["no record in", "the run was interrupted"]);
    write_day(folder.path(), 2, |_| ());
    for (option, name, words) in [
        ("--stack", "rset", &["no record has the stack `rset`; did you mean `rest`?", "tcp"][..]),
        ("--scenario", "standart", &["did you mean `standard`?"]),
        ("--operation", "divide", &["no record has the operation `divide`", "add"]),
    ] {
        finish(&mut rpcbench(&["history", path, option, name])).with(2, words);
    }
    let none = ["history", path, "--metric", "throughput"];
    finish(&mut rpcbench(&none)).with(2, &["no record has such a series"]);
    let one = finish(&mut rpcbench(&["history", path])).with(0, &[]);
    assert!(one.out.iter().any(|line| line.starts_with("A change of a timing is not found before")));
}

#[test]
fn names_in_records_are_escaped_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let markup = format!("{HOSTILE}<script>alert(1)</script>|`a`");
    for day in 1..=2 {
        write_day(folder.path(), day, |record| {
            record["scenario"]["name"] = json!(markup);
            record["machine"]["processor"] = json!(markup);
            record["id"] = json!(format!("{markup}{day}"));
            record["scenario"]["measurement"][0]["name"] = json!(markup);
            for trial in record["trials"].as_array_mut().unwrap() {
                trial["measurement"] = json!(markup);
            }
            record["wire"][0]["hops"][0]["bytes"] = json!(day);
            record["machine"]["system"] = json!(format!("{markup}{day}"));
        });
    }
    write_changed(&folder.path().join(HOSTILE.replace(['/', '\0'], "")), |record| {
        record["started"] = json!(markup);
    });
    for format in ["text", "markdown", "json", "html"] {
        let history = ["history", folder.path().to_str().unwrap(), "--format", format];
        let ended = finish(&mut rpcbench(&history)).with(0, &[]);
        assert_harmless(&ended);
        let is_markup = matches!(format, "markdown" | "html");
        assert!(!(is_markup && ended.out.join("\n").contains("<script>alert")), "{:?}", ended.out);
    }
}
