//! Records what the program is built from, for [`Build`](src/record/provenance.rs).

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders and files outside this package that the program is built from.
const SOURCES: [&str; 3] = ["Cargo.toml", "Cargo.lock", "servers"];

fn main() {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = package.parent().unwrap_or(&package);
    println!("cargo::rerun-if-changed={}", package.display());
    for source in SOURCES.map(|source| root.join(source)).iter().filter(|source| source.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    // Changes with every commit and with every change of the branch. A source archive has no Git folder.
    if let Some(log) = git(root, &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={}", root.join(log).display());
    }

    let commit = git(root, &["rev-parse", "HEAD"]);
    let is_dirty =
        git(root, &["status", "--porcelain", "--untracked-files=no"]).map(|changes| !changes.is_empty());
    set("COMMIT", commit);
    set("DIRTY", is_dirty.map(|dirty| dirty.to_string()));
    set("COMPILER", output(Command::new(variable("RUSTC")).arg("--version")));
    set("PROFILE", Some(format!("{}, opt-level {}", variable("PROFILE"), variable("OPT_LEVEL"))));
    set("TARGET", Some(variable("TARGET")));
    set("LOCK", git(root, &["hash-object", "Cargo.lock"]));
}

/// Passes a fact to the compiler; an empty text stands for a fact that is not known.
fn set(name: &str, value: Option<String>) {
    println!("cargo::rustc-env=RPCBENCH_BUILD_{name}={}", value.unwrap_or_default());
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// What Git prints; `None` without Git or outside a repository.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    // Does not refresh the index, which another Git command may be writing.
    output(Command::new("git").arg("--no-optional-locks").arg("-C").arg(root).args(arguments))
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
