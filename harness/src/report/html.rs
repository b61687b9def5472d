//! The report as one page that needs nothing else: no network, no script, no font.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::answer;
use super::capacity::{Capacity, capacities};
use super::columns::{Column, columns};
use super::plots::{self, Figure, Figures};
use super::summary::{Row, Summary, Table};
use super::{fairness, ledger, text, ways};
use crate::load::Operation;
use crate::record::{Agent, Check, Record, StackFacts};
use crate::stacks::Role;
use crate::sys::Machine;

/// The page; what stands in it between braces is escaped unless it says `safe`, as only the figures do.
const TEMPLATE: &str = include_str!("page.html");

/// The page of `record`.
pub(super) fn page(
    record: &Record,
    summary: &Summary,
    figures: &Figures,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("page", TEMPLATE)?;
    environment.get_template("page")?.render(Serde(Page::of(record, summary, figures)))
}

/// All that the template names.
#[derive(Serialize)]
struct Page<'a> {
    name: &'a str,
    question: &'a str,
    circumstances: String,
    dark: String,
    answer: Vec<String>,
    warnings: &'a [String],
    asymmetries: Vec<String>,
    capacities: Vec<Capacity>,
    sweeps: Vec<Drawing>,
    sections: Vec<Section>,
    bytes: Vec<Drawing>,
    ledgers: Vec<Ledger>,
    ledger_headings: Vec<Heading>,
    ledger_caption: &'static str,
    fairness: Vec<FairnessSetting>,
    checks: &'a [Check],
    peers: Vec<Peer>,
    settings: Vec<(&'static str, String)>,
}

impl<'a> Page<'a> {
    fn of(record: &'a Record, summary: &'a Summary, figures: &Figures) -> Self {
        let tables = summary.tables.iter().zip(&figures.tables).enumerate();
        Page {
            name: &record.scenario.name,
            question: &record.scenario.question,
            circumstances: text::circumstances(record),
            dark: plots::dark_rules(),
            answer: answer::answer(record, summary),
            warnings: &summary.warnings,
            asymmetries: answer::asymmetries(record, summary),
            capacities: capacities(record),
            sweeps: figures.sweeps.iter().map(Drawing::of).collect(),
            sections: tables.map(|(number, (table, figures))| Section::of(number, table, figures)).collect(),
            bytes: figures.bytes.iter().map(Drawing::of).collect(),
            ledgers: ledger::by_operation(record).iter().map(Ledger::of).collect(),
            ledger_headings: ledger::HEADINGS.iter().map(|heading| Heading::of_ledger(heading)).collect(),
            ledger_caption: ledger::CAPTION,
            fairness: fairness::settings(record).iter().map(FairnessSetting::of).collect(),
            checks: &record.checks,
            peers: record.stacks.iter().map(|facts| Peer::of(facts, record)).collect(),
            settings: settings(record),
        }
    }
}

