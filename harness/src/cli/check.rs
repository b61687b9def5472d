//! `rpcbench check`.

use std::fmt::Write as _;
use std::time::Duration;

use calculator::conformance::{self, Level, Outcome as Row};
use calculator::{ClientOptions, Deadline};

use super::protocol_options::{OfClients, ProtocolOptions};
use super::{Exit, Failure, Outcome, print, runtime};
use crate::stacks::{ProtocolRef, Stack};

/// Check a calculator server against the conformance table
///
/// Makes every call of the table and compares the answers. All reference servers give the answers of the core rows; at
/// least one of them differs in each strict row.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench check xmlrpc http://127.0.0.1:8000/
  rpcbench check zerorpc tcp://127.0.0.1:4242
  rpcbench check amqp amqp://guest:guest@localhost/ --topic calc")]
pub(super) struct Arguments {
    /// The protocol (rest, xmlrpc, jsonrpc, zerorpc, amqp, tcp), or the stack whose client is used
    protocol: String,
    /// The URL of the server, or of the broker for AMQP
    url: String,
    /// How long a call may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    client: ProtocolOptions<OfClients>,
}

pub(super) fn check(arguments: &Arguments) -> Outcome {
    let stack = Stack::named(&arguments.protocol).map_err(Failure::usage)?;
    let destination = arguments.client.destination(stack, &arguments.url)?;
    let options = ClientOptions { timeout: arguments.timeout, ..ClientOptions::default() };
    let rows = runtime()?.block_on(async {
        let client = stack.connect(destination, options).await.map_err(|error| {
            let address = net::redacted(&arguments.url);
            Failure::could_not_run(format!("{}: no answer from {address}: {error}", stack.name))
        })?;
        Ok(conformance::run(&*client, stack.protocol.profile(), &mut Deadline::new(arguments.timeout)).await)
    })?;
    print(&table(stack.protocol, &rows));
    let lost =
        rows.iter().find_map(|row| row.result.as_ref().err().filter(|error| error.kind.is_transport()));
    if let Some(error) = lost {
        let address = net::redacted(&arguments.url);
        return Err(Failure::could_not_run(format!("{}: no answer from {address}: {error}", stack.name)));
    }
    let conforms = rows.iter().all(|row| row.vector.level == Level::Strict || row.passed());
    Ok(if conforms { Exit::Done } else { Exit::No })
}

fn table(protocol: ProtocolRef, rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let mark = if row.passed() { "pass" } else { "FAIL" };
        let _ = write!(text, "{mark}  {:<6}  {} → ", row.vector.level, row.vector.title());
        if row.passed() {
            let _ = writeln!(text, "{}", row.answer());
        } else {
            let _ = writeln!(text, "{}; expected {}", row.answer(), row.vector.expected);
        }
    }
    for level in [Level::Core, Level::Strict] {
        let of_level = || rows.iter().filter(|row| row.vector.level == level);
        let passed = of_level().filter(|row| row.passed()).count();
        let _ = writeln!(text, "{protocol}: {passed} of {} {level} rows passed", of_level().count());
    }
    text
}
