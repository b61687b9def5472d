//! `rpcbench check`.

use std::fmt::Write as _;
use std::time::Duration;

use calculator::conformance::{self, Level, Numbers, Outcome as Row, Profile, RowStatus};
use calculator::{ClientOptions, Deadline};

use super::overrides::parse_numbers;
use super::protocol_options::{OfClients, ProtocolOptions};
use super::{Exit, Failure, Outcome, print, runtime};
use crate::stacks::{ProtocolRef, Stack, revealed};

/// Check a calculator server against the conformance table
///
/// Makes every call of the table and compares the answers. All reference servers give the answers of the core rows; at
/// least one of them differs in each strict row. A row without an answer (a timeout, or a connection that failed) fails, and
/// the next row is sent over a new connection. After eight such rows in a row the rest is not sent. Rows that were not sent
/// are marked `none`. Exits with 1 if a core row does not pass, and with 3 if the first three rows have no answer.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench check xmlrpc http://127.0.0.1:8000/
  rpcbench check zerorpc tcp://127.0.0.1:4242
  rpcbench check jsonrpc http://127.0.0.1:3000/ --numbers any
  rpcbench check amqp amqp://guest:guest@localhost/ --topic calc
  rpcbench check amqp env:RPCBENCH_BROKER")]
pub(super) struct Arguments {
    /// The protocol (rest, xmlrpc, jsonrpc, jsonrpc-lines, jsonrpc-ws, zerorpc, grpc, thrift, amqp, nats, tcp), or the stack whose client is used
    protocol: String,
    /// The URL of the server, or of the broker for AMQP and NATS; @FILE reads it from a file, env:NAME from an environment
    /// variable, - from standard input, so that a password in it does not show in the list of processes
    url: String,
    /// How long a call may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = calculator::parse_duration_above_zero)]
    timeout: Duration,
    /// How numbers are compared: exact (5 and 5.0 differ) or any (by value, for servers in languages with one type of
    /// numbers, such as JavaScript, Lua and PHP)
    #[arg(long, value_name = "exact|any", default_value = "exact", value_parser = parse_numbers)]
    numbers: Numbers,
    #[command(flatten)]
    client: ProtocolOptions<OfClients>,
}

pub(super) fn check(arguments: &Arguments) -> Outcome {
    let stack = Stack::named_at_address(&arguments.protocol).map_err(Failure::usage)?;
    let url = revealed(&arguments.url).map_err(Failure::usage)?;
    let destination = arguments.client.destination(stack, &url)?;
    let rows = runtime()?.block_on(async {
        let connect = async || {
            let options = ClientOptions { timeout: arguments.timeout, ..ClientOptions::default() };
            stack.connect(destination.clone(), options).await
        };
        let profile = Profile { numbers: arguments.numbers, ..stack.protocol.profile() };
        conformance::run_reconnecting(connect, profile, &mut Deadline::new(arguments.timeout)).await.map_err(
            |error| {
                let address = net::redacted(&url);
                Failure::could_not_run(format!("{}: no answer from {address}: {error}", stack.name))
            },
        )
    })?;
    print(&table(stack.protocol, &rows))?;
    let conforms = rows.iter().all(|row| row.vector.level == Level::Strict || row.passed());
    Ok(if conforms { Exit::Done } else { Exit::No })
}

fn table(protocol: ProtocolRef, rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let mark = match row.status() {
            RowStatus::Passed => "pass",
            RowStatus::Failed => "FAIL",
            RowStatus::NotSent => "none",
        };
        let _ = write!(text, "{mark}  {:<6}  {} → {}", row.vector.level, row.vector.title(), row.answer());
        let _ = if row.failed() { writeln!(text, "; expected {}", row.expected()) } else { writeln!(text) };
    }
    for level in [Level::Core, Level::Strict] {
        let count = |is_counted: fn(&Row) -> bool| {
            rows.iter().filter(|row| row.vector.level == level && is_counted(row)).count()
        };
        let not_sent = count(|row| row.status() == RowStatus::NotSent);
        let _ = write!(
            text,
            "{protocol}: {} of {} {level} rows passed",
            count(Row::passed),
            count(|_| true) - not_sent
        );
        let _ = if not_sent > 0 { writeln!(text, "; {not_sent} not sent") } else { writeln!(text) };
    }
    text
}
