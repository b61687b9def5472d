//! Holds a gate: builds the sides, makes rounds, and ends when the answer is clear.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::build::{Built, Program, Workshop};
use super::decision::Decider;
use super::error::GateError;
use super::outcome::{Outcome, RoundRecord};
use super::round::{self, Conditions, Contender};
use super::settings::{GateSettings, Metric};
use super::side::{ExchangedEnd, Side};
use super::subject::Subject;
use crate::deploy::Cores;
use crate::deploy::rabbitmq::PrivateBroker;
use crate::stacks::Stack;
use crate::sys;

/// Two programs that were linked once each differ by this many standard deviations of a link at most, for all practical
/// purposes.
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
}

/// Receives a line about what the gate does.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// A side that is ready to be measured.
struct Contestant {
    described: String,
    form: Form,
}

enum Form {
    Program(Program),
    Url(String),
    Command(String),
}

/// Holds a gate. `None` if it was interrupted.
///
/// # Errors
/// [`GateError`].
pub fn run(
    request: &Request,
    interrupted: &AtomicBool,
    progress: Progress<'_>,
) -> Result<Option<Outcome>, GateError> {
    let Request { subjects, exchanged, settings, seed } = request;
    let stacks: Vec<&'static Stack> =
        settings.stacks.iter().filter_map(|name| Stack::named(name).ok()).collect();
    check(subjects, *exchanged, &stacks)?;
    let cores = settings
        .placement
        .cores(&sys::allowed_cores())
        .map_err(|error| GateError::Settings(error.to_string()))?;
    let (workshop, contestants) = prepare(subjects, progress)?;
    let metrics = metrics(subjects);
    let mut notes = vec![];
    let extra_threshold = threshold_of_single_links(&contestants, settings, &mut notes);
    let mut decider = Decider::of(settings, &metrics, extra_threshold);
    if settings.max_rounds() < decider.min_rounds() {
        return Err(GateError::Settings(format!(
            "max_time is enough for {} rounds of {}, and a decision takes at least {}",
            settings.max_rounds(),
            humantime::format_duration(settings.round()),
            decider.min_rounds()
        )));
    }
    let broker = start_broker(&stacks, &cores)?;
    let mut rng = ChaCha8Rng::seed_from_u64(*seed);
    let mut rounds: Vec<RoundRecord> = vec![];
    let started = Instant::now();
    while !decider.is_over() {
        if interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let number = decider.rounds();
        let linked = Linked::new(&contestants, &mut rng)?;
        let conditions = |stack: &Stack| Conditions {
            settings,
            exchanged: *exchanged,
            cores: &cores,
            broker: broker.as_ref().filter(|_| stack.needs_broker()).map(PrivateBroker::url),
        };
        let mut order = stacks.clone();
        order.shuffle(&mut rng);
        for stack in order {
            let [base, new] = linked.contenders(&contestants);
            let ratios = round::measure(stack, [&base, &new], &conditions(stack), &mut rng)?;
            rounds.push(RoundRecord {
                round: number,
                stack: stack.name.to_owned(),
                links: linked.seeds,
                ratios,
            });
        }
        decider.push(|stack, metric| {
            let record =
                rounds.iter().rev().find(|record| record.round == number && record.stack == stack)?;
            record.ratios.iter().find(|(other, _)| *other == metric).map(|(_, ratio)| *ratio)
        });
        progress(&describe(&decider));
    }
    drop(workshop);
    let [base, new] = contestants.map(|contestant| contestant.described);
    Ok(Some(Outcome {
        base,
        new,
        side: *exchanged,
        settings: settings.clone(),
        seed: *seed,
        verdict: decider.verdict(),
        judgements: decider.judgements(),
        notes,
        measured_seconds: (settings.round() * u32::try_from(rounds.len()).unwrap_or(u32::MAX)).as_secs_f64(),
        seconds: started.elapsed().as_secs_f64(),
        rounds,
    }))
}

