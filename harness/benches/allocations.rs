//! The allocations of each step of a call in each protocol, and of whole calls over a socket: counted, so that the same
//! program gives the same numbers, however busy the machine is.
//!
//! Prints the counts beside those of the last run. `-- --save FILE` keeps them, and `-- --check FILE` compares them with a
//! file: the exit code is 1 if anything allocates more often than there.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/codecs.rs"]
mod codecs;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use calculator::{Call, ClientOptions, Value};
use comfy_table::{CellAlignment, Table, presets};
use rpcbench::stacks::{CommonOptions, Destination, Driver, Options, ServeContext, Stack, all};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// The calls that are counted; enough that what happens once in a while, such as the growth of a table, does not show.
const CALLS: u32 = 1_000;
/// The calls before those that are counted.
const WARMUP_CALLS: u32 = 100;
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a step or a call allocates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Allocations {
    /// How often memory is allocated or grown.
    count: f64,
    /// The bytes in all.
    bytes: f64,
}

impl Allocations {
    #[allow(clippy::cast_precision_loss)]
    fn each_of(calls: u32, info: AllocationInfo) -> Self {
        let calls = f64::from(calls);
        Allocations { count: info.count_total as f64 / calls, bytes: info.bytes_total as f64 / calls }
    }

    /// Whether these are more allocations than `before`. Of whole calls, a part of an allocation is the share of something
    /// that happens once in many calls.
    fn are_more_than(self, before: Self) -> bool {
        self.count >= before.count + 0.5
    }
}

type Counts = BTreeMap<String, Allocations>;

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    save: Option<PathBuf>,
    check: Option<PathBuf>,
    /// Given by `cargo bench`, and not by `cargo test`.
    is_bench: bool,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut arguments = Arguments::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut file = || words.next().map(PathBuf::from).ok_or_else(|| format!("{word} needs a FILE"));
            match word.as_str() {
                "--save" => arguments.save = Some(file()?),
                "--check" => arguments.check = Some(file()?),
                "--bench" => arguments.is_bench = true,
                "--test" => {}
                _ => {
                    return Err(format!(
                        "unknown argument {word}: only --save FILE and --check FILE are known"
                    ));
                }
            }
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(reason) => {
            eprintln!("allocations: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let arguments = Arguments::read()?;
    let known = arguments.check.as_ref().map(read).transpose()?;
    let mut counts = count_steps();
    if !arguments.is_bench {
        assert_eq!(counts, count_steps(), "the same steps allocate the same");
        return Ok(ExitCode::SUCCESS);
    }
    counts.extend(all().iter().filter(|stack| can_be_counted(stack)).map(|stack| {
        let allocations = count_calls(stack);
        (format!("call, both ends, {}", stack.name), allocations)
    }));
    let last = last_run();
    let before = known.clone().or_else(|| read(&last).ok()).unwrap_or_default();
    println!("{}", table(&before, &counts));
    for file in arguments.save.iter().chain([&last]) {
        write(file, &counts)?;
    }
    let more = known.iter().flatten().filter_map(|(name, before)| {
        counts.get(name).filter(|now| now.are_more_than(*before)).map(|_| name.as_str())
    });
    let more: Vec<_> = more.collect();
    if more.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("allocates more often: {}", more.join("; "));
    Ok(ExitCode::FAILURE)
}

/// The allocations of each step of a call, without a socket.
fn count_steps() -> Counts {
    let mut counts = Counts::new();
    for operation in codecs::OPERATIONS {
        for protocol in codecs::PROTOCOLS {
            for (name, step) in codecs::STEPS.iter().zip(codecs::steps(protocol, operation)) {
                // The first time, a thread's own tables may be made.
                step();
                let info = measure(step);
                counts.insert(format!("{operation}, {protocol}, {name}"), Allocations::each_of(1, info));
            }
        }
    }
    counts
}

/// Whether both ends of `stack` run on the thread that is counted. AMQP's client and floors with threads have their own.
fn can_be_counted(stack: &Stack) -> bool {
    stack.has_executors() && !stack.needs_broker() && stack.driver == Driver::Tokio
}

/// The allocations of a call of `add`, at both ends, over a socket.
fn count_calls(stack: &'static Stack) -> Allocations {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    let client = runtime.block_on(async {
        let common = CommonOptions::default();
        let context = ServeContext {
            transport: stack.transport,
            tls: None,
            listen: net::Endpoint::loopback(),
            dispatcher: common.dispatcher(),
            limits: common.limits(),
            broker: None,
            options: Options::default(),
            stop: CancellationToken::new(),
        };
        let serving = stack.serve(context).await.unwrap();
        tokio::spawn(serving.run);
        let options = ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() };
        stack.connect(Destination::new(serving.url), options).await.unwrap()
    });
    let make_calls = |calls: u32| {
        runtime.block_on(async {
            for _ in 0..calls {
                assert_eq!(client.call(&call).await, Ok(Value::Int(5)));
            }
        });
    };
    make_calls(WARMUP_CALLS);
    Allocations::each_of(CALLS, measure(|| make_calls(CALLS)))
}

/// The file that keeps the counts of the last run.
fn last_run() -> PathBuf {
    // The program is in PROFILE/deps of Cargo's target folder.
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(3).unwrap_or(&program).join("allocations.json")
}

fn read(file: &PathBuf) -> Result<Counts, String> {
    let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_slice(&text)
        .map_err(|error| format!("{}: not a file of --save: {error}", file.display()))
}

fn write(file: &PathBuf, counts: &Counts) -> Result<(), String> {
    let text = serde_json::to_string_pretty(counts).map_err(|error| error.to_string())?;
    fs::write(file, text + "\n").map_err(|error| format!("{}: {error}", file.display()))
}

fn table(before: &Counts, now: &Counts) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["allocations of", "before", "now", "bytes"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, now) in now {
        let before = before.get(name).map_or_else(String::new, |before| number(before.count));
        table.add_row([name.clone(), before, number(now.count), number(now.bytes)]);
    }
    table
}

/// Whole numbers without decimals.
fn number(value: f64) -> String {
    if (value - value.round()).abs() < 0.005 { format!("{value:.0}") } else { format!("{value:.2}") }
}
