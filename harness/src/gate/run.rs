//! Runs a gate: builds the sides, makes rounds, and ends when the answer is clear.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::build::{Built, Program, Workshop};
use super::contestant::{Contestant, Form, Linked};
use super::count;
use super::decision::Decider;
use super::error::GateError;
use super::outcome::{BytesOfStack, CountsOfStack, Outcome, RoundRecord, overall};
use super::round::{self, Conditions};
use super::settings::{GateSettings, Metric};
use super::side::{CountedEnd, ExchangedEnd, Side};
use super::subject::Subject;
use crate::deploy::Cores;
use crate::deploy::broker::PrivateBroker;
use crate::run::counts;
use crate::stacks::{BrokerKind, ServerOptions, Stack};
use crate::sys;

/// Where a side has a single link, thresholds are at least this many standard deviations of the difference between two links
/// of one source. Since each link varies independently, that deviation is √2 times the one of a link.
const SPREADS_OF_SINGLE_LINKS: f64 = 3.0;

/// What a gate is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the change is compared with, and the change.
    pub subjects: [Subject; 2],
    /// The end that differs.
    pub exchanged: ExchangedEnd,
    /// How it is measured.
    pub settings: GateSettings,
    /// The seed of the links, the order and the environments.
    pub seed: u64,
    /// The options of the servers of base and new; where they differ, the gate measures the difference.
    pub servers: [ServerOptions; 2],
    /// Makes exactly this number of rounds, whatever they show: to record rounds that are judged later.
    pub rounds: Option<u32>,
    /// Whether to count the instructions and allocations of a call, if the servers are programs.
    pub counts: bool,
    /// Links each side this number of times in advance, and draws from these links: to record many rounds in less time.
    pub pool: Option<u32>,
}

/// Receives a line about what the gate does.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// A gate that is ready to run.
struct Gate<'a> {
    request: &'a Request,
    interrupted: &'a AtomicBool,
    stacks: Vec<&'static Stack>,
    cores: Cores,
    contestants: [Contestant; 2],
    brokers: Vec<PrivateBroker>,
    pool: Vec<Linked>,
    rng: ChaCha8Rng,
}

/// Runs a gate.
///
/// # Errors
/// [`GateError`]; [`GateError::Interrupted`] once `interrupted` is set.
pub fn run(
    request: &Request,
    interrupted: &AtomicBool,
    progress: Progress<'_>,
) -> Result<Outcome, GateError> {
    let Request { subjects, exchanged, settings, seed, rounds: fixed_rounds, .. } = request;
    let stacks: Vec<&'static Stack> =
        settings.stacks.iter().filter_map(|name| Stack::named(name).ok()).collect();
    check(subjects, *exchanged, &stacks)?;
    let cores = settings
        .placement
        .cores(&sys::allowed_cores())
        .map_err(|error| GateError::Settings(error.to_string()))?;
    // Locked until the gate ends.
    let (_workshop, contestants) = prepare(subjects, interrupted, progress)?;
    let mut notes = vec![];
    let extra_threshold = threshold_of_single_links(&contestants, settings);
    notes.extend(extra_threshold.map(note_about_single_links));
    let mut decider = Decider::of(settings, &metrics(subjects), extra_threshold.unwrap_or(0.0));
    check_time(settings, &decider)?;
    let brokers = start_brokers(&stacks, &cores)?;
    let mut rng = ChaCha8Rng::seed_from_u64(*seed);
    let pool = (0..request.pool.unwrap_or(0)).map(|_| Linked::new(&contestants, &mut rng, interrupted));
    let pool = pool.collect::<Result<_, _>>()?;
    let mut gate = Gate { request, interrupted, stacks, cores, contestants, brokers, pool, rng };
    let started = Instant::now();
    let bytes = gate.count_bytes()?;
    let counts = gate.count_calls(&mut notes, progress)?;
    let mut rounds: Vec<RoundRecord> = vec![];
    while !fixed_rounds.map_or_else(|| decider.is_over(), |rounds| decider.rounds() >= rounds) {
        let round = gate.round(decider.rounds())?;
        decider.push(|stack, metric| round.iter().find(|record| record.stack == stack)?.ratio(metric));
        rounds.extend(round);
        progress(&describe(&decider));
    }
    let [base, new] = gate.contestants.map(|contestant| contestant.described);
    Ok(Outcome {
        base,
        new,
        side: *exchanged,
        settings: settings.clone(),
        seed: *seed,
        verdict: overall(&bytes, &counts, decider.verdict()),
        judgements: decider.judgements(),
        bytes,
        counts,
        single_link: extra_threshold.is_some(),
        notes,
        measured_seconds: time_of(u32::try_from(rounds.len()).unwrap_or(u32::MAX), settings).as_secs_f64(),
        seconds: started.elapsed().as_secs_f64(),
        rounds,
    })
}

