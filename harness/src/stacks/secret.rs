//! Values that are kept out of the command line, which other users see in the list of processes.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys;

/// The longest value that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Why a value cannot be read. Messages do not repeat the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file's path.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Standard input cannot be read.
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    /// Standard input has been read for another value.
    #[error("`-` can be given once: standard input holds one value")]
    InputTwice,
    /// No file or environment variable is named.
    #[error("{0} needs a name after it")]
    NoName(&'static str),
    /// The environment variable is not set, or is empty.
    #[error("the environment variable {0} is not set")]
    Variable(String),
    /// The environment variable holds something other than UTF-8.
    #[error("the environment variable {0} is not valid UTF-8")]
    NotText(String),
}

/// The value that `given` stands for on the command line: `@FILE` for the content of a file, `-` for standard input,
/// `env:NAME` for an environment variable, and any other text for itself. Line breaks at the end of a file or of
/// standard input do not count. Standard input can be read once.
///
/// # Errors
/// [`SecretError`].
pub fn revealed(given: &str) -> Result<String, SecretError> {
    static INPUT_IS_READ: AtomicBool = AtomicBool::new(false);
    if given == "-" {
        if INPUT_IS_READ.swap(true, Ordering::Relaxed) {
            return Err(SecretError::InputTwice);
        }
        return read(io::stdin().lock()).map_err(SecretError::Input);
    }
    if let Some(path) = given.strip_prefix('@') {
        if path.is_empty() {
            return Err(SecretError::NoName("@"));
        }
        let content = File::open(path).and_then(read);
        return content.map_err(|source| SecretError::File { path: path.to_owned(), source });
    }
    match given.strip_prefix("env:") {
        Some("") => Err(SecretError::NoName("env:")),
        Some(name) => match sys::variable(name).map(OsString::into_string) {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) => Err(SecretError::NotText(name.to_owned())),
            None => Err(SecretError::Variable(name.to_owned())),
        },
        None => Ok(given.to_owned()),
    }
}

/// Reads a text without the line breaks at its end.
fn read(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {MAX_BYTES} bytes"),
        ));
    }
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_from_a_file_or_the_environment_or_is_given_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "amqp://u:secret@h/\r\n").unwrap();
        assert_eq!(revealed(&format!("@{}", path.display())).unwrap(), "amqp://u:secret@h/");
        assert_eq!(revealed("amqp://h/").unwrap(), "amqp://h/");
        assert_eq!(revealed("env:PATH").unwrap(), std::env::var("PATH").unwrap());
        let message = |given: &str| revealed(given).unwrap_err().to_string();
        assert!(message("env:RPCBENCH_NO_SUCH_VARIABLE").contains("RPCBENCH_NO_SUCH_VARIABLE is not set"));
        assert_eq!(message("@"), "@ needs a name after it");
        assert_eq!(message("env:"), "env: needs a name after it");
        assert!(message(&format!("@{}/nosuch", folder.path().display())).contains("nosuch"));
        assert!(message("@/dev/zero").contains("more than"), "{}", message("@/dev/zero"));
    }
}
