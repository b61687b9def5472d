//! Builds the sides, and links them again and again.
//!
//! Two links of the same source differ in speed, because the addresses of functions decide which of them share cache lines
//! and branch predictor entries. So a side is compiled once, and only its last linker command is run again, each time with
//! random padding between the sections.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::UNIX_EPOCH;

use super::error::GateError;
use super::side::Side;
use super::subject::Subject;
use crate::sys;

/// The program that is built.
const PROGRAM: &str = "rpcbench";
/// The linker that rustc runs, unless configured otherwise.
const LINKER: &str = "cc";
/// Tells the wrapper where to keep the inputs of the last link.
const KEEP_VARIABLE: &str = "RPCBENCH_KEEP_LINK";
/// The lines of a failed build that are shown.
const SHOWN_LINES: usize = 30;

/// A linker that keeps the command line and the object files of the program's last link, and runs the usual linker. rustc
/// deletes the objects afterwards; Cargo may replace the libraries.
const WRAPPER: &str = r#"#!/bin/sh
set -eu
output=
previous=
for argument in "$@"; do
    [ "$previous" != -o ] || output=$argument
    previous=$argument
done
case "$output" in
*/deps/rpcbench-*)
    rm -rf "$RPCBENCH_KEEP_LINK/inputs"
    mkdir -p "$RPCBENCH_KEEP_LINK/inputs"
    : >"$RPCBENCH_KEEP_LINK/arguments"
    : >"$RPCBENCH_KEEP_LINK/new"
    number=0
    for argument in "$@"; do
        case "$argument" in
        *.o | *.rlib | *.a)
            if [ -f "$argument" ]; then
                number=$((number + 1))
                kept=$RPCBENCH_KEEP_LINK/inputs/$number-${argument##*/}
                ln "$argument" "$kept" 2>/dev/null || cp "$argument" "$kept"
                argument=$kept
            fi
            ;;
        esac
        printf '%s\0' "$argument" >>"$RPCBENCH_KEEP_LINK/arguments"
    done
    ;;
esac
exec cc "$@"
"#;

/// The folder in which sides are built: a folder of Cargo's target folder, used by one gate at a time.
#[derive(Debug)]
pub(super) struct Workshop {
    root: PathBuf,
    folder: PathBuf,
    /// Held as long as the gate lasts.
    _lock: File,
}

/// A program of a side.
#[derive(Clone, Debug)]
pub(super) enum Program {
    /// The same file in every round.
    Fixed(PathBuf),
    /// A program that is linked again for every round.
    Relinked(Links),
}

/// A built program, which can be linked again.
#[derive(Clone, Debug)]
pub(super) struct Links {
    side: Side,
    folder: PathBuf,
    arguments: Vec<String>,
}

/// The side as built, in a few words, and its program.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) described: String,
    pub(super) program: Program,
}

impl Workshop {
    /// The workshop of the repository around the current folder.
    ///
    /// # Errors
    /// When there is no repository, or another gate is being held in it.
    pub(super) fn open(side: Side) -> Result<Self, GateError> {
        let root = git(Path::new("."), &["rev-parse", "--show-toplevel"])
            .map_err(|reason| GateError::Subject { side, reason })?;
        let root = PathBuf::from(root);
        let target = sys::variable("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let folder = std::path::absolute(target.join("gate")).unwrap_or(target);
        let failed = |source| GateError::Io { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(GateError::InUse(folder)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let wrapper = folder.join("linker");
        fs::write(&wrapper, WRAPPER)
            .and_then(|()| fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)))
            .map_err(failed)?;
        Ok(Workshop { root, folder, _lock: lock })
    }

    /// Builds `subject`, whose files come from Git or are those of a work tree.
    ///
    /// # Errors
    /// [`GateError::Subject`] for an unknown revision, [`GateError::Build`] with the compiler's message.
    pub(super) fn build(&self, side: Side, subject: &Subject) -> Result<Built, GateError> {
        let wrong = |reason| GateError::Subject { side, reason };
        let (tree, described) = match subject {
            Subject::Revision(name) => {
                let commit =
                    git(&self.root, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])
                        .map_err(|_| {
                            wrong(format!("`{name}` is neither a revision of this repository nor a file"))
                        })?;
                let tree = self.check_out(side, &commit).map_err(wrong)?;
                (tree, format!("{name}, commit {}", short(&commit)))
            }
            Subject::Tree(folder) => {
                let commit = git(folder, &["rev-parse", "HEAD"]).map_err(wrong)?;
                let changes = git(folder, &["status", "--porcelain"]).map_err(wrong)?;
                let state = if changes.is_empty() { "" } else { " with changes that are not committed" };
                let tree = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
                (tree, format!("{}, commit {}{state}", folder.display(), short(&commit)))
            }
            Subject::Program(_) | Subject::Url(_) | Subject::Command(_) => {
                return Err(wrong(format!("{subject} is not built here")));
            }
        };
        let links = self.compile(side, &tree)?;
        Ok(Built { described, program: Program::Relinked(links) })
    }

