//! The program: its subcommands, and what runs each.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::output::{Exit, Failure, Outcome, print_error, print_help, print_usage_error, without_secrets};
use super::{
    agent, call, check, compare, completions, doctor, export, gate, healthy, history, init, list, man, merge,
    report, run, serve,
};
use crate::deploy::{broker, keep_awake};
use crate::gate::driver;
use crate::sys;

/// Measure and explain what a remote call costs in REST, XML-RPC, JSON-RPC, zerorpc, gRPC, AMQP and NATS
#[derive(Parser)]
#[command(
    name = "rpcbench",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 success; 1 a negative result (an RPC error, a failed check, a broken objective, \
                  a slower side of a gate, something missing); 2 wrong usage; 3 could not run (no server, no broker); 4 measured, but a trial failed its audit; \
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
    Init(init::Arguments),
    Report(report::Arguments),
    Compare(compare::Arguments),
    Gate(gate::Arguments),
    History(history::Arguments),
    Export(export::Arguments),
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
    #[command(name = driver::SUBCOMMAND, hide = true)]
    Drive,
    #[command(name = healthy::SUBCOMMAND, hide = true)]
    Healthy,
    #[command(name = broker::GUARD_SUBCOMMAND, hide = true)]
    BrokerGuard(broker::GuardArguments),
    #[command(name = broker::SWEEPER_SUBCOMMAND, hide = true)]
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
    sys::return_unused_memory();
    let parsed = without_empty_variables(Arguments::command())
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let ended = match parsed {
        Ok(arguments) => run_command(arguments.command),
        Err(error) => refused(&error.format(&mut Arguments::command())).map(ExitCode::from),
    };
    match ended {
        Ok(code) => code,
        Err(Failure { exit, message }) => {
            let message = without_secrets(&message, words().iter().map(String::as_str));
            print_error(&format_args!("rpcbench: {message}"));
            exit.into()
        }
    }
}

fn run_command(command: Command) -> Result<ExitCode, Failure> {
    let exit = match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Call(arguments) => call::call(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Init(arguments) => init::init(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Gate(arguments) => gate::gate(&arguments),
        Command::History(arguments) => history::history(arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Agent(arguments) => agent::agent(&arguments),
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments, visible_command()),
        Command::Man(arguments) => man::man(&arguments, visible_command()),
        Command::Healthy => healthy::healthy(),
        // The command has printed the reason on standard output.
        Command::Drive => Ok(driver::driver_main().map_or(Exit::CouldNotRun, |()| Exit::Done)),
        Command::KeepAwake { core } => match keep_awake::keep_awake_main(core) {
            Ok(never) => match never {},
            // The command has printed the reason on standard output.
            Err(_) => Ok(Exit::CouldNotRun),
        },
        Command::BrokerGuard(arguments) => return Ok(broker::guard_main(&arguments)),
        Command::BrokerSweeper { folder } => return Ok(broker::sweeper_main(&folder)),
    };
    exit.map(ExitCode::from)
}

/// `command` without the environment variables that are set to nothing, which is how a shell script unsets them.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|command| {
        command.mut_args(|argument| {
            let variable = argument.get_env().and_then(std::env::var_os);
            match variable {
                Some(value) if value.is_empty() => argument.env(None::<&'static str>),
                _ => argument,
            }
        })
    })
}

/// The words of the command line. In those that are not UTF-8, what is not is replaced.
fn words() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Reports what is wrong with the command line, and lists what would be valid. Help and version are errors to clap, too.
fn refused(error: &clap::Error) -> Outcome {
    if !error.use_stderr() {
        print_help(error)?;
        return Ok(Exit::Done);
    }
    let words = words();
    if let Some(message) = not_unicode(error.kind()) {
        return Err(Failure::usage(message));
    }
    let shown = error.render().to_string();
    let without_secrets = without_secrets(&shown, words.iter().map(String::as_str));
    if shown == without_secrets {
        print_usage_error(error);
    } else {
        print_error(&without_secrets.trim_end());
    }
    let program = Arguments::command();
    let known: Vec<String> = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            program.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect()
        }
        ErrorKind::UnknownArgument => words
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
    Ok(Exit::Usage)
}

/// Names the argument that is not UTF-8, if that is the reason for an error of this kind.
fn not_unicode(kind: ErrorKind) -> Option<String> {
    let mut words = (1..).zip(std::env::args_os().skip(1));
    match (kind, words.find(|(_, word)| word.to_str().is_none())) {
        (ErrorKind::InvalidUtf8 | ErrorKind::InvalidSubcommand, Some((number, word))) => {
            Some(format!("argument {number} is not valid UTF-8: {}", word.display()))
        }
        (ErrorKind::InvalidUtf8, None) => {
            Some("an environment variable that an option reads is not valid UTF-8".to_owned())
        }
        _ => None,
    }
}

/// The command line without hidden subcommands and options, which are for the program itself and for tests.
fn visible_command() -> clap::Command {
    let visible = |command: &clap::Command| {
        let mut shown = clap::Command::new(command.get_name().to_owned())
            .about(command.get_about().cloned().unwrap_or_default())
            .after_help(command.get_after_help().cloned().unwrap_or_default())
            .args(command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned());
        if let Some(about) = command.get_long_about() {
            shown = shown.long_about(about.clone());
        }
        shown
    };
    let command = Arguments::command();
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set()).map(visible);
    visible(&command).version(env!("CARGO_PKG_VERSION")).subcommands(subcommands)
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
