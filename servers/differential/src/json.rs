//! What the protocols with JSON bodies have in common.

use calculator::ErrorKind;

use crate::codec::Case;

/// Parts of JSON texts.
pub(crate) const DICTIONARY: &[&[u8]] = &[
    b"null",
    b"true",
    b"false",
    b"-0",
    b"0",
    b"-1",
    b"1.0",
    b"-0.0",
    b"1e5",
    b"1E+400",
    b"1e-400",
    b"1e400",
    b"NaN",
    b"-Infinity",
    b"Infinity",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"0.1",
    b"123456789012345678901234567890.5",
    b"[]",
    b"{}",
    b"\"\"",
    b"[[[[[[[[",
    b"]]]]]]]]",
    b"\\ud800",
    b"\\udc00",
    b"\\ud83d\\ude00",
    b"\\u0000",
    b"\\n",
    b"\\/",
    b"\\\"",
    b"\xef\xbb\xbf",
    b"\xc3\xbc",
    b"\xed\xa0\x80",
    b"\"a\":1",
    b",\"x\":[1,2]",
    b" \t\r\n",
    b"\x0b",
    b"//",
    b"01",
    b"1.",
    b".5",
    b"\"result\":",
    b"\"x\":",
];

/// A JSON text in which lists and maps are nested deeper than `limit`.
pub(crate) fn nesting(case: &Case<'_>, limit: usize) -> bool {
    case.stricter(ErrorKind::TooLarge) && case.reference.depth() > limit
}

/// A `\u` escape of half a surrogate pair, which no Unicode text can contain.
pub(crate) fn surrogate(case: &Case<'_>) -> bool {
    refused(case, "surrogate")
}

/// `NaN`, `Infinity` or `-Infinity`.
pub(crate) fn constant(case: &Case<'_>) -> bool {
    refused(case, "constant")
}

/// A number with a point or an exponent that is beyond the range of a double.
pub(crate) fn overflow(case: &Case<'_>) -> bool {
    refused(case, "overflow")
}

/// An integer beyond the range of a double.
pub(crate) fn long_integer(case: &Case<'_>) -> bool {
    refused(case, "long-integer")
}

/// Whether the suite's decoder rejects a text with this note, or an entry of a batch with it, which the reference accepts.
fn refused(case: &Case<'_>, note: &str) -> bool {
    let reference = case.reference;
    reference.value.is_ok() && reference.has(note) && (case.ours.is_err() || reference.has("batch"))
}

/// A JSON object with an integer of 400 digits after `start`.
pub(crate) fn with_long_integer(start: &str) -> Vec<u8> {
    format!("{start}{}}}", "1".repeat(400)).into_bytes()
}
