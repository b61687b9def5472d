//! Processes under Callgrind, which counts their instructions.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The functions of the C library that allocate memory or let it grow. Rust's allocator calls them.
const ALLOCATING: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// What a process has done from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The instructions that were executed.
    pub(crate) instructions: u64,
    /// How often memory was allocated or grown.
    pub(crate) allocations: u64,
}

/// Why a process was not counted.
#[derive(Debug, thiserror::Error)]
pub enum CallgrindError {
    /// Valgrind cannot be started.
    #[error("Valgrind is missing: apt install valgrind")]
    Missing,
    /// The folder for the counts cannot be made.
    #[error("cannot create {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Callgrind has written nothing, for example because the process was killed.
    #[error("Callgrind has written no counts to {}: {source}", file.display())]
    NoCounts {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// What Callgrind has written is not in its format.
    #[error("the counts of Callgrind cannot be read: {0}")]
    Format(String),
}

/// The folder to which Callgrind writes the counts of processes. Dropping it deletes the folder.
#[derive(Debug)]
pub(crate) struct Callgrind {
    folder: PathBuf,
}

impl Callgrind {
    /// A new folder.
    ///
    /// # Errors
    /// [`CallgrindError::Missing`], [`CallgrindError::Folder`].
    pub(crate) fn new() -> Result<Self, CallgrindError> {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let mut version = Command::new("valgrind");
        version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !version.status().is_ok_and(|status| status.success()) {
            return Err(CallgrindError::Missing);
        }
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("rpcbench-callgrind-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // Fails if it exists: another user might have made it.
        fs::create_dir(&folder)
            .map_err(|source| CallgrindError::Folder { folder: folder.clone(), source })?;
        Ok(Callgrind { folder })
    }

    /// The file with the counts of the process `pid`, or a pattern for it.
    fn file(&self, pid: &str) -> PathBuf {
        self.folder.join(format!("{pid}.out"))
    }

    /// The words that come before the program on a command line.
    pub(crate) fn wrapper(&self) -> Vec<OsString> {
        let mut file = OsString::from("--callgrind-out-file=");
        file.push(self.file("%p"));
        // The program may be a script that ends by becoming another program.
        let options = ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes"];
        options.map(OsString::from).into_iter().chain([file]).collect()
    }

    /// What was counted of the process `pid`, after it has ended.
    ///
    /// # Errors
    /// [`CallgrindError::NoCounts`], [`CallgrindError::Format`].
    pub(crate) fn totals(&self, pid: u32) -> Result<Totals, CallgrindError> {
        let file = self.file(&pid.to_string());
        let bytes = fs::read(&file).map_err(|source| CallgrindError::NoCounts { file, source })?;
        parse(&String::from_utf8_lossy(&bytes))
    }
}

impl Drop for Callgrind {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The totals in a profile in Callgrind's format (Valgrind's manual, "Callgrind Format Specification").
///
/// # Errors
/// [`CallgrindError::Format`].
fn parse(text: &str) -> Result<Totals, CallgrindError> {
    let mut totals = Totals::default();
    let mut instructions = None;
    let mut is_allocating: HashMap<&str, bool> = HashMap::new();
    let mut callee = "";
    for line in text.lines() {
        // A name is written out once, as `(number) name`, and is its number from then on.
        if let Some(function) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
            let (number, name) = function.split_once(' ').unwrap_or((function, ""));
            if !name.is_empty() {
                is_allocating.insert(number, allocates(name));
            }
            callee = number;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let calls = calls.split(' ').next().unwrap_or_default();
            let calls: u64 = calls.parse().map_err(|_| CallgrindError::Format(format!("`{line}`")))?;
            if is_allocating.get(callee).copied().unwrap_or_default() {
                totals.allocations = totals.allocations.saturating_add(calls);
            }
        } else if let Some(sum) = line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")) {
            instructions = sum.trim().parse().ok();
        }
    }
    totals.instructions = instructions.ok_or_else(|| CallgrindError::Format("no sum".to_owned()))?;
    Ok(totals)
}

/// Whether a function of this name allocates. Callgrind adds `'2` to functions that have called themselves.
fn allocates(name: &str) -> bool {
    ALLOCATING.contains(&name.split('\'').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "version: 1\ncreator: callgrind-3.19.0\npositions: line\nevents: Ir\nsummary: 900\n\n\
        fl=(1) main.c\nfn=(1) main\n0 10\ncob=(2) /lib/libc.so.6\ncfi=(2) ???\ncfn=(2) malloc\ncalls=3 0\n0 60\n\
        cfn=(3) strlen\ncalls=7 0\n0 70\n\nfn=(4) grow\n0 5\ncfn=(5) realloc'2\ncalls=2 0\n0 9\ncfn=(2)\ncalls=1 0\n0 20\n\n\
        totals: 1234\n";

    #[test]
    fn instructions_and_calls_of_the_allocator_are_summed() {
        assert_eq!(parse(PROFILE).unwrap(), Totals { instructions: 1234, allocations: 6 });
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in ["", "version: 1\n", "cfn=(1) malloc\ncalls=many 0\ntotals: 1\n", "totals: many\n"] {
            assert!(matches!(parse(text), Err(CallgrindError::Format(_))), "{text}");
        }
    }

    #[test]
    fn a_process_is_counted_and_nothing_is_left() {
        let callgrind = match Callgrind::new() {
            Ok(callgrind) => callgrind,
            Err(CallgrindError::Missing) => return,
            Err(error) => panic!("{error}"),
        };
        let mut command = callgrind.wrapper();
        command.extend(["sh", "-c", "exec ls /"].map(OsString::from));
        let mut child = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        assert!(child.wait().unwrap().success());
        let totals = callgrind.totals(pid).unwrap();
        assert!(totals.instructions > 10_000 && totals.allocations > 10, "{totals:?}");
        let other = callgrind.totals(0).unwrap_err();
        assert!(other.to_string().contains("0.out"), "{other}");
        let folder = callgrind.folder.clone();
        drop(callgrind);
        assert!(!folder.exists());
    }
}
