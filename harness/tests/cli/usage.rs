//! Wrong and unusual arguments and environment variables: a message in plain words, and no part of a password.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use super::common::{Ended, finish, rpcbench};
use super::{closed_port, serve};

/// Asserts a usage error that contains each of `words`, and nothing of a panic.
#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) -> Ended {
    let ended = finish(&mut rpcbench(arguments)).with(2, words);
    assert!(!ended.err.iter().any(|line| line.contains("panicked")), "{:?}", ended.err);
    ended
}

#[test]
fn arguments_and_variables_that_are_not_utf_8_are_named() {
    let word = OsStr::from_bytes(b"\xff\xfe");
    for command in [&["run"][..], &["call", "rest"], &["check"], &["run", "--stack"], &["serve"], &[]] {
        let number = command.len() + 1;
        finish(rpcbench(command).arg(word)).with(2, &[&format!("argument {number} is not valid UTF-8")]);
    }
    finish(rpcbench(&["run"]).env("RPCBENCH_TARGETS", word))
        .with(2, &["RPCBENCH_TARGETS is not valid UTF-8"]);
    finish(rpcbench(&["run"]).env("RPCBENCH_BROKER", word)).with(2, &["not valid UTF-8"]);
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let names = ["RPCBENCH_BROKER", "RPCBENCH_TARGETS", "RPCBENCH_CONTROLS", "RPCBENCH_AGENT", "RPCBENCH_AT"];
    let with_empty = |arguments: &[&str]| {
        let mut command = rpcbench(arguments);
        command.envs(names.map(|name| (name, "")));
        finish(&mut command)
    };
    with_empty(&["serve", "amqp"]).with(2, &["give --broker"]);
    with_empty(&["agent", "--out", "x"]).with(2, &["give a --target"]);
    with_empty(&["run", "--stack", "soap"]).with(2, &["unknown stack"]);
}

#[test]
fn durations_have_one_syntax_and_do_not_overflow() {
    let (_server, url) = serve(&["zerorpc"]);
    for timeout in ["0.5", "500ms", "5", "1s 500ms", "365days"] {
        finish(&mut rpcbench(&["call", "zerorpc", &url, "add", "2", "3", "--timeout", timeout])).with(0, &[]);
    }
    let target = format!("zerorpc={url}");
    for (option, command) in [
        ("--timeout", &["call", "zerorpc", &url, "add", "2", "3"][..]),
        ("--timeout", &["check", "zerorpc", &url]),
        ("--wait", &["run", "--stack", "zerorpc", "--target", &target]),
        ("--seconds", &["run"]),
        ("--gap", &["agent", "--out", "x", "--target", &target]),
        ("--handler-delay", &["serve", "rest"]),
        ("--body-timeout", &["serve", "rest"]),
        ("--heartbeat", &["serve", "zerorpc"]),
    ] {
        for text in ["18446744073709551615s", "99999999999999999999999", "soon", "-1s", "1e3"] {
            let ended = finish(rpcbench(command).arg(format!("{option}={text}"))).with(2, &[option]);
            assert!(!ended.err.join("").contains("panicked"), "{option} {text}");
        }
    }
    for (stack, url) in [
        ("rest", "http://127.0.0.1:1/"),
        ("xmlrpc", "http://127.0.0.1:1/"),
        ("jsonrpc", "http://127.0.0.1:1/"),
        ("jsonrpc-lines", "tcp://127.0.0.1:1"),
        ("jsonrpc-ws", "ws://127.0.0.1:1"),
        ("zerorpc", "tcp://127.0.0.1:1"),
        ("grpc", "grpc://127.0.0.1:1"),
        ("thrift", "thrift://127.0.0.1:1"),
        ("tcp", "tcp://127.0.0.1:1"),
        ("amqp", "amqp://127.0.0.1:1/"),
    ] {
        for zero in ["0s", "0", "0ms"] {
            refused(&["call", stack, url, "add", "2", "3", "--timeout", zero], &["--timeout", "above zero"]);
            refused(&["check", stack, url, "--timeout", zero], &["--timeout", "above zero"]);
        }
    }
    refused(&["run", "--seconds", "0.001"], &["20ms to 600s"]);
}

