//! Writing an index with the reports that it links to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Entry, Index, unmet};
use crate::compare::history::{Filter, Folder, FolderError, History, LeftOut, MetricKind, record_files};
use crate::record::{self, RECORD_FILE, Record, write_atomically};
use crate::report::{self, Charts, Summary};

/// The page with all series over time, beside the index.
const HISTORY_FILE: &str = "history.html";
/// The page of an index or of a report in its folder.
const PAGE_FILE: &str = "index.html";
/// The folder of a report, beside the record.
const REPORT_FOLDER: &str = "report";
/// What a name of a file or folder may contain unescaped in a URL (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An index that was written.
#[derive(Debug)]
pub struct Site {
    /// Its contents.
    pub index: Index,
    /// Its page.
    pub page: PathBuf,
}

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The records cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No record can be shown.
    #[error("no record in {} can be shown: {}", folder.display(), described(left_out))]
    NothingLeft {
        /// The folder.
        folder: PathBuf,
        /// The files.
        left_out: Vec<LeftOut>,
    },
    /// The pages would be written among the records.
    #[error("{} is in the folder of the records; choose another one, or leave it out to write the pages beside the records", .0.display())]
    InsideOut(PathBuf),
    /// A record of another run would be replaced.
    #[error("{} is the record of another run, or cannot be read; choose another folder", .0.display())]
    OtherRun(PathBuf),
    /// A page cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The page or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

fn described(left_out: &[LeftOut]) -> String {
    left_out.iter().map(LeftOut::describe).collect::<Vec<_>>().join("; ")
}

/// Writes the report of every record in `folder` and in the folders below it, and an index that links to them, into the same
/// folders, or with copies of the records into `out`. `preview` is the URL of an image of the index, for links to it on other sites.
///
/// # Errors
/// When no record can be shown, or a file cannot be written.
pub fn write(folder: &Path, out: Option<&Path>, preview: Option<&str>) -> Result<Site, SiteError> {
    let files = record_files(folder)?;
    let root = out.unwrap_or(folder);
    if let Some(out) = out {
        refuse_inside(folder, out)?;
    }
    if out.is_some() {
        for file in &files {
            refuse_other_run(file, &root.join(place(folder, file)).join(RECORD_FILE))?;
        }
    }
    let (mut entries, mut left_out): (Vec<Entry>, Vec<LeftOut>) = (vec![], vec![]);
    for file in files {
        match shown(&file) {
            Ok((record, summary)) if !is_among(&entries, &record) => {
                let place = place(folder, &file);
                match entry(&record, &summary, &place) {
                    Ok(entry) => {
                        write_report(&record, &summary, &root.join(&place))?;
                        if out.is_some() {
                            copy(&file, &root.join(&place).join(RECORD_FILE))?;
                        }
                        entries.push(entry);
                    }
                    Err(reason) => left_out.push(LeftOut { file, reason }),
                }
            }
            Ok(_) => {
                left_out.push(LeftOut { file, reason: "the same run is in another file, too".to_owned() });
            }
            Err(reason) => left_out.push(LeftOut { file, reason }),
        }
    }
    if entries.is_empty() {
        return Err(SiteError::NothingLeft { folder: folder.to_owned(), left_out });
    }
    let (trend, charts) = write_history(folder, root)?;
    let index = Index::new(entries, left_out, trend);
    let page = root.join(PAGE_FILE);
    let unwritable = |source| SiteError::Unwritable { path: page.clone(), source };
    let html = index.html(&charts, preview).map_err(unwritable)?;
    write_atomically(&page, html.as_bytes()).map_err(unwritable)?;
    Ok(Site { index, page })
}

/// The record `path`, or the records in the folder `path` and in the folders below it, each with the requirements for publication
/// that it does not meet.
///
/// # Errors
/// When the folder cannot be read or has no record.
pub fn check(path: &Path) -> Result<Vec<(PathBuf, Vec<String>)>, FolderError> {
    let unmet = |file: PathBuf| {
        let reasons = shown(&file).map_or_else(|reason| vec![reason], |(record, _)| unmet(&record));
        (file, reasons)
    };
    let files = if path.is_file() { vec![path.to_owned()] } else { record_files(path)? };
    Ok(files.into_iter().map(unmet).collect())
}

