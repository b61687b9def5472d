//! Suggestions for misspelt names.

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
}