#[test]
fn numbers_are_refused_in_plain_words() {
    refused(&["run", "--blocks", "0"], &["--blocks", "expected a number of blocks from 1"]);
    refused(&["run", "--blocks", "-1"], &["--blocks"]);
    refused(&["run", "--connections", "0"], &["--connections", "expected 1 to 10000 connections"]);
    for arguments in [&["run", "--blocks", "0"], &["run", "--connections", "0"]] {
        let message = refused(arguments, &[]).err.join("");
        assert!(!message.contains("non-zero"), "{message}");
    }
}

#[test]
fn urls_and_ports_that_cannot_be_used_are_usage_errors() {
    for (stack, url) in [
        ("rest", "http://127.0.0.1:99999/"),
        ("xmlrpc", "http://127.0.0.1:99999/"),
        ("jsonrpc-lines", "tcp://127.0.0.1:99999"),
        ("jsonrpc-ws", "ws://127.0.0.1:99999"),
        ("zerorpc", "tcp://127.0.0.1:99999"),
        ("grpc", "grpc://127.0.0.1:99999"),
        ("thrift", "thrift://127.0.0.1:99999"),
        ("amqp", "amqp://127.0.0.1:99999/"),
    ] {
        refused(&["call", stack, url, "add"], &["0 and 65535"]);
        refused(&["check", stack, url], &["0 and 65535"]);
        refused(&["run", "--stack", stack, "--target", &format!("{stack}={url}")], &["0 and 65535"]);
    }
    refused(&["serve", "rest", "--listen", "127.0.0.1:99999"], &["port from 0 to 65535"]);
    refused(&["serve", "rest", "--control", "127.0.0.1:99999"], &["port from 0 to 65535"]);
    let target = ["--stack", "rest", "--target", "rest=http://127.0.0.1:1/"];
    let control = ["--control", "rest=127.0.0.1:99999"];
    refused(&[&["run"], &target[..], &control].concat(), &["port from 0 to 65535"]);
    let clock = ["agent", "--out", "x", "--clock", "127.0.0.1:99999"];
    refused(&[&clock[..], &target].concat(), &["port from 0 to 65535"]);

    let (_server, url) = serve(&["rest"]);
    let upper = url.replace("http://", "HTTP://");
    for stack in ["rest", "rest-hyper"] {
        assert_eq!(finish(&mut rpcbench(&["call", stack, &upper, "add", "2", "3"])).with(0, &[]).out, ["5"]);
    }
    let (_server, url) = serve(&["zerorpc"]);
    let upper = url.replace("tcp://", "TCP://");
    finish(&mut rpcbench(&["call", "zerorpc", &upper, "add", "2", "3"])).with(0, &[]);
}

#[test]
fn a_misspelt_name_gets_a_suggestion() {
    for (arguments, suggestion) in [
        (&["run", "quikc"][..], "did you mean `quick`?"),
        (&["list", "--scenario", "quikc"], "did you mean `quick`?"),
        (&["run", "--stack", "rset"], "did you mean `rest`?"),
        (&["run", "--require", "zerorcp", "--stack", "rest"], "did you mean `zerorpc`?"),
        (&["agent", "--out", "x", "--target", "jsonrcp=http://h:1/"], "did you mean `jsonrpc`?"),
        (&["run", "--stack", "rset@bridge"], "did you mean `rest`?"),
        (&["serve", "xmlrcp"], "did you mean `xmlrpc`?"),
        (&["call", "aqmp", "amqp://h/", "add"], "did you mean `amqp`?"),
        (&["check", "rest-hipper", "http://h/"], "did you mean `rest-hyper`?"),
        (&["run", "--operation", "ehco"], "did you mean `echo`?"),
        (&["run", "--load", "open:5000:poison"], "did you mean `poisson`?"),
        (&["rnu"], "run"),
        (&["sevre", "rest"], "'serve'"),
        (&["run", "--bloks", "3"], "'--blocks'"),
        (&["call", "rest", "http://h/", "add", "--timeot", "3s"], "'--timeout'"),
    ] {
        refused(arguments, &[suggestion]);
    }
}

