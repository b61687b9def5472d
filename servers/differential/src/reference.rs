//! The reference implementations: a Python process that decodes messages.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What the reference implementation makes of a message in one view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceOutcome {
    /// The name of the view.
    pub view: String,
    /// What is special about the message.
    pub notes: BTreeSet<String>,
    /// The value, or why the message is rejected.
    pub value: Result<String, String>,
}

impl ReferenceOutcome {
    /// Whether the message has this note.
    pub(crate) fn has(&self, note: &str) -> bool {
        self.notes.contains(note)
    }

    /// The number of levels of lists and maps in the message, if it could be parsed.
    pub(crate) fn depth(&self) -> usize {
        let depths = self.notes.iter().filter_map(|note| note.strip_prefix("depth=")?.parse().ok());
        depths.max().unwrap_or(0)
    }

    /// Parses a line of the script.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let (view, outcome, notes, text) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let value = match outcome {
            "accepted" => Ok(text.to_owned()),
            "rejected" => Err(text.to_owned()),
            _ => return None,
        };
        let notes = notes.split(',').filter(|note| *note != "-").map(str::to_owned).collect();
        Some(ReferenceOutcome { view: view.to_owned(), notes, value })
    }
}

/// A Python process that decodes messages of one protocol. It is killed when this is dropped.
pub struct Reference {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Reference {
    /// Starts `servers/python/decoders.py` for a protocol, by the name that the script takes, with an interpreter that has the packages of
    /// `servers/python/requirements.txt`.
    ///
    /// # Errors
    /// If the interpreter cannot be started.
    pub fn start(python: &Path, protocol: &str) -> io::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/decoders.py");
        let mut child = Command::new(python)
            .arg("-B")
            .arg(script)
            .arg(protocol)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("the process has no pipes"))?;
        Ok(Reference { child, input, output: BufReader::new(output) })
    }

    /// Decodes a message in every view.
    ///
    /// # Errors
    /// If the process has ended, or has sent something that is not an answer.
    pub(crate) fn decode(&mut self, message: &[u8]) -> io::Result<Vec<ReferenceOutcome>> {
        let len = u32::try_from(message.len()).map_err(io::Error::other)?;
        let mut request = len.to_be_bytes().to_vec();
        request.extend_from_slice(message);
        self.input.write_all(&request)?;
        let mut outcomes = Vec::new();
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line)?;
            let Some(line) = line.strip_suffix('\n') else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            if line.is_empty() {
                return Ok(outcomes);
            }
            let outcome = ReferenceOutcome::parse(line);
            outcomes.push(outcome.ok_or_else(|| io::Error::other(format!("not an outcome: {line}")))?);
        }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
