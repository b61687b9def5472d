//! Files with the values of variables, kept in little memory: their cells as one text.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use calculator::{Limits, Value, json};
use serde_json::value::RawValue;

/// The most bytes of all cells, so that a position takes four bytes.
const MAX_BYTES: u32 = u32::MAX;

/// The rows of a file.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: Vec<Column>,
    /// The cells of all rows, one after the other.
    text: String,
    /// Where each cell ends in the text.
    ends: Vec<u32>,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Each is an integer.
    Integer,
    /// Each is a number.
    Float,
    /// Some are other texts.
    Text,
    /// Each is JSON.
    Json,
}

/// Why a file has no rows that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    /// The file cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A line is not as it must be.
    #[error("line {line}: {message}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// There is no row.
    #[error("it has no rows; expected {0}")]
    NoRows(&'static str),
    /// The file has another form.
    #[error("the name of a file with variables ends in .csv or .jsonl")]
    Form,
    /// The cells take too much memory.
    #[error("its cells have more than {MAX_BYTES} bytes")]
    TooLarge,
}

impl Table {
    /// Reads the file at `path`: a `.csv` file with a header, or a `.jsonl` file with an object on each line.
    ///
    /// # Errors
    /// [`TableError`].
    pub(super) fn read(path: &Path) -> Result<Self, TableError> {
        let reads_csv = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => true,
            Some("jsonl" | "ndjson") => false,
            _ => return Err(TableError::Form),
        };
        let file = BufReader::new(File::open(path)?);
        let mut table = if reads_csv { Table::read_csv(file)? } else { Table::read_json(file)? };
        if table.rows() == 0 {
            let expected = "a header, and at least one row below it";
            return Err(TableError::NoRows(if reads_csv { expected } else { "an object on each line" }));
        }
        table.text.shrink_to_fit();
        table.ends.shrink_to_fit();
        Ok(table)
    }

    fn read_csv(file: impl Read) -> Result<Self, TableError> {
        let mut quotes = 0;
        let mut reader = csv::Reader::from_reader(CountingQuotes { inner: file, quotes: &mut quotes });
        let headers = reader.headers().map_err(csv_error)?.clone();
        let mut table = Table::default();
        for name in &headers {
            if table.column(name).is_some() {
                return Err(TableError::Line {
                    line: 1,
                    message: format!("two columns have the name `{name}`"),
                });
            }
            table.columns.push(Column { name: name.to_owned(), kind: Kind::Integer });
        }
        let mut record = csv::StringRecord::new();
        let mut last_line = 1;
        while reader.read_record(&mut record).map_err(csv_error)? {
            last_line = record.position().map_or(last_line, csv::Position::line);
            for (index, cell) in record.iter().enumerate() {
                if let Some(column) = table.columns.get_mut(index) {
                    column.kind = column.kind.with(cell);
                }
                table.push(cell)?;
            }
        }
        drop(reader);
        if quotes % 2 == 1 {
            let message = "a field in quotation marks does not end before the file does".to_owned();
            return Err(TableError::Line { line: last_line, message });
        }
        Ok(table)
    }

    fn read_json(mut file: impl BufRead) -> Result<Self, TableError> {
        let mut table = Table::default();
        let (mut line, mut text) = (0, String::new());
        loop {
            text.clear();
            if file.read_line(&mut text)? == 0 {
                return Ok(table);
            }
            line += 1;
            if text.trim().is_empty() {
                continue;
            }
            let refused = |message: String| TableError::Line { line, message };
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(&text)
                .map_err(|error| refused(format!("expected an object in JSON: {error}")))?;
            if table.columns.is_empty() {
                table.columns =
                    members.keys().map(|name| Column { name: name.clone(), kind: Kind::Json }).collect();
            }
            for index in 0..table.columns.len() {
                let name = &table.columns[index].name;
                let Some(value) = members.get(name) else {
                    return Err(refused(format!("there is no member `{name}`, which the first line has")));
                };
                json::read(value.get().as_bytes(), &Limits::default())
                    .map_err(|error| refused(format!("the member `{name}`: {error}")))?;
                table.push(value.get())?;
            }
        }
    }

    fn push(&mut self, cell: &str) -> Result<(), TableError> {
        self.text.push_str(cell);
        self.ends.push(u32::try_from(self.text.len()).map_err(|_| TableError::TooLarge)?);
        Ok(())
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.ends.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The position of the column `name`.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    fn cell(&self, row: usize, column: usize) -> &str {
        let index = row * self.columns.len() + column;
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default() as usize;
        let start = index.checked_sub(1).map_or(0, end);
        self.text.get(start..end(index)).unwrap_or_default()
    }

    /// The cell in `row` and `column`, from 0, as it becomes a part of a text. A cell of a CSV file stays as it is written there, since
    /// `1.10` may be a version and not a number.
    pub(super) fn text(&self, row: usize, column: usize) -> Value {
        match self.columns.get(column).map(|column| column.kind) {
            Some(Kind::Json) | None => self.value(row, column),
            Some(Kind::Integer | Kind::Float | Kind::Text) => Value::from(self.cell(row, column)),
        }
    }

    /// The cell in `row` and `column`, from 0; null where there is none.
    pub(super) fn value(&self, row: usize, column: usize) -> Value {
        let cell = self.cell(row, column);
        let kind = self.columns.get(column).map_or(Kind::Text, |column| column.kind);
        let number = match kind {
            Kind::Integer => cell.parse().ok().map(Value::Int),
            Kind::Float => cell.parse().ok().map(Value::Float),
            Kind::Text => None,
            // It was read once already.
            Kind::Json => Some(json::read(cell.as_bytes(), &Limits::default()).unwrap_or(Value::Null)),
        };
        number.unwrap_or_else(|| Value::from(cell))
    }
}

