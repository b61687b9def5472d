//! Records what the program is built from, for [`Build`](src/record/provenance.rs).

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders and files that the program is built from, beside those of the crates in `servers`.
const SOURCES: [&str; 9] = [
    "harness/src",
    "harness/Cargo.toml",
    "harness/build.rs",
    "servers/python",
    "servers/node",
    "servers/go",
    "scenarios",
    "Cargo.toml",
    "Cargo.lock",
];

/// Names the commit where there is no Git, as in an image's build: 40 hexadecimal digits, and `-dirty` if files differ from
/// it.
const COMMIT_VARIABLE: &str = "RPCBENCH_COMMIT";

fn main() {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = package.parent().unwrap_or(&package);
    let sources = sources(root);
    // Nothing else: an edit of the documentation, of a test or of a crate of fuzz targets must not compile the program again.
    for source in &sources {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    println!("cargo::rerun-if-env-changed={COMMIT_VARIABLE}");
    if is_work_tree(root) {
        from_git(root, &sources);
    } else {
        let given = variable(COMMIT_VARIABLE);
        let commit = given.strip_suffix("-dirty").unwrap_or(&given);
        let is_commit = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        set("COMMIT", is_commit.then(|| commit.to_owned()));
        set("DIRTY", is_commit.then(|| (commit != given).to_string()));
        set("LOCK", None);
    }
    set("COMPILER", output(Command::new(variable("RUSTC")).arg("--version")));
    set("PROFILE", Some(format!("{}, opt-level {}", variable("PROFILE"), variable("OPT_LEVEL"))));
    set("TARGET", Some(variable("TARGET")));
}

/// The existing folders and files that the program is built from, relative to `root`.
fn sources(root: &Path) -> Vec<PathBuf> {
    let crates = std::fs::read_dir(root.join("servers")).into_iter().flatten().flatten();
    let of_crates = crates.flat_map(|folder| {
        let folder = Path::new("servers").join(folder.file_name());
        [folder.join("src"), folder.join("Cargo.toml")]
    });
    SOURCES.into_iter().map(PathBuf::from).chain(of_crates).filter(|path| root.join(path).exists()).collect()
}

/// Whether `root` is the top of a Git work tree. A source archive may lie inside the work tree of another project.
fn is_work_tree(root: &Path) -> bool {
    let top =
        git(root, &["rev-parse", "--show-toplevel"]).and_then(|top| Path::new(&top).canonicalize().ok());
    top.is_some_and(|top| root.canonicalize().is_ok_and(|root| root == top))
}

/// Sets what Git reports of the work tree `root` with the files `sources`.
fn from_git(root: &Path, sources: &[PathBuf]) {
    // Changes with every commit and with every change of the branch.
    if let Some(log) = git(root, &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={}", root.join(log).display());
    }
    let paths = sources.iter().filter_map(|source| source.to_str());
    let status: Vec<_> =
        ["status", "--porcelain", "--untracked-files=no", "--"].into_iter().chain(paths).collect();
    set("COMMIT", git(root, &["rev-parse", "HEAD"]));
    set("DIRTY", git(root, &status).map(|changes| (!changes.is_empty()).to_string()));
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
