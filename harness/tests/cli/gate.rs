//! `rpcbench gate`: with small programs in the place of builds that take minutes, and with thresholds that no noise reaches.

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::common::{Process, TEST_TIMEOUT, finish, rpcbench};
use super::{closed_port, serve};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rpcbench");

/// Settings with short rounds.
const SHORT: &str = r#"
stacks = ["rest-hyper"]
operation = "add"
placement = "shared"
warmup = "30ms"
slice = "30ms"
slices = 2
max_time = "60s"
link_spread = 0.003
[thresholds]
server-cpu = 4.0
client-cpu = 4.0
latency-p50 = 4.0
"#;

/// A folder with a Git repository of a program called rpcbench, and with settings.
struct Repository {
    folder: TempDir,
}

impl Repository {
    /// The program is a single file with the text `main`, and is committed.
    fn with(main: &str) -> Self {
        let repository = Repository { folder: tempfile::tempdir().unwrap() };
        let root = repository.path();
        fs::create_dir(root.join("src")).unwrap();
        let manifest = "[package]\nname = \"rpcbench\"\nversion = \"1.0.0\"\nedition = \"2024\"\n";
        fs::write(root.join("Cargo.toml"), manifest).unwrap();
        let lock = "version = 4\n\n[[package]]\nname = \"rpcbench\"\nversion = \"1.0.0\"\n";
        fs::write(root.join("Cargo.lock"), lock).unwrap();
        fs::write(root.join("short.toml"), SHORT).unwrap();
        repository.git(&["init", "--quiet"]);
        repository.commit(main, "first");
        repository
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path()).args(identity).args(arguments);
        assert!(git.status().unwrap().success(), "git {arguments:?}");
    }

    /// Commits the program with the text `main`, and tags it.
    fn commit(&self, main: &str, tag: &str) {
        fs::write(self.path().join("src/main.rs"), main).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", tag]);
        self.git(&["tag", tag]);
    }

    /// The command `gate` with `arguments` in this repository, with its settings, without counts.
    fn gate(&self, arguments: &[&str]) -> Command {
        self.gate_with_counts(&[&["--no-counts"], arguments].concat())
    }

    /// The command `gate` with `arguments` in this repository, with its settings.
    fn gate_with_counts(&self, arguments: &[&str]) -> Command {
        let mut command = rpcbench(&["gate", "--settings", "short.toml"]);
        command.args(arguments).current_dir(self.path());
        command.env("CARGO_TARGET_DIR", self.path().join("target"));
        // Set by Cargo for tests; the gate's own Cargo must not inherit the profile.
        command.env_remove("CARGO_INCREMENTAL");
        command
    }
}

/// A program that becomes this rpcbench, after `change` has changed the server's settings `s`.
fn wrapper(change: &str) -> String {
    format!(
        r#"use std::os::unix::process::CommandExt;
fn main() {{
    let mut command = std::process::Command::new({PROGRAM:?});
    if let Ok(s) = std::env::var("RPCBENCH_SERVER") {{
        command.env("RPCBENCH_SERVER", {change});
    }}
    panic!("{{}}", command.args(std::env::args_os().skip(1)).exec());
}}
"#
    )
}

/// A change of settings that lets each call take 30 ms of CPU time more.
const SLOWED: &str =
    r#"s.replace("\"handler_cpu\":null", "\"handler_cpu\":{\"secs\":0,\"nanos\":30000000}")"#;

fn slowed() -> String {
    wrapper(SLOWED)
}

