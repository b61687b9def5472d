//! Reading records, and writing them atomically: a file is either complete or absent.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use calculator::{is_unprintable, printable};

use super::verification::verify;
use super::{Record, SCHEMA};

/// The free space in bytes that a results folder must have before a run starts. A record of the standard scenario and its
/// report take less than half of it.
const REQUIRED_SPACE_BYTES: usize = 8 << 20;

/// The name of the file in the folder of a run.
pub const RECORD_FILE: &str = "record.json";

const THIS_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read.
    #[error("cannot read the record {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not a record.
    #[error("{} is not a record: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl RecordError {
    /// The reason without the path.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            RecordError::Unreadable { source, .. } => format!("cannot be read: {source}"),
            RecordError::Invalid { message, .. } => format!("not a record: {message}"),
        }
    }
}

/// Reads the record in the file, or in the folder's `record.json`. The audit is repeated: a trial whose figures do not fit
/// together is invalid.
///
/// # Errors
/// [`RecordError`].
pub fn read(path: &Path) -> Result<Record, RecordError> {
    let path = if path.is_dir() { path.join(RECORD_FILE) } else { path.to_owned() };
    let file = File::open(&path).map_err(|source| RecordError::Unreadable { path: path.clone(), source })?;
    record_of(&path, serde_json::from_reader(BufReader::new(file)))
}

/// Reads a record that is the whole file, or its last line that starts with `{`: the log of a program that wrote the record
/// to standard output.
///
/// # Errors
/// [`RecordError`].
pub fn read_from_log(path: &Path) -> Result<Record, RecordError> {
    let text = fs::read_to_string(path)
        .map_err(|source| RecordError::Unreadable { path: path.to_owned(), source })?;
    let whole = serde_json::from_str(&text);
    let line = text.lines().rev().find(|line| line.starts_with('{')).filter(|_| whole.is_err());
    record_of(path, line.map_or(whole, serde_json::from_str))
}

fn record_of(path: &Path, value: serde_json::Result<serde_json::Value>) -> Result<Record, RecordError> {
    let invalid = |message| RecordError::Invalid { path: path.to_owned(), message };
    let mut value = value.map_err(|error| invalid(error.to_string()))?;
    escape_texts(&mut value);
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => {
            return Err(invalid(format!("it has schema {schema}, and this program reads schema {SCHEMA}")));
        }
        None => return Err(invalid("it has no `schema`".to_owned())),
    }
    let version = value.pointer("/tool/version").and_then(serde_json::Value::as_str).map(str::to_owned);
    let mut record: Record = serde_json::from_value(value).map_err(|error| {
        // A newer version may know labels, checks and fields that this one does not.
        let other = version.filter(|version| version != THIS_VERSION);
        let hint = other.map(|version| format!("; rpcbench {version} wrote it, and this is {THIS_VERSION}"));
        invalid(format!("{error}{}", hint.unwrap_or_default()))
    })?;
    verify(&mut record);
    Ok(record)
}

/// Escapes what is not printable in every text and name, since reports and messages repeat them. The records of this
/// program hold no such text.
fn escape_texts(value: &mut serde_json::Value) {
    use serde_json::Value;
    // Iterative; the parser has limited the depth.
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) if text.contains(is_unprintable) => *text = printable(text).into_owned(),
            Value::Array(items) => pending.extend(items),
            Value::Object(members) => {
                if members.keys().any(|name| name.contains(is_unprintable)) {
                    let escaped = std::mem::take(members).into_iter();
                    *members = escaped.map(|(name, value)| (printable(&name).into_owned(), value)).collect();
                }
                pending.extend(members.values_mut());
            }
            _ => {}
        }
    }
}

/// Creates `folder` and checks that the results of a run fit into it, so that a full disk or missing permissions are
/// noticed before the run.
///
/// # Errors
/// The system's reason.
pub fn prepare_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let probe = folder.join(format!(".room-{}", std::process::id()));
    let tried = create_new(&probe).and_then(|mut file| {
        file.write_all(&vec![0; REQUIRED_SPACE_BYTES])?;
        file.sync_all()
    });
    // Removed in any case, also where only a part could be written.
    let removed = fs::remove_file(&probe);
    tried.and(removed)
}

/// Writes `contents` to a temporary file in the same folder, which is then renamed to `path`. A symbolic link in the place
/// of either is replaced, not followed.
///
/// # Errors
/// The system's reason.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".partial");
    let temporary = PathBuf::from(temporary);
    let written = create_new(&temporary).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&temporary, path));
    if placed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    placed
}

/// Creates the file `path`. A file or link that is there already, left by a process that was killed, is removed first.
fn create_new(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Unlike `File::create`, this fails where another process has put a symbolic link in the meantime (open(2), O_EXCL).
    File::create_new(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_temporary_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [precious, path] = ["precious", "record.json"].map(|name| folder.path().join(name));
        fs::write(&precious, "kept").unwrap();
        let room = format!(".room-{}", std::process::id());
        for name in ["record.json", "record.json.partial", &room] {
            std::os::unix::fs::symlink(&precious, folder.path().join(name)).unwrap();
        }
        prepare_folder(folder.path()).unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_is_replaced_atomically_and_no_temporary_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn preparing_a_folder_that_cannot_be_created_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        prepare_folder(&folder.path().join("a/b")).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(prepare_folder(&file.join("results")).is_err());
    }

    fn reference() -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(crate::record::TEN_BLOCKS).unwrap()).unwrap()
    }

    #[test]
    fn reads_the_field_names_of_older_records() {
        let mut record = reference();
        let trial = &mut record["trials"][0];
        trial["lateness"] = trial["latency"].clone();
        trial["agents"] = serde_json::json!([{
            "agent": 1, "late_ns": 7, "started": 1, "right": 1, "p50": 1, "p99": 1, "lateness_p99": 9,
            "client": null, "status": "valid",
        }]);
        let record: Record = serde_json::from_value(record).unwrap();
        let trial = &record.trials[0];
        assert_eq!(trial.schedule_lag, trial.latency);
        assert_eq!((trial.agents[0].start_delay_ns, trial.agents[0].schedule_lag_p99), (Some(7), Some(9)));
    }

    #[test]
    fn an_unknown_label_of_a_newer_version_is_an_error_that_names_the_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        let mut record = reference();
        record["trials"][0]["labels"] = serde_json::json!(["lukewarm"]);
        for (version, expected) in [("99.0.0", "rpcbench 99.0.0 wrote it"), (THIS_VERSION, "lukewarm")] {
            record["tool"]["version"] = version.into();
            fs::write(&path, record.to_string()).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("unknown variant `lukewarm`"), "{message}");
            assert!(message.contains(expected), "{message}");
            assert_eq!(message.contains("wrote it"), version != THIS_VERSION, "{message}");
        }
    }

    #[test]
    fn rejects_a_file_that_is_not_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        assert!(matches!(read(folder.path()), Err(RecordError::Unreadable { .. })));
        for (text, word) in [
            ("", "EOF"),
            ("{}", "no `schema`"),
            ("{\"schema\": 99}", "schema 99"),
            ("{\"schema\": 1}", "missing field"),
        ] {
            fs::write(&path, text).unwrap();
            let message = read(folder.path()).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
