//! What the sides of a gate are.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::deploy::PORT;

/// What a side consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A commit of the repository around the current folder, by any name that Git knows.
    Revision(String),
    /// The work tree at this folder as it is, with changes that are not committed.
    Tree(PathBuf),
    /// A built program.
    Program(PathBuf),
    /// A server that is already running.
    Url(String),
    /// A command that starts a server on the port which replaces `{port}`.
    Command(String),
}

impl Subject {
    /// What `text` stands for: a URL if it contains `://` and no space, a command if it contains `{port}`, the work tree or
    /// the program at an existing path, and otherwise a revision.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let path = Path::new(text);
        let has_scheme = text.contains("://");
        if has_scheme && !text.contains(char::is_whitespace) {
            Subject::Url(text.to_owned())
        } else if text.contains(PORT) {
            Subject::Command(text.to_owned())
        } else if has_scheme {
            Subject::Url(text.to_owned())
        } else if path.is_dir() {
            Subject::Tree(path.to_owned())
        } else if path.is_file() || is_written_as_path(text) {
            Subject::Program(path.to_owned())
        } else {
            Subject::Revision(text.to_owned())
        }
    }

    /// Whether this subject is a program of the suite, which can be a server and a client.
    pub(super) fn is_program(&self) -> bool {
        matches!(self, Subject::Revision(_) | Subject::Tree(_) | Subject::Program(_))
    }
}

/// Whether `text` is meant as a path, although nothing is there: branches may contain slashes, too.
fn is_written_as_path(text: &str) -> bool {
    text.starts_with('/') || text.starts_with("./") || text.starts_with("../")
}

/// `command` with scheme, hosts and ports alone of the URLs in it.
fn without_credentials(command: &str) -> String {
    let shown = |word: &str| {
        let Some(end) = word.find("://") else { return word.to_owned() };
        let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let url = word[..end].trim_end_matches(is_of_scheme).len();
        // `--url=` is no part of the scheme.
        format!("{}{}", &word[..url], net::redacted(&word[url..]))
    };
    command.split(' ').map(shown).collect::<Vec<_>>().join(" ")
}

/// As on the command line, without credentials of a URL.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Revision(text) => f.write_str(text),
            Subject::Command(text) => f.write_str(&without_credentials(text)),
            Subject::Tree(path) | Subject::Program(path) => path.display().fmt(f),
            Subject::Url(url) => f.write_str(&net::redacted(url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_text_shows_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::write(&program, "").unwrap();
        for (text, expected) in [
            ("main", Subject::Revision("main".into())),
            ("feature/faster", Subject::Revision("feature/faster".into())),
            (".", Subject::Tree(".".into())),
            (folder.path().to_str().unwrap(), Subject::Tree(folder.path().into())),
            (program.to_str().unwrap(), Subject::Program(program.clone())),
            ("./not-there", Subject::Program("./not-there".into())),
            ("http://u:secret@h:1/x", Subject::Url("http://u:secret@h:1/x".into())),
            ("http://h:1/{port}", Subject::Url("http://h:1/{port}".into())),
            ("node server.js {port}", Subject::Command("node server.js {port}".into())),
            ("node a.js http://h {port}", Subject::Command("node a.js http://h {port}".into())),
        ] {
            assert_eq!(Subject::of(text), expected, "{text}");
        }
        assert_eq!(Subject::of("http://u:secret@h:1/x").to_string(), "http://h:1");
        let command =
            "DB=pg://u:secret@db:5/x node 's.js'  --url='http://u:secret@h?secret' {port} --x=://secret";
        let shown = "DB=pg://db:5 node 's.js'  --url='http://h {port} --x=…";
        assert_eq!(Subject::of(command).to_string(), shown);
    }
}