#[test]
fn an_innocent_change_is_let_through_and_a_slow_one_is_not() {
    let repository = Repository::with(&wrapper("s"));
    repository.commit(&format!("// A comment.\n{}", wrapper("s")), "innocent");
    repository.commit(&slowed(), "slow");
    let passed = finish(&mut repository.gate(&["--base", "first", "--new", "innocent"]))
        .with(0, &["building base: first", "building new: innocent"]);
    let text = passed.out.join("\n");
    assert!(text.contains("Not slower than the thresholds allow"), "{text}");
    // The bytes of a call are counted exactly, if the system reports them.
    assert_eq!(text.contains(" equal"), rpcbench::sys::FULL, "{text}");
    let refused =
        finish(&mut repository.gate(&["--base", "innocent", "--new", "slow", "--format", "markdown"]))
            .with(1, &[]);
    let text = refused.out.join("\n");
    assert!(text.starts_with("# Gate") && text.contains("CPU per call, server"), "{text}");
    // A side that is faster is not slower, and the work tree is taken as it is, with changes that are not committed.
    fs::write(repository.path().join("src/main.rs"), wrapper("s")).unwrap();
    let json =
        finish(&mut repository.gate(&["--base", "slow", "--format", "json", "--seed", "7"])).with(0, &[]);
    let outcome: Value = serde_json::from_str(&json.out.join("\n")).unwrap();
    assert!(outcome["new"].as_str().unwrap().ends_with("with changes that are not committed"), "{outcome}");
    assert_eq!((&outcome["verdict"], &outcome["seed"]), (&"not-slower".into(), &7.into()));
    let rounds = outcome["rounds"].as_array().unwrap();
    let mut links: Vec<u64> = rounds
        .iter()
        .flat_map(|round| round["links"].as_array().unwrap().iter().map(|link| link.as_u64().unwrap()))
        .collect();
    links.sort_unstable();
    links.dedup();
    assert_eq!(links.len(), 2 * rounds.len(), "a link was used twice");
    // The programs of the rounds are gone.
    let builds: Vec<_> = fs::read_dir(repository.path().join("target/gate/builds")).unwrap().collect();
    // Two of revisions, and one of the work tree.
    assert_eq!(builds.len(), 3);
    for build in builds {
        // The last gate has built only two of them, and removed what was left in the third.
        let left = fs::read_dir(build.unwrap().path().join("programs")).into_iter().flatten();
        assert_eq!(left.count(), 0);
    }
}

#[test]
fn a_few_instructions_more_are_found_where_times_show_nothing() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: Valgrind is not installed");
        return;
    }
    let repository = Repository::with("fn main() {}");
    let script = |name: &str, change: &str| {
        let path = repository.path().join(name);
        let text = format!("#!/bin/sh\n{change}\nexec '{PROGRAM}' \"$@\"\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let usual = script("usual", "");
    // 20 µs of CPU time: far below the thresholds.
    let more = script(
        "more",
        r#"RPCBENCH_SERVER=$(printf %s "$RPCBENCH_SERVER" | sed 's/"handler_cpu":null/"handler_cpu":{"secs":0,"nanos":20000}/')
export RPCBENCH_SERVER"#,
    );
    // The same bytes from a client that takes more instructions for them.
    let other = script(
        "other",
        r#"RPCBENCH_DRIVER=$(printf %s "$RPCBENCH_DRIVER" | sed 's/"stack":"rest-hyper"/"stack":"rest"/')
export RPCBENCH_DRIVER"#,
    );
    let no_more = "Not slower than the thresholds allow";
    for (side, new, exit, expected) in [
        ("server", &usual, 0, no_more),
        ("server", &more, 1, "A call takes more instructions or allocations: rest-hyper, server"),
        ("client", &usual, 0, no_more),
        ("client", &more, 0, no_more),
        ("client", &other, 1, "A call takes more instructions or allocations: rest-hyper, client"),
    ] {
        let mut gate = repository.gate_with_counts(&["--base", &usual, "--new", new, "--side", side]);
        let counting = format!("counting the instructions of a call of rest-hyper at the {side}");
        let text = finish(&mut gate).with(exit, &[&counting]).out.join("\n");
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("Instructions and allocations of a call"), "{text}");
    }
}

