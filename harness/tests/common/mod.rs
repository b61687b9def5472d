//! What the tests of the program share: processes that are heard line by line and end with the test.
#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod broker;
pub(crate) mod control_group;
pub(crate) mod hostile;
pub(crate) mod relay;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take that is bound to happen. Only a defect takes that long.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(240);

/// The token of the control ports of servers that a test starts.
pub(crate) const CONTROL_TOKEN: &str = "the-token-of-the-tests";

/// Whether the tests ignore `signal`, and so the processes that they start: a shell ignores SIGINT in the background, and
/// `nohup` SIGHUP.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    rpcbench::sys::ignores_signal(signal as i32).unwrap_or(false)
}

/// The program under test, with nothing of the caller's settings. Other tests run at the same time, so that contention for
/// the cores is no reason for a trial not to count.
pub(crate) fn rpcbench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rpcbench"));
    command.args(arguments).stdin(Stdio::null());
    for name in [
        "RPCBENCH_BROKER",
        "RPCBENCH_RUN_BROKER",
        "RPCBENCH_PROGRAM",
        "RUST_LOG",
        "COLUMNS",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(name);
    }
    command.env("RPCBENCH_CONTROL_TOKEN", CONTROL_TOKEN).env("RPCBENCH_CONTENTION", "label");
    command
}

/// A script of `servers/python`.
pub(crate) fn python(script: &str) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/python");
    let mut command = interpreter();
    command.arg("-B").arg(scripts.join(script));
    command
}

/// The interpreter that has the packages of `servers/python/requirements.txt`, and those that tests need beside them.
pub(crate) fn interpreter() -> Command {
    let Some(interpreter) = std::env::var_os("RPCBENCH_PYTHON").map(PathBuf::from) else {
        panic!(
            "RPCBENCH_PYTHON does not name a Python that has the packages of servers/python/requirements.txt; \
             scripts/test installs them and sets it"
        );
    };
    let mut command = Command::new(interpreter);
    command.stdin(Stdio::null());
    command
}

/// A process that is killed, if it must be, when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    out: Receiver<String>,
    /// The lines of its standard error.
    pub(crate) err: Receiver<String>,
}

/// How a process ended, and what it said since it was last heard.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<String>,
    pub(crate) err: Vec<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Process { child, out, err }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Writes a line to its standard input, which must be a pipe.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line of its standard output.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(TEST_TIMEOUT).unwrap_or_else(|_| {
            panic!("it says nothing:\n{}", self.err.try_iter().collect::<Vec<_>>().join("\n"))
        })
    }

    /// Waits for a line of its standard error that contains `text`.
    pub(crate) fn error_with(&self, text: &str) {
        let mut heard = Vec::new();
        loop {
            match self.err.recv_timeout(TEST_TIMEOUT) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => heard.push(line),
                Err(_) => panic!("it does not say `{text}` but:\n{}", heard.join("\n")),
            }
        }
    }

    /// Waits for the line `listening PROTOCOL URL` of a server, and returns the URL.
    pub(crate) fn url(&self) -> String {
        let line = self.out.recv_timeout(TEST_TIMEOUT).unwrap_or_else(|_| {
            panic!("the server does not come up:\n{}", self.err.try_iter().collect::<Vec<_>>().join("\n"))
        });
        let words: Vec<_> = line.split(' ').collect();
        assert!(words.len() == 3 && words[0] == "listening", "{line}");
        words[2].to_owned()
    }

    /// Waits until it has ended without being stopped; ends its standard input, where that is a pipe.
    pub(crate) fn ended(&mut self) -> Ended {
        drop(self.child.stdin.take());
        let rest = |lines: &Receiver<String>| {
            let until = Instant::now() + TEST_TIMEOUT;
            let mut heard = Vec::new();
            loop {
                match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(line) => heard.push(line),
                    Err(RecvTimeoutError::Disconnected) => return heard,
                    Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", heard.join("\n")),
                }
            }
        };
        let (out, err) = (rest(&self.out), rest(&self.err));
        Ended { status: self.child.wait().unwrap(), out, err }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Runs `command` to its end.
pub(crate) fn finish(command: &mut Command) -> Ended {
    Process::start(command).ended()
}

impl Ended {
    /// Asserts the exit code and that standard error contains each of `words`; passes itself on.
    #[track_caller]
    pub(crate) fn with(self, code: i32, words: &[&str]) -> Self {
        let (out, err) = (self.out.join("\n"), self.err.join("\n"));
        assert_eq!(self.status.code(), Some(code), "standard output:\n{out}\nstandard error:\n{err}");
        for word in words {
            assert!(err.contains(word), "standard error does not say `{word}`:\n{err}");
        }
        self
    }
}