impl Gate<'_> {
    fn conditions(&self, stack: &Stack) -> Conditions<'_> {
        Conditions {
            settings: &self.request.settings,
            exchanged: self.request.exchanged,
            options: &self.request.servers,
            cores: &self.cores,
            broker: self
                .brokers
                .iter()
                .find(|broker| stack.broker() == Some(broker.kind()))
                .map(PrivateBroker::url),
        }
    }

    /// The programs of a round: linked for it, or any two of the pool.
    fn links(&mut self) -> Result<Linked, GateError> {
        match (self.pool.choose(&mut self.rng), self.pool.choose(&mut self.rng)) {
            (Some(base), Some(new)) => Ok(Linked::borrowed(base, new)),
            _ => Linked::new(&self.contestants, &mut self.rng, self.interrupted),
        }
    }

    fn check_interrupted(&self) -> Result<(), GateError> {
        if self.interrupted.load(Ordering::Relaxed) { Err(GateError::Interrupted) } else { Ok(()) }
    }

    /// Counts the bytes of a call of each stack.
    fn count_bytes(&mut self) -> Result<Vec<BytesOfStack>, GateError> {
        let linked = Linked::new(&self.contestants, &mut self.rng, self.interrupted)?;
        let mut rng = ChaCha8Rng::from_rng(&mut self.rng);
        let count = |stack: &&'static Stack| {
            self.check_interrupted()?;
            let [base, new] = linked.contenders(&self.contestants);
            let bytes = round::count_bytes(stack, [&base, &new], &self.conditions(stack), &mut rng)?;
            Ok(BytesOfStack { stack: stack.name.to_owned(), bytes })
        };
        self.stacks.iter().map(count).collect()
    }

    /// Counts the instructions and allocations of a call of each stack at the ends that differ, if they are programs. Adds a note
    /// where that cannot be.
    fn count_calls(
        &mut self,
        notes: &mut Vec<String>,
        progress: Progress<'_>,
    ) -> Result<Vec<CountsOfStack>, GateError> {
        let are_programs =
            self.contestants.iter().all(|contestant| matches!(contestant.form, Form::Program(_)));
        if !self.request.counts || !are_programs {
            return Ok(vec![]);
        }
        let linked = Linked::new(&self.contestants, &mut self.rng, self.interrupted)?;
        let [base, new] = linked.contenders(&self.contestants);
        let mut all = vec![];
        let operation = self.request.settings.operation;
        let stacks = self.stacks.iter().filter(|stack| counts::can_count(stack, operation));
        let ends = CountedEnd::of(self.request.exchanged);
        for (stack, end) in stacks.flat_map(|stack| ends.iter().map(move |end| (*stack, *end))) {
            progress(&format!("counting the instructions of a call of {} at the {}", stack.name, end.name()));
            let count = |side, contender| {
                self.check_interrupted()?;
                count::count(stack, end, side, contender, &self.conditions(stack), self.request.seed)
            };
            let counted = count(Side::Base, &base).and_then(|base| Ok([base, count(Side::New, &new)?]));
            match counted {
                Ok(counts) => all.push(CountsOfStack { stack: stack.name.to_owned(), end, counts }),
                Err(GateError::Count { side, source, .. }) if source.concerns_every_stack() => {
                    notes.push(format!(
                        "The instructions and allocations of a call were not counted. {}: {source}.",
                        side.name()
                    ));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Makes round `number`: links both sides, and measures each stack, in random order.
    fn round(&mut self, number: u32) -> Result<Vec<RoundRecord>, GateError> {
        let linked = self.links()?;
        self.stacks.shuffle(&mut self.rng);
        let mut rng = ChaCha8Rng::from_rng(&mut self.rng);
        let measure = |stack: &&'static Stack| {
            self.check_interrupted()?;
            let [base, new] = linked.contenders(&self.contestants);
            let metrics = round::measure(stack, [&base, &new], &self.conditions(stack), &mut rng)?;
            Ok(RoundRecord { round: number, stack: stack.name.to_owned(), links: linked.seeds, metrics })
        };
        self.stacks.iter().map(measure).collect()
    }
}

/// Refuses settings with which no decision is possible.
fn check_time(settings: &GateSettings, decider: &Decider) -> Result<(), GateError> {
    let (possible, needed) = (settings.max_rounds(), decider.min_rounds());
    if possible < needed {
        return Err(GateError::Settings(format!(
            "max_time is enough for {possible} rounds of {}, and a decision takes at least {needed}",
            humantime::format_duration(settings.round())
        )));
    }
    Ok(())
}

/// Refuses what cannot be measured.
fn check(
    subjects: &[Subject; 2],
    exchanged: ExchangedEnd,
    stacks: &[&'static Stack],
) -> Result<(), GateError> {
    for (side, subject) in Side::BOTH.into_iter().zip(subjects) {
        let wrong = |reason: String| Err(GateError::Subject { side, reason });
        if exchanged != ExchangedEnd::Server && !subject.is_program() {
            return wrong(format!("{subject} has no client, which --side client and --side both exchange"));
        }
        let reference = stacks.iter().find(|stack| stack.reference().is_some());
        if let Some(stack) = reference.filter(|_| exchanged != ExchangedEnd::Client && subject.is_program()) {
            return wrong(format!(
                "{} is served by its reference implementation, whichever rpcbench starts it; use --side client",
                stack.name
            ));
        }
        match subject {
            Subject::Program(path) if !path.is_file() => {
                return wrong(format!("there is no program {}", path.display()));
            }
            Subject::Url(url) => {
                for stack in stacks {
                    if let Err(reason) = stack.parse_url(url) {
                        return wrong(reason);
                    }
                }
            }
            Subject::Command(_) => {
                if let Some(stack) = stacks.iter().find(|stack| stack.needs_broker()) {
                    return wrong(format!("a command cannot serve {}, which needs a broker", stack.name));
                }
            }
            _ => {}
        }
    }
    for stack in stacks {
        if !stack.has_server() {
            return Err(GateError::Settings(format!("{} has no server", stack.name)));
        }
    }
    Ok(())
}

/// The metrics that can be measured: the CPU time of a server that was already running is not known.
fn metrics(subjects: &[Subject; 2]) -> Vec<Metric> {
    let has_server_cpu = subjects.iter().all(|subject| !matches!(subject, Subject::Url(_)));
    Metric::ALL.into_iter().filter(|metric| has_server_cpu || *metric != Metric::ServerCpu).collect()
}

/// Builds what must be built.
fn prepare<'a>(
    subjects: &[Subject; 2],
    interrupted: &'a AtomicBool,
    progress: Progress<'_>,
) -> Result<(Option<Workshop<'a>>, [Contestant; 2]), GateError> {
    let mut workshop = None;
    let mut contestants: Vec<Contestant> = vec![];
    for (side, subject) in Side::BOTH.into_iter().zip(subjects) {
        let described = subject.to_string();
        if let Some(same) = contestants.last().filter(|_| subjects[0] == subjects[1]).cloned() {
            contestants.push(same);
            continue;
        }
        contestants.push(match subject {
            Subject::Revision(_) | Subject::Tree(_) => {
                let workshop = match &workshop {
                    Some(workshop) => workshop,
                    None => workshop.insert(Workshop::open(side, interrupted)?),
                };
                progress(&format!("building {}: {subject}", side.name()));
                let Built { described, program } = workshop.build(side, subject)?;
                Contestant { described, form: Form::Program(program) }
            }
            Subject::Program(path) => {
                let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                Contestant { described, form: Form::Program(Program::Fixed(path)) }
            }
            Subject::Url(url) => Contestant { described, form: Form::Url(url.clone()) },
            Subject::Command(command) => Contestant { described, form: Form::Command(command.clone()) },
        });
    }
    let contestants =
        contestants.try_into().unwrap_or_else(|_| unreachable!("a contestant for each subject"));
    Ok((workshop, contestants))
}

/// The smallest threshold if the sides differ and one of them has a single link; `None` otherwise.
fn threshold_of_single_links(contestants: &[Contestant; 2], settings: &GateSettings) -> Option<f64> {
    let fixed = |contestant: &Contestant| match &contestant.form {
        Form::Program(Program::Relinked(_)) => None,
        Form::Program(Program::Fixed(path)) => Some(fs::read(path).ok()),
        Form::Url(_) | Form::Command(_) => Some(None),
    };
    let [base, new] = contestants.each_ref().map(fixed);
    let is_same_file = matches!((&base, &new), (Some(Some(base)), Some(Some(new))) if base == new);
    if base.is_none() && new.is_none() || is_same_file {
        return None;
    }
    Some(SPREADS_OF_SINGLE_LINKS * std::f64::consts::SQRT_2 * settings.link_spread)
}

fn note_about_single_links(threshold: f64) -> String {
    format!(
        "A side was not built here, so it has a single link. Thresholds are at least {:.2} %: {SPREADS_OF_SINGLE_LINKS} \
         standard deviations of the difference between two links of the same source.",
        threshold * 100.0
    )
}

/// Starts a broker of each kind that one of `stacks` needs.
fn start_brokers(stacks: &[&'static Stack], cores: &Cores) -> Result<Vec<PrivateBroker>, GateError> {
    let kinds: BTreeSet<BrokerKind> = stacks.iter().filter_map(|stack| stack.broker()).collect();
    let start = |kind| PrivateBroker::start(kind, &cores.server);
    kinds.into_iter().map(start).collect::<Result<_, _>>().map_err(|error| GateError::Broker(Arc::new(error)))
}

/// The state of the gate in a line.
fn describe(decider: &Decider) -> String {
    let differences: Vec<_> = decider
        .judgements()
        .iter()
        .filter_map(|row| {
            let difference = row.difference? * 100.0;
            Some(format!("{} {}: {difference:+.2} %", row.stack, row.metric.name()))
        })
        .collect();
    format!("round {}: {}", decider.rounds(), differences.join(", "))
}

/// The time that `rounds` rounds of a stack take.
#[must_use]
pub(super) fn time_of(rounds: u32, settings: &GateSettings) -> Duration {
    settings.round().saturating_mul(rounds)
}
