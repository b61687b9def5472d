//! `rpcbench report` of a folder with several records.

use std::fs;

use serde_json::{Value, json};

use super::common::hostile::{HOSTILE, assert_harmless};
use super::common::{finish, rpcbench};
use super::compare::write_changed;

/// Keeps two stacks: an unoptimised build takes long to draw the figures of all.
fn keep_few(record: &mut Value) {
    let is_wanted = |stack: &Value| stack == "rest" || stack == "tcp";
    record["stacks"].as_array_mut().unwrap().retain(|facts| is_wanted(&facts["name"]));
    for list in ["trials", "wire", "checks", "fairness", "sockets"] {
        record[list].as_array_mut().unwrap().retain(|entry| is_wanted(&entry["stack"]));
    }
}

#[test]
fn a_folder_of_records_becomes_an_index_with_their_reports() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for day in 1..=2 {
        write_changed(&folder.path().join(format!("machine/{day}")), |record| {
            keep_few(record);
            record["id"] = json!(format!("{day:08x}"));
            record["started"] = json!(format!("2026-01-{day:02}T03:00:00Z"));
            record["scenario"]["question"] = json!(HOSTILE);
        });
    }
    let [records, site] = [&folder, &out].map(|folder| folder.path().to_str().unwrap());
    let report = |further: &[&str]| finish(&mut rpcbench(&[&["report", records], further].concat()));
    let ended = report(&["--out", site]).with(0, &[]);
    assert_harmless(&ended);
    let text = ended.out.join("\n");
    assert!(text.contains("2 runs of 1 scenario on 1 machine, 2026-01-01 to 2026-01-02"), "{text}");
    for file in ["index.html", "history.html", "machine/1/record.json", "machine/2/report/index.html"] {
        assert!(out.path().join(file).is_file(), "{file}");
    }
    let page = fs::read_to_string(out.path().join("index.html")).unwrap().replace("&#x2f;", "/");
    assert!(!page.contains('\u{1b}') && page.contains("machine/1/report/index.html"), "{page}");
    let json: Value =
        serde_json::from_str(&report(&["--out", site, "--format", "json"]).with(0, &[]).out.join("\n"))
            .unwrap();
    assert_eq!(json["entries"][0]["report"], json!("./machine/2/report/index.html"));

    // Where the pages would be taken for records the next time, and where there is nothing to show.
    let inside = folder.path().join("site");
    report(&["--out", inside.to_str().unwrap()]).with(2, &["in the folder of the records"]);
    fs::remove_dir_all(&inside).unwrap();
    finish(&mut rpcbench(&["report", site, "--out", "x", "--check"])).with(2, &["--check"]);
    let empty = tempfile::tempdir().unwrap();
    finish(&mut rpcbench(&["report", empty.path().to_str().unwrap()])).with(2, &["contains no record"]);
}

#[test]
fn a_check_says_what_keeps_a_record_from_being_published() {
    let folder = tempfile::tempdir().unwrap();
    write_changed(&folder.path().join("good"), |record| {
        keep_few(record);
        record["tool"]["build"]["commit"] = json!("0123456789abcdef0123456789abcdef01234567");
        record["tool"]["build"]["dirty"] = json!(false);
    });
    let path = folder.path().to_str().unwrap();
    let check = || finish(&mut rpcbench(&["report", path, "--check"]));
    let ended = check().with(0, &[]);
    assert!(ended.out[0].ends_with("good/record.json: can be published"), "{:?}", ended.out);
    write_changed(&folder.path().join("bad"), |record| {
        keep_few(record);
        record["interrupted"] = json!(true);
        record["tool"]["build"]["commit"] = json!("0123456789abcdef0123456789abcdef01234567");
        record["tool"]["build"]["dirty"] = json!(true);
    });
    let ended = check().with(1, &[]);
    assert!(
        ended.out[0].contains("bad/record.json: cannot be published: the run was interrupted; "),
        "{:?}",
        ended.out
    );
    assert!(ended.out[0].contains("differ from its commit"), "{:?}", ended.out);
    assert_eq!(ended.out.len(), 2);
}
