//! Durations as text. Every option and every key of a scenario takes them in this form.

use std::time::Duration;

/// The longest duration, so that no sum of a time and a duration overflows.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why a text is not a duration. The messages do not repeat the text.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DurationParseError {
    /// The text is not a number, or not one with a unit.
    #[error("expected a duration, for example 500ms, 1.5s, or 2 for two seconds: {0}")]
    Syntax(humantime::DurationError),
    /// The duration is longer than a year.
    #[error("expected a duration of at most 365 days")]
    TooLong,
    /// The duration is zero where that has no meaning.
    #[error("expected a duration above zero, for example 500ms")]
    Zero,
}

/// Parses a duration: a number of seconds (`2`, `0.5`), or numbers with units (`500ms`, `1.5s`, `1m 30s`).
///
/// # Errors
/// [`DurationParseError`].
pub fn parse_duration(text: &str) -> Result<Duration, DurationParseError> {
    let text = text.trim();
    let is_seconds = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !text.is_empty();
    let parsed = if is_seconds {
        humantime::parse_duration(&format!("{text}s"))
    } else {
        humantime::parse_duration(text)
    };
    match parsed {
        Ok(duration) if duration <= MAX_DURATION => Ok(duration),
        Ok(_) => Err(DurationParseError::TooLong),
        // With a fraction, the reason may also be a part below a nanosecond.
        Err(humantime::DurationError::NumberOverflow) if !text.contains('.') => {
            Err(DurationParseError::TooLong)
        }
        Err(error) => Err(DurationParseError::Syntax(error)),
    }
}

/// Parses a duration, as [`parse_duration`] does, that must not be zero: a timeout or a period.
///
/// # Errors
/// [`DurationParseError`].
pub fn parse_duration_above_zero(text: &str) -> Result<Duration, DurationParseError> {
    parse_duration(text)
        .and_then(|duration| if duration.is_zero() { Err(DurationParseError::Zero) } else { Ok(duration) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_seconds_and_units_may_follow() {
        for (text, millis) in [
            ("2", 2_000),
            ("0.5", 500),
            ("0.2", 200),
            ("0", 0),
            ("500ms", 500),
            ("1.5s", 1_500),
            (" 1m 30s ", 90_000),
            ("365days", 365 * 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_duration_above_zero("0s"), Err(DurationParseError::Zero));
        assert_eq!(parse_duration_above_zero("0"), Err(DurationParseError::Zero));
        assert_eq!(parse_duration_above_zero("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn other_text_is_refused_and_long_durations_do_not_overflow() {
        for text in ["", ".", "-1", "1e3", "5x", "ms", "1,5", "1.2.3", "inf", "NaN"] {
            assert!(matches!(parse_duration(text), Err(DurationParseError::Syntax(_))), "{text}");
        }
        for text in ["18446744073709551615s", "99999999999999999999", "366days", "31536001"] {
            assert_eq!(parse_duration(text), Err(DurationParseError::TooLong), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_duration_can_be_added_to_the_present(text in "[0-9]{1,20}(\\.[0-9]{1,9})?(ns|us|ms|s|min|h|days|years)?") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert!(std::time::Instant::now().checked_add(duration).is_some());
            }
        }
    }
}