#[test]
fn a_change_in_a_library_is_found_again_and_again() {
    let repository = Repository::with("");
    let library = |change: &str| {
        fs::write(repository.path().join("src/lib.rs"), wrapper(change).replace("fn main", "pub fn main"))
            .unwrap();
    };
    let main = "fn main() { rpcbench::main() }";
    library("s");
    repository.commit(main, "usual");
    library(SLOWED);
    repository.commit(main, "slow");
    // The second time, everything is built already.
    for _ in 0..2 {
        finish(&mut repository.gate(&["--base", "usual", "--new", "slow"])).with(1, &[]);
    }
}

#[test]
fn each_end_can_be_exchanged() {
    let repository = Repository::with(&wrapper("s"));
    let program = |name: &str, main: &str| -> PathBuf {
        repository.commit(main, name);
        let built = Command::new("cargo")
            .args(["build", "--quiet"])
            .current_dir(repository.path())
            .env("CARGO_TARGET_DIR", repository.path().join("target"))
            .status();
        assert!(built.unwrap().success());
        let path = repository.path().join(name);
        fs::copy(repository.path().join("target/debug/rpcbench"), &path).unwrap();
        path
    };
    let (usual, slow) = (program("usual", &wrapper("s")), program("slow", &slowed()));
    let [usual, slow] = [&usual, &slow].map(|path| path.to_str().unwrap());
    for (side, base, new, exit) in [
        ("server", usual, slow, 1),
        // The slowed program has the same client, and the servers are those of the running program.
        ("client", usual, slow, 0),
        ("both", usual, slow, 1),
        ("both", usual, usual, 0),
    ] {
        let arguments = ["--base", base, "--new", new, "--side", side];
        let ended = finish(&mut repository.gate(&arguments)).with(exit, &[]);
        // Two different programs have one link each.
        let note =
            "has a single link. Thresholds are at least 1.27 %: 3 standard deviations of the difference";
        for words in [note, "except where the single links"] {
            let is_noted = ended.out.iter().any(|line| line.contains(words));
            assert_eq!(is_noted, base != new, "{side}: {words}: {:?}", ended.out);
        }
    }
}

#[test]
fn servers_behind_brokers_are_compared_over_private_ones() {
    let repository = Repository::with(&wrapper("s"));
    repository.commit(&slowed(), "slow");
    let settings = SHORT.replace(r#"["rest-hyper"]"#, r#"["amqp", "nats"]"#);
    fs::write(repository.path().join("short.toml"), settings).unwrap();
    for (new, exit) in [("first", 0), ("slow", 1)] {
        let ended = finish(&mut repository.gate(&["--base", "first", "--new", new])).with(exit, &[]);
        let text = ended.out.join("\n");
        for stack in ["amqp", "nats"] {
            let row =
                ended.out.iter().find(|line| line.contains(stack) && line.contains("CPU per call, server"));
            assert!(row.is_some(), "{stack}: {text}");
        }
    }
}

#[test]
fn servers_of_other_programs_are_started_by_a_command() {
    let repository = Repository::with("fn main() {}");
    let usual = format!("'{PROGRAM}' serve rest-hyper --listen 127.0.0.1:{{port}}");
    let slow = format!("{usual} --handler-cpu 30ms");
    finish(&mut repository.gate(&["--base", &slow, "--new", &usual])).with(0, &[]);
    let page = ["--format", "html", "--out", "gate.html"];
    finish(&mut repository.gate(&[&["--base", &usual, "--new", &slow], &page[..]].concat())).with(1, &[]);
    let page = fs::read_to_string(repository.path().join("gate.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("New compared with base"), "{page}");
    let words =
        ["base: the command `false pg://db {port}` ended before it listened on port", "(exit status: 1)"];
    finish(&mut repository.gate(&["--base", "false pg://u:secret@db/x {port}", "--new", &usual]))
        .with(3, &words);
}

/// The URL of a server that accepts one connection at a time, which it forwards to the server at `url`.
fn one_connection_at_a_time(url: &str) -> String {
    let upstream = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&upstream) else { break };
            thread::scope(|scope| {
                for (mut from, mut to) in [(&client, &server), (&server, &client)] {
                    scope.spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            });
        }
    });
    own
}