/// The record in `file` and its summary, or why it cannot be shown.
fn shown(file: &Path) -> Result<(Record, Summary), String> {
    let record = record::read(file).map_err(|error| error.reason())?;
    if record.is_empty() {
        return Err("nothing was measured".to_owned());
    }
    let summary = Summary::new(&record).map_err(|error| error.to_string())?;
    Ok((record, summary))
}

fn is_among(entries: &[Entry], record: &Record) -> bool {
    let started = record.started.parse().ok();
    entries.iter().any(|entry| entry.id == record.id && Some(entry.started) == started)
}

/// The folder of the record in `file`, relative to `folder`.
fn place(folder: &Path, file: &Path) -> PathBuf {
    let place = file.parent().unwrap_or(file);
    place.strip_prefix(folder).unwrap_or(place).to_owned()
}

fn entry(record: &Record, summary: &Summary, place: &Path) -> Result<Entry, String> {
    let url = |rest: &[&str]| {
        let place = place.to_str().ok_or("the name of its folder is not valid UTF-8")?;
        let names = place.split('/').filter(|name| !name.is_empty()).chain(rest.iter().copied());
        let names = names.map(|name| utf8_percent_encode(name, UNRESERVED).to_string());
        // Without ./ a colon in the first name would make it a scheme.
        Ok::<_, String>(format!("./{}", names.collect::<Vec<_>>().join("/")))
    };
    Entry::new(record, summary, url(&[REPORT_FOLDER, PAGE_FILE])?, url(&[RECORD_FILE])?)
}

fn write_report(record: &Record, summary: &Summary, place: &Path) -> Result<(), SiteError> {
    let folder = place.join(REPORT_FOLDER);
    let written = report::write(record, summary, &folder);
    written.map(|_| ()).map_err(|source| SiteError::Unwritable { path: folder, source })
}

fn copy(file: &Path, copy: &Path) -> Result<(), SiteError> {
    let copied = fs::read(file).and_then(|bytes| write_atomically(copy, &bytes));
    copied.map_err(|source| SiteError::Unwritable { path: copy.to_owned(), source })
}

/// Writes the history of the records in `folder` into `root`. Returns its answer in sentences and the charts of latencies; both are
/// empty where no two records can be compared, and then there is no page either.
fn write_history(folder: &Path, root: &Path) -> Result<(Vec<String>, Vec<Charts>), SiteError> {
    let page = root.join(HISTORY_FILE);
    let unwritable = |source| SiteError::Unwritable { path: page.clone(), source };
    // Records of which none can be used have no history, and the index says why.
    let Ok(records) = Folder::read(folder) else { return Ok((vec![], vec![])) };
    let history = |metrics: Vec<MetricKind>| {
        let filter = Filter { metrics, ..Filter::default() };
        History::new(&records, &filter).ok()
    };
    let all = history(vec![]).filter(|history| history.groups.iter().any(|group| group.records.len() > 1));
    let Some(all) = all else { return Ok((vec![], vec![])) };
    let document = all.document();
    write_atomically(&page, document.html().map_err(unwritable)?.as_bytes()).map_err(unwritable)?;
    let latencies =
        history(vec![MetricKind::Latency]).map_or_else(Vec::new, |history| history.document().charts);
    let several = latencies.into_iter().map(|charts| Charts {
        charts: charts.charts.into_iter().filter(|chart| chart.points.len() > 1).collect(),
        ..charts
    });
    Ok((document.answer, several.filter(|charts| !charts.charts.is_empty()).collect()))
}

/// Refuses an `out` in `folder`: its copies would be found as records the next time.
fn refuse_inside(folder: &Path, out: &Path) -> Result<(), SiteError> {
    let unwritable = |source| SiteError::Unwritable { path: out.to_owned(), source };
    fs::create_dir_all(out).map_err(unwritable)?;
    let [folder, inside] = [folder, out].map(Path::canonicalize);
    if inside.map_err(unwritable)?.starts_with(folder.map_err(unwritable)?) {
        return Err(SiteError::InsideOut(out.to_owned()));
    }
    Ok(())
}

