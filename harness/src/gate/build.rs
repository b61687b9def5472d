//! Builds the sides, and links them again and again.
//!
//! Two links of the same source differ in speed, because the addresses of functions decide which of them share cache lines
//! and branch predictor entries. So a side is compiled once, and only its last linker command is run again, each time with
//! random padding between the sections.

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use super::command;
use super::error::GateError;
use super::git::{forget_hook, git};
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
pub(super) struct Workshop<'a> {
    root: PathBuf,
    folder: PathBuf,
    interrupted: &'a AtomicBool,
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
    /// The folder of the programs.
    folder: PathBuf,
    arguments: Vec<String>,
}

/// The side as built, in a few words, and its program.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) described: String,
    pub(super) program: Program,
}

impl<'a> Workshop<'a> {
    /// The workshop of the repository around the current folder, without the programs that an earlier gate may have left. Its
    /// builds end once `interrupted` is set.
    ///
    /// # Errors
    /// When there is no repository, or another gate is running in it.
    pub(super) fn open(side: Side, interrupted: &'a AtomicBool) -> Result<Self, GateError> {
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
        for build in fs::read_dir(folder.join("builds")).into_iter().flatten().flatten() {
            // What cannot be removed only takes space: no two links have the same name.
            let _ = fs::remove_dir_all(build.path().join("programs"));
        }
        let wrapper = folder.join("linker");
        fs::write(&wrapper, WRAPPER)
            .and_then(|()| fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)))
            .map_err(failed)?;
        Ok(Workshop { root, folder, interrupted, _lock: lock })
    }

    /// Builds `subject`, whose files come from Git or are those of a work tree.
    ///
    /// # Errors
    /// [`GateError::Subject`] for an unknown revision, [`GateError::Build`] with the compiler's message,
    /// [`GateError::Interrupted`].
    pub(super) fn build(&self, side: Side, subject: &Subject) -> Result<Built, GateError> {
        let wrong = |reason| GateError::Subject { side, reason };
        let (name, tree, described) = match subject {
            Subject::Revision(name) => {
                let commit =
                    git(&self.root, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])
                        .map_err(|_| {
                            wrong(format!("`{name}` is neither a revision of this repository nor a file"))
                        })?;
                let tree = self.check_out(side, &commit).map_err(wrong)?;
                (side.name().to_owned(), tree, format!("{name}, commit {}", short(&commit)))
            }
            Subject::Tree(folder) => {
                let commit = git(folder, &["rev-parse", "HEAD"]).map_err(wrong)?;
                let changes = git(folder, &["status", "--porcelain"]).map_err(wrong)?;
                let state = if changes.is_empty() { "" } else { " with changes that are not committed" };
                let tree = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
                let described = format!("{}, commit {}{state}", folder.display(), short(&commit));
                (name_of(&tree), tree, described)
            }
            Subject::Program(_) | Subject::Url(_) | Subject::Command(_) => {
                return Err(wrong(format!("{subject} is not built here")));
            }
        };
        let links = self.compile(side, &name, &tree)?;
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

    /// Compiles the program of `tree` in the folder `name`, and keeps the inputs of its last link.
    ///
    /// Each tree has its own target folder: Cargo names what it builds after the path inside the workspace, so that in a
    /// common folder one tree would be linked with the libraries of the other.
    fn compile(&self, side: Side, name: &str, tree: &Path) -> Result<Links, GateError> {
        let build = self.folder.join("builds").join(name);
        let [target, link, programs] = ["target", "link", "programs"].map(|part| build.join(part));
        let failed = |path: &Path, source| GateError::Io { path: path.to_owned(), source };
        for folder in [&link, &programs] {
            fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        }
        self.run_cargo(side, tree, &target, &link)?;
        let kept = kept_arguments(&link).filter(|arguments| is_link_of_built(arguments));
        let arguments = match kept {
            Some(arguments) => arguments,
            // Cargo links nothing if it has the program already: where the inputs were deleted, or where flags have been
            // changed and changed back.
            None => {
                fs::remove_dir_all(&target).map_err(|source| failed(&target, source))?;
                self.run_cargo(side, tree, &target, &link)?;
                kept_arguments(&link).ok_or_else(|| failed(&link, io::ErrorKind::NotFound.into()))?
            }
        };
        let arguments = link_in_advance(arguments, &link.join("objects.o"), self.interrupted);
        Ok(Links { side, folder: programs, arguments })
    }

    /// Builds the program of `tree` in the folder `target`. If Cargo links it, its inputs are kept in the folder `link`.
    fn run_cargo(&self, side: Side, tree: &Path, target: &Path, link: &Path) -> Result<(), GateError> {
        let log = self.folder.join(format!("{}.log", side.name()));
        let failed = |source| GateError::Io { path: log.clone(), source };
        let mut output = File::create(&log).map_err(failed)?;
        let mut command = Command::new("cargo");
        forget_hook(&mut command)
            .args(["build", "--release", "--locked", "--package", PROGRAM, "--bin", PROGRAM])
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", target)
            // Might otherwise be configured, and be the same for all trees.
            .env("CARGO_BUILD_BUILD_DIR", target)
            .env(linker_variable(), self.folder.join("linker"))
            .env(KEEP_VARIABLE, link)
            .env("CARGO_TERM_COLOR", "never");
        let ended = command::run(command, &mut output, self.interrupted);
        match ended.map_err(|source| GateError::Io { path: "cargo".into(), source })? {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(GateError::Build { side, end: last_lines(&log), log }),
            None => Err(GateError::Interrupted),
        }
    }
}

