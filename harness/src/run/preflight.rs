//! The inspection of a stack before it is measured: the conformance table, its bytes on the wire, its fairness facts.

use std::time::Instant;

use calculator::conformance::{self, Level, Outcome, Profile};
use calculator::{ClientOptions, Deadline, Method};

use crate::load::{Operation, OwnName};
use crate::record::{CapturedCall, Check, Fairness, SocketFacts, TlsFacts, Wire, WireOfWay};
use crate::run::capture;
use crate::run::fairness::{self, Observed};
use crate::run::ledger;
use crate::run::own_probe;
use crate::stacks::{Stack, Way, negotiated};
use crate::trial::{BrokerLocation, RunningServer, ServerLocation, TrialContext, TrialError};

/// The findings about a stack.
pub struct Findings {
    /// The result of the conformance table; absent where only operations of one's own are measured.
    pub check: Option<Check>,
    /// Why an operation of one's own cannot be measured, if one cannot.
    pub refusal: Option<String>,
    /// Whether the stack may be measured.
    pub may_be_measured: bool,
    /// The bytes on the wire; empty where the stack failed the table or bytes are not observable.
    pub wire: Vec<Wire>,
    /// The same of what is sent in other ways than calls.
    pub wire_of_ways: Vec<WireOfWay>,
    /// The bytes of one call; absent where they were not captured.
    pub captured: Option<CapturedCall>,
    /// The socket options of both ends; empty where they are not observable.
    pub sockets: Vec<SocketFacts>,
    /// The facts for the fairness table.
    pub fairness: Fairness,
}

/// What is measured of a stack.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The operations of the calculator, each once.
    pub operations: Vec<Operation>,
    /// What is sent in other ways than calls, each once.
    pub messages: Vec<(Operation, Way)>,
    /// The operations of one's own, each once.
    pub own: Vec<OwnName>,
}

/// The rows of the conformance table that a stack must pass in order to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequiredRows {
    /// All core rows.
    Core,
    /// The rows of these methods that expect a value: a server that is not of this suite need not be a whole calculator.
    Values(Vec<Method>),
}

impl RequiredRows {
    /// Whether each of these rows passed.
    #[must_use]
    pub fn passed(&self, outcomes: &[Outcome]) -> bool {
        let is_required = |outcome: &&Outcome| match self {
            RequiredRows::Core => outcome.vector.level == Level::Core,
            RequiredRows::Values(methods) => {
                let is_measured = |method: &Method| outcome.vector.call.method == method.name();
                outcome.vector.expected.is_value() && methods.iter().any(is_measured)
            }
        };
        let mut required = outcomes.iter().filter(is_required).peekable();
        required.peek().is_some() && required.all(Outcome::passed)
    }

    /// Whether no row is required: no method of the calculator with one result is measured.
    fn is_empty(&self) -> bool {
        matches!(self, RequiredRows::Values(methods) if methods.is_empty())
    }

    fn methods(&self) -> &[Method] {
        match self {
            RequiredRows::Core => &[],
            RequiredRows::Values(methods) => methods,
        }
    }
}

/// Why the streams that are `measured` cannot be received, if they cannot: the table of conformance has none.
///
/// # Errors
/// When the server cannot be reached.
async fn refused_stream(
    stack: &'static Stack,
    measured: &Measured,
    context: &TrialContext<'_>,
    location: &ServerLocation,
) -> Result<Option<String>, TrialError> {
    let (timeout, numbers) = (context.scenario.timeout, context.scenario.numbers);
    for operation in measured.operations.iter().filter(|operation| operation.stream().is_some()) {
        let client = operation.client(location.connect_in(stack, Way::Call, timeout).await?);
        for prepared in operation.prepare(context.seed) {
            let call = client.call(&prepared.call);
            let received = Deadline::new(timeout).within(Instant::now(), call).await;
            if !prepared.expected.is_met_by(&received, numbers) {
                let reason =
                    received.map_or_else(|error| error.to_string(), |count| format!("{count:?} items"));
                return Ok(Some(format!("`{operation}` does not get its stream: {reason}")));
            }
        }
    }
    Ok(None)
}