/// A measurement.
#[derive(Serialize)]
struct Section {
    id: String,
    name: String,
    load: String,
    placement: &'static str,
    headings: Vec<Heading>,
    rows: Vec<Entry>,
    resolution: Option<String>,
    ways_title: String,
    ways_headings: [&'static str; 4],
    ways: Vec<[String; 4]>,
    absent: Vec<(String, String)>,
    figures: Vec<Drawing>,
}

impl Section {
    fn of(number: usize, table: &Table, figures: &[Figure]) -> Self {
        let columns = columns(&table.measurement);
        Section {
            id: format!("m{number}"),
            name: table.measurement.name.clone(),
            load: text::load(&table.measurement),
            placement: text::placement(&table.measurement),
            headings: columns.iter().map(Heading::of).collect(),
            rows: table.rows.iter().map(|row| Entry::of(row, columns)).collect(),
            resolution: text::resolution(table),
            ways_title: ways::title(&table.measurement),
            ways_headings: ways::HEADINGS,
            ways: table.ways.iter().map(ways::Way::cells).collect(),
            absent: table.absent.iter().map(|a| (a.stack.clone(), a.reason.clone())).collect(),
            figures: figures.iter().map(Drawing::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct Heading {
    text: &'static str,
    is_text: bool,
    explanation: &'static str,
}

impl Heading {
    fn of(column: &Column) -> Self {
        Heading { text: column.heading, is_text: column.is_text, explanation: column.meaning }
    }

    /// Of the ledger, which is explained below it. The direction stands above the columns.
    fn of_ledger(text: &'static str) -> Self {
        let is_text = ledger::is_text(text);
        let text = if text.ends_with("↑ ↓") { text } else { text.trim_end_matches([' ', '↑', '↓']) };
        Heading { text, is_text, explanation: "" }
    }
}

/// A row of a table.
#[derive(Serialize)]
struct Entry {
    swatch: String,
    stack: String,
    is_floor: bool,
    cells: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    value: String,
    range: Option<String>,
    is_text: bool,
}

impl Entry {
    fn of(row: &Row, columns: &[Column]) -> Self {
        let cells = columns.iter().skip(1).map(|column| (column.cell(row), column.is_text));
        Entry {
            swatch: plots::swatch(row.protocol, row.role),
            stack: row.stack.clone(),
            is_floor: row.protocol.is_floor(),
            cells: cells
                .map(|(cell, is_text)| Field {
                    value: cell.value,
                    // A range of one block says nothing.
                    range: cell.range.filter(|_| row.valid > 1),
                    is_text,
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct Drawing {
    title: String,
    caption: String,
    svg: String,
}

impl Drawing {
    fn of(figure: &Figure) -> Self {
        Drawing {
            title: figure.title.clone(),
            caption: figure.caption.clone(),
            svg: figure.inline().to_owned(),
        }
    }
}

/// The bytes of one call by every stack.
#[derive(Serialize)]
struct Ledger {
    title: String,
    rows: Vec<Vec<Field>>,
}

impl Ledger {
    fn of((operation, links): &(Operation, Vec<ledger::Link<'_>>)) -> Self {
        let row = |link: &ledger::Link<'_>| {
            let cells = link.cells().into_iter().zip(ledger::HEADINGS);
            cells
                .map(|(value, heading)| Field { value, range: None, is_text: ledger::is_text(heading) })
                .collect()
        };
        Ledger { title: ledger::title(*operation), rows: links.iter().map(row).collect() }
    }
}

/// A setting of the stacks, with the stacks that have each value.
#[derive(Serialize)]
struct FairnessSetting {
    name: &'static str,
    differs: bool,
    values: Vec<(String, String)>,
}

impl FairnessSetting {
    fn of(setting: &fairness::Setting) -> Self {
        let values = setting.rows().map(|[_, value, stacks]| (value, stacks)).collect();
        FairnessSetting { name: setting.name, differs: setting.differs(), values }
    }
}

/// A stack: what it is made of.
#[derive(Serialize)]
struct Peer {
    swatch: String,
    name: String,
    protocol: &'static str,
    role: &'static str,
    client: String,
    server: String,
    executor: String,
    connections: String,
}

impl Peer {
    fn of(facts: &StackFacts, record: &Record) -> Self {
        let connections = record.scenario.measurements.iter().filter_map(|measurement| {
            let trial =
                record.trials.iter().find(|t| t.stack == facts.name && t.measurement == measurement.name)?;
            Some(trial.connections.to_string())
        });
        Peer {
            swatch: plots::swatch(facts.protocol, facts.role),
            name: facts.name.clone(),
            protocol: facts.protocol.name(),
            role: match facts.role {
                Role::Floor => "floor",
                Role::Default => "usual library",
                Role::Minimal => "leanest library",
                Role::DefaultAndMinimal => "usual and leanest",
                Role::BrokerFloor => "floor for AMQP",
                Role::Alternative => "another library",
                Role::Step => "with less",
                Role::Reference => "reference server",
                Role::Variant => "another way to the server",
            },
            client: facts.client.clone(),
            server: facts.target.clone().unwrap_or_else(|| facts.server.clone()),
            executor: facts.executor.clone(),
            connections: connections.collect::<Vec<_>>().join(", "),
        }
    }
}

/// Where a load generator of several ran, and how well it knew the time.
#[allow(clippy::cast_precision_loss)]
fn agent_of(agent: &Agent) -> String {
    let Machine { processor, architecture, cores, system, .. } = &agent.machine;
    let clock = match &agent.clock {
        Some(clock) => format!(
            "by the clock of {}, {:.3} ms ahead of its own, known to ± {:.3} ms",
            clock.name,
            clock.start.offset_ns as f64 / 1e6,
            clock.error_ns() as f64 / 1e6
        ),
        None => "by its own clock".to_owned(),
    };
    let processor = processor.as_deref().unwrap_or(architecture);
    format!("{} of {}: {processor}, {cores} cores, {system}; {clock}", agent.number, agent.of)
}

/// Every setting in force, and the machine: what somebody needs to measure the same again.
fn settings(record: &Record) -> Vec<(&'static str, String)> {
    let (scenario, machine) = (&record.scenario, &record.machine);
    let duration = |duration| humantime::format_duration(duration).to_string();
    let yes_no = |known: Option<bool>| known.map_or("not observable", |yes| if yes { "yes" } else { "no" });
    let mut settings = vec![
        ("scenario", scenario.name.clone()),
        ("run", format!("{}, begun {}, {:.0} s", record.id, record.started, record.seconds)),
        ("blocks", scenario.blocks.to_string()),
        ("warm-up of a trial", duration(scenario.warmup)),
        ("measured per trial", duration(scenario.measure)),
        ("timeout of a call", duration(scenario.timeout)),
        ("seed", record.seed.to_string()),
    ];
    for measurement in &scenario.measurements {
        let cores = record.trials.iter().find(|t| t.measurement == measurement.name).map(|t| &t.cores);
        let list = |cores: &[usize]| cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let cores = match cores {
            Some(cores) if !cores.client.is_empty() => {
                format!(" (client on core {}, server on {})", list(&cores.client), list(&cores.server))
            }
            _ => String::new(),
        };
        settings.push((
            "measurement",
            format!(
                "{}: {} {}, placement {}{cores}",
                measurement.name, measurement.operation, measurement.load, measurement.placement
            ),
        ));
    }
    settings.extend(record.agents.iter().map(|agent| ("agent", agent_of(agent))));
    let processor = machine.processor.clone().unwrap_or_else(|| "unknown processor".to_owned());
    #[allow(clippy::cast_precision_loss)]
    let memory = machine.memory.map(|bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)));
    settings.extend([
        ("processor", format!("{processor}, {} cores, {}", machine.cores, machine.architecture)),
        ("memory", memory.unwrap_or_else(|| "not observable".to_owned())),
        ("system", machine.system.clone()),
        ("virtual machine", yes_no(machine.virtualised).to_owned()),
        ("frequency governor", machine.governor.clone().unwrap_or_else(|| "not observable".to_owned())),
        (
            "rpcbench",
            format!(
                "{}, {} build, {} observation",
                record.tool.version,
                if record.tool.optimised { "optimised" } else { "unoptimised" },
                if record.tool.full_observation { "full" } else { "portable" }
            ),
        ),
    ]);
    settings
}
