//! How commands end, and everything that they print. No other file writes to standard output or standard error.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use calculator::{printable, printable_lines};
use terminal_size::{Width, terminal_size_of};

use crate::record::RECORD_FILE;
use crate::report::{Text, Tone};

/// How a command ended: its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A negative result: an RPC error, a failed check, something missing.
    No = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// The command could not run: no server, no broker; or its output could not be written.
    CouldNotRun = 3,
    /// Measured, but an audit failed.
    AuditFailed = 4,
    /// Ended early by SIGHUP.
    HungUp = 129,
    /// Ended early by SIGINT, as from Ctrl-C.
    Interrupted = 130,
    /// Ended early by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// How a command ended of which one part ended like this, and another like `other`: a negative result is more serious than one
    /// that does not count.
    pub(super) fn and(self, other: Exit) -> Exit {
        match (self, other) {
            (Exit::Done, other) | (Exit::AuditFailed, other @ Exit::No) => other,
            (exit, _) => exit,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed, with the exit code that belongs to it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, error: impl Display) -> Self {
        // The alternate form of an error with a context includes the causes.
        Failure { exit, message: format!("{error:#}") }
    }

    pub(super) fn usage(error: impl Display) -> Self {
        Failure::new(Exit::Usage, error)
    }

    pub(super) fn could_not_run(error: impl Display) -> Self {
        Failure::new(Exit::CouldNotRun, error)
    }
}

pub(super) type Outcome = Result<Exit, Failure>;

#[allow(clippy::disallowed_methods, reason = "this file does all printing")]
fn standard_output() -> io::Stdout {
    io::stdout()
}

#[allow(clippy::disallowed_methods, reason = "this file does all printing")]
fn standard_error() -> io::Stderr {
    io::stderr()
}

/// Prints text to standard output. Where the reader has closed the pipe, as `head` does, the text is dropped and the
/// command goes on to its end. Characters that a terminal could take for commands are escaped.
///
/// # Errors
/// When the text cannot be written for another reason, such as a full disk.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    // Tabs are part of completion scripts.
    let lines: Vec<_> = text.split('\t').map(printable_lines).collect();
    written(write_all(lines.join("\t").as_bytes()))
}

/// Prints `text` to standard output as [`print`] does, on a terminal with colours. The environment can forbid them (`NO_COLOR`) or
/// require them (`CLICOLOR_FORCE`), as for the help.
///
/// # Errors
/// As [`print`].
pub(super) fn print_text(text: &Text) -> Result<(), Failure> {
    if AutoStream::choice(&standard_output()) == ColorChoice::Never {
        return print(&text.to_string());
    }
    let mut coloured = String::new();
    for (tone, line) in text.lines() {
        let style = style(tone);
        let _ = writeln!(coloured, "{style}{line}{style:#}");
    }
    // The lines themselves hold nothing that a terminal takes for a command.
    written(write_all(coloured.as_bytes()))
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Title => Style::new().bold(),
        Tone::Muted => Style::new().dimmed(),
        Tone::Caution => AnsiColor::Yellow.on_default(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default(),
    }
}

/// The number of columns of standard output: what `COLUMNS` says in the environment, otherwise those of the terminal; absent where
/// it is none.
pub(super) fn screen_width() -> Option<usize> {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size_of(standard_output()).map(|(Width(columns), _)| columns.into());
    let is_width = |columns: &usize| *columns > 0;
    given.filter(is_width).or_else(terminal).filter(is_width)
}

/// Prints to standard output what another program waits for: a closed pipe is an error, too.
///
/// # Errors
/// When it cannot be written. `what` names it in the message.
pub(super) fn print_required(text: &str, what: &str) -> Result<(), Failure> {
    write_all(text.as_bytes())
        .map_err(|error| Failure::could_not_run(format!("cannot print {what} on standard output: {error}")))
}

/// Prints the help or the version that clap has made.
///
/// # Errors
/// As [`print`].
pub(super) fn print_help(help: &clap::Error) -> Result<(), Failure> {
    written(help.print().and_then(|()| standard_output().flush()))
}

