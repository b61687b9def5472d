//! Reading scenarios from TOML, and the errors of that.

use std::path::PathBuf;

use calculator::printable;
use serde::de::DeserializeOwned;
use toml::de::{DeArray, DeTable};

use super::built_in::UnknownScenario;
use crate::stacks::{hint, nearest_expected};

/// Why a scenario cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a built-in scenario nor a file.
    #[error("{0}, or give the path of a .toml file")]
    Unknown(UnknownScenario),
    /// The file cannot be read.
    #[error("cannot read the scenario {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The text is not a valid scenario.
    #[error("{origin}:{line}:{column}: {message}")]
    Invalid {
        /// The file, or the name of a built-in scenario.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong, and what was expected.
        message: String,
    },
}

impl ScenarioError {
    /// The text is not valid where `part` of it stands first.
    pub(crate) fn invalid(origin: &str, text: &str, part: &str, message: &str) -> Self {
        Self::invalid_at(origin, text, text.find(part).unwrap_or(0), message)
    }

    /// The text is not valid at the key `path`: `key`, `table.key` or `array.0.key`.
    pub(crate) fn invalid_key(origin: &str, text: &str, path: &str, message: &str) -> Self {
        Self::invalid_at(origin, text, position_of_key(text, path).unwrap_or(0), message)
    }

    /// The text is not valid at `key` of table number `index` of the array `array`, or at the table where it has no such key.
    pub(crate) fn invalid_in_array(
        origin: &str,
        text: &str,
        (array, index, key): (&str, usize, &str),
        message: &str,
    ) -> Self {
        let at = position_in_array(text, array, index, key).unwrap_or(0);
        Self::invalid_at(origin, text, at, message)
    }

    fn invalid_at(origin: &str, text: &str, at: usize, message: &str) -> Self {
        let before = text.get(..at).unwrap_or_default();
        ScenarioError::Invalid {
            origin: origin.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            // It may repeat a part of the file.
            message: printable(message).into_owned(),
        }
    }
}

/// Where the key `path` stands in the TOML `text`: keys, and numbers of the tables of arrays, separated by dots, such as `table.key`
/// or `array.0.key`. The position of the part of the path that is there; `None` if its first key is not.
fn position_of_key(text: &str, path: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Some(document.get_ref());
    let mut array: Option<&DeArray<'_>> = None;
    let mut position = None;
    for part in path.split('.') {
        let in_table = table.and_then(|table| table.iter().find(|(key, _)| *key.get_ref() == part));
        let in_array = array.and_then(|array| array.get(part.parse::<usize>().ok()?));
        let in_table = in_table.map(|(key, value)| (key.span(), value));
        let found = in_table.or(in_array.map(|value| (value.span(), value)));
        let Some((span, value)) = found else { break };
        position = Some(span.start);
        (table, array) = (value.get_ref().as_table(), value.get_ref().as_array());
    }
    position
}

/// Where `key` of table number `index` of the array `array` stands in the TOML `text`, or the table if it has no such key.
fn position_in_array(text: &str, array: &str, index: usize, key: &str) -> Option<usize> {
    position_of_key(text, &format!("{array}.{index}.{key}"))
}

/// The line, from 1, of table number `index` of the array `array` in the TOML `text`; 1 if there is none.
pub(crate) fn line_in_array(text: &str, array: &str, index: usize) -> usize {
    let at = position_in_array(text, array, index, "").unwrap_or(0);
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// Reads `T` from TOML; `origin` names the text in messages.
///
/// # Errors
/// [`ScenarioError::Invalid`] with the line and column, and what was expected there.
pub(crate) fn parse_toml<T: DeserializeOwned>(origin: &str, text: &str) -> Result<T, ScenarioError> {
    toml::from_str(text).map_err(|error| {
        let message = format!("{}{}", error.message(), hint(nearest_expected(error.message())));
        ScenarioError::invalid_at(origin, text, error.span().map_or(0, |span| span.start), &message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{BUILT_IN, Plan, Scenario};

    #[test]
    fn built_in_scenarios_are_valid_and_named_after_their_files() {
        for (name, _) in BUILT_IN {
            let scenario = Scenario::load(name).unwrap();
            assert_eq!(scenario.name, *name);
            Plan::new(&scenario, &[0, 1]).unwrap();
        }
    }

    #[test]
    fn a_scenario_survives_serialization() {
        let scenario = Scenario::load("quick").unwrap();
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);
    }

    #[test]
    fn errors_name_the_file_the_line_and_what_was_expected() {
        let good = BUILT_IN[0].1;
        for (from, to, expected) in [
            ("blocks =", "bloks =", "unknown field `bloks`"),
            ("blocks =", "bloks =", "did you mean `blocks`?"),
            ("placement = \"shared\"", "placement = \"sharde\"", "did you mean `shared`?"),
            ("\"rest-hyper\"", "\"rest-hipper\"", "did you mean `rest-hyper`?"),
            ("load = \"closed:1\"", "load = \"closed:none\"", "closed:CALLERS"),
            ("placement = \"shared\"", "placement = \"here\"", "`split`, `shared`, `free`"),
            ("warmup = \"", "warmup = \"x", "expected a duration"),
            ("\"rest-hyper\"", "\"rest-hipper\"", "the stacks are inproc"),
        ] {
            let broken = good.replacen(from, to, 1);
            assert_ne!(broken, good, "the scenario has no `{from}`");
            let error = Scenario::parse("mine.toml", &broken).unwrap_err();
            let line = broken.lines().position(|line| line.contains(to)).unwrap() + 1;
            let text = error.to_string();
            assert!(text.starts_with(&format!("mine.toml:{line}:")), "{text}");
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_scenario_is_an_error_that_suggests_and_lists_the_known_ones() {
        let error = Scenario::load("qick").unwrap_err().to_string();
        assert!(
            error.contains("`qick`; did you mean `quick`?") && error.contains("quick, standard"),
            "{error}"
        );
        assert!(matches!(Scenario::load("/nowhere/x.toml"), Err(ScenarioError::Unreadable { .. })));
    }
}
