//! Shell completions and manual pages, made by the real binary.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[path = "common/mod.rs"]
mod common;

use std::fs;

use common::{finish, rpcbench};

/// The commands that `rpcbench --help` lists.
fn listed_commands() -> Vec<String> {
    let help = finish(&mut rpcbench(&["--help"])).with(0, &[]).out;
    let commands =
        help.iter().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> = commands
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 8, "{help:?}");
    names
}

#[test]
fn completion_scripts_name_every_command_and_no_internal_one() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = finish(&mut rpcbench(&["completions", shell])).with(0, &[]).out.join("\n");
        for command in listed_commands() {
            assert!(script.contains(&command), "{shell}: no {command}");
        }
        assert!(script.contains("placement"), "{shell}: no option of `run`");
        assert!(
            !script.contains("__healthy") && !script.contains("__keep-awake"),
            "{shell}: an internal command"
        );
    }
}

#[test]
fn completions_for_an_unknown_shell_are_refused() {
    finish(&mut rpcbench(&["completions", "tcl"])).with(2, &["tcl", "bash", "zsh", "fish"]);
}

#[test]
fn man_prints_the_main_page() {
    let page = finish(&mut rpcbench(&["man"])).with(0, &[]).out.join("\n");
    assert!(page.contains(".TH rpcbench 1"), "{page}");
    assert!(page.contains("Exit codes"), "{page}");
    assert!(!page.contains("healthy"), "{page}");
}

#[test]
fn man_writes_a_page_for_every_command() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("share/man1");
    finish(&mut rpcbench(&["man", "--out", folder.to_str().unwrap()])).with(0, &[]);

    let mut expected: Vec<_> =
        listed_commands().into_iter().map(|name| format!("rpcbench-{name}.1")).collect();
    expected.push("rpcbench.1".to_owned());
    expected.sort();
    let mut written: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(written, expected);
    assert!(fs::read_to_string(folder.join("rpcbench-run.1")).unwrap().contains("placement"));
}

#[test]
fn man_reports_a_folder_that_cannot_be_written() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let folder = file.path().join("man1");
    finish(&mut rpcbench(&["man", "--out", folder.to_str().unwrap()]))
        .with(3, &["cannot write manual pages into"]);
}
