//! The command line.

#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

use std::process::ExitCode;

fn main() -> ExitCode {
    rpcbench::cli::main()
}
