//! `rpcbench gate`.

use std::path::PathBuf;

use super::document::Format;
use super::interrupts::Interrupts;
use super::protocol_options::parse_server_options;
use super::{Exit, Failure, Outcome, print_error};
use crate::deploy::Placement;
use crate::gate::{self, ExchangedEnd, GateError, GateSettings, Request, Subject, Verdict};
use crate::stacks::{ServerOptions, Stack};

/// Decide whether a change makes calls slower, for CI
///
/// Builds both sides, runs servers of both, and calls them in turn until the answer is clear. Every round links both sides
/// anew with other section padding, because two links of the same source differ in speed.
///
/// A side is a revision, the folder of a work tree, a built rpcbench program, the URL of a running server, or a command
/// that starts a server on {port}.
#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 not slower than the thresholds allow; 1 slower; 4 undecided; 2 wrong usage; 3 could not \
                        run: a side does not build, or a server ends.

Examples:
  rpcbench gate --base main
  rpcbench gate --base v1.2 --new HEAD --stack rest-hyper,zerorpc --format markdown
  rpcbench gate --base HEAD --side client
  rpcbench gate --base /opt/old/rpcbench --new /opt/new/rpcbench"
)]
pub(super) struct Arguments {
    /// What the change is compared with
    #[arg(long, value_name = "REV|FOLDER|PROGRAM|URL|COMMAND")]
    base: String,
    /// The change
    #[arg(long, value_name = "REV|FOLDER|PROGRAM|URL|COMMAND", default_value = ".")]
    new: String,
    /// The end that differs between the sides; the other end is this program
    #[arg(long, value_enum, default_value_t)]
    side: ExchangedEnd,
    /// The stacks to compare [default: those of the settings]
    #[arg(long, value_name = "STACK,STACK", value_delimiter = ',')]
    stack: Vec<String>,
    /// The settings, in the form of scenarios/gate.toml [default: that file]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Where the processes run [default: as the settings say]
    #[arg(long, value_name = "split|shared|free")]
    placement: Option<Placement>,
    /// Do not count the instructions and allocations of a call, which needs Valgrind
    #[arg(long)]
    no_counts: bool,
    /// The seed of links, order and environments [default: random]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// An argument for the servers of the new side: a difference that the gate should find
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, hide = true)]
    new_server_arg: Vec<String>,
    /// Make exactly this number of rounds, whatever they show
    #[arg(long, value_name = "N", hide = true)]
    rounds: Option<u32>,
    /// Draw the links of each round from this number, which are made in advance
    #[arg(long, value_name = "N", hide = true)]
    pool: Option<u32>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write into this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn gate(arguments: &Arguments) -> Outcome {
    let mut settings = GateSettings::load(arguments.settings.as_deref()).map_err(Failure::usage)?;
    if !arguments.stack.is_empty() {
        settings.stacks.clone_from(&arguments.stack);
        settings.check().map_err(|(_, reason)| Failure::usage(reason))?;
    }
    settings.placement = arguments.placement.unwrap_or(settings.placement);
    let stacks: Vec<&'static Stack> =
        settings.stacks.iter().filter_map(|name| Stack::named(name).ok()).collect();
    let new_servers = parse_server_options(&arguments.new_server_arg, &stacks)?;
    let request = Request {
        subjects: [&arguments.base, &arguments.new].map(|text| Subject::of(text)),
        exchanged: arguments.side,
        settings,
        seed: arguments.seed.unwrap_or_else(rand::random),
        servers: [ServerOptions::default(), new_servers],
        rounds: arguments.rounds,
        pool: arguments.pool,
        counts: !arguments.no_counts,
    };
    let interrupts = Interrupts::watch("ending the gate without a verdict (interrupt again to end at once)")?;
    let outcome = match gate::run(&request, interrupts.flag(), &mut |line| print_error(&line)) {
        Ok(outcome) => outcome,
        Err(GateError::Interrupted) => return Ok(interrupts.exit().unwrap_or(Exit::Interrupted)),
        Err(error @ (GateError::Subject { .. } | GateError::Settings(_))) => {
            return Err(Failure::usage(error));
        }
        Err(error) => return Err(Failure::could_not_run(error)),
    };
    arguments.format.emit(&outcome.document(), &outcome, arguments.out.as_deref(), &[])?;
    Ok(match outcome.verdict {
        Verdict::NotSlower => Exit::Done,
        Verdict::Slower => Exit::No,
        Verdict::Undecided => Exit::AuditFailed,
    })
}
