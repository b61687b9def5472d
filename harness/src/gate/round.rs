//! A round: fresh servers and clients of both sides, called in turn.

use std::path::Path;
use std::time::Duration;

use calculator::printable;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore};
use serde::de::DeserializeOwned;

use super::driver::{DriverServer, DriverSettings, Request, SUBCOMMAND, Slice, VARIABLE};
use super::error::GateError;
use super::outcome::MetricOfRound;
use super::settings::{GateSettings, Metric};
use super::side::{ExchangedEnd, Side};
use super::subject::Subject;
use crate::compare::CallBytes;
use crate::deploy::{CommandServer, Cores, DriverError, DriverProcess, ServerProcess, ServerStart};
use crate::record::Wire;
use crate::stacks::{ServerOptions, Stack};
use crate::stats::median;
use crate::sys::Secret;

/// The timeout of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the system may take to report that a server has ended which its client could not reach any more.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);
/// The environment of each server is longer by up to this many bytes: its length moves the stack, and with it the speed
/// (T. Mytkowicz and others, "Producing wrong data without doing anything obviously wrong!", ASPLOS 2009).
const MAX_PADDING_BYTES: usize = 4096;

/// What a side is in a round.
pub(super) enum Contender<'a> {
    /// This program.
    Program(&'a Path),
    /// The server that runs at this URL.
    Url(&'a str),
    /// The server that this command starts.
    Command(&'a str),
}

/// The calls that a slice has, by the median latency of the warm-up, unless a round would then take longer.
const MIN_CALLS: u32 = 20;

/// A server of a round.
enum Server {
    /// One of the suite.
    Own(ServerProcess),
    /// One that a command has started.
    Foreign(CommandServer),
    /// One that was running before.
    Elsewhere,
}

/// What all rounds of a gate have in common.
pub(super) struct Conditions<'a> {
    pub(super) settings: &'a GateSettings,
    pub(super) exchanged: ExchangedEnd,
    /// The options of the servers of base and new.
    pub(super) options: &'a [ServerOptions; 2],
    pub(super) cores: &'a Cores,
    /// The URL of the broker, for a stack that needs one.
    pub(super) broker: Option<&'a str>,
}

/// The servers and clients of a round.
struct Cast {
    servers: Vec<Server>,
    drivers: Vec<DriverProcess>,
}

/// Measures a round of `stack`.
///
/// # Errors
/// When a server or a client does not start, or a call does not get the expected answer.
pub(super) fn measure(
    stack: &'static Stack,
    [base, new]: [&Contender<'_>; 2],
    conditions: &Conditions<'_>,
    rng: &mut impl RngCore,
) -> Result<Vec<MetricOfRound>, GateError> {
    let settings = conditions.settings;
    let mut cast = Cast::start(stack, [base, new], conditions, rng)?;
    let mut latency = Duration::ZERO;
    for side in random_order(rng) {
        let warmed_up = cast.slice(stack, side, conditions.exchanged, settings.warmup)?;
        // A call may take longer than the warm-up.
        latency = latency.max(warmed_up.p50_ns.map_or(settings.warmup, Duration::from_nanos));
    }
    let (length, slices) = slices(settings, latency);
    let mut pairs = Vec::new();
    for _ in 0..slices {
        let order = random_order(rng);
        let first = cast.slice(stack, order[0], conditions.exchanged, length)?;
        let second = cast.slice(stack, order[1], conditions.exchanged, length)?;
        pairs.push(if order[0] == Side::Base { [first, second] } else { [second, first] });
    }
    Ok(medians(&pairs))
}

/// The length of a slice and the number of slices of each side: those of the settings, except that slices of slow calls are longer
/// and fewer, so that each has some calls. A round never takes longer.
fn slices(settings: &GateSettings, latency: Duration) -> (Duration, u32) {
    let time = settings.slice.saturating_mul(settings.slices);
    let length = latency.saturating_mul(MIN_CALLS).clamp(settings.slice, time);
    let fitting = time.as_nanos() / length.as_nanos().max(1);
    (length, u32::try_from(fitting).unwrap_or(u32::MAX))
}

/// The bytes of a call of `stack`, base and new; `None` where they cannot be counted exactly.
///
/// # Errors
/// When a server or a client does not start.
pub(super) fn count_bytes(
    stack: &'static Stack,
    contenders: [&Contender<'_>; 2],
    conditions: &Conditions<'_>,
    rng: &mut impl RngCore,
) -> Result<[Option<CallBytes>; 2], GateError> {
    let mut cast = Cast::start(stack, contenders, conditions, rng)?;
    let mut bytes = |side| cast.bytes(stack, side, conditions.exchanged);
    Ok([bytes(Side::Base)?, bytes(Side::New)?])
}

/// The medians over `pairs` (base, new) of each metric that could be measured in at least half of them. On a busy machine, no
/// call may end in a slice.
fn medians(pairs: &[[Slice; 2]]) -> Vec<MetricOfRound> {
    let of_metric = |metric: &Metric| {
        let values = pairs.iter().filter_map(|[base, new]| Some((metric.of(base)?, metric.of(new)?)));
        let measured = values.map(|(base_ns, new_ns)| (base_ns, (new_ns / base_ns).ln()));
        let (base_ns, ratios): (Vec<f64>, Vec<f64>) = measured.filter(|(_, ratio)| ratio.is_finite()).unzip();
        let (base_ns, ratio) = (median(&base_ns)?, median(&ratios)?);
        (2 * ratios.len() >= pairs.len()).then_some(MetricOfRound { metric: *metric, base_ns, ratio })
    };
    Metric::ALL.iter().filter_map(of_metric).collect()
}

impl Metric {
    /// The metric in a slice, per call where it is a sum; `None` if it could not be measured.
    #[allow(clippy::cast_precision_loss)]
    fn of(self, slice: &Slice) -> Option<f64> {
        let calls = slice.right + slice.others;
        let per_call = |sum: Option<u64>| (calls > 0).then_some(sum? as f64 / calls as f64);
        match self {
            Metric::ServerCpu => per_call(slice.server_cpu_ns),
            Metric::ClientCpu => per_call(slice.client_cpu_ns),
            Metric::LatencyP50 => slice.p50_ns.map(|ns| ns as f64),
        }
    }
}

impl Cast {
    fn start(
        stack: &'static Stack,
        contenders: [&Contender<'_>; 2],
        conditions: &Conditions<'_>,
        rng: &mut impl RngCore,
    ) -> Result<Self, GateError> {
        let Conditions { exchanged, cores, broker, .. } = *conditions;
        let of_side = |side: Side| contenders[side as usize];
        let mut started = vec![];
        for side in random_order(rng).into_iter().filter(has_process(exchanged != ExchangedEnd::Client)) {
            let mut options = conditions.options[side as usize].clone();
            let clients = stack.separate(side as usize, &mut options.protocol);
            let padding_bytes = rng.random_range(0..MAX_PADDING_BYTES);
            let (server, url, pid) = match of_side(side) {
                Contender::Url(url) => (Server::Elsewhere, (*url).to_owned(), None),
                Contender::Command(command) => {
                    let server = start_command(side, command, &cores.server)?;
                    let (url, pid) = (url_of_port(stack, server.port()), server.pid());
                    (Server::Foreign(server), url, Some(pid))
                }
                Contender::Program(program) => {
                    let start = ServerStart {
                        cores: &cores.server,
                        options,
                        broker,
                        program: (exchanged != ExchangedEnd::Client).then_some(*program),
                        padding_bytes,
                        ..ServerStart::of(stack)
                    };
                    let process =
                        ServerProcess::start(start).map_err(|source| GateError::Server { side, source })?;
                    let url = broker.unwrap_or_else(|| process.url()).to_owned();
                    let pid = process.pid();
                    (Server::Own(process), url, Some(pid))
                }
            };
            started.push((side, server, DriverServer { url: Secret::new(url), options: clients, pid }));
        }
        started.sort_by_key(|(side, ..)| *side as usize);
        let (servers, addresses): (Vec<_>, Vec<_>) =
            started.into_iter().map(|(_, server, address)| (server, address)).unzip();
        let mut drivers = vec![];
        let seed = rng.random();
        for side in random_order(rng).into_iter().filter(has_process(exchanged != ExchangedEnd::Server)) {
            let program = match of_side(side) {
                Contender::Program(program) if exchanged != ExchangedEnd::Server => Some(*program),
                _ => None,
            };
            let settings = DriverSettings {
                stack: stack.name.to_owned(),
                servers: addresses.clone(),
                operation: conditions.settings.operation,
                timeout: CALL_TIMEOUT,
                seed,
            };
            let failed = |source: DriverError| client_error(side, stack, source, <_>::default());
            let text = serde_json::to_string(&settings)
                .map_err(|error| failed(DriverError::Failed(error.to_string())))?;
            let driver = DriverProcess::start(program, &[], &cores.client, SUBCOMMAND, (VARIABLE, &text));
            drivers.push((side, driver.map_err(failed)?));
        }
        drivers.sort_by_key(|(side, _)| *side as usize);
        Ok(Cast { servers, drivers: drivers.into_iter().map(|(_, driver)| driver).collect() })
    }

    /// Calls the server of `side` with its client for `length`.
    fn slice(
        &mut self,
        stack: &'static Stack,
        side: Side,
        exchanged: ExchangedEnd,
        length: Duration,
    ) -> Result<Slice, GateError> {
        let answer = self.ask(side, exchanged, Some(length));
        let server = exchanged.server_of(side);
        match answer {
            Ok(slice) if slice.others == 0 => Ok(slice),
            Ok(Slice { right, others, .. }) => {
                let (ended, log) = self.end_of(server);
                Err(GateError::Calls {
                    side,
                    stack: stack.name.to_owned(),
                    others,
                    all: right + others,
                    ended,
                    log,
                })
            }
            Err(source) => Err(client_error(side, stack, source, self.end_of(server))),
        }
    }

    /// The bytes of a call of `side`; `None` if they cannot be counted.
    fn bytes(
        &mut self,
        stack: &'static Stack,
        side: Side,
        exchanged: ExchangedEnd,
    ) -> Result<Option<CallBytes>, GateError> {
        let wire: Result<Option<Wire>, DriverError> = self.ask(side, exchanged, None);
        match wire {
            Ok(wire) => Ok(wire.filter(|wire| wire.exact).as_ref().map(CallBytes::of)),
            Err(source) => Err(client_error(side, stack, source, self.end_of(exchanged.server_of(side)))),
        }
    }

    /// Asks the client of `side` about its server.
    fn ask<T: DeserializeOwned>(
        &mut self,
        side: Side,
        exchanged: ExchangedEnd,
        length: Option<Duration>,
    ) -> Result<T, DriverError> {
        let request = Request { server: exchanged.server_of(side), length, calls: None };
        let request =
            serde_json::to_string(&request).map_err(|error| DriverError::Failed(error.to_string()))?;
        let driver = &mut self.drivers[exchanged.client_of(side)];
        let answer = driver.request(&request, length.unwrap_or_default())?;
        let unreadable = |_| DriverError::Failed(printable(&answer).into_owned());
        serde_json::from_str(&answer).map_err(unreadable)
    }

    /// How the server ended, if it did, and the end of its log.
    fn end_of(&mut self, server: usize) -> (String, String) {
        let (status, log) = match &mut self.servers[server] {
            Server::Own(process) => {
                let status = process.exit_status_within(EXIT_TIMEOUT);
                (status, process.log())
            }
            Server::Foreign(server) => server.end(),
            Server::Elsewhere => return <_>::default(),
        };
        (status.map(|status| format!("; the server ended ({status})")).unwrap_or_default(), log)
    }
}

fn start_command(side: Side, command: &str, cores: &[usize]) -> Result<CommandServer, GateError> {
    CommandServer::start(command, cores).map_err(|reason| GateError::Command {
        side,
        command: Subject::Command(command.to_owned()).to_string(),
        reason,
    })
}

/// The URL of a server of `stack` that listens on `port` of the loopback interface: the example of the protocol with this
/// port.
fn url_of_port(stack: &Stack, port: u16) -> String {
    let example = stack.protocol.url_form().map_or("", |form| form.example);
    let (scheme, rest) = example.split_once("://").unwrap_or(("tcp", ""));
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    format!("{scheme}://127.0.0.1:{port}{path}")
}

/// The client of `side` failed, and its server has ended and logged what [`Cast::end_of`] returns.
fn client_error(side: Side, stack: &Stack, source: DriverError, (ended, log): (String, String)) -> GateError {
    GateError::Client { side, stack: stack.name.to_owned(), source, ended, log }
}

/// Both sides in random order. In the same order every time, what the order changes would look like a difference: the server that is
/// started first takes more CPU time.
fn random_order(rng: &mut impl RngCore) -> [Side; 2] {
    let mut order = Side::BOTH;
    order.shuffle(rng);
    order
}

/// Whether a side has a separate process: both sides, or only the base, which shares it.
fn has_process(both: bool) -> impl Fn(&Side) -> bool {
    move |side| both || *side == Side::Base
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(server_cpu_ns: Option<u64>, p50_ns: u64) -> Slice {
        Slice { right: 100, others: 0, client_cpu_ns: Some(1_000), server_cpu_ns, p50_ns: Some(p50_ns) }
    }

    #[test]
    fn slices_of_slow_calls_are_longer_and_fewer() {
        let settings = GateSettings::load(None).unwrap();
        let (slice, count) = (settings.slice, settings.slices);
        let of = |micros| slices(&settings, Duration::from_micros(micros));
        assert_eq!(of(0), (slice, count));
        assert_eq!(of(30), (slice, count));
        let (longer, fewer) = of(400);
        assert_eq!(longer, Duration::from_millis(8));
        assert!(fewer < count && longer * fewer <= slice * count, "{fewer}");
        assert_eq!(of(50_000), (slice * count, 1));
        for micros in 0..3_000 {
            let (length, number) = of(micros);
            assert!(number > 0 && length >= slice && length * number <= slice * count, "{micros}");
        }
    }

    #[test]
    fn a_round_is_the_median_of_the_pairs() {
        let pair = |new: u64| [slice(Some(1_000), 100), slice(Some(new), 200)];
        let medians = medians(&[pair(1_010), pair(1_020), pair(90_000)]);
        let of = |metric, base_ns, ratio: f64| MetricOfRound { metric, base_ns, ratio: ratio.ln() };
        let expected = [
            of(Metric::ServerCpu, 10.0, 1.02),
            of(Metric::ClientCpu, 10.0, 1.0),
            of(Metric::LatencyP50, 100.0, 2.0),
        ];
        assert_eq!(medians, expected);
    }

    #[test]
    fn what_cannot_be_measured_has_no_ratio() {
        let pairs = [
            [slice(None, 100), slice(Some(1), 100)],
            [slice(Some(0), 100), slice(Some(1), 100)],
            [slice(Some(1), 100), slice(Some(1), 100)],
        ];
        let metrics: Vec<_> = medians(&pairs).into_iter().map(|of_round| of_round.metric).collect();
        assert_eq!(metrics, [Metric::ClientCpu, Metric::LatencyP50]);
        // A slice without a call is as good as no pair.
        let empty = Slice { right: 0, p50_ns: None, ..slice(Some(7), 0) };
        let pairs = [[slice(Some(1), 100), slice(Some(1), 100)], [empty, slice(Some(1), 100)]];
        assert_eq!(medians(&pairs).len(), 3);
        assert_eq!(medians(&pairs[1..]), []);
        assert_eq!(medians(&[]), []);
    }
}
