//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    rpcbench::cli::main()
}