impl Kind {
    /// What the cells of a column are that has `cell`, too.
    fn with(self, cell: &str) -> Kind {
        // Not `007`, which is a code, and not an integer that a float would round: the number would be another text.
        let digits = cell.strip_prefix('-').unwrap_or(cell);
        let is_plain = digits == "0" || !digits.starts_with('0') || digits.starts_with("0.");
        let is_number = is_plain && digits.starts_with(|c: char| c.is_ascii_digit());
        match self {
            Kind::Integer if is_number && cell.parse::<i64>().is_ok() => Kind::Integer,
            Kind::Integer | Kind::Float if is_number && is_float(cell) => Kind::Float,
            Kind::Json => Kind::Json,
            _ => Kind::Text,
        }
    }
}

/// Whether a float has the value of `cell`: the text of a number with a fraction or an exponent, or of an integer of 64 bits.
fn is_float(cell: &str) -> bool {
    let has_form = cell.contains(['.', 'e', 'E']) || cell.parse::<i64>().is_ok();
    has_form && cell.parse::<f64>().is_ok_and(f64::is_finite)
}

fn csv_error(error: csv::Error) -> TableError {
    let line = error.position().map_or(1, csv::Position::line);
    let message = match error.into_kind() {
        csv::ErrorKind::Io(error) => return TableError::Read(error),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, expected {expected_len} as in the header")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        other => format!("{other:?}"),
    };
    TableError::Line { line, message }
}

/// Counts the quotation marks that are read. In a whole file their number is even: those that open and close fields, and within a
/// field two for each (RFC 4180).
struct CountingQuotes<'a, R> {
    inner: R,
    quotes: &'a mut u64,
}

