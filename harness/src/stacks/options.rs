//! A protocol's own options: read from the command line, kept typed, and passed on to child processes as one value.

use std::collections::BTreeMap;
use std::fmt;

use calculator::{CallError, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A group of options of one or several protocols: a type that clap reads and serde writes.
pub struct OptionGroup {
    /// The name of the group, which is unique among those of one command.
    pub name: &'static str,
    augment: fn(Command) -> Command,
    parse: fn(&ArgMatches) -> Result<Json, clap::Error>,
    default: fn() -> Json,
    check: fn(&Json) -> Result<(), serde_json::Error>,
}

impl OptionGroup {
    /// The group `name`, whose options are the fields of `T`. What clap reads from an empty command line must be
    /// `T::default()`.
    #[must_use]
    pub const fn of<T: clap::Args + Serialize + DeserializeOwned + Default>(name: &'static str) -> Self {
        OptionGroup {
            name,
            augment: T::augment_args,
            parse: parse::<T>,
            default: || serde_json::to_value(T::default()).unwrap_or_default(),
            check: |value| T::deserialize(value).map(drop),
        }
    }

    pub(super) fn default_value(&self) -> Json {
        (self.default)()
    }

    /// Adds its options to `command`.
    #[must_use]
    pub fn augment(&self, command: Command) -> Command {
        (self.augment)(command)
    }

    /// The ids of its options.
    fn ids(&self) -> Vec<String> {
        let command = self.augment(Command::new("options"));
        command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
    }

    /// Whether it has the option that is this field of its type.
    pub(super) fn has(&self, field: &str) -> bool {
        self.ids().iter().any(|id| id == field)
    }

    /// The names of its options on command lines, without the hyphens before them.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.ids().into_iter().map(|id| id.replace('_', "-"))
    }
}

fn parse<T: clap::Args + Serialize>(matches: &ArgMatches) -> Result<Json, clap::Error> {
    serde_json::to_value(T::from_arg_matches(matches)?)
        .map_err(|error| clap::Error::raw(clap::error::ErrorKind::ValueValidation, error))
}

/// Options by group. [`Debug`] shows no values: some are credentials.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(BTreeMap<String, Json>);

/// A value that is not one of a group's options, as another version of this program might write.
#[derive(Debug, thiserror::Error)]
#[error("the options of {group} cannot be read: {source}")]
pub struct OptionsError {
    group: &'static str,
    source: serde_json::Error,
}

impl OptionsError {
    /// Options of `group` that have the right types, but an invalid value.
    pub(super) fn invalid(group: &OptionGroup, reason: impl fmt::Display) -> Self {
        OptionsError { group: group.name, source: serde::de::Error::custom(reason) }
    }
}

impl From<OptionsError> for CallError {
    fn from(error: OptionsError) -> Self {
        CallError::new(ErrorKind::InvalidArguments, error.to_string())
    }
}

impl Options {
    /// The options of `group`; the defaults where none were set.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn get<T: DeserializeOwned + Default>(&self, group: &OptionGroup) -> Result<T, OptionsError> {
        match self.0.get(group.name) {
            Some(value) => T::deserialize(value).map_err(|source| OptionsError { group: group.name, source }),
            None => Ok(T::default()),
        }
    }

    /// Sets the options of `group`.
    ///
    /// # Errors
    /// [`OptionsError`] if JSON cannot represent `options`.
    pub fn set<T: Serialize>(&mut self, group: &OptionGroup, options: &T) -> Result<(), OptionsError> {
        let value =
            serde_json::to_value(options).map_err(|source| OptionsError { group: group.name, source })?;
        self.0.insert(group.name.to_owned(), value);
        Ok(())
    }

    /// Sets `field` of the options of `group`, and leaves the others.
    ///
    /// # Errors
    /// [`OptionsError`] if the field cannot have this value.
    pub(super) fn set_field(
        &mut self,
        group: &OptionGroup,
        field: &str,
        value: Json,
    ) -> Result<(), OptionsError> {
        let mut options = self.0.get(group.name).cloned().unwrap_or_else(|| group.default_value());
        if let Some(fields) = options.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
        (group.check)(&options).map_err(|source| OptionsError { group: group.name, source })?;
        self.0.insert(group.name.to_owned(), options);
        Ok(())
    }
}

#[cfg(test)]
impl Options {
    pub(super) fn raw(&self, group: &OptionGroup) -> Option<&Json> {
        self.0.get(group.name)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The options of several groups on one command line.
#[derive(Clone, Debug, Default)]
pub struct GroupArguments {
    options: Options,
    /// The options that were given, as `--option`, with the group of each.
    given: Vec<(&'static str, String)>,
}

impl GroupArguments {
    /// Adds the options of `groups` to `command`.
    #[must_use]
    pub fn augment(groups: &[&'static OptionGroup], command: Command) -> Command {
        groups.iter().fold(command, |command, group| group.augment(command))
    }

    /// Reads the options of `groups`.
    ///
    /// # Errors
    /// clap's error, for a value that is missing or invalid.
    pub fn parse(groups: &[&'static OptionGroup], matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut this = GroupArguments::default();
        for group in groups {
            this.options.0.insert(group.name.to_owned(), (group.parse)(matches)?);
            for id in group.ids() {
                if matches.value_source(&id) == Some(ValueSource::CommandLine) {
                    this.given.push((group.name, format!("--{}", id.replace('_', "-"))));
                }
            }
        }
        Ok(this)
    }

    /// The options of all groups of this command line.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The first option that was given and belongs to none of `groups`, with the name of its group.
    #[must_use]
    pub fn given_outside(&self, groups: &[&'static OptionGroup]) -> Option<(&'static str, &str)> {
        let belongs = |name: &str| groups.iter().any(|group| group.name == name);
        let outside = self.given.iter().find(|(group, _)| !belongs(group))?;
        Some((outside.0, &outside.1))
    }

    /// The options that were given, as `--option`.
    pub fn given(&self) -> impl Iterator<Item = &str> {
        self.given.iter().map(|(_, option)| option.as_str())
    }
}
