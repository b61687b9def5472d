//! The program: its subcommands, and what runs each.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use super::output::{Exit, Failure, print_error};
use super::{agent, call, check, completions, doctor, healthy, list, man, merge, report, run, serve};
use crate::deploy::{keep_awake, rabbitmq};

/// Measure and explain what a remote call costs in REST, XML-RPC, JSON-RPC, zerorpc and AMQP
#[derive(Parser)]
#[command(
    name = "rpcbench",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 success; 1 a negative result (an RPC error, a failed check, something missing); \
                  2 wrong usage; 3 could not run (no server, no broker); 4 measured, but a trial failed its audit; \
                  129, 130, 143 ended early by SIGHUP, SIGINT, SIGTERM."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// The subcommands. Their help texts are the doc comments of their arguments: a comment here would hide those.
#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Serve(serve::Arguments),
    Call(call::Arguments),
    Check(check::Arguments),
    Report(report::Arguments),
    Agent(agent::Arguments),
    Merge(merge::Arguments),
    List(list::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    #[command(name = keep_awake::SUBCOMMAND, hide = true)]
    KeepAwake {
        core: usize,
    },
    #[command(name = healthy::SUBCOMMAND, hide = true)]
    Healthy,
    #[command(name = rabbitmq::GUARD_SUBCOMMAND, hide = true)]
    BrokerGuard(rabbitmq::GuardArguments),
    #[command(name = rabbitmq::SWEEPER_SUBCOMMAND, hide = true)]
    BrokerSweeper {
        folder: PathBuf,
    },
}

/// Keeps one panic message off the terminal: lapin's thread panics when the runtime of a connection that is no longer
/// needed ends, and the message says nothing that a user could act on.
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
        Command::Call(arguments) => call::call(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Agent(arguments) => agent::agent(&arguments),
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments, visible_command()),
        Command::Man(arguments) => man::man(&arguments, visible_command()),
        Command::Healthy => healthy::healthy(),
        Command::KeepAwake { core } => {
            // The command has printed the reason on standard output.
            return match keep_awake::keep_awake_main(core) {
                Ok(never) => match never {},
                Err(_) => ExitCode::from(Exit::CouldNotRun),
            };
        }
        Command::BrokerGuard(arguments) => return rabbitmq::guard_main(&arguments),
        Command::BrokerSweeper { folder } => return rabbitmq::sweeper_main(&folder),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(Failure { exit, message }) => {
            print_error(&format_args!("rpcbench: {message}"));
            exit.into()
        }
    }
}

/// Reports what is wrong with the command line, and lists what would be valid.
fn refused(error: &clap::Error) -> ExitCode {
    // Help and version are errors to clap, too.
    let _ = error.print();
    let program = Arguments::command();
    let given: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
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
        print_error(&format_args!("valid here: {}", known.join(", ")));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

/// The command line without its hidden subcommands, which only the program itself calls.
fn visible_command() -> clap::Command {
    let command = Arguments::command();
    let subcommands: Vec<_> =
        command.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    clap::Command::new("rpcbench")
        .version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        .after_help(command.get_after_help().cloned().unwrap_or_default())
        .subcommands(subcommands)
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
