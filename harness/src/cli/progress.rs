//! Progress of a run: a bar with the time left and the figures of the trial under way on a terminal, plain lines elsewhere.

use super::live_view::{self, LiveView};
use super::output::has_terminal;
use super::print_error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calculator::printable;
use indicatif::{ProgressBar, ProgressStyle};

use crate::observe::Live;
use crate::record::{Status, TimelineResult, TopologyResult};
use crate::run::Event;

/// The time between plain lines that report how far a run is.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// A bar, which has no colours.
const BAR: &str = "{bar:30} {pos}/{len} trials, {eta} left  {wide_msg}";
/// The same for a run without trials, which has timelines.
const MESSAGE: &str = "{wide_msg}";

/// Reports the progress of a run on standard error.
pub(super) struct Progress {
    /// Only problems are printed.
    quiet: bool,
    bar: Option<ProgressBar>,
    /// The figures of the trial under way, beside the bar.
    view: Option<LiveView>,
    finished: u64,
    total: u64,
    started_at: Instant,
    last_line: Instant,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let now = Instant::now();
        let bar = (!quiet && has_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            // Drawn when a trial is over, and by the view: a bar that is drawn by a timer would take time from the trials.
            bar.set_style(style(BAR));
            bar
        });
        Progress { quiet, bar, view: None, finished: 0, total: 0, started_at: now, last_line: now }
    }

    /// Shows the figures of the trial under way, too, on a terminal.
    pub(super) fn with_view(self) -> Self {
        let view = self.bar.clone().and_then(LiveView::start);
        Progress { view, ..self }
    }

    /// Where callers publish their calls; `None` without a view.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.view.as_ref().map(|view| Arc::clone(view.live()))
    }

    pub(super) fn report(&mut self, event: &Event<'_>) {
        match event {
            Event::Checking(stack) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("checking {stack}"));
                }
            }
            Event::Counting(stack) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("counting the instructions of {stack}"));
                }
            }
            Event::StartingBroker(kind) => self.line(&format!("starting a private {kind}")),
            Event::Checked(check) => {
                for failure in check.core_failures() {
                    self.problem(&format!("{}: {failure}", check.stack));
                }
            }
            Event::Skipped(skipped) => {
                self.problem(&format!("{} is skipped: {}", skipped.stack, skipped.reason));
            }
            Event::Planned(outlook) => self.announcement(&outlook.to_string()),
            Event::Measuring(all) => {
                self.total = *all;
                self.started_at = Instant::now();
                if let Some(bar) = &self.bar {
                    bar.set_style(style(if *all > 0 { BAR } else { MESSAGE }));
                    bar.set_length(*all);
                    bar.reset_eta();
                }
                if *all > 0 {
                    self.line(&format!("measuring {all} trials"));
                }
            }
            Event::SearchDone(searched) => {
                let limit =
                    searched.limit().map_or_else(String::new, |limit| format!(" (limited by {limit})"));
                self.line(&format!("{} ({}): {}{limit}", searched.stack, searched.search, searched.range()));
            }
            Event::TimelineDone(result) => self.timeline(result),
            Event::TopologyDone(result) => self.topology(result),
            Event::SaveProblem(problem) => self.problem(&problem.to_string()),
            Event::TrialDone(trial) => {
                self.trial_done(&live_view::of_trial(trial));
                if let (false, Some(complaint)) = (trial.status == Status::Valid, trial.complaint()) {
                    let text = format!(
                        "{} ({}, block {}): {complaint}",
                        trial.stack,
                        trial.measurement,
                        trial.block + 1
                    );
                    self.problem(&text);
                }
            }
            Event::CodecDone(trial) => {
                self.trial_done(&format!("{} {}", trial.format, trial.measurement));
                if let (false, Some(complaint)) = (trial.status == Status::Valid, trial.complaint()) {
                    let place = format!("{}, block {}", trial.measurement, trial.block + 1);
                    self.problem(&format!("{} ({place}): {complaint}", trial.format));
                }
            }
        }
    }

    /// Reports that a trial is over, with its name and its figures.
    fn trial_done(&mut self, shown: &str) {
        self.finished += 1;
        if let Some(bar) = &self.bar {
            bar.set_message(printable(shown).into_owned());
            bar.inc(1);
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            self.line(&format!("{} of {} trials, {} left", self.finished, self.total, self.time_left()));
        }
    }

    fn timeline(&self, result: &TimelineResult) {
        let name = format!("{} ({}, block {})", result.stack, result.timeline, result.block + 1);
        if let Some(complaint) = &result.complaint {
            return self.problem(&format!("{name}: {complaint}"));
        }
        let (lost, calls) = (result.lost(), result.counts().slots);
        if result.stages.is_empty() {
            let level = match result.level_again_ns() {
                Some(ns) => format!("recovered after {} ms", ns / 1_000_000),
                None => "not recovered".to_owned(),
            };
            self.line(&format!("{name}: {lost} of {calls} calls lost, {} late; {level}", result.late()));
        } else {
            self.line(&format!("{name}: {lost} of {calls} calls without a right answer"));
        }
        for (number, stage) in (1..).zip(&result.stages) {
            if let Some(complaint) = &stage.complaint {
                self.problem(&format!("{name}, stage {number}: {complaint}"));
            }
        }
    }

    fn topology(&self, result: &TopologyResult) {
        let name = format!("{} ({}, block {})", result.stack, result.topology, result.block + 1);
        if let Some(complaint) = &result.complaint {
            return self.problem(&format!("{name}: {complaint}"));
        }
        let connections = match result.connections {
            Some(connections) => format!("{connections} connections"),
            None => "connections not observable".to_owned(),
        };
        let took =
            result.setup_ns.map_or_else(String::new, |ns| format!(", set up in {} ms", ns / 1_000_000));
        self.line(&format!("{name}: {connections}{took}"));
    }

    pub(super) fn finish(&mut self) {
        if let Some(view) = self.view.take() {
            view.end();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Estimates the time left from the trials so far.
    fn time_left(&self) -> String {
        #[allow(clippy::cast_precision_loss)]
        let share = self.finished as f64 / self.total.max(1) as f64;
        let seconds = self.started_at.elapsed().as_secs_f64() * (1.0 - share) / share.max(f64::MIN_POSITIVE);
        format!("{seconds:.0} s")
    }

    /// Prints a plain line unless there is a bar.
    fn line(&self, text: &str) {
        if !self.quiet && self.bar.is_none() {
            print_error(&text);
        }
    }

    /// Prints what the user should read in any case, beside a bar too.
    fn announcement(&self, text: &str) {
        if !self.quiet {
            self.problem(text);
        }
    }

    /// Prints a problem, even if quiet.
    fn problem(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print_error(&text)),
            None => print_error(&text),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
