//! Sizes as they are written on command lines and in scenarios.

/// Bytes written as `100B`, `1KiB`, `1MiB`, or a plain number; `None` for any other text and beyond 64 bits.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}
