//! The languages of reference servers: how a server whose source is part of this program is started.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::sys;

/// The environment variable that names the Python which has the packages of `servers/python/requirements.txt`.
pub const PYTHON_VARIABLE: &str = "RPCBENCH_PYTHON";

/// The module that the reference servers in Python share; each of them imports it by this name.
const SHARED: &str = include_str!("../../../servers/python/calculator.py");

/// Runs a script that is passed as text, with the module that it shares with the others. The sources are part of this
/// program, so that it needs no other files and leaves nothing behind when it is killed. Files in the working
/// folder are not imported in place of a library.
const RUN: &str = r#"
import sys, types
name, shared, script = sys.argv[1:4]
sys.argv[:] = [name] + sys.argv[4:]
sys.path[:] = [folder for folder in sys.path if folder]
module = sys.modules["calculator"] = types.ModuleType("calculator")
try:
    exec(compile(shared, "calculator.py", "exec"), vars(module))
    exec(compile(script, name, "exec"), {"__name__": "__main__"})
except ModuleNotFoundError as missing:
    print(f"{sys.executable}: {missing}; install the packages of servers/python/requirements.txt (pip install -r) "
          "and set RPCBENCH_PYTHON to the Python that has them", file=sys.stderr)
    sys.exit(3)
"#;

/// A language of reference servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Python 3, with the packages of `servers/python/requirements.txt`.
    Python,
    /// JavaScript, run by Node.js, which finds the packages of `servers/node` in `NODE_PATH`.
    JavaScript,
    /// Go. Its servers are compiled when they are first started, and kept in the user's cache folder.
    Go,
}

/// Why a server has no program.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// The language is not installed.
    #[error("{}", .0.missing())]
    Missing(Language),
    /// A server cannot be compiled.
    #[error("the server cannot be compiled by `{compiler}`: {reason}")]
    Compile {
        /// The compiler.
        compiler: String,
        /// What it or the system says.
        reason: String,
    },
}

impl Language {
    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Language::Python => "Python",
            Language::JavaScript => "JavaScript",
            Language::Go => "Go",
        }
    }

    /// The environment variable that names the interpreter or the compiler.
    fn variable(self) -> &'static str {
        match self {
            Language::Python => PYTHON_VARIABLE,
            Language::JavaScript => "RPCBENCH_NODE",
            Language::Go => "RPCBENCH_GO",
        }
    }

    /// The interpreter or the compiler: the one that the environment names, or that of the system.
    fn program(self) -> OsString {
        let usual = match self {
            Language::Python => "python3",
            Language::JavaScript => "node",
            Language::Go => "go",
        };
        sys::variable(self.variable()).unwrap_or_else(|| usual.into())
    }

    /// The version of the interpreter or of the compiler, for example `CPython 3.11.2`; `None` if it cannot be started.
    #[must_use]
    pub fn version(self) -> Option<String> {
        let arguments: &[&str] = match self {
            Language::Python => {
                &["-c", "import platform; print(platform.python_implementation(), platform.python_version())"]
            }
            Language::JavaScript => &["-p", "'Node.js ' + process.versions.node"],
            Language::Go => &["env", "GOVERSION"],
        };
        let output = Command::new(self.program()).args(arguments).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What to do where the language is not installed.
    #[must_use]
    pub fn missing(self) -> String {
        let (program, variable) = (self.program(), self.variable());
        let program = program.display();
        match self {
            Language::Python => format!(
                "there is no Python `{program}`; install Python 3, or set {variable} to one that has the packages of \
                 servers/python/requirements.txt"
            ),
            Language::JavaScript => {
                format!("there is no Node.js `{program}`; install it, or set {variable} to its program")
            }
            Language::Go => {
                format!("there is no Go `{program}`; install it, or set {variable} to its program")
            }
        }
    }

    /// The command that runs the server `source`, of which `script` is the file's name. A server in Go is compiled first, unless
    /// the same one was before.
    ///
    /// # Errors
    /// When a server in Go cannot be compiled.
    pub(super) fn command(self, script: &str, source: &str) -> Result<Command, LanguageError> {
        Ok(match self {
            Language::Python => {
                let mut command = Command::new(self.program());
                // -B: do not write compiled files next to the libraries.
                command.args(["-B", "-c", RUN, script, SHARED, source]);
                command
            }
            Language::JavaScript => {
                let mut command = Command::new(self.program());
                command.args(["-e", source, "--"]);
                command
            }
            Language::Go => Command::new(compiled(self, source)?),
        })
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The program that Go's compiler makes of `source`. It is kept in the user's cache folder, so that a later start takes no time.
fn compiled(language: Language, source: &str) -> Result<PathBuf, LanguageError> {
    let compiler = language.program();
    let failed = |reason: String| LanguageError::Compile { compiler: compiler.display().to_string(), reason };
    let version = language.version().ok_or(LanguageError::Missing(language))?;
    let folder = cache_folder().ok_or_else(|| failed("set XDG_CACHE_HOME or HOME".to_owned()))?;
    // Another source or compiler makes another program.
    let digest = Sha256::digest(format!("{version}\n{source}"));
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let program = folder.join(format!("server-{digest}"));
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(&folder).map_err(|error| failed(format!("{}: {error}", folder.display())))?;
    // Two processes may compile it at the same time: the result is moved into place as a whole.
    let (file, partial) = (
        folder.join(format!("server-{digest}-{}.go", std::process::id())),
        folder.join(format!("server-{digest}-{}", std::process::id())),
    );
    let built = fs::write(&file, source).and_then(|()| build(&compiler, &file, &partial));
    let placed = built.and_then(|()| fs::rename(&partial, &program));
    for left in [&file, &partial] {
        let _ = fs::remove_file(left);
    }
    placed.map_err(|error| failed(error.to_string()))?;
    Ok(program)
}

/// Compiles `file` to the program `out`. The compiler downloads nothing: a server uses the standard library only.
fn build(compiler: &OsString, file: &Path, out: &Path) -> io::Result<()> {
    let mut command = Command::new(compiler);
    command.args(["build", "-trimpath", "-o"]).args([out, file]);
    command.envs([
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GO111MODULE", "off"),
        ("CGO_ENABLED", "0"),
    ]);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// The folder of this program in the user's cache folder, as the XDG Base Directory Specification names it.
fn cache_folder() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(sys::variable("HOME")?).join(".cache"));
    let cache = sys::variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(cache.or_else(home)?.join("rpcbench"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_language_is_named_with_the_variable_that_names_another() {
        for (language, variable) in [
            (Language::Python, "RPCBENCH_PYTHON"),
            (Language::JavaScript, "RPCBENCH_NODE"),
            (Language::Go, "RPCBENCH_GO"),
        ] {
            assert!(language.missing().contains(variable), "{}", language.missing());
        }
    }

    #[test]
    fn what_the_compiler_says_about_a_wrong_source_is_reported() {
        if Language::Go.version().is_none() {
            return;
        }
        let error = Language::Go.command("wrong.go", "package main\nfunc main() { nothing() }").unwrap_err();
        assert!(error.to_string().contains("nothing"), "{error}");
    }
}
