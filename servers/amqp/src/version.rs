//! Versions of an interface: `major.minor[.revision]`.

use crate::wire::Failure;

/// What a message without a version asks for, and what an endpoint without one implements.
pub(crate) const DEFAULT: &str = "1.0";

/// Whether an interface of version `implemented` serves callers that ask for `requested`: the same major number, no
/// later minor number, and of the same minor number no later revision.
///
/// # Errors
/// What Python's parser raises for a text that is no version.
pub(crate) fn compatible(implemented: &str, requested: &str) -> Result<bool, Failure> {
    let (has, wants) = (parsed(implemented)?, parsed(requested)?);
    Ok(has.0 == wants.0 && wants.1 <= has.1 && (wants.1 < has.1 || wants.2 <= has.2))
}

fn parsed(version: &str) -> Result<(u32, u32, u32), Failure> {
    let number = |text: &str| {
        text.trim().parse::<u32>().map_err(|_| {
            let message = format!("invalid literal for int() with base 10: '{text}'");
            Failure::builtin("ValueError", message)
        })
    };
    let mut parts = version.splitn(3, '.');
    let major = number(parts.next().unwrap_or_default())?;
    let minor = parts.next().ok_or_else(|| Failure::builtin("IndexError", "list index out of range"))?;
    Ok((major, number(minor)?, parts.next().map_or(Ok(0), number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_minor_number_serves_callers_of_an_earlier_one() {
        for (implemented, requested, serves) in [
            ("1.0", "1.0", true),
            ("1.3", "1.0", true),
            ("1.3", "1.3", true),
            ("1.3", "1.4", false),
            ("2.0", "1.0", false),
            ("1.0", "2.0", false),
            ("1.0", "1.0.1", false),
            ("1.1", "1.0.9", true),
            ("1.1.2", "1.1.2", true),
            ("1.1.2", "1.1.3", false),
        ] {
            assert_eq!(compatible(implemented, requested), Ok(serves), "{implemented} for {requested}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused_as_by_the_reference() {
        for (version, class) in
            [("1", "IndexError"), ("abc", "ValueError"), ("1.x", "ValueError"), ("", "ValueError")]
        {
            assert_eq!(compatible("1.0", version).unwrap_err().class, class, "{version}");
        }
    }
}
