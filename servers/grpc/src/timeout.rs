//! The header `grpc-timeout`: up to eight digits and a unit.

use std::time::Duration;

/// The name of the header.
pub const HEADER: &str = "grpc-timeout";

/// The largest number that the header can hold.
const MAX_NUMBER: u128 = 99_999_999;

/// Writes `timeout` in the smallest unit in which it fits, rounded up: `5000000u` for five seconds. A timeout that fits in
/// none, of more than 11,000 years, is written as the longest one.
#[must_use]
pub fn encode(timeout: Duration) -> String {
    let nanos = timeout.as_nanos();
    let units = [(1, 'n'), (1_000, 'u'), (1_000_000, 'm'), (1_000_000_000, 'S')];
    let longer = [(60_000_000_000, 'M'), (3_600_000_000_000, 'H')];
    for (nanos_per_unit, unit) in units.into_iter().chain(longer) {
        let number = nanos.div_ceil(nanos_per_unit);
        if number <= MAX_NUMBER {
            return format!("{number}{unit}");
        }
    }
    format!("{MAX_NUMBER}H")
}

/// Reads the value of the header; `None` if it is not one.
#[must_use]
pub fn decode(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    match unit {
        b'n' => Some(Duration::from_nanos(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'S' => Some(Duration::from_secs(number)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'H' => Some(Duration::from_secs(number * 3_600)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn a_timeout_is_written_in_the_smallest_unit_that_holds_it() {
        for (timeout, text) in [
            (Duration::ZERO, "0n"),
            (Duration::from_millis(99), "99000000n"),
            (Duration::from_secs(5), "5000000u"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(3_600), "3600000m"),
            (Duration::from_secs(99_999_999 * 3_600), "99999999H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(encode(timeout), text);
        }
    }

    #[test]
    fn what_is_not_a_timeout_is_refused() {
        for text in [&b""[..], b"S", b"5", b"5s", b"-5S", b"+5S", b"5.0S", b"123456789S", b"5 S", b"\xff"] {
            assert_eq!(decode(text), None, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn a_timeout_is_never_shortened_and_at_most_a_part_in_a_hundred_thousand_longer(seconds in any::<u32>(), nanos in 0..1_000_000_000_u32) {
            let timeout = Duration::new(seconds.into(), nanos);
            let read = decode(encode(timeout).as_bytes()).unwrap();
            assert!(read >= timeout);
            // Above 99,999,999 of a unit it is written in the next one, such as 100,001 s for 100,000,001 ms.
            assert!(read - timeout <= timeout / 100_000, "{timeout:?} {read:?}");
        }
    }
}
