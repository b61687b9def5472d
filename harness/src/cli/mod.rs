//! The command line: a file per subcommand.

mod agent;
mod call;
mod check;
mod completions;
mod doctor;
mod healthy;
mod list;
mod man;
mod merge;
mod overrides;
mod progress;
mod protocol_options;
mod report;
mod run;
mod serve;
mod targets;

use std::fmt::Display;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::deploy::{keep_awake, rabbitmq};

/// How a command ended; the exit code that tells a script so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The answer is no: an RPC error, a failed check.
    No = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// It could not be run: no server, no broker.
    CouldNotRun = 3,
    /// Measured, but an audit failed.
    AuditFailed = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed, with the exit code that belongs to it.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    fn new(exit: Exit, error: impl Display) -> Self {
        // Of an error with a context, the alternate form tells the causes too.
        Failure { exit, message: format!("{error:#}") }
    }

    fn usage(error: impl Display) -> Self {
        Failure::new(Exit::Usage, error)
    }

    fn could_not_run(error: impl Display) -> Self {
        Failure::new(Exit::CouldNotRun, error)
    }
}

type Outcome = Result<Exit, Failure>;

/// What does a remote call really cost in REST, XML-RPC, JSON-RPC, zerorpc and AMQP, and why?
#[derive(Parser)]
#[command(
    name = "rpcbench",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 done; 1 the answer is no (an RPC error, a failed check); 2 wrong usage; \
                  3 could not run (no server, no broker); 4 measured, but an audit failed."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure stacks and write a record and a report
    Run(run::Arguments),
    /// Serve the calculator, or another service, over a protocol
    Serve(serve::Arguments),
    /// Call a method of a server, ours or not
    Call(call::Arguments),
    /// Hold a calculator server against the conformance table
    Check(check::Arguments),
    /// Make every table and plot again from records
    Report(report::Arguments),
    /// Be one of several load generators on servers that already run, at an agreed time
    Agent(agent::Arguments),
    /// Put the partial records of agents together
    Merge(merge::Arguments),
    /// List stacks, scenarios and operations
    List(list::Arguments),
    /// Find out what on this machine will disturb a measurement or is missing, and the remedy
    Doctor(doctor::Arguments),
    /// Print a script that completes commands and options in a shell
    Completions(completions::Arguments),
    /// Print the manual page, or write those of all commands
    Man(man::Arguments),
    #[command(name = keep_awake::SUBCOMMAND, hide = true)]
    KeepAwake { core: usize },
    /// Serve with the settings of the environment variable RPCBENCH_SERVER
    #[command(name = serve::CHILD_SUBCOMMAND, hide = true)]
    ServeChild {
        /// For the list of processes only
        stack: String,
    },
    #[command(name = healthy::SUBCOMMAND, hide = true)]
    Healthy,
    #[command(name = rabbitmq::GUARD_SUBCOMMAND, hide = true)]
    BrokerGuard(rabbitmq::GuardArguments),
}

/// lapin's thread of its own panics when the runtime ends under it, which is what happens to a connection that is not
/// needed any more; a person who reads of that learns nothing.
fn ignore_cancelled_connections() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_lapin = std::thread::current().name() == Some("lapin-io-loop");
        let is_cancelled = panic.payload_as_str().is_some_and(|message| message.ends_with("was cancelled"));
        if !(is_lapin && is_cancelled) {
            usual(panic);
        }
    }));
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ignore_cancelled_connections();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    let outcome = match arguments.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::ServeChild { .. } => serve::serve_child(),
        Command::Call(arguments) => call::call(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Agent(arguments) => agent::agent(&arguments),
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Man(arguments) => man::man(&arguments),
        Command::Healthy => healthy::healthy(),
        Command::KeepAwake { core } => {
            // It has printed the reason on standard output.
            return match keep_awake::keep_awake_main(core) {
                Ok(never) => match never {},
                Err(_) => ExitCode::from(Exit::CouldNotRun),
            };
        }
        Command::BrokerGuard(arguments) => return rabbitmq::guard_main(&arguments),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(Failure { exit, message }) => {
            eprintln!("rpcbench: {message}");
            exit.into()
        }
    }
}

/// Says what is wrong with the command line, and what would be right.
fn refused(error: &clap::Error) -> ExitCode {
    // Help and version come this way too.
    let _ = error.print();
    let program = Arguments::command();
    let given: Vec<String> = std::env::args().skip(1).collect();
    let known: Vec<String> = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            program.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect()
        }
        ErrorKind::UnknownArgument => given
            .iter()
            .find_map(|word| program.find_subcommand(word))
            .map(|command| {
                let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
                shown.filter_map(|argument| argument.get_long().map(|long| format!("--{long}"))).collect()
            })
            .unwrap_or_default(),
        _ => vec![],
    };
    if !known.is_empty() {
        eprintln!("valid here: {}", known.join(", "));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

/// `command` without its hidden subcommands, which only the program itself calls.
fn visible(command: clap::Command) -> clap::Command {
    let subcommands: Vec<_> =
        command.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    clap::Command::new("rpcbench")
        .version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        .after_help(command.get_after_help().cloned().unwrap_or_default())
        .subcommands(subcommands)
}

/// A runtime for the commands that make a few calls.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::could_not_run)
}

/// Prints to standard output. A reader that has gone away, as `head` does, ends the program as it would any other.
fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        Arguments::command().debug_assert();
        for command in Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("rpcbench "), "`{}` has no example", command.get_name());
        }
    }
}
