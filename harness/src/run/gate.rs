//! The conformance gate: only stacks whose servers give the expected answers are measured. Servers that the run starts
//! must pass all core rows of the conformance table; of a server that was already running, only what is measured is
//! required.

use std::sync::atomic::Ordering;

use calculator::Method;

use super::brokers::Brokers;
use super::counts::{self, CountError};
use super::error::RunError;
use super::event::{Event, Progress};
use super::options::Options;
use super::preflight::{self, Findings, Measured, RequiredRows};
use crate::deploy::ServerStart;
use crate::load::{Operation, OwnName, OwnOperations};
use crate::record::{CallCounts, Record, Skipped};
use crate::scenario::Plan;
use crate::stacks::{Role, Stack, Way};
use crate::trial::TrialContext;

/// A stack that cannot be measured.
struct Refusal {
    reason: String,
    /// Whether its server gave correct answers, so that waiting for it would not help.
    answered: bool,
    /// Whether an operation of one's own was not answered as expected.
    is_own: bool,
}

/// Inspects every stack of `plan`, adds the findings to `record`, and removes the stacks that cannot be measured.
///
/// # Errors
/// [`RunError::Required`], [`RunError::Target`], [`RunError::Operation`] or [`RunError::Unreachable`] for a stack that must not be skipped;
/// [`RunError::Nothing`] where only floors are left.
pub(crate) fn check_stacks(
    plan: &mut Plan,
    context: &TrialContext<'_>,
    brokers: &mut Brokers,
    options: &Options,
    record: &mut Record,
    progress: Progress<'_>,
) -> Result<(), RunError> {
    for stack in plan.stacks() {
        if context.interrupted.load(Ordering::Relaxed) {
            break;
        }
        progress(Event::Checking(stack.name));
        let admitted = match inspect(plan, stack, context, brokers, progress) {
            Ok(findings) => {
                if let Some(check) = &findings.check {
                    progress(Event::Checked(check));
                }
                let admitted = admit(findings, record);
                if options.counts && admitted.is_ok() {
                    record.counts.extend(count(plan, stack, context, progress)?);
                }
                admitted
            }
            Err(reason) => Err(Refusal { reason, answered: false, is_own: false }),
        };
        let Err(Refusal { reason, answered, is_own }) = admitted else { continue };
        if let Some(url) = options.targets.urls.get(stack.name) {
            let (stack, address) = (stack.name, net::redacted(url));
            return Err(if is_own {
                RunError::Operation { stack, address, reason }
            } else if answered {
                RunError::Target { stack, address, reason }
            } else {
                RunError::Unreachable { stack, address, reason }
            });
        }
        if options.require.iter().any(|name| name == stack.name || name == stack.protocol.name()) {
            return Err(RunError::Required { stack: stack.name, reason });
        }
        let skipped = Skipped { stack: stack.name.to_owned(), reason };
        progress(Event::Skipped(&skipped));
        record.skipped.push(skipped);
        plan.skip(stack.name);
    }
    // Floors alone leave nothing to compare.
    let only_floors = plan.stacks().iter().all(|stack| stack.role == Role::Floor);
    match (only_floors, record.skipped.first()) {
        (true, Some(Skipped { stack, reason })) => {
            Err(RunError::Nothing { stack: stack.clone(), reason: reason.clone() })
        }
        _ => Ok(()),
    }
}

fn inspect(
    plan: &Plan,
    stack: &'static Stack,
    context: &TrialContext<'_>,
    brokers: &mut Brokers,
    progress: Progress<'_>,
) -> Result<Findings, String> {
    let has_target = context.targets.contains_key(stack.name);
    let broker = brokers.for_stack(stack, has_target, progress).map_err(|error| error.to_string())?;
    let required =
        if has_target { RequiredRows::Values(methods_of(plan, stack)) } else { RequiredRows::Core };
    let measured = Measured {
        operations: operations_of(plan, stack),
        messages: messages_of(plan, stack),
        own: own_of(plan, stack, &context.scenario.own),
    };
    preflight::inspect(stack, &measured, &required, context, broker.as_ref())
        .map_err(|error| error.to_string())
}

