//! The file that holds the record of a run, from the first block on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{RunError, SaveProblem};
use super::event::{Event, Progress};
use crate::record::{Record, write_atomically};

/// The file of a record that grows block by block.
///
/// A record holds everything that was measured so far, so a save that fails loses nothing if a later one succeeds.
pub(crate) struct RecordFile {
    path: PathBuf,
    fallback: Option<PathBuf>,
    /// The file that the last save wrote; `None` if it failed.
    written: Option<PathBuf>,
    /// Whether this run has written the fallback, and not removed it again.
    has_fallback: bool,
}

impl RecordFile {
    /// The record is written to `path`, or to `fallback` where that fails.
    pub(crate) fn new(path: PathBuf, fallback: Option<PathBuf>) -> Self {
        RecordFile { path, fallback, written: None, has_fallback: false }
    }

    /// Writes `record`, and reports a problem to `progress`.
    pub(crate) fn save(&mut self, record: &Record, progress: Progress<'_>) {
        let problem = match self.write(record) {
            Ok((written, problem)) => {
                self.written = Some(written);
                problem
            }
            Err(reason) => {
                self.written = None;
                Some(SaveProblem::Unsaved { reason })
            }
        };
        if let Some(problem) = problem {
            progress(Event::SaveProblem(&problem));
        }
    }

    /// Returns the file that holds `record`. Writes it once more if the last save failed.
    ///
    /// # Errors
    /// [`RunError::Write`].
    pub(crate) fn finish(mut self, record: &Record) -> Result<PathBuf, RunError> {
        match self.written.take() {
            Some(written) => Ok(written),
            None => self.write(record).map(|(written, _)| written),
        }
    }

    /// Writes `record`, and removes an outdated fallback. Returns the file, and what was wrong with the usual one.
    fn write(&mut self, record: &Record) -> Result<(PathBuf, Option<SaveProblem>), RunError> {
        let (written, problem) = self.write_to_either(record)?;
        if written != self.path {
            self.has_fallback = true;
        } else if std::mem::take(&mut self.has_fallback) {
            // If it stays, its record is marked as that of an unfinished run.
            let _ = self.fallback.as_ref().map(fs::remove_file);
        }
        Ok((written, problem))
    }

    fn write_to_either(&self, record: &Record) -> Result<(PathBuf, Option<SaveProblem>), RunError> {
        let RecordFile { path, fallback, .. } = self;
        let source = match write(record, path) {
            Ok(()) => return Ok((path.clone(), None)),
            Err(source) => source,
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let removed = source.kind() == io::ErrorKind::NotFound;
        if removed && fs::create_dir_all(folder).and_then(|()| write(record, path)).is_ok() {
            return Ok((path.clone(), Some(SaveProblem::FolderRemoved { folder: folder.to_owned() })));
        }
        let reason = RunError::Write { path: path.clone(), source };
        match fallback {
            Some(fallback) if write(record, fallback).is_ok() => {
                let problem = SaveProblem::Fallback { reason, fallback: fallback.clone() };
                Ok((fallback.clone(), Some(problem)))
            }
            _ => Err(reason),
        }
    }
}

fn write(record: &Record, path: &Path) -> io::Result<()> {
    write_atomically(path, &serde_json::to_vec_pretty(record)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;

    fn reference() -> Record {
        record::read(record::TEN_BLOCKS.as_ref()).unwrap()
    }

    /// Saves the reference record into `file`, and returns the problem that is reported.
    fn save(file: &mut RecordFile, record: &Record) -> Option<String> {
        let mut problem = None;
        file.save(record, &mut |event| {
            if let Event::SaveProblem(reported) = event {
                problem = Some(reported.to_string());
            }
        });
        problem
    }

    #[test]
    fn a_folder_that_was_removed_is_created_again() {
        let (folder, record) = (tempfile::tempdir().unwrap(), reference());
        let path = folder.path().join("results/record.json");
        let mut file = RecordFile::new(path.clone(), None);
        let problem = save(&mut file, &record).unwrap();
        assert!(problem.contains("results was removed"), "{problem}");
        assert_eq!(save(&mut file, &record), None);
        assert_eq!(file.finish(&record).unwrap(), path);
        assert_eq!(record::read(&path).unwrap().trials.len(), record.trials.len());
    }

    #[test]
    fn a_save_that_fails_is_reported_and_made_up_for() {
        let (folder, record) = (tempfile::tempdir().unwrap(), reference());
        let results = folder.path().join("results");
        fs::write(&results, "").unwrap();
        let path = results.join("record.json");
        let mut file = RecordFile::new(path.clone(), None);
        let problem = save(&mut file, &record).unwrap();
        assert!(problem.contains("cannot write") && problem.contains("kept in memory"), "{problem}");
        fs::remove_file(&results).unwrap();
        assert_eq!(file.finish(&record).unwrap(), path);
        assert!(path.is_file());

        fs::remove_file(&path).unwrap();
        fs::remove_dir(&results).unwrap();
        fs::write(&results, "").unwrap();
        let lost = RecordFile::new(path, None).finish(&record).unwrap_err();
        assert!(matches!(lost, RunError::Write { .. }), "{lost}");
    }

    #[test]
    fn the_fallback_is_written_while_the_file_cannot_be() {
        let (folder, record) = (tempfile::tempdir().unwrap(), reference());
        let [results, fallback] = ["results", "fallback.json"].map(|name| folder.path().join(name));
        fs::write(&results, "").unwrap();
        let mut file = RecordFile::new(results.join("record.json"), Some(fallback.clone()));
        let problem = save(&mut file, &record).unwrap();
        assert!(problem.contains("fallback.json instead") && fallback.is_file(), "{problem}");

        fs::remove_file(&results).unwrap();
        fs::create_dir(&results).unwrap();
        assert_eq!(save(&mut file, &record), None);
        assert!(!fallback.exists());
        assert_eq!(file.finish(&record).unwrap(), results.join("record.json"));
    }

    #[test]
    fn a_fallback_is_removed_even_if_saves_failed_after_it() {
        let (folder, record) = (tempfile::tempdir().unwrap(), reference());
        let [results, other] = ["results", "other"].map(|name| folder.path().join(name));
        let fallback = other.join("fallback.json");
        fs::write(&results, "").unwrap();
        fs::create_dir(&other).unwrap();
        for by_finish in [false, true] {
            let mut file = RecordFile::new(results.join("record.json"), Some(fallback.clone()));
            save(&mut file, &record);
            assert!(fallback.is_file());
            // Neither file can be written.
            let moved = folder.path().join("moved");
            fs::rename(&other, &moved).unwrap();
            fs::write(&other, "").unwrap();
            assert!(save(&mut file, &record).unwrap().contains("kept in memory"));
            fs::remove_file(&other).unwrap();
            fs::rename(&moved, &other).unwrap();

            fs::remove_file(&results).unwrap();
            fs::create_dir(&results).unwrap();
            if !by_finish {
                assert_eq!(save(&mut file, &record), None);
            }
            assert_eq!(file.finish(&record).unwrap(), results.join("record.json"));
            assert!(!fallback.exists());
            fs::remove_dir_all(&results).unwrap();
            fs::write(&results, "").unwrap();
        }
    }
}
