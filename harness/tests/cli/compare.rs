//! `rpcbench compare`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::common::{finish, rpcbench};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records/ten-blocks");

/// Writes the reference record with a change into a folder, with one measurement only: an unoptimised build takes long to
/// read the histograms of all.
fn changed(change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_changed(folder.path(), change);
    folder
}

/// The same in a folder that may not be there yet.
pub(super) fn write_changed(folder: &Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(format!("{RECORD}/record.json")).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    record["scenario"]["measurement"]
        .as_array_mut()
        .unwrap()
        .retain(|measurement| measurement["name"] == "latency");
    record["trials"].as_array_mut().unwrap().retain(|trial| trial["measurement"] == "latency");
    change(&mut record);
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("record.json"), record.to_string()).unwrap();
}

#[test]
fn a_comparison_is_printed_in_every_form() {
    let new = changed(|record| record["wire"][0]["hops"][0]["bytes"] = json!(1_000_000));
    let path = new.path().to_str().unwrap();
    let base = changed(|_| ());
    let compare = |further: &[&str]| {
        let arguments = [&["compare", base.path().to_str().unwrap(), path], further].concat();
        finish(&mut rpcbench(&arguments)).with(0, &[])
    };
    let text = compare(&[]).out;
    assert!(text.last().unwrap().starts_with("Of "), "{text:?}");
    assert!(text.iter().any(|line| line.starts_with("The bytes of a call changed for ")), "{text:?}");
    let markdown = compare(&["--format", "markdown"]).out.join("\n");
    assert!(markdown.starts_with("# Two records compared"), "{markdown}");
    let json: Value = serde_json::from_str(&compare(&["--format", "json"]).out.join("\n")).unwrap();
    assert_eq!(json["bytes"][0]["is_equal"], json!(false));
    let page = new.path().join("page.html");
    let written = compare(&["--format", "html", "--out", page.to_str().unwrap()]);
    assert!(written.out.is_empty());
    assert!(fs::read_to_string(page).unwrap().starts_with("<!DOCTYPE html>"));
}

#[test]
fn records_that_are_not_comparable_are_refused_with_the_setting_and_the_option() {
    let other = changed(|record| record["machine"]["processor"] = json!("a \u{1b}[2J machine"));
    let path = other.path().to_str().unwrap();
    let base = changed(|_| ());
    let compare = ["compare", base.path().to_str().unwrap(), path];
    let words = ["the processor is", "--across machines", "\\u{1b}[2J"];
    let refused = finish(&mut rpcbench(&compare)).with(2, &words);
    assert_eq!(refused.err.len(), 1);
    finish(&mut rpcbench(&[&compare[..], &["--across", "machines"]].concat())).with(0, &[]);
    finish(&mut rpcbench(&[&compare[..], &["--across", "machine"]].concat())).with(2, &["machines"]);
}

#[test]
fn what_is_not_a_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    fs::write(&path, "{}").unwrap();
    let path = path.to_str().unwrap();
    finish(&mut rpcbench(&["compare", RECORD, path])).with(2, &[path, "no `schema`"]);
    finish(&mut rpcbench(&["compare", "/nowhere", RECORD])).with(2, &["/nowhere"]);
    finish(&mut rpcbench(&["compare", RECORD])).with(2, &["<NEW>"]);
}

