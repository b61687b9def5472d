//! Reference servers: a protocol's usual library in another language, as the server of a stack.

use std::process::Command;

use super::language::{Language, LanguageError};
use super::serve::{BROKER_VARIABLE, ServerSettings};
use crate::sys::Secret;

/// The option of `rpcbench serve` that every reference server supports.
const WORK_OPTION: &str = "--work";

/// A server in another language. It prints `listening PROTOCOL URL` when it answers calls, and takes `--listen HOST:PORT`,
/// `--end-with-input` and `--work KIND:SECONDS`.
#[derive(Debug)]
pub struct Reference {
    /// The name of the library, for tables.
    pub title: &'static str,
    /// The language that it is written in.
    pub language: Language,
    /// The name of the file with the source.
    pub(super) script: &'static str,
    /// The source.
    pub(super) source: &'static str,
    /// Arguments of every start.
    pub(super) arguments: &'static [&'static str],
    /// Writes the protocol's options as arguments of the script.
    pub(super) options: fn(&ServerSettings) -> Vec<String>,
    /// The options of `rpcbench serve` that the server supports besides `--work`, as `--option`.
    pub(super) accepts: &'static [&'static str],
    /// The executor of handlers, which no option changes: `blocking`, `threads`, `async`, `goroutines`.
    pub executor: &'static str,
}

/// A reference server cannot be started with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It does not have the option.
    #[error("{option}: {stack} is served by a reference implementation, which has no such option")]
    Option {
        /// The stack.
        stack: String,
        /// The option, as `--option`.
        option: String,
    },
    /// The language is not installed, or the server cannot be compiled.
    #[error("{stack}: {source}")]
    Language {
        /// The stack.
        stack: String,
        /// The reason.
        source: LanguageError,
    },
    /// It listens on TCP ports only.
    #[error("--listen: {0} is served by a reference implementation, which listens on HOST:PORT only")]
    Listen(String),
}

/// The server in a file of `servers/python`, or with a language before it in the file of `servers/node` or `servers/go`.
macro_rules! reference {
    ($title:literal, $script:literal, $arguments:expr, $executor:literal) => {
        $crate::stacks::reference::reference!(Python, "python/", $title, $script, $arguments, $executor)
    };
    (JavaScript, $title:literal, $protocol:literal) => {
        $crate::stacks::reference::reference!(JavaScript, "node/", $title, "server.js", &[$protocol], "async")
    };
    (Go, $title:literal, $protocol:literal) => {
        $crate::stacks::reference::reference!(Go, "go/", $title, "server.go", &[$protocol], "goroutines")
    };
    ($language:ident, $folder:literal, $title:literal, $script:literal, $arguments:expr, $executor:literal) => {
        $crate::stacks::reference::Reference {
            title: $title,
            language: $crate::stacks::Language::$language,
            script: $script,
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../servers/", $folder, $script)),
            arguments: $arguments,
            options: |_| vec![],
            accepts: &[],
            executor: $executor,
        }
    };
}
pub(super) use reference;

impl Reference {
    /// The command that starts the server.
    ///
    /// # Errors
    /// [`ReferenceError`] for the first option that the server does not support.
    pub fn command(&self, settings: &ServerSettings) -> Result<Command, ReferenceError> {
        let refused = |option: &str| ReferenceError::Option {
            stack: settings.stack.clone(),
            option: option.to_owned(),
        };
        if settings.control.is_some() {
            return Err(refused("--control"));
        }
        let accepts = |option: &str| option == WORK_OPTION || self.accepts.contains(&option);
        if let Some(option) = settings.options.given.iter().find(|given| !accepts(given)) {
            return Err(refused(option));
        }
        if settings.listen.port().is_none() {
            return Err(ReferenceError::Listen(settings.stack.clone()));
        }
        let mut command = self
            .language
            .command(self.script, self.source)
            .map_err(|source| ReferenceError::Language { stack: settings.stack.clone(), source })?;
        command.args(self.arguments);
        command.arg(format!("--listen={}", settings.listen)).args((self.options)(settings));
        if let Some(work) = settings.options.common.work {
            command.arg(format!("{WORK_OPTION}={}:{}", work.kind(), work.time().as_secs_f64()));
        }
        if settings.end_with_input {
            command.arg("--end-with-input");
        }
        command.envs(settings.broker.as_ref().map(Secret::reveal).map(|url| (BROKER_VARIABLE, url)));
        Ok(command)
    }
}
