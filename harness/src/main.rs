//! The command line.

use std::process::ExitCode;

use rpcbench::deploy::rabbitmq;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(rabbitmq::GUARD_SUBCOMMAND) => rabbitmq::guard_main(arguments, |_| Ok(())),
        _ => ExitCode::from(2),
    }
}
