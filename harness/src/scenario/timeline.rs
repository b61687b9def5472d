//! Timelines: calls at a fixed rate while servers end and start, or at rates that change in stages.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use calculator::{Executor, Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::servers::{MAX_SERVERS, is_one, one};
use super::stage::Stage;
use super::{count, duration};
use crate::deploy::Placement;
use crate::load::{Arrivals, Load, Operation};
use crate::stacks::{OptionValues, Stack, hint, nearest, text};

/// The permitted length of a timeline.
pub(super) const LENGTH_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
/// The longest timeout of a call.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

/// The largest number of calls: the outcome of each is kept until the timeline is over.
pub(super) const MAX_CALLS: u64 = 1_000_000;

/// One timeline of each stack: calls at a fixed rate while servers, or the broker, are stopped, killed and started, and
/// what happens to the calls; or calls at rates that change in stages, and their response times over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// A short name for tables and figures; unique among the timelines.
    #[schemars(example = &"server away")]
    pub name: String,
    /// The operation to call, as in a measurement.
    #[schemars(example = &"add")]
    pub operation: Operation,
    /// The load, an open loop: `open:RATE:constant` or `open:RATE:poisson`. At most 1,000,000 calls in all. Or leave it out, and
    /// write a `[[timeline.stage]]` for each part of a load that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"open:500:constant")]
    pub load: Option<Load>,
    /// The arrivals of the calls, where there are stages: `constant` or `poisson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"poisson")]
    pub arrivals: Option<Arrivals>,
    /// Which cores client and servers use.
    #[schemars(example = &"split")]
    pub placement: Placement,
    /// How long calls are made, after a warm-up: 1 s to 600 s. With stages it is the sum of theirs.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"8s")]
    pub length: Option<Duration>,
    /// Which of the scenario's stacks to measure; by default all that can take part. A stack without a server cannot, and a stack
    /// without a broker cannot where the broker ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["rest", "amqp"])]
    pub stacks: Vec<String>,
    /// The number of blocks; by default that of the scenario.
    #[serde(default, deserialize_with = "count::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 2)]
    pub blocks: Option<NonZeroU32>,
    /// The number of connections, up to 10000; by default 16. Each goes to the first server, or to the broker.
    #[serde(default, deserialize_with = "count::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 8)]
    pub connections: Option<NonZeroU32>,
    /// The number of servers at the beginning: 1 to 32.
    #[serde(default = "one", deserialize_with = "count::deserialize", skip_serializing_if = "is_one")]
    #[schemars(example = 2, extend("default" = 1))]
    pub servers: NonZeroU32,
    /// The deadline of a single call: up to 600 s; by default that of the scenario.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"5s")]
    pub timeout: Option<Duration>,
    /// Whether idle cores are kept awake. Only has an effect in placement `split`.
    #[serde(default = "yes")]
    #[schemars(example = false)]
    pub warm: bool,
    /// How servers run handlers, as in a measurement.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"threads:1")]
    pub executor: Option<Executor>,
    /// What each handler does before it answers, as in a measurement.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"sleep:10ms")]
    pub work: Option<Work>,
    /// Options of the servers that belong to their protocol, as in a measurement.
    #[serde(default, skip_serializing_if = "OptionValues::is_empty")]
    #[schemars(example = serde_json::json!({ "prefetch": 1, "ack": "after" }))]
    pub options: OptionValues,
    /// What happens to servers and broker, each a `[[timeline.event]]` table, in any order. At least one is needed without stages.
    #[serde(rename = "event", default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<TimelineEvent>,
    /// The load in stages that follow each other, each a `[[timeline.stage]]` table, instead of `load`, `length` and events. The servers
    /// can then be ones that are already running. At most 1,000,000 calls in all.
    #[serde(rename = "stage", default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
}

/// Something that happens to a server or to the broker during a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineEvent {
    /// When, from the first call that counts on; before the end of the timeline.
    #[serde(with = "duration")]
    #[schemars(with = "String", example = &"2s")]
    pub at: Duration,
    /// What happens.
    #[schemars(example = &"kill-server")]
    pub action: Action,
}

/// What happens to a server or to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The first server that runs is killed (SIGKILL).
    KillServer,
    /// The first server that runs is asked to stop. It finishes its calls in progress.
    StopServer,
    /// The first server that has ended is started again, at the same address.
    StartServer,
    /// One more server is started. Behind a broker it serves the same topic. Without a broker it listens on a port that no
    /// client knows, so that it gets no calls.
    AddServer,
    /// The broker is killed (SIGKILL). Such a timeline has a separate broker, and only stacks with a broker take part.
    KillBroker,
    /// The broker is started again, with its stored data, at the same address. RabbitMQ takes some seconds for that.
    StartBroker,
}

