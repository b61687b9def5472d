//! Options of servers that a scenario sets by name.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::options::{OptionGroup, Options, OptionsError};
use super::suggestion::{hint, nearest};

/// Values of options by their names, such as `prefetch = 1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct OptionValues(BTreeMap<String, OptionValue>);

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OptionValue {
    /// Whether something is done.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A name, or any other text.
    Text(String),
}

/// Why an option cannot have a value.
#[derive(Debug, thiserror::Error)]
pub enum OptionValueError {
    /// No group has an option of this name.
    #[error("unknown option `{name}`{hint}; the options are {}", names.join(", "))]
    Unknown {
        /// The name that was given.
        name: String,
        /// A similar name, in words.
        hint: String,
        /// The names that exist.
        names: Vec<String>,
    },
    /// The value is not one of the option's.
    #[error(transparent)]
    Value(#[from] OptionsError),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Flag(flag) => flag.fmt(f),
            OptionValue::Number(number) => number.fmt(f),
            OptionValue::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for OptionValues {
    /// `ack after, prefetch 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.iter().map(|(name, value)| format!("{name} {value}"));
        f.write_str(&all.collect::<Vec<_>>().join(", "))
    }
}

impl From<&OptionValue> for Json {
    fn from(value: &OptionValue) -> Self {
        match value {
            OptionValue::Flag(flag) => Json::from(*flag),
            OptionValue::Number(number) => Json::from(*number),
            OptionValue::Text(text) => Json::from(text.as_str()),
        }
    }
}

/// The name of an option as the field of its type.
fn field(name: &str) -> String {
    name.replace('-', "_")
}

impl OptionValues {
    /// Whether no option is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the options.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether each of the options belongs to one of `groups`.
    #[must_use]
    pub fn belong_to(&self, groups: &[&OptionGroup]) -> bool {
        self.names().all(|name| groups.iter().any(|group| group.has(&field(name))))
    }

    /// Sets the options in `options`, those of `groups`.
    ///
    /// # Errors
    /// [`OptionValueError`] for the first one that does not exist or cannot have its value.
    pub fn set(&self, options: &mut Options, groups: &[&OptionGroup]) -> Result<(), OptionValueError> {
        for (name, value) in &self.0 {
            let Some(group) = groups.iter().find(|group| group.has(&field(name))) else {
                let names: Vec<_> = groups.iter().flat_map(|group| group.names()).collect();
                let hint = hint(nearest(name, names.iter().map(String::as_str)));
                return Err(OptionValueError::Unknown { name: name.clone(), hint, names });
            };
            options.set_field(group, &field(name), value.into())?;
        }
        Ok(())
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, OptionValue); N]> for OptionValues {
    fn from(values: [(&str, OptionValue); N]) -> Self {
        OptionValues(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
    #[group(skip)]
    struct Example {
        #[arg(long, default_value = "2")]
        in_flight: u16,
        #[arg(long)]
        name: Option<String>,
    }

    impl Default for Example {
        fn default() -> Self {
            Example { in_flight: 2, name: None }
        }
    }

    const GROUP: OptionGroup = OptionGroup::of::<Example>("example");

    fn set(values: &OptionValues) -> Result<Example, String> {
        let mut options = Options::default();
        values.set(&mut options, &[&GROUP]).map_err(|error| error.to_string())?;
        options.get(&GROUP).map_err(|error| error.to_string())
    }

    #[test]
    fn values_take_the_place_of_those_that_are_set_and_leave_the_others() {
        assert_eq!(set(&OptionValues::default()), Ok(Example::default()));
        let values = OptionValues::from([("in-flight", OptionValue::Number(7))]);
        assert!(values.belong_to(&[&GROUP]) && !values.belong_to(&[]));
        assert_eq!(set(&values), Ok(Example { in_flight: 7, name: None }));
        let both = [("in-flight", OptionValue::Number(7)), ("name", OptionValue::Text("x".to_owned()))];
        let both = OptionValues::from(both);
        assert_eq!(both.to_string(), "in-flight 7, name x");
        assert_eq!(set(&both), Ok(Example { in_flight: 7, name: Some("x".to_owned()) }));
        let mut options = Options::default();
        options.set(&GROUP, &Example { in_flight: 1, name: Some("kept".to_owned()) }).unwrap();
        values.set(&mut options, &[&GROUP]).unwrap();
        assert_eq!(options.get(&GROUP).ok(), Some(Example { in_flight: 7, name: Some("kept".to_owned()) }));
    }

    #[test]
    fn an_option_that_does_not_exist_and_a_value_that_it_cannot_have_are_refused() {
        for (name, value, expected) in [
            ("in-fligth", OptionValue::Number(1), "unknown option `in-fligth`; did you mean `in-flight`?"),
            ("in-flight", OptionValue::Number(70_000), "invalid value: integer `70000`"),
            ("in-flight", OptionValue::Flag(true), "invalid type: boolean `true`"),
            ("other", OptionValue::Flag(true), "the options are in-flight, name"),
        ] {
            let error = set(&OptionValues::from([(name, value)])).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
