//! Codecs: how long each format takes, and how long its messages are.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use codecs::Format;

use super::describe;
use super::model::{Cell, CodecTables, Column, Note, Quantity, Row, Table, Unit};
use super::spread::Spread;
use super::text;
use crate::record::{CodecTrial, Record, Status};
use crate::scenario::CodecMeasurement;

const COLUMNS: [Column; 8] = [
    Column::text("format", "format"),
    Column::text("values", "values"),
    Column::number("bytes", "bytes call result", Unit::Bytes),
    Column::number("encode", "encode µs", Unit::Microseconds)
        .meaning("a call and its result, each into a new buffer")
        .with_inline_range(),
    Column::number("decode", "decode µs", Unit::Microseconds)
        .meaning("a call and its result, each into a new value")
        .with_inline_range(),
    Column::number("both", "both µs", Unit::Microseconds),
    Column::number("ratio", "× raw", Unit::Ratio)
        .meaning("both, as a multiple of raw bytes in the same block"),
    Column::text("notes", "notes"),
];

const FORMAT_COLUMNS: [Column; 4] = [
    Column::text("format", "format"),
    Column::text("values", "values"),
    Column::text("notation", "notation").wide(),
    Column::text("library", "library").wide(),
];

/// What a reader must know to compare two formats.
const NOTE: &str = "structs: from and to structs that the program knows when it is compiled; any: from and to values of any type, \
                    as the servers of this suite need them. Compare formats of one kind; json and msgpack have both. Both times \
                    include the memory: a buffer or a value is allocated and released each time. Text and numbers are checked; xml \
                    and hessian also check their limits on depth and length";

/// A `[[codec]]` of the scenario, and what was measured of it.
pub(super) struct Codecs<'a> {
    pub measurement: &'a CodecMeasurement,
    /// The formats, the fastest first; at least one.
    pub formats: Vec<CodecSummary>,
}

/// A format in a measurement.
pub(super) struct CodecSummary {
    pub format: Format,
    /// The length of the call and of the result in bytes.
    bytes: [u64; 2],
    /// Nanoseconds to encode a call and its result, in each block whose trial is valid.
    encode: Option<Spread>,
    decode: Option<Spread>,
    /// Encoding and decoding.
    both: Option<Spread>,
    /// The same as a multiple of [`Format::Raw`] in the same block.
    ratio: Option<Spread>,
    /// The number of trials that are not valid, and why the first is not.
    left_out: Option<(usize, String)>,
}

/// The measurements of codecs in `record` that have a trial.
pub(super) fn all(record: &Record) -> Vec<Codecs<'_>> {
    let measurements = record.scenario.codecs.iter().map(|measurement| Codecs::new(measurement, record));
    measurements.filter(|codecs| !codecs.formats.is_empty()).collect()
}

/// The tables of the codecs; `None` where there are none.
pub(super) fn tables(record: &Record) -> Option<CodecTables> {
    let all = all(record);
    let formats: BTreeSet<Format> =
        all.iter().flat_map(|codecs| &codecs.formats).map(|row| row.format).collect();
    (!all.is_empty()).then(|| CodecTables {
        measurements: all.iter().map(Codecs::table).collect(),
        formats: formats_table(&formats),
    })
}

impl<'a> Codecs<'a> {
    fn new(measurement: &'a CodecMeasurement, record: &Record) -> Self {
        let trials: Vec<_> =
            record.codecs.iter().filter(|trial| trial.measurement == measurement.name).collect();
        let formats = measurement.formats.iter().filter_map(|format| CodecSummary::new(*format, &trials));
        let mut formats: Vec<_> = formats.collect();
        formats.sort_by(CodecSummary::order);
        Codecs { measurement, formats }
    }

    /// What was encoded and decoded, and where.
    pub(super) fn subject(&self) -> String {
        format!(
            "{} and its result, encoded and decoded in one process on one core, without sockets",
            describe::example(self.measurement.operation)
        )
    }

    fn table(&self) -> Table {
        Table {
            title: self.measurement.name.clone(),
            subtitle: Some(self.subject()),
            columns: COLUMNS.to_vec(),
            rows: self.formats.iter().map(CodecSummary::row).collect(),
            ..Table::default()
        }
    }

    /// The formats that take the least and the most time and bytes, in a sentence.
    pub(super) fn answer(&self) -> Option<String> {
        let times = [true, false].into_iter().filter_map(|typed| self.range_of_times(typed));
        let times: Vec<_> = times.collect();
        let fewest = self.formats.iter().min_by_key(|row| row.total())?;
        let most = self.formats.iter().max_by_key(|row| row.total())?;
        let bytes = |row: &CodecSummary| format!("{} ({})", text::thousands(row.bytes()), row.format);
        (!times.is_empty()).then(|| {
            format!(
                "{}: to encode and decode {} and its result, {}; the messages have from {} to {} bytes.",
                self.measurement.name,
                describe::example(self.measurement.operation),
                times.join("; "),
                bytes(fewest),
                bytes(most)
            )
        })
    }