#[test]
fn servers_that_accept_one_connection_at_a_time_can_be_compared() {
    let repository = Repository::with("fn main() {}");
    let (_base, base) = serve(&["rest-hyper"]);
    let (_new, new) = serve(&["rest-hyper"]);
    let [base, new] = [base, new].map(|url| one_connection_at_a_time(&url));
    let passed = finish(&mut repository.gate(&["--base", &base, "--new", &new])).with(0, &[]);
    let text = passed.out.join("\n");
    assert_eq!(text.contains(" equal"), rpcbench::sys::FULL, "{text}");
}

#[test]
fn a_server_that_ends_in_mid_gate_is_reported() {
    let repository = Repository::with("fn main() {}");
    let settings = SHORT.replace("warmup = \"30ms\"", "warmup = \"3s\"").replace("\"60s\"", "\"200s\"");
    fs::write(repository.path().join("short.toml"), settings).unwrap();
    let usual = format!("'{PROGRAM}' serve rest-hyper --listen 127.0.0.1:{{port}}");
    let ends = format!("timeout 1 {usual}");
    // In calls to it, or before the first one, as the order decides in which the sides are warmed up.
    for (side, base, new) in [("base", &ends, &usual), ("new", &usual, &ends)] {
        let words = [&format!("{side}: rest-hyper: "), "; the server ended"];
        let ended = finish(&mut repository.gate(&["--base", base, "--new", new])).with(3, &words);
        let reasons = ["did not get the expected answer", "cannot connect"];
        assert!(reasons.iter().any(|reason| ended.err.join("").contains(reason)), "{:?}", ended.err);
    }
}

#[test]
fn a_revision_that_does_not_build_shows_what_the_compiler_says() {
    let repository = Repository::with("fn main() { no such function }");
    let ended = finish(&mut repository.gate(&["--base", "HEAD"]));
    let ended =
        ended.with(3, &["base does not build; the whole output is in ", "base.log", "error: expected"]);
    assert!(ended.out.is_empty());
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let repository = Repository::with("fn main() {}");
    fs::write(repository.path().join("broken.toml"), SHORT.replace("slices", "slizes")).unwrap();
    let url = format!("http://127.0.0.1:{}/", closed_port());
    for (arguments, exit, words) in [
        (&["--base", "no-such-branch"][..], 2, &["--base: `no-such-branch` is neither a revision"][..]),
        (&["--base", "./nothing", "--new", PROGRAM], 2, &["--base: there is no program ./nothing"]),
        (&["--base", &url, "--new", PROGRAM, "--side", "client"], 2, &["--base: ", "has no client"]),
        (&["--base", "x {port}", "--new", PROGRAM, "--stack", "amqp"], 2, &["which needs a broker"]),
        (&["--base", "tcp://h:1", "--new", PROGRAM], 2, &["--base: rest-hyper takes a URL such as http://"]),
        (
            &["--base", PROGRAM, "--new", PROGRAM, "--stack", "rest-hipper"],
            2,
            &["did you mean `rest-hyper`?"],
        ),
        (
            &["--base", PROGRAM, "--new", PROGRAM, "--stack", "rest-hyper,rest-hyper"],
            2,
            &["rest-hyper is named twice"],
        ),
        (&["--base", PROGRAM, "--new", PROGRAM, "--stack", "inproc"], 2, &["inproc has no server"]),
        (
            &["--base", PROGRAM, "--new", PROGRAM, "--stack", "rest-hyper,jsonrpc-python"],
            2,
            &["--base: jsonrpc-python is served by its reference implementation", "use --side client"],
        ),
        (&["--base", &url, "--new", &url], 3, &["base: rest-hyper: cannot connect"]),
        (
            &["--base", "/bin/true", "--new", PROGRAM],
            3,
            &["base: rest-hyper: the server ended before it listened"],
        ),
    ] {
        finish(&mut repository.gate(arguments)).with(exit, words);
    }
    fs::write(repository.path().join("short.toml"), SHORT.replace("\"60s\"", "\"300ms\"")).unwrap();
    let words = ["max_time is enough for 1 rounds of 180ms, and a decision takes at least 11"];
    finish(&mut repository.gate(&["--base", PROGRAM, "--new", PROGRAM])).with(2, &words);
    let mut command = rpcbench(&["gate", "--base", "HEAD"]);
    let outside = tempfile::tempdir().unwrap();
    command.current_dir(outside.path()).env("GIT_CEILING_DIRECTORIES", outside.path());
    finish(&mut command).with(2, &["--base: ", "not a git repository"]);
    let mut command = rpcbench(&["gate", "--base", PROGRAM, "--settings", "broken.toml"]);
    finish(command.current_dir(repository.path())).with(2, &["broken.toml:7:1: ", "did you mean `slice"]);
}

