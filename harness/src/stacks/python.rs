//! Reference servers: a protocol's usual library in Python, as the server of a stack.

use std::ffi::OsString;
use std::process::Command;

use super::serve::{BROKER_VARIABLE, ServerSettings};
use crate::sys::{self, Secret};

/// The environment variable that names the Python which has the packages of `servers/python/requirements.txt`.
pub const PYTHON_VARIABLE: &str = "RPCBENCH_PYTHON";

/// The module that the reference servers share; each of them imports it by this name.
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

/// The option of `rpcbench serve` that every reference server supports.
const WORK_OPTION: &str = "--work";

/// A server in Python. It prints `listening PROTOCOL URL` when it answers calls, and takes `--listen HOST:PORT`,
/// `--end-with-input` and `--work KIND:SECONDS`.
#[derive(Debug)]
pub struct Reference {
    /// The name of the library, for tables.
    pub title: &'static str,
    /// The script's name.
    pub(super) script: &'static str,
    /// The script.
    pub(super) source: &'static str,
    /// Arguments of every start.
    pub(super) arguments: &'static [&'static str],
    /// Writes the protocol's options as arguments of the script.
    pub(super) options: fn(&ServerSettings) -> Vec<String>,
    /// The options of `rpcbench serve` that the server supports besides `--work`, as `--option`.
    pub(super) accepts: &'static [&'static str],
    /// The executor of handlers, which no option changes: `blocking`, `threads`, `async`.
    pub executor: &'static str,
}

/// A reference server cannot be started with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It does not have the option.
    #[error("{option}: {stack} is served by a reference implementation, which has no such option")]
    Option {
        /// The stack.
        stack: String,
        /// The option, as `--option`.
        option: String,
    },
    /// It listens on TCP ports only.
    #[error("--listen: {0} is served by a reference implementation, which listens on HOST:PORT only")]
    Listen(String),
}

/// The server in a file of `servers/python`.
macro_rules! reference {
    ($title:literal, $script:literal, $arguments:expr, $executor:literal) => {
        $crate::stacks::python::Reference {
            title: $title,
            script: $script,
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../servers/python/", $script)),
            arguments: $arguments,
            options: |_| vec![],
            accepts: &[],
            executor: $executor,
        }
    };
}
pub(super) use reference;

impl Reference {
    /// The command that starts the server.
    ///
    /// # Errors
    /// [`ReferenceError`] for the first option that the server does not support.
    pub fn command(&self, settings: &ServerSettings) -> Result<Command, ReferenceError> {
        let refused = |option: &str| ReferenceError::Option {
            stack: settings.stack.clone(),
            option: option.to_owned(),
        };
        if settings.control.is_some() {
            return Err(refused("--control"));
        }
        let accepts = |option: &str| option == WORK_OPTION || self.accepts.contains(&option);
        if let Some(option) = settings.options.given.iter().find(|given| !accepts(given)) {
            return Err(refused(option));
        }
        if settings.listen.port().is_none() {
            return Err(ReferenceError::Listen(settings.stack.clone()));
        }
        let mut command = Command::new(interpreter());
        // -B: do not write compiled files next to the libraries.
        command.args(["-B", "-c", RUN, self.script, SHARED, self.source]).args(self.arguments);
        command.arg(format!("--listen={}", settings.listen)).args((self.options)(settings));
        if let Some(work) = settings.options.common.work {
            command.arg(format!("{WORK_OPTION}={}:{}", work.kind(), work.time().as_secs_f64()));
        }
        if settings.end_with_input {
            command.arg("--end-with-input");
        }
        command.envs(settings.broker.as_ref().map(Secret::reveal).map(|url| (BROKER_VARIABLE, url)));
        Ok(command)
    }
}

/// The Python that [`PYTHON_VARIABLE`] names, or `python3`.
fn interpreter() -> OsString {
    sys::variable(PYTHON_VARIABLE).unwrap_or_else(|| "python3".into())
}

/// The version of the interpreter, for example `3.11.2`; `None` if it cannot be started.
#[must_use]
pub fn interpreter_version() -> Option<String> {
    let mut command = Command::new(interpreter());
    command
        .args(["-c", "import platform; print(platform.python_implementation(), platform.python_version())"]);
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What to do where there is no Python.
#[must_use]
pub fn missing_python() -> String {
    format!(
        "there is no Python `{}`; install Python 3, or set {PYTHON_VARIABLE} to one that has the packages of \
         servers/python/requirements.txt",
        interpreter().display()
    )
}