impl Action {
    /// The name in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Action::KillServer => "kill-server",
            Action::StopServer => "stop-server",
            Action::StartServer => "start-server",
            Action::AddServer => "add-server",
            Action::KillBroker => "kill-broker",
            Action::StartBroker => "start-broker",
        }
    }

    /// Whether it happens to the broker.
    #[must_use]
    pub fn is_of_broker(self) -> bool {
        matches!(self, Action::KillBroker | Action::StartBroker)
    }

    /// Whether it starts something.
    #[must_use]
    pub fn is_start(self) -> bool {
        matches!(self, Action::StartServer | Action::AddServer | Action::StartBroker)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for TimelineEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.action, humantime::format_duration(self.at))
    }
}

/// Why a timeline cannot be carried out.
#[derive(Debug, thiserror::Error)]
#[error("the timeline `{timeline}`: {reason}")]
pub struct TimelineError {
    timeline: String,
    reason: TimelineProblem,
}

/// What is wrong with a timeline.
#[derive(Debug, thiserror::Error)]
enum TimelineProblem {
    #[error("its load is {0}; write open:RATE:constant or open:RATE:poisson")]
    NotOpen(Load),
    #[error("it takes 1s to 600s")]
    Length,
    #[error("it makes {0} calls; at most {MAX_CALLS} are possible")]
    Calls(u64),
    #[error("{0}")]
    Load(String),
    #[error("a call may take 1ms to 600s")]
    Timeout,
    #[error("it has 1 to {MAX_SERVERS} servers, those that are added included")]
    Servers,
    #[error("it has no [[timeline.event]]")]
    NoEvent,
    #[error("{0} is not before its end")]
    AfterEnd(TimelineEvent),
    #[error("{0}: no server runs then")]
    NoneRuns(TimelineEvent),
    #[error("{0}: no server has ended before")]
    NoneEnded(TimelineEvent),
    #[error("{0}: the broker does not run then")]
    NoBroker(TimelineEvent),
    #[error("{0}: the broker runs then")]
    BrokerRuns(TimelineEvent),
    #[error("the scenario has no stack `{0}`{1}")]
    Stack(String, String),
    #[error("another timeline has this name")]
    SameName,
}

impl Timeline {
    /// The events in the order in which they happen.
    #[must_use]
    pub fn sorted_events(&self) -> Vec<TimelineEvent> {
        let mut events = self.events.clone();
        events.sort_by_key(|event| event.at);
        events
    }

    /// Whether the broker ends.
    #[must_use]
    pub fn ends_broker(&self) -> bool {
        self.events.iter().any(|event| event.action.is_of_broker())
    }

    /// Whether `stack` can take part.
    #[must_use]
    pub fn includes(&self, stack: &Stack) -> bool {
        let is_listed = self.stacks.is_empty() || self.stacks.iter().any(|listed| listed == stack.name);
        stack.has_server() && is_listed && (stack.needs_broker() || !self.ends_broker())
    }

    /// Checks each of `timelines`, which are those of a scenario with `stacks`.
    ///
    /// # Errors
    /// [`TimelineError`].
    pub(super) fn check_all(timelines: &[Timeline], stacks: &[&Stack]) -> Result<(), TimelineError> {
        let mut names = BTreeSet::new();
        for timeline in timelines {
            let unique = if names.insert(&timeline.name) { Ok(()) } else { Err(TimelineProblem::SameName) };
            unique
                .and_then(|()| timeline.check(stacks))
                .map_err(|reason| TimelineError { timeline: timeline.name.clone(), reason })?;
        }
        Ok(())
    }

    fn check(&self, stacks: &[&Stack]) -> Result<(), TimelineProblem> {
        if let Some(mistake) = self.load_mistake() {
            return Err(TimelineProblem::Load(mistake.message));
        }
        if let Some(load) = self.load {
            let Some(rate) = load.rate() else { return Err(TimelineProblem::NotOpen(load)) };
            let calls = u64::from(rate.get()).saturating_mul(self.length().as_secs());
            if !LENGTH_RANGE.contains(&self.length()) {
                return Err(TimelineProblem::Length);
            }
            if calls > MAX_CALLS {
                return Err(TimelineProblem::Calls(calls));
            }
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero() || timeout > MAX_TIMEOUT) {
            return Err(TimelineProblem::Timeout);
        }
        let names = || stacks.iter().map(|stack| stack.name);
        if let Some(unknown) = self.stacks.iter().find(|listed| names().all(|name| name != **listed)) {
            return Err(TimelineProblem::Stack(unknown.clone(), hint(nearest(unknown, names()))));
        }
        self.check_events()
    }

    fn check_events(&self) -> Result<(), TimelineProblem> {
        let (mut running, mut ended, mut has_broker) = (self.servers.get(), 0, true);
        if self.events.is_empty() && self.stages.is_empty() {
            return Err(TimelineProblem::NoEvent);
        }
        for event in self.sorted_events() {
            if event.at >= self.length() {
                return Err(TimelineProblem::AfterEnd(event));
            }
            match event.action {
                Action::KillServer | Action::StopServer if running == 0 => {
                    return Err(TimelineProblem::NoneRuns(event));
                }
                Action::StartServer if ended == 0 => return Err(TimelineProblem::NoneEnded(event)),
                Action::KillServer | Action::StopServer => (running, ended) = (running - 1, ended + 1),
                Action::StartServer => (running, ended) = (running + 1, ended - 1),
                Action::AddServer => running += 1,
                Action::KillBroker if !has_broker => return Err(TimelineProblem::NoBroker(event)),
                Action::StartBroker if has_broker => return Err(TimelineProblem::BrokerRuns(event)),
                Action::KillBroker | Action::StartBroker => has_broker = !has_broker,
            }
        }
        if running + ended > MAX_SERVERS.get() { Err(TimelineProblem::Servers) } else { Ok(()) }
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Plan, Scenario};