    /// A work tree of the repository with the files of `commit`. Each side has a fixed one, so that a second gate compiles only
    /// what has changed.
    fn check_out(&self, side: Side, commit: &str) -> Result<PathBuf, String> {
        let tree = self.folder.join("trees").join(side.name());
        let path = tree.to_string_lossy().into_owned();
        if git(&tree, &["rev-parse", "--show-toplevel"]).is_ok_and(|top| Path::new(&top) == tree) {
            git(&tree, &["checkout", "--quiet", "--force", "--detach", commit])?;
        } else {
            // What is left of a tree that was deleted is in the way otherwise.
            git(&self.root, &["worktree", "prune"])?;
            git(&self.root, &["worktree", "add", "--quiet", "--force", "--detach", &path, commit])?;
        }
        Ok(tree)
    }

    /// Compiles the program of `tree`, and keeps the inputs of its last link.
    fn compile(&self, side: Side, tree: &Path) -> Result<Links, GateError> {
        let folder = self.folder.join("links").join(side.name());
        let failed = |source| GateError::Io { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let (new, kept_stamp) = (folder.join("new"), folder.join("stamp"));
        let _ = fs::remove_file(&new);
        self.run_cargo(side, tree, &folder)?;
        // Cargo links nothing if the program is up to date. What was kept before belongs to it only if the other side has not
        // been built from the same files meanwhile.
        let is_kept = || {
            let stamp = kept_arguments(&folder).as_deref().and_then(stamp);
            stamp.is_some() && stamp == fs::read_to_string(&kept_stamp).ok()
        };
        if !new.exists() && !is_kept() {
            self.forget_program();
            self.run_cargo(side, tree, &folder)?;
        }
        let arguments = kept_arguments(&folder).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        fs::write(&kept_stamp, stamp(&arguments).unwrap_or_default()).map_err(failed)?;
        Ok(Links { side, folder, arguments })
    }

    /// Builds the program of `tree`. If Cargo links it, its inputs are kept in `folder`.
    fn run_cargo(&self, side: Side, tree: &Path, folder: &Path) -> Result<(), GateError> {
        let log = self.folder.join(format!("{}.log", side.name()));
        let failed = |source| GateError::Io { path: log.clone(), source };
        let output = File::create(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let mut command = Command::new("cargo");
        command
            .args(["build", "--release", "--locked", "--package", PROGRAM, "--bin", PROGRAM])
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", self.folder.join("build"))
            .env(linker_variable(), self.folder.join("linker"))
            .env(KEEP_VARIABLE, folder)
            .env("CARGO_TERM_COLOR", "never")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let status = command.status().map_err(|source| GateError::Io { path: "cargo".into(), source })?;
        if status.success() { Ok(()) } else { Err(GateError::Build { side, end: last_lines(&log), log }) }
    }

    /// Lets Cargo link the program again.
    fn forget_program(&self) {
        for file in fs::read_dir(self.folder.join("build/release/deps")).into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with("rpcbench-") {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

impl Links {
    /// Links the program with the section padding of `seed`.
    ///
    /// # Errors
    /// [`GateError::Link`] where the linker cannot do that.
    pub(super) fn link(&self, seed: u32) -> Result<PathBuf, GateError> {
        let program = self.folder.join(format!("{PROGRAM}-{seed}"));
        let mut command = Command::new(LINKER);
        let mut is_output = false;
        for argument in &self.arguments {
            if is_output {
                command.arg(&program);
            } else {
                command.arg(argument);
            }
            is_output = argument == "-o";
        }
        command.arg(format!("-Wl,--randomize-section-padding={seed}")).stdin(Stdio::null());
        let failed = |output| GateError::Link { side: self.side, output };
        let output = command.output().map_err(|error| failed(format!("{LINKER}: {error}")))?;
        if output.status.success() { Ok(program) } else { Err(failed(text(&output))) }
    }
}

/// The command line of the link whose inputs are kept in `folder`; `None` if there is none.
fn kept_arguments(folder: &Path) -> Option<Vec<String>> {
    let kept = fs::read(folder.join("arguments")).ok()?;
    Some(String::from_utf8_lossy(&kept).split_terminator('\0').map(str::to_owned).collect())
}

/// Identifies the program that the command line `arguments` has linked: its path, and when it was written.
fn stamp(arguments: &[String]) -> Option<String> {
    let output = arguments.iter().skip_while(|argument| *argument != "-o").nth(1)?;
    let written = fs::metadata(output).and_then(|file| file.modified()).ok()?;
    let written = written.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{output} {}", written.as_nanos()))
}

/// The variable that names the linker of this machine's target to Cargo.
fn linker_variable() -> String {
    let target = env!("RPCBENCH_BUILD_TARGET").to_uppercase().replace(['-', '.'], "_");
    format!("CARGO_TARGET_{target}_LINKER")
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// The last lines of the file at `path`.
fn last_lines(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

/// What Git prints for `arguments` in `folder`.
///
/// # Errors
/// What it prints on standard error.
fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(text(&output)),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("git is not installed".to_owned()),
        Err(error) => Err(format!("git: {error}")),
    }
}

/// What a command printed: on standard output, or if that is empty, on standard error.
fn text(output: &Output) -> String {
    let out = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    String::from_utf8_lossy(out).trim().to_owned()
}