#[test]
fn a_form_that_is_nearly_right_is_explained() {
    for (arguments, words) in [
        (&["run", "--load", "open:5000"][..], &["missing", "open:5000:poisson or open:5000:constant"][..]),
        (&["run", "--load", "closed"], &["closed:CALLERS"]),
        (&["run", "--operation", "echo:10kb"], &["`10kb` is not a size", "10KiB"]),
        (&["run", "--operation", "add:1KiB"], &["only echo"]),
        (&["run", "--payload", "10kb"], &["1KiB"]),
        (&["serve", "rest", "--work", "nap:1ms"], &["--work", "unknown work `nap`", "sleep:5ms"]),
        (&["serve", "rest", "--work", "compue:1ms"], &["did you mean `compute`?"]),
        (&["serve", "rest", "--work", "sleep:-1"], &["--work", "sleep:TIME", "expected a duration"]),
        (&["serve", "rest", "--work", "sleep:0"], &["above zero"]),
        (&["serve", "rest", "--work", "compute:1h"], &["compute:TIME", "expected at most 10s"]),
        (&["run", "--executor", "asinc"], &["--executor", "did you mean `async`?"]),
    ] {
        refused(arguments, words);
    }
}

#[test]
fn an_option_that_would_have_no_effect_is_refused() {
    let target = "rest=http://127.0.0.1:1/";
    refused(
        &["run", "--stack", "rest", "--target", target, "--target", "rest=http://127.0.0.1:2/"],
        &["--target: rest is named twice", "rest@LABEL"],
    );
    refused(
        &["run", "--stack", "rest", "--target", target, "--control", "rest=h:1", "--control", "rest=h:2"],
        &["--control: rest is named twice"],
    );
    finish(
        rpcbench(&["run", "--stack", "rest"])
            .env("RPCBENCH_TARGETS", "rest=http://127.0.0.1:1/ rest=http://127.0.0.1:2/"),
    )
    .with(2, &["RPCBENCH_TARGETS: rest is named twice"]);
    refused(
        &["run", "--stack", "rest", "--server-arg=--prefetch=7"],
        &["--server-arg --prefetch is for amqp; the run starts no such server"],
    );
    refused(
        &["run", "--stack", "rest", "--target", target, "--server-arg=--body-timeout=1s"],
        &["--body-timeout is for", "the run starts no such server"],
    );
    refused(&["run", "--server-arg=--nosuch"], &["--server-arg: unexpected argument '--nosuch'"]);
}

