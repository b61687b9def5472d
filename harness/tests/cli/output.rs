//! What the program does where its output cannot be written: a full disk, or a reader that has gone.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::common::{finish, rpcbench};
use super::serve;

/// A file on a disk that is full.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

fn run(arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Output {
    rpcbench(arguments).stdout(stdout).stderr(stderr).output().unwrap()
}

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records/ten-blocks");

/// A run of a few calls that writes its results to `out`.
fn tiny_run(out: &str) -> Vec<&str> {
    "run --stack rest-hyper --operation add --load closed:1 --placement free --blocks 1 --seconds 0.05 --out"
        .split(' ')
        .chain([out])
        .collect()
}

#[test]
fn standard_output_that_is_full_is_reported_and_a_closed_pipe_is_not() {
    let (_server, url) = serve(&["rest"]);
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["run", "--help"], 0),
        (&["list"], 0),
        (&["list", "--scenario", "quick"], 0),
        (&["completions", "zsh"], 0),
        (&["man"], 0),
        (&["call", "rest", &url, "add", "2", "3"], 0),
        (&["check", "rest", &url], 0),
        (&["report", RECORD, "--out", report.to_str().unwrap()], 0),
        (&["history", RECORD, "--metric", "bytes"], 0),
    ] {
        let ended = run(arguments, full(), Stdio::piped());
        let message = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(3), "{arguments:?}: {message}");
        assert_eq!(
            message,
            "rpcbench: cannot write to standard output: No space left on device (os error 28)\n"
        );

        let ended = run(arguments, closed(), Stdio::piped());
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}");
        assert_eq!(String::from_utf8(ended.stderr).unwrap(), "", "{arguments:?}");
    }
    // What other programs wait for is missed.
    for output in [full, closed] {
        let ended = run(&["serve", "rest"], output(), Stdio::piped());
        assert_eq!(ended.status.code(), Some(3));
        let message = String::from_utf8(ended.stderr).unwrap();
        assert!(message.contains("cannot print where the server listens on standard output"), "{message}");
    }
}

#[test]
fn standard_error_that_cannot_take_text_changes_nothing() {
    let (_server, url) = serve(&["rest"]);
    for stderr in [full, closed] {
        for (arguments, code) in [
            (&["call", "rest", &url, "nosuch"][..], 1),
            (&["call", "rest", "tcp://h:1", "add"], 2),
            (&["run", "--bloks", "1"], 2),
            (&["run", "quikc"], 2),
            (&["check", "rest", "http://127.0.0.1:1/", "--timeout", "1s"], 3),
        ] {
            assert_eq!(run(arguments, Stdio::piped(), stderr()).status.code(), Some(code), "{arguments:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("results");
        // The second run finds the record of the first one.
        for code in [0, 2] {
            let ended = run(&tiny_run(out.to_str().unwrap()), Stdio::piped(), stderr());
            // A machine that is busy with other tests may make the trials invalid.
            let was_measured = code == 0 && ended.status.code() == Some(4);
            assert!(ended.status.code() == Some(code) || was_measured, "{ended:?}");
        }
        assert!(out.join("record.json").exists() && out.join("report/index.html").exists());
    }
}

#[test]
fn a_record_is_kept_where_its_tables_cannot_be_printed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("results");
    let ended = run(&tiny_run(out.to_str().unwrap()), full(), Stdio::piped());
    assert_eq!(ended.status.code(), Some(3), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(out.join("record.json").exists() && out.join("report/index.html").exists());
}

#[test]
fn a_server_that_cannot_log_keeps_serving() {
    for stderr in [full, closed] {
        let mut command = rpcbench(&["serve", "rest", "--control", "127.0.0.1:0"]);
        command
            .env("RUST_LOG", "trace")
            .env("RPCBENCH_CONTROL_TOKEN", "0123456789abcdef")
            .stdout(Stdio::piped())
            .stderr(stderr());
        let mut server = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap();
        assert_eq!(finish(&mut rpcbench(&["call", "rest", url, "add", "2", "3"])).with(0, &[]).out, ["5"]);
        kill(Pid::from_raw(server.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert_eq!(server.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_report_can_be_printed_as_json_or_as_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let report = |format| {
        finish(&mut rpcbench(&["report", RECORD, "--out", out, "--format", format])).with(0, &[]).out
    };
    let json: serde_json::Value = serde_json::from_str(&report("json").join("\n")).unwrap();
    for measurement in json["measurements"].as_array().unwrap() {
        let comparisons = &measurement["comparisons"];
        assert!(comparisons["delta"].as_f64().unwrap() >= 0.01, "{comparisons}");
        for pair in
            comparisons["pairs"].as_array().unwrap().iter().chain(comparisons["same"].as_array().unwrap())
        {
            let statement = pair["statement"].as_str().unwrap();
            assert!(["faster", "slower", "no-difference", "undecided"].contains(&statement), "{pair}");
            assert_eq!(pair["stacks"].as_array().unwrap().len(), 2);
        }
    }
    assert_eq!(report("quiet"), [folder.path().join("index.html").to_str().unwrap()]);
}