/// Refuses what cannot be measured.
fn check(
    subjects: &[Subject; 2],
    exchanged: ExchangedEnd,
    stacks: &[&'static Stack],
) -> Result<(), GateError> {
    for (side, subject) in Side::BOTH.into_iter().zip(subjects) {
        let wrong = |reason: String| Err(GateError::Subject { side, reason });
        if exchanged != ExchangedEnd::Server && !subject.has_client() {
            return wrong(format!("{subject} has no client, which --side client and --side both exchange"));
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
fn prepare(
    subjects: &[Subject; 2],
    progress: Progress<'_>,
) -> Result<(Option<Workshop>, [Contestant; 2]), GateError> {
    let mut workshop = None;
    let mut contestants = vec![];
    for (side, subject) in Side::BOTH.into_iter().zip(subjects) {
        let described = subject.to_string();
        contestants.push(match subject {
            Subject::Revision(_) | Subject::Tree(_) => {
                let workshop = match &workshop {
                    Some(workshop) => workshop,
                    None => workshop.insert(Workshop::open(side)?),
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

/// The threshold that two different programs need which were linked once each, and a note about it. 0 otherwise.
fn threshold_of_single_links(
    contestants: &[Contestant; 2],
    settings: &GateSettings,
    notes: &mut Vec<String>,
) -> f64 {
    let fixed = |contestant: &Contestant| match &contestant.form {
        Form::Program(Program::Relinked(_)) => None,
        Form::Program(Program::Fixed(path)) => Some(fs::read(path).ok()),
        Form::Url(_) | Form::Command(_) => Some(None),
    };
    let [base, new] = contestants.each_ref().map(fixed);
    let is_same_file = matches!((&base, &new), (Some(Some(base)), Some(Some(new))) if base == new);
    if base.is_none() && new.is_none() || is_same_file {
        return 0.0;
    }
    let threshold = SPREADS_OF_SINGLE_LINKS * std::f64::consts::SQRT_2 * settings.link_spread;
    notes.push(format!(
        "A side was not built here, so it has a single link. Two links of the same source may differ by as much as {:.1} %, \
         and thresholds are at least that.",
        threshold * 100.0
    ));
    threshold
}

fn start_broker(stacks: &[&'static Stack], cores: &Cores) -> Result<Option<PrivateBroker>, GateError> {
    let is_needed = stacks.iter().any(|stack| stack.needs_broker());
    let broker = is_needed.then(|| PrivateBroker::start(&cores.server)).transpose();
    broker.map_err(|error| GateError::Broker(Arc::new(error)))
}

/// The programs of a round. Dropping it deletes those that were linked for it.
struct Linked {
    seeds: [Option<u32>; 2],
    programs: [Option<PathBuf>; 2],
}

impl Linked {
    fn new(contestants: &[Contestant; 2], rng: &mut impl Rng) -> Result<Self, GateError> {
        let mut linked = Linked { seeds: [None; 2], programs: [None, None] };
        for (index, contestant) in contestants.iter().enumerate() {
            if let Form::Program(Program::Relinked(links)) = &contestant.form {
                let seed = rng.random();
                linked.seeds[index] = Some(seed);
                linked.programs[index] = Some(links.link(seed)?);
            }
        }
        Ok(linked)
    }

    fn contenders<'a>(&'a self, contestants: &'a [Contestant; 2]) -> [Contender<'a>; 2] {
        [0, 1].map(|index| match (&self.programs[index], &contestants[index].form) {
            (Some(linked), _) | (None, Form::Program(Program::Fixed(linked))) => Contender::Program(linked),
            (None, Form::Program(Program::Relinked(_))) => unreachable!("linked for the round"),
            (None, Form::Url(url)) => Contender::Url(url),
            (None, Form::Command(command)) => Contender::Command(command),
        })
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        for program in self.programs.iter().flatten() {
            let _ = fs::remove_file(program);
        }
    }
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