#[test]
fn an_interrupt_ends_a_build() {
    let started = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let repository = Repository::with("fn main() {}");
    let script = format!(
        "fn main() {{
            let mut test = std::net::TcpStream::connect({:?}).unwrap();
            let _ = std::io::Read::read(&mut test, &mut [0]);
        }}",
        started.local_addr().unwrap().to_string()
    );
    fs::write(repository.path().join("build.rs"), script).unwrap();
    // A gate that was killed has left a program.
    let programs = repository.path().join("target/gate/builds/base/programs");
    fs::create_dir_all(&programs).unwrap();
    fs::write(programs.join("rpcbench-7"), "").unwrap();
    for (signal, exit) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut gate = Process::start(&mut repository.gate(&["--base", "."]));
        let mut script = accepted(&started);
        assert!(!programs.join("rpcbench-7").exists());
        gate.signal(signal);
        let ended = gate.ended().with(exit, &["ending the gate without a verdict"]);
        assert_eq!(ended.err.len(), 2, "{:?}", ended.err);
        // The processes of the build have ended, too.
        assert_eq!(script.read(&mut [0]).unwrap(), 0);
    }
}

/// The next connection to `listener`.
fn accepted(listener: &TcpListener) -> TcpStream {
    let (sender, connection) = mpsc::channel();
    let listener = listener.try_clone().unwrap();
    thread::spawn(move || sender.send(listener.accept()));
    connection.recv_timeout(TEST_TIMEOUT).unwrap().unwrap().0
}

#[test]
fn a_gate_in_a_git_hook_uses_the_repository_around_it() {
    let (here, elsewhere) = (Repository::with("fn main() { no such }"), Repository::with("fn main() {}"));
    here.git(&["tag", "only-here"]);
    let mut gate = here.gate(&["--base", "only-here"]);
    gate.env("GIT_DIR", elsewhere.path().join(".git")).env("GIT_WORK_TREE", elsewhere.path());
    gate.env("GIT_INDEX_FILE", elsewhere.path().join(".git/index"));
    finish(&mut gate).with(3, &["base does not build"]);
}

#[test]
fn an_interrupted_gate_ends_after_its_round() {
    let repository = Repository::with("fn main() {}");
    // With so small a threshold, a gate does not end soon.
    fs::write(repository.path().join("short.toml"), SHORT.replace("= 4.0", "= 0.001")).unwrap();
    let mut gate = Process::start(&mut repository.gate(&["--base", PROGRAM, "--new", PROGRAM]));
    gate.error_with("round 1");
    gate.signal(Signal::SIGINT);
    gate.ended().with(130, &[]);
}
