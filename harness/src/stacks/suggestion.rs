//! Suggestions for misspelt names.

use std::fmt;
use std::str::FromStr;

/// The valid name that is nearest to `misspelt`; `None` where none is near enough to be meant.
#[must_use]
pub(crate) fn nearest<'a>(misspelt: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong, and one of a short name.
    let allowed = (misspelt.chars().count() / 3).max(1);
    valid
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(misspelt, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The nearest of the names that a message lists after "expected": "unknown field `a`, expected one of `b`, `c`".
pub(crate) fn nearest_expected(message: &str) -> Option<&str> {
    let (unknown, expected) = message.strip_prefix("unknown ")?.split_once(", expected ")?;
    let mut quoted = unknown.split('`').skip(1);
    nearest(quoted.next()?, expected.split('`').skip(1).step_by(2))
}

/// Parses a value of the command line. The message for an unknown name suggests the nearest one.
///
/// # Errors
/// The message.
pub(crate) fn parse_or_suggest<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| {
        let message = error.to_string();
        format!("{message}{}", hint(nearest_expected(&message)))
    })
}

/// The end of an error message that suggests `name`; empty without one.
pub(crate) fn hint(name: Option<&str>) -> String {
    name.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name_and_none_that_is_far() {
        let names = ["measure", "measurement", "blocks", "quick", "rest", "rest-hyper"];
        for (misspelt, expected) in [
            ("qick", Some("quick")),
            ("bloks", Some("blocks")),
            ("mesaure", Some("measure")),
            ("measurment", Some("measurement")),
            ("rest-hipper", Some("rest-hyper")),
            ("soap", None),
            ("", None),
        ] {
            assert_eq!(nearest(misspelt, names), expected, "{misspelt}");
        }
    }

    #[test]
    fn an_error_suggests_the_nearest_of_the_names_that_it_expects() {
        let error = |text| parse_or_suggest::<calculator::Work>(text).unwrap_err();
        assert!(error("slep:5ms").ends_with("; did you mean `sleep`?"), "{}", error("slep:5ms"));
        assert!(!error("nap:1ms").contains("did you mean"), "{}", error("nap:1ms"));
        let error = parse_or_suggest::<calculator::Executor>("treads:4").unwrap_err();
        assert!(error.ends_with("; did you mean `threads:N`?"), "{error}");
        assert!(parse_or_suggest::<calculator::Executor>("threads:4").is_ok());
    }
}