impl Links {
    /// Links the program with the section padding of `seed`.
    ///
    /// # Errors
    /// [`GateError::Link`] where the linker cannot do that, [`GateError::Interrupted`] once `interrupted` is set.
    pub(super) fn link(&self, seed: u32, interrupted: &AtomicBool) -> Result<PathBuf, GateError> {
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
        // Where the objects were not linked in advance, debug information takes a third of the time of a link. It has no part in
        // what is measured.
        command.arg("-Wl,--strip-debug").arg(format!("-Wl,--randomize-section-padding={seed}"));
        let failed = |output| GateError::Link { side: self.side, output };
        let mut output = vec![];
        let ended = command::run(command, &mut output, interrupted);
        match ended.map_err(|error| failed(format!("{LINKER}: {error}")))? {
            Some(status) if status.success() => Ok(program),
            Some(_) => Err(failed(String::from_utf8_lossy(&output).trim().to_owned())),
            None => Err(GateError::Interrupted),
        }
    }
}

/// Links the objects and libraries in `arguments` into the object file `whole` (a partial link, `ld -r`), without debug information
/// and without what the program does not use: most of the time of a link goes into reading these. Every function keeps its own
/// section, so that padding still moves it. Returns the arguments of a link from `whole`, or `arguments` unchanged if the partial
/// link fails.
fn link_in_advance(arguments: Vec<String>, whole: &Path, interrupted: &AtomicBool) -> Vec<String> {
    let is_input = |argument: &&String| {
        Path::new(argument).extension().is_some_and(|of| of == "o" || of == "rlib" || of == "a")
            && Path::new(argument).is_file()
    };
    let selects_linker =
        |argument: &&String| ["-m", "-B", "-fuse-ld="].iter().any(|start| argument.starts_with(start));
    let mut command = Command::new(LINKER);
    command
        .args(arguments.iter().filter(selects_linker))
        .args([
            "-r",
            "-nostdlib",
            "-Wl,--strip-debug",
            "-Wl,--gc-sections",
            "-Wl,--undefined=main",
            "-Wl,--entry=main",
            "-o",
        ])
        .arg(whole)
        .args(arguments.iter().filter(is_input));
    let linked = command::run(command, &mut io::sink(), interrupted);
    let Some(first) = arguments.iter().position(|argument| is_input(&argument)) else { return arguments };
    if !matches!(linked, Ok(Some(status)) if status.success()) {
        return arguments;
    }
    let whole = whole.to_string_lossy().into_owned();
    let rest = arguments[first..].iter().filter(|argument| !is_input(argument)).cloned();
    arguments[..first].iter().cloned().chain([whole]).chain(rest).collect()
}

/// The name of the folder in which the work tree at the canonical path `tree` is built.
fn name_of(tree: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    let last = tree.file_name().unwrap_or_default().to_string_lossy();
    format!("{last}-{:016x}", hasher.finish())
}

/// The command line of the link whose inputs are kept in `folder`; `None` if there is none.
fn kept_arguments(folder: &Path) -> Option<Vec<String>> {
    let kept = fs::read(folder.join("arguments")).ok()?;
    Some(String::from_utf8_lossy(&kept).split_terminator('\0').map(str::to_owned).collect())
}

/// Whether Cargo has built what the command line `arguments` has linked: then it has a copy of it in the folder above.
fn is_link_of_built(arguments: &[String]) -> bool {
    let linked = arguments.iter().skip_while(|argument| *argument != "-o").nth(1).map(Path::new);
    let Some((linked, folder)) = linked.and_then(|linked| Some((linked, linked.parent()?))) else {
        return false;
    };
    match (fs::read(linked), fs::read(folder.with_file_name(PROGRAM))) {
        (Ok(linked), Ok(built)) => linked == built,
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiles `source`, in C, into the object file `name` of `folder`.
    fn compile(folder: &Path, name: &str, source: &str) -> String {
        let object = folder.join(name);
        let file = object.with_extension("c");
        fs::write(&file, source).unwrap();
        let compiled =
            Command::new(LINKER).args(["-ffunction-sections", "-c", "-o"]).arg(&object).arg(&file).status();
        assert!(compiled.unwrap().success());
        object.to_string_lossy().into_owned()
    }

    #[test]
    fn objects_that_were_linked_in_advance_make_the_same_program_without_what_it_does_not_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let main = compile(folder.path(), "main.o", "int used(void); int main(void) { return used(); }");
        let other = compile(
            folder.path(),
            "other.o",
            "int used(void) { return 7; } int unused_function(void) { return 8; }",
        );
        let program = path("program").to_string_lossy().into_owned();
        let flags = ["-o", &program, "-Wl,--gc-sections"].map(str::to_owned);
        let arguments: Vec<String> = [main, other].into_iter().chain(flags).collect();
        let (whole, interrupted) = (path("objects.o"), AtomicBool::new(false));
        let in_advance = link_in_advance(arguments.clone(), &whole, &interrupted);
        assert_eq!(in_advance[0], whole.to_string_lossy());
        assert_eq!(in_advance[1..], arguments[2..]);
        assert!(!String::from_utf8_lossy(&fs::read(&whole).unwrap()).contains("unused_function"));
        assert!(Command::new(LINKER).args(&in_advance).status().unwrap().success());
        assert_eq!(Command::new(&program).status().unwrap().code(), Some(7));
    }

    #[test]
    fn objects_that_cannot_be_linked_in_advance_are_linked_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken.o");
        fs::write(&broken, "no object").unwrap();
        let arguments = [broken.to_string_lossy().as_ref(), "-o", "program"].map(str::to_owned).to_vec();
        let whole = folder.path().join("objects.o");
        assert_eq!(link_in_advance(arguments.clone(), &whole, &AtomicBool::new(false)), arguments);
    }
}