/// Starts the server of `stack`, checks it against the conformance table, of which it must pass the `required` rows, calls each of the
/// operations of one's own that are `measured`, counts the bytes of all that is measured, and captures those of `add`.
///
/// # Errors
/// When the server does not start, cannot be reached, or answers no call.
pub fn inspect(
    stack: &'static Stack,
    measured: &Measured,
    required: &RequiredRows,
    context: &TrialContext<'_>,
    broker: Option<&BrokerLocation>,
) -> Result<Findings, TrialError> {
    let running = RunningServer::start(stack, context, broker, &[], context.first_server())?;
    let location = &running.location;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| TrialError::Runtime { stack: stack.name, source })?;
    runtime.block_on(async {
        let (timeout, numbers) = (context.scenario.timeout, context.scenario.numbers);
        let connect = async || {
            let options = ClientOptions { timeout, ..ClientOptions::default() };
            stack.connect(location.destination.clone(), options).await
        };
        let (mut check, mut may_be_measured) = (None, true);
        if !required.is_empty() {
            let profile = Profile { numbers, ..stack.protocol.profile() };
            let outcomes = conformance::run_reconnecting(connect, profile, &mut Deadline::new(timeout))
                .await
                .map_err(|source| TrialError::Connect {
                    stack: stack.name,
                    address: location.shown.clone(),
                    source,
                })?;
            check = Some(Check::new(stack.name, &outcomes, required.methods()));
            may_be_measured = required.passed(&outcomes);
        }
        let own = if may_be_measured && !measured.own.is_empty() {
            own_probe::probe(stack, &measured.own, context, location).await?
        } else {
            Ok(vec![])
        };
        let (own, refusal) = match own {
            Ok(own) => (own, None),
            Err(refusal) => (vec![], Some(refusal)),
        };
        let refusal = match refusal {
            None if may_be_measured => refused_stream(stack, measured, context, location).await?,
            refusal => refusal,
        };
        may_be_measured &= refusal.is_none();
        let (mut wire, mut sockets, mut observed) = (vec![], vec![], Observed::default());
        let mut wire_of_ways = vec![];
        let mut captured = None;
        if may_be_measured && stack.has_server() {
            for (operation, way) in &measured.messages {
                let receiver = context.receiver(stack, *way);
                let running = RunningServer::start(stack, context, broker, &[], receiver)?;
                let counted =
                    ledger::count_in(*way, stack, *operation, context.seed, timeout, numbers, &running)
                        .await?;
                wire_of_ways.extend(counted.wire.map(|wire| WireOfWay { way: *way, wire }));
            }
            let of_calculator = measured.operations.iter();
            let of_calculator = of_calculator.filter_map(|it| Some((*it, it.example(context.seed)?)));
            let of_own = own.into_iter().map(|(name, prepared)| (Operation::own(name), prepared));
            for (operation, prepared) in of_calculator.chain(of_own) {
                let counted =
                    ledger::count_prepared(Way::Call, stack, operation, prepared, timeout, numbers, &running)
                        .await?;
                let is_wanted = operation.has_one_answer() && captured.is_none();
                if let Some(wire) = counted.wire.as_ref().filter(|_| is_wanted) {
                    captured = capture::capture(stack, context, broker, &running, wire).await;
                }
                wire.extend(counted.wire);
                observed.reused = counted.reused.or(observed.reused);
                observed.threads = counted.threads.or(observed.threads);
                if sockets.is_empty() {
                    sockets = counted.sockets;
                }
            }
            observed.tls = negotiated(stack, &location.destination, timeout)
                .await
                .map(|session| TlsFacts { version: session.version, cipher: session.cipher });
            if let Some(broker) = stack.protocol.brokered() {
                observed.broker = broker.product(location.destination.url.clone(), timeout).await;
            }
        }
        let fairness = fairness::collect(stack, context, &location.destination, observed);
        Ok(Findings { check, refusal, may_be_measured, wire, wire_of_ways, captured, sockets, fairness })
    })
}
