//! Operations of one's own: measures services in Python that know nothing of the calculator.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod mistakes;
mod stages;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Process, interpreter, rpcbench};
use rpcbench::record::{self, Record};
use tempfile::TempDir;

/// Starts the service with users over `protocol`.
fn users(protocol: &str, arguments: &[&str]) -> Process {
    Process::start(&mut users_command(protocol, arguments))
}

fn users_command(protocol: &str, arguments: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own/users.py");
    let mut command = interpreter();
    command.arg("-B").arg(script).arg(protocol).args(arguments);
    command
}

/// A folder with a scenario and what belongs to it, which also receives the results.
struct Folder(TempDir);

impl Folder {
    /// The scenario measures `measurements`, each an operation and a load, for `blocks` blocks, and has further TOML.
    fn of(blocks: u32, measurements: &[(&str, &str)], more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!(
            "name = \"mine\"\nquestion = \"Is the new one slower?\"\nblocks = {blocks}\nwarmup = \"10ms\"\nmeasure = \"100ms\"\n\
             stacks = []\n{more}"
        );
        for (operation, load) in measurements {
            text += &format!(
                "\n[[measurement]]\nname = \"{operation} {load}\"\noperation = \"{operation}\"\nload = \"{load}\"\n\
                 placement = \"free\"\n"
            );
            if load.starts_with("open") {
                text += "connections = 1\n";
            }
        }
        std::fs::write(folder.path().join("mine.toml"), text).unwrap();
        Folder(folder)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    /// `rpcbench run mine.toml` with `arguments`, in this folder.
    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = rpcbench(&["run", "mine.toml", "--out", "results"]);
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn results(&self) -> PathBuf {
        self.0.path().join("results")
    }

    fn record(&self) -> Record {
        record::read(&self.results()).unwrap()
    }

    fn report(&self) -> String {
        std::fs::read_to_string(self.results().join("report/report.md")).unwrap()
    }
}
