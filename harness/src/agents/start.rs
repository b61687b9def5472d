//! The agreed start of a run, as the command line gives it.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

/// Nanoseconds in a second.
const NANOS: i128 = 1_000_000_000;
/// The minimum time until the chosen multiple of a period, so that agents that are started shortly after each other
/// choose the same one.
const MIN_LEAD: i128 = 10 * NANOS;
/// The longest period.
const MAX_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// When the calls of the first trial begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this time, in nanoseconds since 1970.
    At(i128),
    /// At the next time that is a multiple of a period since 1970, and at least ten seconds ahead.
    Next(Duration),
}

/// The text is not a start.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected a time such as 2026-11-22T18:30:00Z or 1795372200 (seconds since 1970), or next:60s for the next full \
     minute"
)]
pub struct StartError;

impl FromStr for Start {
    type Err = StartError;

    fn from_str(text: &str) -> Result<Self, StartError> {
        if let Some(period) = text.strip_prefix("next:") {
            let period = calculator::parse_duration(period).map_err(|_| StartError)?;
            let fits = (Duration::from_secs(1)..=MAX_PERIOD).contains(&period);
            return fits.then_some(Start::Next(period)).ok_or(StartError);
        }
        let timestamp = match text.parse::<Timestamp>() {
            Ok(timestamp) => timestamp,
            Err(_) => parse_seconds(text).ok_or(StartError)?,
        };
        Some(timestamp.as_nanosecond()).filter(|nanos| *nanos > 0).map(Start::At).ok_or(StartError)
    }
}

/// Parses seconds since 1970, with up to nine digits after the decimal point.
fn parse_seconds(text: &str) -> Option<Timestamp> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 {
        return None;
    }
    Timestamp::new(whole.parse().ok()?, format!("{part:0<9}").parse().ok()?).ok()
}

impl Start {
    /// The start in nanoseconds since 1970, as an agent computes it at time `now`.
    #[must_use]
    pub fn resolve(self, now: i128) -> i128 {
        match self {
            Start::At(start) => start,
            Start::Next(period) => {
                let period = i128::try_from(period.as_nanos()).unwrap_or(NANOS);
                ((now + MIN_LEAD).div_euclid(period) + 1) * period
            }
        }
    }
}

/// Formats a time in nanoseconds since 1970 as RFC 3339, UTC.
#[must_use]
pub(super) fn format_time(unix_ns: i128) -> String {
    Timestamp::from_nanosecond(unix_ns)
        .map_or_else(|_| format!("{unix_ns} ns"), |timestamp| timestamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_rfc_3339_and_seconds_since_1970() {
        let at = |text: &str| text.parse::<Start>().unwrap();
        let expected = Start::At(1_795_372_200 * NANOS);
        for text in ["2026-11-22T18:30:00Z", "2026-11-22T19:30:00+01:00", "1795372200", "1795372200.000"] {
            assert_eq!(at(text), expected, "{text}");
        }
        assert_eq!(at("1795372200.25"), Start::At(1_795_372_200 * NANOS + NANOS / 4));
        assert_eq!(at("next:90s"), Start::Next(Duration::from_secs(90)));
        assert_eq!(format_time(1_795_372_200 * NANOS + NANOS / 4), "2026-11-22T18:30:00.25Z");
        for text in [
            "",
            "soon",
            "-5",
            "1.5.5",
            "1e9",
            "next:",
            "next:0s",
            "next:2days",
            "2026-11-22",
            "0",
            "99999999999999",
        ] {
            let error = text.parse::<Start>().unwrap_err().to_string();
            assert!(error.contains("next:60s"), "{text}");
        }
    }

    #[test]
    fn agents_started_in_time_choose_the_same_multiple() {
        let next = |now| Start::Next(Duration::from_secs(60)).resolve(now);
        assert_eq!(next(0), 60 * NANOS);
        assert_eq!(next(49 * NANOS), 60 * NANOS);
        assert_eq!(next(50 * NANOS), 120 * NANOS);
        assert_eq!(next(61 * NANOS), 120 * NANOS);
    }
}
