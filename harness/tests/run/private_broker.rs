//! A private broker that does not start: what it printed last and the folder that it cannot use are named, and a port that
//! another process has taken meanwhile costs an attempt only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::Run;
use crate::common::finish;

/// Writes an executable shell script.
fn write_script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes a run in which the start script of RabbitMQ is `script`, and returns it with its standard error.
fn run_with(script: &str) -> (Run, String) {
    let run = Run::of(&["amqp"], 1, "300ms");
    let server = run.folder.path().join("rabbitmq-server");
    write_script(&server, script);
    let mut command = run.command(&["--require", "amqp"]);
    let ended = finish(command.env("RPCBENCH_RABBITMQ_SERVER", &server));
    let code = ended.status.code();
    (run, format!("exit code {code:?}\n{}", ended.err.join("\n")))
}

#[test]
fn what_a_broker_printed_last_is_kept() {
    // More than fits into a pipe, so that the end arrives only if the pipe is read to its end.
    let (run, err) = run_with("seq 1 100000; echo 'the reason' >&2; exit 7");
    assert!(err.contains("exit code Some(3)"), "{err}");
    for expected in ["the reason", "100000", "exit status: 7", run.folder.path().to_str().unwrap()] {
        assert!(err.contains(expected), "`{expected}` is missing:\n{err}");
    }
}

/// The start script of a real RabbitMQ. The first time, another process first takes the port that `$1` names.
fn script_that_takes(variable: &str, folder: &Path) -> String {
    let real = rpcbench::deploy::broker::installed(rpcbench::stacks::BrokerKind::RabbitMq).unwrap();
    let listen = "import os, socket, sys, time; s = socket.socket(); \
                  s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); \
                  s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(); \
                  open(sys.argv[2], 'w').close(); time.sleep(5)";
    let mark = folder.join("taken");
    format!(
        "if [ ! -e '{mark}' ]; then python3 -c \"{listen}\" \"${variable}\" '{mark}' >/dev/null 2>&1 & \n\
         while [ ! -e '{mark}' ]; do sleep 0.01; done; fi\n\
         exec '{real}' \"$@\"",
        mark = mark.display(),
        real = real.display(),
    )
}

#[test]
fn a_port_that_was_taken_meanwhile_costs_one_attempt() {
    for variable in ["RABBITMQ_NODE_PORT", "RABBITMQ_DIST_PORT"] {
        let marks = tempfile::tempdir().unwrap();
        let (run, err) = run_with(&script_that_takes(variable, marks.path()));
        assert!(marks.path().join("taken").exists());
        assert!(err.contains("exit code Some(0)"), "{variable}: {err}");
        assert!(run.record().trials.iter().any(|trial| trial.stack == "amqp"), "{variable}");
    }
}

#[test]
fn a_folder_that_rabbitmq_cannot_use_is_named() {
    let run = Run::of(&["amqp"], 1, "300ms");
    let absent = run.folder.path().join("absent");
    let with_folder = |folder: &Path| finish(run.command(&["--require", "amqp"]).env("TMPDIR", folder));
    with_folder(&absent).with(3, &["amqp is required", absent.to_str().unwrap(), "TMPDIR"]);

    // As long as a path may be (4,095 bytes), but for the names of the broker's files.
    let mut deep = run.folder.path().to_owned();
    while deep.as_os_str().len() < 4_020 {
        deep.push("x".repeat((4_029 - deep.as_os_str().len()).min(240)));
    }
    fs::create_dir_all(&deep).unwrap();
    with_folder(&deep).with(3, &["amqp is required", "TMPDIR"]);
}