    /// The times of the fastest and the slowest format from and to structs, or else values of any type.
    fn range_of_times(&self, typed: bool) -> Option<String> {
        let mut timed =
            self.formats.iter().filter(|row| row.format.is_typed() == typed && row.both.is_some());
        let time =
            |row: &CodecSummary| Some(format!("{} µs ({})", text::decimals(row.micros()?), row.format));
        let first = time(timed.next()?)?;
        let times = match timed.next_back().and_then(time) {
            Some(last) => format!("from {first} to {last}"),
            None => first,
        };
        let values = if typed { "structs" } else { "values of any type" };
        Some(format!("{values} take {times}"))
    }
}

impl CodecSummary {
    /// `None` if `format` has no trial among `trials`, which are those of a measurement.
    fn new(format: Format, trials: &[&CodecTrial]) -> Option<Self> {
        let own: Vec<_> = trials.iter().copied().filter(|trial| trial.format == format).collect();
        let first = own.iter().find(|trial| trial.status != Status::Failed).or(own.first())?;
        let invalid: Vec<_> = own.iter().filter(|trial| trial.status != Status::Valid).collect();
        let left_out = invalid.first().map(|first| {
            let reason = first.complaint().unwrap_or("no reason recorded");
            (invalid.len(), reason.to_owned())
        });
        let of = |figure: fn(&CodecTrial) -> Option<f64>| {
            let valid = own.iter().filter(|trial| trial.status == Status::Valid);
            valid.filter_map(|trial| Some((trial.block, figure(trial)?))).collect::<Vec<_>>()
        };
        let raw = |block: u32| {
            let is_raw = |trial: &&&CodecTrial| {
                trial.format == Format::Raw && trial.block == block && trial.status == Status::Valid
            };
            trials.iter().find(is_raw).and_then(|trial| trial.encode_and_decode_ns())
        };
        let ratios: Vec<_> = of(CodecTrial::encode_and_decode_ns)
            .into_iter()
            .filter_map(|(block, ns)| Some((block, ns / raw(block)?)))
            .collect();
        Some(CodecSummary {
            format,
            bytes: [first.call_bytes, first.result_bytes],
            encode: Spread::of(&of(|trial| Some(trial.encode?.ns))),
            decode: Spread::of(&of(|trial| Some(trial.decode?.ns))),
            both: Spread::of(&of(CodecTrial::encode_and_decode_ns)),
            ratio: Spread::of(&ratios),
            left_out,
        })
    }

    /// The fastest first.
    fn order(&self, other: &Self) -> Ordering {
        let time = |row: &Self| row.both.map_or(f64::INFINITY, |both| both.median);
        time(self).total_cmp(&time(other))
    }

    fn total(&self) -> u64 {
        self.bytes.iter().sum()
    }

    /// The length of both messages in bytes.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn bytes(&self) -> f64 {
        self.total() as f64
    }

    /// The median time to encode and decode both messages, in microseconds.
    pub(super) fn micros(&self) -> Option<f64> {
        Some(self.both?.median / 1e3)
    }

    #[allow(clippy::cast_precision_loss)]
    fn row(&self) -> Row {
        let [call, result] = self.bytes.map(|bytes| Some(bytes as f64));
        let micros = |spread: Option<Spread>| quantity(spread.map(|spread| spread.map(|ns| ns / 1e3)));
        let left_out = self
            .left_out
            .iter()
            .map(|(trials, reason)| Note::LeftOut { trials: *trials, reason: reason.clone() });
        let cells = vec![
            self.format.name().into(),
            kind(self.format.is_typed()).into(),
            Cell::Pair([call, result]),
            micros(self.encode),
            micros(self.decode),
            micros(self.both),
            quantity(self.ratio),
            Cell::Notes(left_out.collect()),
        ];
        Row { is_muted: self.format == Format::Raw, ..Row::new(cells) }
    }
}

/// What a codec converts from and to.
fn kind(typed: bool) -> &'static str {
    if typed { "structs" } else { "any" }
}

fn quantity(spread: Option<Spread>) -> Cell {
    spread.map_or(Cell::Missing, |spread| {
        Cell::Quantity(Quantity { range: spread.range(), ..Quantity::new(spread.median) })
    })
}

/// What each format consists of, and who wrote its codec.
fn formats_table(formats: &BTreeSet<Format>) -> Table {
    let row = |format: &Format| {
        let values = kind(format.is_typed());
        Row::new(vec![format.name().into(), values.into(), format.notation().into(), format.library().into()])
    };
    Table {
        title: "Formats".to_owned(),
        columns: FORMAT_COLUMNS.to_vec(),
        rows: formats.iter().map(row).collect(),
        note: Some(NOTE.to_owned()),
        ..Table::default()
    }
}
