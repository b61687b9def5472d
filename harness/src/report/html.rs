//! A report as one HTML page that needs nothing else: no network, no font, no other file. It is complete without JavaScript.

mod assets;
mod decision;
mod first;
mod grid;

use std::io;

use calculator::{is_unprintable, printable};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, escape_formatter};
use serde::Serialize;

use super::call_bytes::{CallBytes, HopBytes};
use super::chart::Charts;
use super::contents::Report;
use super::model::{ClaimReport, Document, Row, Table};
use super::plots::{self, Figure, Figures};
use super::text;
use assets::{Script, Style};
use decision::DecisionView;
use first::FirstScreen;
use grid::Grid;

/// The templates, by name: a file for each section of the page. Whatever they insert is escaped, except figures, swatches, the
/// styles and the script, which are marked `safe`.
/// Characters that are not printable are shown as escapes.
const TEMPLATES: [(&str, &str); 23] = [
    ("page", include_str!("page.html")),
    ("page/first", include_str!("page/first.html")),
    ("page/contents", include_str!("page/contents.html")),
    ("page/decision", include_str!("page/decision.html")),
    ("page/slos", include_str!("page/slos.html")),
    ("page/claims", include_str!("page/claims.html")),
    ("page/results", include_str!("page/results.html")),
    ("page/sweeps", include_str!("page/sweeps.html")),
    ("page/measurements", include_str!("page/measurements.html")),
    ("page/codecs", include_str!("page/codecs.html")),
    ("page/bytes", include_str!("page/bytes.html")),
    ("page/fairness", include_str!("page/fairness.html")),
    ("page/conformance", include_str!("page/conformance.html")),
    ("page/settings", include_str!("page/settings.html")),
    ("page/yours", include_str!("page/yours.html")),
    ("page/reading", include_str!("page/reading.html")),
    ("document", include_str!("document.html")),
    ("index", include_str!("index/index.html")),
    ("base", include_str!("base.html")),
    ("macros", include_str!("macros.html")),
    ("anatomy", include_str!("anatomy.html")),
    ("trust", include_str!("trust.html")),
    ("panels", include_str!("panels.html")),
];

/// `report` as a page with `figures` in it.
pub(super) fn render(report: &Report, figures: &Figures) -> Result<String, minijinja::Error> {
    rendered("page", &Page::new(report, figures))
}

/// `document` as a page.
///
/// # Errors
/// When a chart cannot be drawn or the template cannot be rendered.
pub(super) fn render_document(document: &Document) -> io::Result<String> {
    let drawings = drawn(&document.charts)?;
    // A hidden row would take the first cell of its group with it.
    let shown =
        |table: &Table| Table { is_grouped: table.is_grouped && document.filter.is_none(), ..table.clone() };
    let tables: Vec<Table> = document.tables.iter().map(shown).collect();
    let page = DocumentPage {
        title: &document.title,
        style: Style::new(),
        circumstances: &document.circumstances,
        answer: &document.answer,
        warnings: &document.warnings,
        tables: tables.iter().map(Grid::new).collect(),
        filter: document.filter,
        charts: multiples(&document.charts, &drawings),
    };
    rendered("document", &page).map_err(io::Error::other)
}

/// The page of an index, whose template shows `index` and `charts`.
///
/// # Errors
/// When a chart cannot be drawn or the template cannot be rendered.
pub(crate) fn render_index(index: &impl Serialize, charts: &[Charts]) -> io::Result<String> {
    let drawings = drawn(charts)?;
    let page = IndexPage {
        index,
        style: Style::new(),
        script: Script::of_index(),
        charts: multiples(charts, &drawings),
    };
    rendered("index", &page).map_err(io::Error::other)
}

/// The variables of the template of an index.
#[derive(Serialize)]
struct IndexPage<'a, T> {
    index: &'a T,
    style: Style,
    script: Script,
    charts: Vec<Multiples<'a>>,
}

/// The drawings of `charts`: the `svg` elements of each group.
fn drawn(charts: &[Charts]) -> io::Result<Vec<Vec<String>>> {
    let draw = |group: &Charts| {
        let charts = group.charts.iter().map(plots::chart);
        charts.chain(group.ratios.iter().map(plots::ratios)).collect::<Result<Vec<_>, _>>()
    };
    charts.iter().map(draw).collect::<Result<_, _>>().map_err(io::Error::other)
}