#[test]
fn an_output_file_is_never_the_record_and_a_link_is_followed() {
    let record = changed(|_| ());
    let folder = record.path().to_str().unwrap();
    let path = record.path().join("record.json");
    let before = fs::read(&path).unwrap();
    let file = path.to_str().unwrap();
    for arguments in [
        &["compare", folder, folder, "--out", file][..],
        &["export", folder, "--format", "csv", "--out", file],
        &["export", file, "--format", "csv", "--out", file],
    ] {
        finish(&mut rpcbench(arguments)).with(2, &["would overwrite a record"]);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    let (link, target) = (record.path().join("link.csv"), record.path().join("target.csv"));
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let export = ["export", folder, "--format", "csv", "--out", link.to_str().unwrap()];
    finish(&mut rpcbench(&export)).with(0, &[]);
    assert!(link.is_symlink() && fs::read_to_string(&target).unwrap().starts_with("run,started,"));
    let nowhere = ["export", folder, "--format", "csv", "--out", "/nowhere/at/all"];
    finish(&mut rpcbench(&nowhere)).with(3, &["cannot write /nowhere/at/all"]);
}

#[test]
fn what_cannot_be_compared_is_named() {
    let new = changed(|record| {
        record["interrupted"] = json!(true);
        record["wire"].as_array_mut().unwrap().retain(|wire| wire["stack"] != "rest");
        for trial in record["trials"].as_array_mut().unwrap() {
            if trial["stack"] == "zerorpc" && trial["measurement"] == "latency" {
                trial["status"] = json!("invalid");
            }
        }
    });
    let base = changed(|_| ());
    let base = base.path().to_str().unwrap();
    let words = [
        "! Only the first record has the bytes of rest add.",
        "! The second record has no valid trial of zerorpc in `latency`.",
        "! The second record: interrupted",
    ];
    let compared = finish(&mut rpcbench(&["compare", base, new.path().to_str().unwrap()])).with(0, &[]);
    for word in words {
        assert!(compared.out.iter().any(|line| line.starts_with(word)), "{word}: {:?}", compared.out);
    }
    let same = finish(&mut rpcbench(&["compare", base, base])).with(0, &[]);
    assert!(same.out.iter().any(|line| line == "! Both are records of the same run."), "{:?}", same.out);
}

#[test]
fn the_page_of_a_comparison_has_a_figure_for_each_metric_and_can_hide_what_is_not_certain() {
    // Statements take more blocks than the record has.
    let with_all_blocks_twice = |record: &mut Value| {
        let trials = record["trials"].as_array_mut().unwrap();
        let again: Vec<_> = trials.clone();
        for mut trial in again {
            trial["block"] = json!(trial["block"].as_u64().unwrap() + 10);
            trials.push(trial);
        }
        record["scenario"]["blocks"] = json!(20);
    };
    let base = changed(with_all_blocks_twice);
    let new = changed(|record| {
        with_all_blocks_twice(record);
        for trial in
            record["trials"].as_array_mut().unwrap().iter_mut().filter(|trial| trial["stack"] == "rest")
        {
            trial["server"]["cpu_ns"] = json!(3 * trial["server"]["cpu_ns"].as_u64().unwrap());
        }
    });
    let [base, new] = [&base, &new].map(|folder| folder.path().to_str().unwrap());
    let page = finish(&mut rpcbench(&["compare", base, new, "--format", "html"])).with(0, &[]).out.join("\n");
    assert!(page.contains("Only what differs for certain"));
    // A group of rows would lose its name with a hidden first row.
    assert!(!page.contains("rowspan"));
    assert!(page.matches("speed of the second ÷ that of the first").count() >= 3, "{page}");
}

#[test]
fn a_report_of_two_records_also_compares_them() {
    let folder = tempfile::tempdir().unwrap();
    let copies = ["before", "after"].map(|name| folder.path().join(name));
    for copy in &copies {
        std::fs::create_dir(copy).unwrap();
        std::fs::copy(format!("{RECORD}/record.json"), copy.join("record.json")).unwrap();
    }
    let both = copies.each_ref().map(|path| path.to_str().unwrap());
    let out = finish(rpcbench(&["report"]).args(both)).out;
    let page = copies[1].join("report/comparison.html");
    assert_eq!(out.last().unwrap(), &format!("comparison: {}", page.display()));
    assert!(std::fs::read_to_string(&page).unwrap().contains("no difference"));

    // Another machine: the reports are made all the same.
    let record = std::fs::read_to_string(copies[1].join("record.json")).unwrap();
    let other = record.replacen("\"processor\": \"", "\"processor\": \"Another ", 1);
    assert_ne!(other, record);
    std::fs::write(copies[1].join("record.json"), other).unwrap();
    finish(rpcbench(&["report", "--format", "quiet"]).args(both)).with(0, &["no comparison of the two"]);
    // The page of the comparison before is gone.
    assert!(copies[1].join("report/index.html").exists() && !page.exists());
}
