//! The command line: a file per subcommand.

mod addresses;
mod agent;
mod brokers;
mod call;
mod check;
mod compare;
mod completions;
mod control_token;
mod detail;
mod doctor;
mod document;
mod export;
mod gate;
mod healthy;
mod history;
mod init;
mod interrupts;
mod list;
mod live_view;
mod man;
mod merge;
mod output;
mod overrides;
mod program;
mod progress;
mod protocol_options;
mod repeat;
mod report;
mod run;
mod runtime;
mod serve;
mod stdio;
mod targets;

pub use output::Exit;
pub use program::main;

use output::{Failure, Outcome, print, print_error, print_required};
use runtime::runtime;
