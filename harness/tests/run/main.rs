//! Whole runs through the real binary.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod brokers;
mod claims;
mod codecs;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod contention;
mod dependent;
mod exchanges;
mod floors;
mod handlers;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(target_os = "linux")]
mod leftovers;
#[cfg(target_os = "linux")]
mod limits;
mod open;
mod pairs;
mod per_call;
mod private_broker;
mod results;
mod saving;
mod scenarios;
mod servers;
mod signals;
mod streams;
mod timelines;
mod topologies;
mod transports;
mod ways;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Process, TEST_TIMEOUT, rpcbench};
use rpcbench::record::{self, Record};
use tempfile::TempDir;

/// A tiny scenario in a temporary folder, which also receives its results.
struct Run {
    folder: TempDir,
}

impl Run {
    fn of(stacks: &[&str], blocks: u32, measure: &str) -> Self {
        Self::placed(stacks, blocks, measure, "free")
    }

    fn placed(stacks: &[&str], blocks: u32, measure: &str, placement: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenario = format!(
            "name = \"tiny\"\nquestion = \"Does it run?\"\nblocks = {blocks}\nwarmup = \"10ms\"\n\
             measure = \"{measure}\"\nstacks = {stacks:?}\n\n[[measurement]]\nname = \"latency\"\n\
             operation = \"add\"\nload = \"closed:1\"\nplacement = \"{placement}\"\n"
        );
        std::fs::write(folder.path().join("tiny.toml"), scenario).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Run { folder }
    }

    /// The command that makes the run, in a separate process group, as a terminal starts each job. Its
    /// processes can be recognised by their environment, which names the folder: the program's own inherit `TMPDIR`, and the
    /// broker, whose environment is made anew, has its home below that.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_with(&["run", "tiny.toml", "--out", "results"]);
        command.args(arguments);
        command
    }

    /// The same for any arguments.
    fn command_with(&self, arguments: &[&str]) -> Command {
        let mut command = rpcbench(arguments);
        command.current_dir(self.folder.path()).process_group(0);
        command.env("TMPDIR", self.folder.path().join("tmp"));
        command
    }

    fn start(&self, arguments: &[&str]) -> Process {
        Process::start(&mut self.command(arguments))
    }

    fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    fn record(&self) -> Record {
        record::read(&self.results()).unwrap()
    }

    /// Waits until the run has saved a block.
    fn wait_for_record(&self) {
        let record = self.results().join("record.json");
        wait_until("there is never a record", || record.exists());
    }

    /// Replaces the text of the scenario.
    fn change_scenario(&self, change: impl FnOnce(&str) -> String) {
        let path = self.folder.path().join("tiny.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, change(&text)).unwrap();
    }
}

/// Waits until `condition` holds; `complaint` says what is wrong if it never does.
fn wait_until(complaint: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < TEST_TIMEOUT, "{complaint}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Carries out `command` in a shell, with its folder and environment, after the shell command `first`.
fn in_shell(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{first} && exec \"$@\""), "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
    shell
}

/// Waits for a line on standard error that contains `text`.
fn wait_for(run: &Process, text: &str) {
    run.error_with(text);
}
