//! The records in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::record::{self, RECORD_FILE, Record, Status};

/// Folders are searched down to this depth.
const MAX_DEPTH: usize = 32;

/// The records in a folder and in the folders below it.
#[derive(Debug)]
pub struct Folder {
    /// The records that can be used, in the order in which their runs began.
    pub(super) records: Vec<Dated>,
    /// The files of all records, whether they can be used or not.
    pub files: Vec<PathBuf>,
    /// The files that are not used.
    pub(super) left_out: Vec<LeftOut>,
}

/// A record and when its run began.
#[derive(Debug)]
pub(super) struct Dated {
    pub(super) started: Timestamp,
    pub(super) record: Record,
}

/// A file that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The file.
    pub file: PathBuf,
    /// Why it is not used.
    pub reason: String,
}

/// Why a folder has no history.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be read.
    #[error("cannot read the folder {}: {source}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file in place of the folder.
    #[error("{} is a file; a history is made from a folder with the records of several runs", .0.display())]
    File(PathBuf),
    /// No file has the name of a record.
    #[error(
        "{} contains no record: neither it nor a folder below it has a {RECORD_FILE}, the file that `rpcbench run --out` writes",
        .0.display()
    )]
    Empty(PathBuf),
    /// There are files, but none can be used.
    #[error("no record in {} can be used: {}", path.display(), reasons(left_out))]
    NothingLeft {
        /// The folder.
        path: PathBuf,
        /// The files.
        left_out: Vec<LeftOut>,
    },
}

fn reasons(left_out: &[LeftOut]) -> String {
    let reasons: Vec<_> = left_out.iter().map(LeftOut::describe).collect();
    reasons.join("; ")
}

impl LeftOut {
    /// The file and the reason in a sentence without a full stop.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{}: {}", self.file.display(), self.reason)
    }
}

impl Folder {
    /// Reads every record in `path` and in the folders below it. Links to folders are not followed.
    ///
    /// # Errors
    /// When the folder cannot be read or has no record that can be used.
    pub fn read(path: &Path) -> Result<Self, FolderError> {
        let files = record_files(path)?;
        let mut used: Vec<Dated> = Vec::new();
        let mut left_out = Vec::new();
        for file in &files {
            match usable(file, &used) {
                Ok(found) => used.push(found),
                Err(reason) => left_out.push(LeftOut { file: file.clone(), reason }),
            }
        }
        if used.is_empty() {
            return Err(FolderError::NothingLeft { path: path.to_owned(), left_out });
        }
        used.sort_by_key(|dated| dated.started);
        Ok(Folder { records: used, files, left_out })
    }
}

/// The files with the name of a record in `path` and in the folders below it, in the order of their paths. Links to folders are
/// not followed.
///
/// # Errors
/// When the folder cannot be read or has no such file.
pub fn record_files(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
    if path.is_file() {
        return Err(FolderError::File(path.to_owned()));
    }
    let mut files = Vec::new();
    search(path, 0, &mut files)
        .map_err(|source| FolderError::Unreadable { path: path.to_owned(), source })?;
    files.sort();
    if files.is_empty() {
        return Err(FolderError::Empty(path.to_owned()));
    }
    Ok(files)
}

/// Collects the files with the name of a record. A folder below the first one that cannot be read counts as a file that
/// cannot be read.
fn search(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if depth < MAX_DEPTH && search(&path, depth + 1, files).is_err() {
                files.push(path.join(RECORD_FILE));
            }
        } else if entry.file_name() == RECORD_FILE {
            files.push(path);
        }
    }
    Ok(())
}

/// The record in `file`, or why it cannot be used.
fn usable(file: &Path, others: &[Dated]) -> Result<Dated, String> {
    let record = record::read(file).map_err(|error| error.reason())?;
    let started: Timestamp =
        record.started.parse().map_err(|_| format!("its start, `{}`, is not a time", record.started))?;
    if others.iter().any(|other| other.started == started && other.record.id == record.id) {
        return Err(format!("the run {} of {} is in another file, too", record.id, record.started));
    }
    if record.interrupted {
        return Err("the run was interrupted".to_owned());
    }
    if let [agent] = record.agents.as_slice()
        && agent.of > 1
    {
        return Err(format!(
            "it is the part of agent {} of {}; rpcbench merge combines them",
            agent.number, agent.of
        ));
    }
    if !record.trials.iter().any(|trial| trial.status == Status::Valid) {
        return Err("it has no valid trial".to_owned());
    }
    Ok(Dated { started, record: without_details(record) })
}

/// `record` without what a history does not read, which is more than half of it: histograms, the checks of the audit, and the
/// parts of agents.
pub(super) fn without_details(mut record: Record) -> Record {
    for trial in &mut record.trials {
        if let Some(latency) = &mut trial.latency {
            latency.histogram = String::new();
        }
        (trial.service, trial.schedule_lag) = (None, None);
        (trial.audit, trial.labels, trial.agents) = (vec![], vec![], vec![]);
    }
    (record.checks, record.searches, record.timelines) = (vec![], vec![], vec![]);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_record_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let refused = |path: &Path| Folder::read(path).unwrap_err().to_string();
        assert!(refused(path).contains("contains no record"), "{}", refused(path));
        assert!(refused(&path.join("nowhere")).starts_with("cannot read the folder"));
        let file = path.join("deep/er").join(RECORD_FILE);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "{\"schema\": 1").unwrap();
        assert!(refused(&file).contains("is a file"));
        let message = refused(path);
        assert!(message.starts_with("no record in ") && message.contains("not a record: EOF"), "{message}");
        assert!(message.contains("deep/er/record.json"), "{message}");
    }

    #[test]
    fn a_circle_of_links_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        assert!(matches!(Folder::read(folder.path()), Err(FolderError::Empty(_))));
    }
}