fn write_all(bytes: &[u8]) -> io::Result<()> {
    let mut out = standard_output().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Prints `text`, or writes it into the file that `--out` names. Links are followed, and devices and pipes are written to.
///
/// # Errors
/// When the file cannot be written, or is one of `inputs`: the files or folders of the records that the text was made from.
pub(super) fn print_or_write(text: &str, out: Option<&Path>, inputs: &[&Path]) -> Result<(), Failure> {
    let Some(out) = out else { return print(text) };
    let shown = printable(&out.display().to_string()).into_owned();
    let written = out.canonicalize().ok();
    let record_in =
        |input: &&Path| input.join(RECORD_FILE).canonicalize().or_else(|_| input.canonicalize()).ok();
    if written.is_some() && inputs.iter().any(|input| record_in(input) == written) {
        return Err(Failure::usage(format!("--out {shown} would overwrite a record that is read")));
    }
    std::fs::write(out, text)
        .map_err(|error| Failure::could_not_run(format!("cannot write {shown}: {error}")))
}

/// Ignores that a pipe is closed.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::could_not_run(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a line to standard error, escaped as by [`print`]. Ignores write errors: the exit code still reports how the
/// command ended.
pub(super) fn print_error(line: &dyn Display) {
    let _ = writeln!(standard_error(), "{}", printable_lines(&line.to_string()));
}

/// Prints to standard error how a command line is wrong, as clap words and colours it.
pub(super) fn print_usage_error(error: &clap::Error) {
    let _ = error.print();
}

/// Whether standard error is a terminal.
pub(super) fn has_terminal() -> bool {
    io::IsTerminal::is_terminal(&standard_error())
}

/// The destination of log messages: standard error, where each message stays on one line. Writing never fails, because a
/// log that cannot be written must not end a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // The formatter passes each event at once, with a line break at its end.
        let text = String::from_utf8_lossy(event);
        print_error(&calculator::printable(text.trim_end_matches('\n')));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `message` without the secrets that `arguments` hold: URLs in it are reduced to scheme, host and port, and what looks like
/// USER:PASSWORD@HOST is left out.
pub(super) fn without_secrets<'a>(message: &str, arguments: impl IntoIterator<Item = &'a str>) -> String {
    let mut hidden: Vec<(&str, String)> = Vec::new();
    for argument in arguments {
        // clap splits the values of some options at commas, and may repeat a part.
        for part in [argument].into_iter().chain(argument.split(',')) {
            if let Some(colon) = part.find("://") {
                let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
                let url = &part[part[..colon].trim_end_matches(is_scheme).len()..];
                hidden.push((url, net::redacted(url)));
            } else if part.split_once('@').is_some_and(|(login, _)| login.contains(':')) {
                hidden.push((part, "…".to_owned()));
            }
        }
    }
    // Longer texts first: a part of an argument is also in the whole of it.
    hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    hidden
        .into_iter()
        .fold(message.to_owned(), |message, (text, replacement)| message.replace(text, &replacement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_serious_of_two_ends_is_reported() {
        for (first, second, both) in [
            (Exit::Done, Exit::Done, Exit::Done),
            (Exit::Done, Exit::AuditFailed, Exit::AuditFailed),
            (Exit::Done, Exit::No, Exit::No),
            (Exit::AuditFailed, Exit::No, Exit::No),
        ] {
            assert_eq!((first.and(second), second.and(first)), (both, both));
        }
    }

    #[test]
    fn a_message_repeats_scheme_host_and_port_of_an_argument_only() {
        for (argument, shown) in [
            ("http://u:secret@h:1/secret?token=secret", "http://h:1"),
            ("--listen=http://u:secret@h:1/", "--listen=http://h:1"),
            ("rest=tcp://u:secret@h:1", "rest=tcp://h:1"),
            ("u:secret@h:1", "…"),
            ("closed:1,http://u:secret", "closed:1,http://…"),
            ("rest@bridge", "rest@bridge"),
            ("open:5000", "open:5000"),
        ] {
            let message = format!("unknown argument `{argument}`");
            assert_eq!(without_secrets(&message, [argument]), format!("unknown argument `{shown}`"));
        }
        // A value that clap has split.
        let arguments = ["closed:1,http://u:secret,w@h"];
        assert_eq!(without_secrets("invalid value 'http://u:secret'", arguments), "invalid value 'http://…'");
    }
}