/// Counts the instructions and allocations of each operation at the server of `stack`, if it is one of the suite that this run
/// starts.
///
/// # Errors
/// [`RunError::Count`].
fn count(
    plan: &Plan,
    stack: &'static Stack,
    context: &TrialContext<'_>,
    progress: Progress<'_>,
) -> Result<Vec<CallCounts>, RunError> {
    let operations = operations_of(plan, stack).into_iter();
    let counted: Vec<_> = operations.filter(|operation| counts::can_count(stack, *operation)).collect();
    if counted.is_empty() || context.targets.contains_key(stack.name) {
        return Ok(vec![]);
    }
    progress(Event::Counting(stack.name));
    let failed = |source: CountError| RunError::Count { stack: stack.name, source: Box::new(source) };
    let (options, destination) = context.first_server().of(stack, None);
    let server = ServerStart { options, ..ServerStart::of(stack) };
    counted
        .into_iter()
        .map(|operation| {
            counts::count(&server, &destination.options, operation, context.seed).map_err(failed)
        })
        .collect()
}

/// Adds the findings to `record`, and refuses a stack that does not pass the rows that are required of it.
fn admit(findings: Findings, record: &mut Record) -> Result<(), Refusal> {
    let Findings { check, refusal, may_be_measured, wire, wire_of_ways, captured, sockets, fairness } =
        findings;
    // A broker may answer while the server behind it is still starting: then no row has passed.
    let answered = check.as_ref().is_none_or(|check| check.core_passed > 0);
    let gated_by = check.as_ref().map(|check| check.gated_by.clone()).unwrap_or_default();
    let by_table = match gated_by.as_slice() {
        [] => "it does not pass the core rows of `rpcbench check`".to_owned(),
        methods => format!("it does not pass the rows of `rpcbench check` for {}", methods.join(", ")),
    };
    record.wire.extend(wire);
    record.wire_of_ways.extend(wire_of_ways);
    record.captures.extend(captured);
    record.sockets.extend(sockets);
    record.checks.extend(check);
    if may_be_measured {
        record.fairness.push(fairness);
        return Ok(());
    }
    Err(Refusal { is_own: refusal.is_some(), reason: refusal.unwrap_or(by_table), answered })
}

/// The methods that `plan` measures for `stack`, in blocks, in searches and in timelines, each once.
fn methods_of(plan: &Plan, stack: &Stack) -> Vec<Method> {
    let further = plan.further_operations(stack);
    let mut methods: Vec<Method> = Vec::new();
    for operation in operations_of(plan, stack).into_iter().chain(further) {
        for method in operation.methods() {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
    }
    methods
}

/// The operations of the calculator that `plan` calls in the blocks of `stack`, each once.
fn operations_of(plan: &Plan, stack: &Stack) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    let calls = plan.trials().filter(|trial| trial.stack.name == stack.name && trial.way.is_call());
    let calls = calls.filter(|trial| trial.operation.own_name().is_none());
    for trial in calls {
        if !operations.contains(&trial.operation) {
            operations.push(trial.operation);
        }
    }
    operations
}

/// The operations of one's own, among `own`, that `plan` measures for `stack`, each once.
fn own_of(plan: &Plan, stack: &Stack, own: &OwnOperations) -> Vec<OwnName> {
    let in_blocks = plan.trials().filter(|trial| trial.stack.name == stack.name).map(|trial| trial.operation);
    let mut names: Vec<OwnName> = Vec::new();
    for name in in_blocks.chain(plan.further_operations(stack)).flat_map(|operation| own.parts(operation)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What `plan` sends for `stack` in other ways than calls, each once.
fn messages_of(plan: &Plan, stack: &Stack) -> Vec<(Operation, Way)> {
    let mut messages = Vec::new();
    for trial in plan.trials().filter(|trial| trial.stack.name == stack.name && !trial.way.is_call()) {
        if !messages.contains(&(trial.operation, trial.way)) {
            messages.push((trial.operation, trial.way));
        }
    }
    messages
}