impl<R: Read> Read for CountingQuotes<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let quotes = buffer.iter().take(read).filter(|byte| **byte == b'"').count();
        *self.quotes += quotes as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: &str) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Table::read(&path).map_err(|error| error.to_string())
    }

    fn row(table: &Table, row: usize) -> Vec<Value> {
        (0..table.names().count()).map(|column| table.value(row, column)).collect()
    }

    #[test]
    fn the_cells_of_a_column_have_one_type() {
        let table = read(
            "users.csv",
            "id,ratio,code,name,empty\n1,2,007,\"Ann, \"\"A\"\"\",\n-20,2.5,10,\"two\nlines\",x\n",
        );
        let table = table.unwrap();
        assert_eq!(table.names().collect::<Vec<_>>(), ["id", "ratio", "code", "name", "empty"]);
        assert_eq!(table.rows(), 2);
        let first = [Value::Int(1), Value::Float(2.0), "007".into(), "Ann, \"A\"".into(), "".into()];
        assert_eq!(row(&table, 0), first);
        let second = [Value::Int(-20), Value::Float(2.5), "10".into(), "two\nlines".into(), "x".into()];
        assert_eq!(row(&table, 1), second);
        for (cell, kind) in [
            ("0", Kind::Integer),
            ("-5", Kind::Integer),
            ("9223372036854775808", Kind::Text),
            ("0.5", Kind::Float),
            ("1e3", Kind::Float),
            ("1e999", Kind::Text),
            ("00", Kind::Text),
            ("+1", Kind::Text),
            ("inf", Kind::Text),
            ("NaN", Kind::Text),
            ("-", Kind::Text),
            (" 1", Kind::Text),
        ] {
            assert_eq!(Kind::Integer.with(cell), kind, "{cell}");
        }
    }

    #[test]
    fn numbers_in_texts_stay_as_they_are_written() {
        let table = read("versions.csv", "version,zero,large\n1.9,-0,1e3\n1.10,7,2\n2,8,3\n").unwrap();
        let texts = |row| (0..3).map(|column| table.text(row, column)).collect::<Vec<_>>();
        assert_eq!(texts(0), ["1.9", "-0", "1e3"].map(Value::from));
        assert_eq!(texts(1), ["1.10", "7", "2"].map(Value::from));
        assert_eq!(texts(2), ["2", "8", "3"].map(Value::from));
        assert_eq!(row(&table, 1), [Value::Float(1.1), Value::Int(7), Value::Float(2.0)]);
        let lines = read("versions.jsonl", "{\"version\": null}").unwrap();
        assert_eq!(lines.text(0, 0), Value::Null);
    }

    #[test]
    fn lines_of_json_have_values_of_any_type() {
        let table =
            read("users.jsonl", "{\"id\": 1, \"tags\": [\"a\"]}\n\n{\"tags\": null, \"id\": 2, \"more\": 1}")
                .unwrap();
        assert_eq!(table.names().collect::<Vec<_>>(), ["id", "tags"]);
        assert_eq!(row(&table, 0), [Value::Int(1), Value::list(vec!["a".into()])]);
        assert_eq!(row(&table, 1), [Value::Int(2), Value::Null]);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_with_its_line() {
        for (name, content, expected) in [
            ("a.csv", "id,name\n1,Ann\n2\n", "line 3: 1 fields, expected 2 as in the header"),
            ("a.csv", "id,name\n1,Ann,x\n", "line 2: 3 fields, expected 2"),
            ("a.csv", "id,name\n1,\"Ann\n2,Bob\n", "line 2: a field in quotation marks does not end"),
            ("a.csv", "id,id\n1,2\n", "line 1: two columns have the name `id`"),
            ("a.csv", "id,name\n", "it has no rows; expected a header, and at least one row"),
            ("a.csv", "", "it has no rows"),
            ("a.jsonl", "\n", "it has no rows; expected an object on each line"),
            ("a.jsonl", "{\"id\": 1}\n[1]\n", "line 2: expected an object in JSON"),
            ("a.jsonl", "{\"id\": 1}\n{\"id\": \n", "line 2: expected an object in JSON"),
            ("a.jsonl", "{\"id\": 1}\n{\"nr\": 1}\n", "line 2: there is no member `id`"),
            ("a.txt", "id\n1\n", "ends in .csv or .jsonl"),
        ] {
            let error = read(name, content).unwrap_err();
            assert!(error.contains(expected), "{content:?}: {error}");
        }
        assert!(matches!(Table::read("/nowhere/a.csv".as_ref()), Err(TableError::Read(_))));
    }
}
