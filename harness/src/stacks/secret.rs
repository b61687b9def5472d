//! Values that are kept out of the command line, which other users see in the list of processes.

use std::fs::File;
use std::io::{self, Read};

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
    /// The environment variable is not set, or is empty.
    #[error("the environment variable {0} is not set")]
    Variable(String),
}

/// The value that `given` stands for on the command line: `@FILE` for the content of a file, `-` for standard input,
/// `env:NAME` for an environment variable, and any other text for itself. A line break at the end of a file or of
/// standard input does not count.
///
/// # Errors
/// [`SecretError`].
pub fn revealed(given: &str) -> Result<String, SecretError> {
    if given == "-" {
        return read(io::stdin().lock()).map_err(SecretError::Input);
    }
    if let Some(path) = given.strip_prefix('@') {
        let content = File::open(path).and_then(read);
        return content.map_err(|source| SecretError::File { path: path.to_owned(), source });
    }
    match given.strip_prefix("env:") {
        Some(name) => {
            let value = sys::variable(name).and_then(|value| value.into_string().ok());
            value.ok_or_else(|| SecretError::Variable(name.to_owned()))
        }
        None => Ok(given.to_owned()),
    }
}

/// Reads a text without the line break at its end.
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
        assert!(message(&format!("@{}/nosuch", folder.path().display())).contains("nosuch"));
        assert!(message("@/dev/zero").contains("more than"), "{}", message("@/dev/zero"));
    }
}
