//! Interface versions: `major.minor[.revision]`.

use crate::wire::Failure;

/// The version that a message without a version requests, and that an endpoint without a version implements.
pub(crate) const DEFAULT: &str = "1.0";

/// Whether an interface of version `implemented` can serve a request for version `requested`: the major numbers are
/// equal, the requested minor number is not greater, and if the minor numbers are equal, neither is the revision.
///
/// # Errors
/// The exception that oslo.messaging raises for a malformed version.
pub(crate) fn is_compatible(implemented: &str, requested: &str) -> Result<bool, Failure> {
    let (has, wants) = (parse(implemented)?, parse(requested)?);
    Ok(has.0 == wants.0 && wants.1 <= has.1 && (wants.1 < has.1 || wants.2 <= has.2))
}

fn parse(version: &str) -> Result<(u32, u32, u32), Failure> {
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
    fn a_newer_minor_version_serves_older_requests() {
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
            assert_eq!(is_compatible(implemented, requested), Ok(serves), "{implemented} serves {requested}");
        }
    }

    #[test]
    fn malformed_versions_fail_with_the_exceptions_of_oslo_messaging() {
        for (version, class) in
            [("1", "IndexError"), ("abc", "ValueError"), ("1.x", "ValueError"), ("", "ValueError")]
        {
            assert_eq!(is_compatible("1.0", version).unwrap_err().class, class, "{version}");
        }
    }
}