/// Refuses to replace `copy` with the record in `file` if it is there already, and of another run. A file that cannot be read is not
/// copied.
fn refuse_other_run(file: &Path, copy: &Path) -> Result<(), SiteError> {
    let run = |file: &Path| record::read(file).map(|record| (record.id, record.started));
    match run(file) {
        Ok(copied) if copy.exists() && !run(copy).is_ok_and(|present| present == copied) => {
            Err(SiteError::OtherRun(copy.to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::record;

    fn save(folder: &Path, day: u32) {
        fs::create_dir_all(folder).unwrap();
        let mut record = record(&["tcp", "rest"], 10);
        record.id = format!("{day:08x}");
        record.started = format!("2026-03-{day:02}T00:00:00Z");
        fs::write(folder.join(RECORD_FILE), serde_json::to_vec(&record).unwrap()).unwrap();
    }

    #[test]
    fn every_record_gets_a_report_and_the_index_links_to_it() {
        let (records, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        save(&records.path().join("a: b/1"), 1);
        save(&records.path().join("a: b/2"), 2);
        save(&records.path().join("copy"), 2);
        fs::create_dir(records.path().join("broken")).unwrap();
        fs::write(records.path().join("broken/record.json"), "{").unwrap();
        let site = write(records.path(), Some(out.path()), None).unwrap();
        assert_eq!(site.index.entries.len(), 2);
        assert_eq!(site.index.entries[0].report, "./a%3A%20b/2/report/index.html");
        for file in ["a: b/2/report/index.html", "a: b/1/record.json", "history.html"] {
            assert!(out.path().join(file).is_file(), "{file}");
        }
        let reasons: Vec<_> = site.index.left_out.iter().map(LeftOut::describe).collect();
        assert!(reasons[0].contains("broken/record.json: not a record"), "{reasons:?}");
        assert!(reasons[1].contains("copy/record.json: the same run"), "{reasons:?}");
        let page = fs::read_to_string(site.page).unwrap().replace("&#x2f;", "/");
        assert!(page.contains("href=\"./a%3A%20b/2/report/index.html\""));
        // Without --out the pages are beside the records, and are written again without being taken for records.
        for _ in 0..2 {
            let site = write(records.path(), None, None).unwrap();
            assert_eq!(site.index.entries.len(), 2);
        }
        assert!(records.path().join("a: b/1/report/index.html").is_file());
        let inside = write(records.path(), Some(&records.path().join("site")), None).unwrap_err();
        assert!(matches!(inside, SiteError::InsideOut(_)), "{inside}");
    }

    #[test]
    fn the_record_of_another_run_is_not_replaced() {
        let (records, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        save(&records.path().join("a"), 1);
        save(&records.path().join("b"), 2);
        save(&out.path().join("b"), 3);
        let copy = out.path().join("b").join(RECORD_FILE);
        for content in [fs::read(&copy).unwrap(), b"{".to_vec()] {
            fs::write(&copy, &content).unwrap();
            let refused = write(records.path(), Some(out.path()), None).unwrap_err();
            assert!(matches!(&refused, SiteError::OtherRun(path) if *path == copy), "{refused}");
            assert!(fs::read(&copy).unwrap() == content && !out.path().join("a").exists());
        }
        // A copy of the same run is written again.
        fs::remove_file(&copy).unwrap();
        for _ in 0..2 {
            assert_eq!(write(records.path(), Some(out.path()), None).unwrap().index.entries.len(), 2);
        }
    }

    #[test]
    fn a_folder_of_one_record_has_no_history() {
        let (records, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        save(&records.path().join("1"), 1);
        let site = write(records.path(), Some(out.path()), None).unwrap();
        assert!(site.index.trend.is_empty() && !out.path().join(HISTORY_FILE).exists());
    }

    #[test]
    fn records_are_checked_for_publication() {
        let records = tempfile::tempdir().unwrap();
        save(&records.path().join("1"), 1);
        fs::create_dir(records.path().join("broken")).unwrap();
        fs::write(records.path().join("broken/record.json"), "{").unwrap();
        let checked = check(records.path()).unwrap();
        assert_eq!(checked.len(), 2);
        assert!(checked.iter().all(|(_, unmet)| !unmet.is_empty()), "{checked:?}");
        assert_eq!(check(&records.path().join("1/record.json")).unwrap().len(), 1);
        assert!(matches!(check(&records.path().join("1/report")), Err(FolderError::Unreadable { .. })));
    }
}