    const GOOD: &str = r#"
name = "mine"
question = "Does the message wait?"
blocks = 1
warmup = "10ms"
measure = "100ms"
stacks = ["rest", "amqp"]
floors = false

[[timeline]]
name = "away"
operation = "add"
load = "open:100:constant"
placement = "free"
length = "4s"

[[timeline.event]]
at = "2s"
action = "start-server"

[[timeline.event]]
at = "1s"
action = "kill-server"
"#;

    fn plan(text: &str) -> Result<Plan, String> {
        let scenario = Scenario::parse("mine.toml", text).map_err(|error| error.to_string())?;
        Plan::new(&scenario, &[0, 1]).map_err(|error| error.to_string())
    }

    #[test]
    fn events_happen_in_the_order_of_time_and_a_scenario_with_only_a_timeline_can_be_planned() {
        let scenario = Scenario::parse("mine.toml", GOOD).unwrap();
        let actions: Vec<_> =
            scenario.timelines[0].sorted_events().into_iter().map(|event| event.action).collect();
        assert_eq!(actions, [Action::KillServer, Action::StartServer]);
        let names: Vec<_> = plan(GOOD).unwrap().stacks().iter().map(|stack| stack.name).collect();
        assert_eq!(names, ["rest", "amqp"]);
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_with_the_reason() {
        for (from, to, expected) in [
            ("open:100:constant", "closed:3", "its load is closed:3; write open:RATE:constant"),
            ("load = \"open:100:constant\"\n", "", "needs a `load`, or a [[timeline.stage]]"),
            ("length = \"4s\"\n", "", "`length` is missing"),
            ("open:100:constant", "open:1000000:constant", "it makes 4000000 calls"),
            ("length = \"4s\"", "length = \"4ms\"", "it takes 1s to 600s"),
            ("length = \"4s\"", "length = \"2s\"", "start-server at 2s is not before its end"),
            ("\"kill-server\"", "\"start-server\"", "start-server at 1s: no server has ended before"),
            ("\"start-server\"", "\"stop-server\"", "stop-server at 2s: no server runs then"),
            ("\"start-server\"", "\"start-broker\"", "start-broker at 2s: the broker runs then"),
            (
                "at = \"2s\"",
                "at = \"2s\"\naction = \"kill-broker\"\n[[timeline.event]]\nat = \"3s\"\naction = \"kill-broker\"\n[[timeline.event]]\nat = \"2s\"",
                "kill-broker at 3s: the broker does not run then",
            ),
            ("length = \"4s\"", "length = \"4s\"\nservers = 33", "it has 1 to 32 servers"),
            ("length = \"4s\"", "length = \"4s\"\ntimeout = \"0s\"", "a call may take 1ms to 600s"),
            (
                "length = \"4s\"",
                "length = \"4s\"\nstacks = [\"amqb\"]",
                "no stack `amqb`; did you mean `amqp`?",
            ),
            ("\"kill-server\"", "\"kill-servers\"", "did you mean `kill-server`?"),
            ("length = \"4s\"", "length = \"4s\"\nservers = 0", "expected a number from 1"),
        ] {
            let broken = GOOD.replacen(from, to, 1);
            assert_ne!(broken, GOOD, "{from}");
            let error = plan(&broken).err().unwrap_or_default();
            assert!(error.contains(expected), "{to}: {error}");
        }
        let twice = format!("{GOOD}{}", &GOOD[GOOD.find("\n[[timeline]]").unwrap()..]);
        assert!(plan(&twice).err().unwrap().contains("another timeline has this name"));
        let without = GOOD.split("[[timeline.event]]").next().unwrap();
        assert!(plan(&format!("{without}event = []\n")).err().unwrap().contains("no [[timeline.event]]"));
    }

    #[test]
    fn a_stack_takes_part_where_it_has_a_server_and_is_listed() {
        let mut timeline = Scenario::parse("mine.toml", GOOD).unwrap().timelines.remove(0);
        let includes = |timeline: &Timeline, name| timeline.includes(Stack::named(name).unwrap());
        assert!(includes(&timeline, "rest") && includes(&timeline, "amqp") && !includes(&timeline, "inproc"));
        timeline.stacks = vec!["amqp".to_owned()];
        assert!(!includes(&timeline, "rest") && includes(&timeline, "amqp"));
        timeline.stacks = vec![];
        timeline.events[0].action = Action::KillBroker;
        assert!(!includes(&timeline, "rest") && includes(&timeline, "amqp"));
    }
}