/// `charts` with their `drawings`.
fn multiples<'a>(charts: &'a [Charts], drawings: &'a [Vec<String>]) -> Vec<Multiples<'a>> {
    let pairs = charts.iter().zip(drawings);
    pairs
        .map(|(charts, drawings)| Multiples { title: &charts.title, caption: &charts.caption, drawings })
        .collect()
}

/// The template `name` with `variables`, and with rules for the colours that its figures have on a dark page.
fn rendered(name: &str, variables: &impl Serialize) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() && text.contains(is_unprintable) => {
            escape_formatter(out, state, &Value::from(printable(text)))
        }
        _ => escape_formatter(out, state, value),
    });
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, template) in TEMPLATES {
        environment.add_template(name, template)?;
    }
    let page = environment.get_template(name)?.render(Serde(variables))?;
    // In what variables say, `<` is escaped.
    Ok(page.replacen("<dark-rules>\n", &plots::dark_rules(&page), 1))
}

/// The variables of the template of a document.
#[derive(Serialize)]
struct DocumentPage<'a> {
    title: &'a str,
    style: Style,
    circumstances: &'a [String],
    answer: &'a [String],
    warnings: &'a [String],
    tables: Vec<Grid<'a>>,
    filter: Option<&'static str>,
    charts: Vec<Multiples<'a>>,
}

/// Small figures that belong together.
#[derive(Serialize)]
struct Multiples<'a> {
    title: &'a str,
    caption: &'a str,
    drawings: &'a [String],
}

impl<'a> Multiples<'a> {
    fn of(figure: &'a plots::Multiples) -> Self {
        let Figure { title, caption, .. } = &figure.figure;
        Multiples { title, caption, drawings: &figure.panels }
    }
}

/// The variables of the template.
#[derive(Serialize)]
struct Page<'a> {
    report: &'a Report,
    style: Style,
    script: Script,
    first: FirstScreen<'a>,
    decision: Option<DecisionView<'a>>,
    slos: Option<Grid<'a>>,
    verdicts: Option<Grid<'a>>,
    claims: Vec<ClaimSection<'a>>,
    /// The searches, the timelines and the topologies.
    results: Vec<Found<'a>>,
    offered_loads: Vec<Multiples<'a>>,
    sweeps: Vec<Drawing<'a>>,
    crossings: Vec<Grid<'a>>,
    sections: Vec<Section<'a>>,
    codecs: Vec<Found<'a>>,
    formats: Option<Grid<'a>>,
    bytes: Vec<Drawing<'a>>,
    ledgers: Vec<Grid<'a>>,
    calls: Vec<CallSection<'a>>,
    call_time: Option<Grid<'a>>,
    call_time_figure: Option<Multiples<'a>>,
    trust: Vec<[String; 2]>,
    stability: Option<Grid<'a>>,
    stability_figure: Option<Multiples<'a>>,
    noise: Option<Multiples<'a>>,
    fairness: Option<Grid<'a>>,
    conformance: Grid<'a>,
    stacks: Grid<'a>,
    settings: Vec<[String; 2]>,
}

