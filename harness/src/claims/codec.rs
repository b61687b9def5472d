//! The figures of codecs, for claims.

use codecs::Format;

use super::figure::Values;
use crate::record::{CodecTrial, Record, Status};
use crate::scenario::ClaimFigure;
use crate::stats::ByBlock;

const NANOS_PER_MICRO: f64 = 1e3;

/// `figure` of `format` in the `[[codec]]` `measurement`: a length in bytes, which is the same in every block, or a time in
/// microseconds in each block in which it counts.
///
/// # Errors
/// Why `record` has no such figure, as a sentence without a full stop.
pub(super) fn of_codec(
    record: &Record,
    measurement: &str,
    format: Format,
    figure: ClaimFigure,
) -> Result<Values, String> {
    if record.scenario.codecs.iter().all(|known| known.name != measurement) {
        return Err(format!("the run has no codec `{measurement}`"));
    }
    let is_wanted = |trial: &&CodecTrial| trial.measurement == measurement && trial.format == format;
    let trials: Vec<&CodecTrial> = record.codecs.iter().filter(is_wanted).collect();
    if trials.is_empty() {
        let reason = if record.interrupted { ": the run was interrupted earlier" } else { "" };
        return Err(format!("{format} was not measured in `{measurement}`{reason}"));
    }
    let complaint = || trials.iter().find_map(|trial| trial.complaint()).unwrap_or("not known why");
    let none_is_valid = || format!("no trial of {format} in `{measurement}` is valid: {}", complaint());
    if figure == ClaimFigure::EncodedBytes {
        // A message is as long on a core that others used.
        let encoded = trials.iter().find(|trial| trial.status != Status::Failed);
        return encoded.map(|trial| Values::Counted(trial.bytes())).ok_or_else(none_is_valid);
    }
    let valid = trials.iter().filter(|trial| trial.status == Status::Valid);
    let nanos: ByBlock = valid.filter_map(|trial| Some((trial.block, nanos(trial, figure)?))).collect();
    if nanos.is_empty() {
        return Err(none_is_valid());
    }
    Ok(Values::Measured(nanos.into_iter().map(|(block, nanos)| (block, nanos / NANOS_PER_MICRO)).collect()))
}

/// `figure` of `trial` in nanoseconds; `None` if it was not measured.
fn nanos(trial: &CodecTrial, figure: ClaimFigure) -> Option<f64> {
    match figure {
        ClaimFigure::EncodeTime => Some(trial.encode?.ns),
        ClaimFigure::DecodeTime => Some(trial.decode?.ns),
        ClaimFigure::CodecTime => trial.encode_and_decode_ns(),
        _ => None,
    }
}
