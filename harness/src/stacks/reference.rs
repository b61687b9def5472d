//! Reference servers: a protocol's usual library in Python, as the server of a stack.

use std::ffi::OsString;
use std::process::Command;

/// Names the Python that has the packages of `servers/python/requirements.txt`.
pub const PYTHON_VARIABLE: &str = "RPCBENCH_PYTHON";

/// What the reference servers have in common; each of them imports it by this name.
const SHARED: &str = include_str!("../../../servers/python/calculator.py");

/// Runs a script that was handed over as text, with the module it shares with the others. The sources are part of this
/// program, so that it needs no folder beside it, and nothing is left behind when it is killed. What lies in the
/// working folder is not imported in place of a library.
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

/// A server in Python. It prints `listening PROTOCOL URL` when it answers calls, and takes `--listen HOST:PORT` and
/// `--end-with-input`.
#[derive(Debug)]
pub struct Reference {
    pub(super) script: &'static str,
    pub(super) source: &'static str,
    pub(super) arguments: &'static [&'static str],
    /// How it runs handlers, whatever the others are told to do: `blocking`, `threads`, `async`.
    pub executor: &'static str,
}

/// The server in a file of `servers/python`.
macro_rules! reference {
    ($script:literal, $arguments:expr, $executor:literal) => {
        Server::Reference(&Reference {
            script: $script,
            source: include_str!(concat!("../../../servers/python/", $script)),
            arguments: $arguments,
            executor: $executor,
        })
    };
}
pub(super) use reference;

impl Reference {
    /// Starts it, once further arguments have been added.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(interpreter());
        // -B: a server leaves no compiled files beside its libraries.
        command.args(["-B", "-c", RUN, self.script, SHARED, self.source]).args(self.arguments);
        command
    }
}

/// The Python that [`PYTHON_VARIABLE`] names, else `python3`.
fn interpreter() -> OsString {
    std::env::var_os(PYTHON_VARIABLE).unwrap_or_else(|| "python3".into())
}

/// Why a Python that is not there cannot be started, and what to do.
#[must_use]
pub fn no_python() -> String {
    format!(
        "there is no Python `{}`; install Python 3, or set {PYTHON_VARIABLE} to one that has the packages of \
         servers/python/requirements.txt",
        interpreter().display()
    )
}