impl<'a> Page<'a> {
    fn new(report: &'a Report, figures: &'a Figures) -> Self {
        let capacities = report.capacities.iter().zip(&figures.capacities);
        let timelines = report.timelines.iter().zip(&figures.timelines).zip(&report.over_time);
        let of_timeline = |(found, over_time): ((&'a Table, &'a Figure), &'a Option<Table>)| Found {
            further: over_time.as_ref().map(Grid::new),
            ..Found::new(found)
        };
        let topologies = report.topologies.iter().zip(&figures.topologies);
        let drawn = figures.measurements.iter().zip(&figures.latencies);
        let measured = report.measurements.iter().zip(drawn).enumerate();
        Page {
            report,
            style: Style::new(),
            script: Script::of_report(),
            first: FirstScreen::new(report),
            decision: report.decision.as_ref().map(DecisionView::new),
            slos: report.slos.as_ref().map(Grid::new),
            verdicts: report.verdicts.as_ref().map(|verdicts| Grid::new(verdicts).linked(claim_id)),
            claims: report.claims.iter().zip(&figures.claims).enumerate().map(ClaimSection::new).collect(),
            results: capacities
                .map(Found::new)
                .chain(timelines.map(of_timeline))
                .chain(topologies.map(Found::new))
                .collect(),
            offered_loads: figures.offered_loads.iter().map(Multiples::of).collect(),
            sweeps: figures.sweeps.iter().map(Drawing::new).collect(),
            crossings: report.crossings.iter().map(Grid::new).collect(),
            sections: measured
                .map(|(number, (tables, (figures, latencies)))| Section {
                    id: measurement_id(number),
                    table: Grid::new(&tables.stacks),
                    further: tables.further().map(Grid::new).collect(),
                    figures: figures.iter().map(Drawing::new).collect(),
                    latencies: latencies.as_ref().map(Multiples::of),
                })
                .collect(),
            codecs: report
                .codecs
                .iter()
                .flat_map(|codecs| &codecs.measurements)
                .zip(&figures.codecs)
                .map(Found::new)
                .collect(),
            formats: report.codecs.as_ref().map(|codecs| Grid::new(&codecs.formats)),
            bytes: figures.bytes.iter().map(Drawing::new).collect(),
            ledgers: report.ledgers.iter().map(Grid::new).collect(),
            calls: report.calls.iter().zip(&report.call_tables).map(CallSection::new).collect(),
            call_time: report.call_time.as_ref().map(Grid::new),
            call_time_figure: figures.call_time.as_ref().map(Multiples::of),
            trust: report.trust.rows.iter().map(pair).collect(),
            stability: report.stability.as_ref().map(Grid::new),
            stability_figure: figures.stability.as_ref().map(Multiples::of),
            noise: figures.noise.as_ref().map(Multiples::of),
            fairness: (!report.fairness.rows.is_empty()).then(|| Grid::new(&report.fairness)),
            conformance: Grid::new(&report.conformance),
            stacks: Grid::new(&report.stacks),
            settings: report.settings.rows.iter().map(pair).collect(),
        }
    }
}

/// The name of the section of the measurement at `position`, for links.
fn measurement_id(position: usize) -> String {
    format!("m{position}")
}

/// The name of the section of the claim at `position`, for links.
fn claim_id(position: usize) -> String {
    format!("c{position}")
}

/// The two cells of a row of settings or facts.
fn pair(row: &Row) -> [String; 2] {
    [0, 1].map(|index| row.cells.get(index).map_or_else(String::new, |cell| text::cell(cell, None).value))
}

/// A measurement.
#[derive(Serialize)]
struct Section<'a> {
    id: String,
    table: Grid<'a>,
    further: Vec<Grid<'a>>,
    figures: Vec<Drawing<'a>>,
    latencies: Option<Multiples<'a>>,
}

/// The bytes of one call of a stack.
#[derive(Serialize)]
struct CallSection<'a> {
    swatch: String,
    is_usual: bool,
    hops: &'a [HopBytes],
    table: Grid<'a>,
}

impl<'a> CallSection<'a> {
    fn new((call, table): (&'a CallBytes, &'a Table)) -> Self {
        CallSection {
            swatch: plots::swatch(call.kind),
            is_usual: call.is_usual,
            hops: &call.hops,
            table: Grid::new(table),
        }
    }
}

/// A claim and the verdict on it.
#[derive(Serialize)]
struct ClaimSection<'a> {
    id: String,
    sentence: &'a str,
    table: Grid<'a>,
    figure: Drawing<'a>,
}

impl<'a> ClaimSection<'a> {
    fn new((position, (claim, figure)): (usize, (&'a ClaimReport, &'a Figure))) -> Self {
        ClaimSection {
            id: claim_id(position),
            sentence: &claim.sentence,
            table: Grid::new(&claim.table),
            figure: Drawing::new(figure),
        }
    }
}

/// A table with its figure: what a search, a timeline or topologies found, or codecs.
#[derive(Serialize)]
struct Found<'a> {
    table: Grid<'a>,
    /// A longer table that belongs to it.
    further: Option<Grid<'a>>,
    figure: Drawing<'a>,
}

impl<'a> Found<'a> {
    fn new((table, figure): (&'a Table, &'a Figure)) -> Self {
        Found { table: Grid::new(table), further: None, figure: Drawing::new(figure) }
    }
}

#[derive(Serialize)]
struct Drawing<'a> {
    title: &'a str,
    caption: &'a str,
    svg: &'a str,
}

impl<'a> Drawing<'a> {
    fn new(figure: &'a Figure) -> Self {
        Drawing { title: &figure.title, caption: &figure.caption, svg: figure.inline() }
    }
}