/// Every place on a command line where a user may put a URL by mistake.
#[test]
fn no_message_repeats_a_password_or_a_token() {
    let port = closed_port();
    let url = format!("http://user:secret@127.0.0.1:{port}/secret?token=secret#secret");
    let tcp = format!("tcp://user:secret@127.0.0.1:{port}");
    let login = format!("user:secret@127.0.0.1:{port}");
    let after_equals = |option: &str, value: &str| format!("{option}={value}");
    for arguments in [
        vec!["serve", "rest", "--listen", &url],
        vec!["serve", "rest", "--listen", &login],
        vec!["serve", "rest", "--control", &url],
        vec!["serve", "rest", "--control", &login],
        vec!["serve", "zerorpc", "--bind", &tcp],
        vec!["serve", "zerorpc", "--bind", &url],
        vec!["serve", &url],
        vec!["serve", "amqp", "--broker", &url],
        vec!["call", &url, "add"],
        vec!["call", "rest", &tcp, "add"],
        vec!["call", "zerorpc", &tcp, "add"],
        vec!["call", "rest", &url, "add", "2", "3"],
        vec!["call", "rest", &url, "add", "--timeout", &url],
        vec!["check", "rest", &url, &url],
        vec!["check", "rest", &url],
        vec!["check", "tcp", &tcp],
        vec!["run", &url],
        vec!["run", "--stack", &url],
        vec!["run", "--require", &url],
        vec!["run", "--load", &url],
        vec!["run", "--load", "closed:1,http://user:secret"],
        vec!["run", "--operation", &url],
        vec!["run", "--placement", &url],
        vec!["run", "--executor", &url],
        vec!["run", "--target", &url],
        vec!["run", "--target", &tcp, "--bogus"],
        vec!["run", "--control", &url],
        vec!["run", "--broker", &url],
        vec!["run", "--server-arg", &url],
        vec!["agent", "--clock", &url, "--out", "x"],
        vec!["agent", "--agent", &url, "--out", "x"],
        vec!["list", &url],
        vec!["report", &url],
        vec![&url],
    ] {
        let ended = finish(&mut rpcbench(&arguments));
        let shown = ended.err.join("\n");
        assert!(matches!(ended.status.code(), Some(2 | 3)), "{arguments:?}: {shown}");
        assert!(!shown.is_empty() && !shown.contains("secret"), "{arguments:?}: {shown}");
    }
    for (command, option) in [("serve", "--listen"), ("run", "--stack"), ("run", "--nosuch")] {
        let argument = after_equals(option, &format!("rest={url}"));
        let shown = finish(&mut rpcbench(&[command, &argument])).with(2, &[]).err.join("\n");
        assert!(!shown.contains("secret"), "{shown}");
    }
    // A password in an environment variable.
    for (variable, value) in [("RPCBENCH_TARGETS", tcp.clone()), ("RPCBENCH_TARGETS", format!("rest={tcp}"))]
    {
        let shown = finish(rpcbench(&["run"]).env(variable, value)).with(2, &[]).err.join("\n");
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn completions_and_manuals_show_no_internal_option() {
    for command in [&["completions", "bash"][..], &["completions", "zsh"], &["completions", "fish"]] {
        let script = finish(&mut rpcbench(command)).with(0, &[]).out.join("\n");
        for option in ["server-arg", "twin-arg", "end-with-input", "from-environment"] {
            assert!(!script.contains(option), "{command:?} offers {option}");
        }
        assert!(script.contains("handler-delay") && script.contains("numbers"), "{command:?}");
    }
}

/// A script of the repository.
fn script(name: &str) -> Command {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts"));
    let mut command = Command::new("bash");
    command.arg(folder.join(name));
    command
}

#[test]
fn scripts_refuse_before_they_build() {
    let nothing = tempfile::tempdir().unwrap();
    for (name, arguments, words) in [
        ("bench", &["--bogus"][..], &["unknown option --bogus", "--blocks"][..]),
        ("bench", &["--bogus=3"], &["unknown option --bogus"]),
        ("bench", &["quick", "--blocks"], &["--blocks takes a value"]),
        ("bench", &["quikc"], &["unknown scenario 'quikc'", "quick"]),
        ("docker-bench", &["quick"], &["a scenario is given by --scenario"]),
        ("docker-bench", &["--bogus"], &["unknown option --bogus"]),
        ("chaos", &["--seed", "x"], &["scripts/chaos: --seed takes a number"]),
        ("leftovers", &["--kills"], &["scripts/leftovers: --kills takes a number"]),
        ("endurance", &["--seed", "x"], &["scripts/endurance: --seed takes a number"]),
        ("endurance", &["soap"], &["unknown protocol 'soap'", "zerorpc"]),
        ("fuzz", &["all", "0"], &["scripts/fuzz: '0' is not a number of seconds"]),
    ] {
        let ended =
            finish(script(name).args(arguments).env("CARGO_TARGET_DIR", nothing.path())).with(2, words);
        assert!(!ended.err.join("").contains("Compiling"), "{:?}", ended.err);
    }
    assert_eq!(std::fs::read_dir(nothing.path()).unwrap().count(), 0);
}

#[test]
fn a_script_without_python_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    // A search path with what the script itself uses.
    for name in ["bash", "dirname"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join(name))
            .find(|path| path.exists())
            .unwrap();
        std::os::unix::fs::symlink(found, folder.path().join(name)).unwrap();
    }
    for name in ["method", "import-circles"] {
        let ended = finish(script(name).env("PATH", folder.path()));
        ended.with(3, &[&format!("scripts/{name}: needs Python 3"), "install it"]);
    }
}

#[test]
fn the_options_that_the_script_bench_knows_are_those_of_run() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/bench")).unwrap();
    let listed = |variable: &str| {
        let list = text.split(&format!("{variable}=\"")).nth(1).unwrap().split('"').next().unwrap();
        list.split_whitespace().filter(|word| *word != "\\").map(str::to_owned).collect::<Vec<_>>()
    };
    let known: BTreeSet<_> = listed("with_value").into_iter().chain(listed("without_value")).collect();
    let help = finish(&mut rpcbench(&["run", "--help"])).with(0, &[]).out;
    // Options are less indented than their descriptions.
    let mut options: BTreeSet<_> = help
        .iter()
        .filter_map(|line| line.strip_prefix("      ").or_else(|| line.strip_prefix("  -h, ")))
        .filter(|line| line.starts_with("--"))
        .filter_map(|line| line.split([' ', '=', '[']).next())
        .map(str::to_owned)
        .collect();
    // Hidden options, which tests and scripts use.
    options.extend(["--server-arg", "--twin-arg"].map(str::to_owned));
    assert_eq!(known, options);
}
