//! The first call of each operation of one's own, before there is load.

use std::time::Instant;

use calculator::{CallError, Client, ClientOptions, Deadline, Value};

use crate::load::{OwnName, PreparedCall};
use crate::observe::{CallOutcome, Expectation, shown};
use crate::stacks::Stack;
use crate::trial::{ServerLocation, TrialContext, TrialError};

/// An operation that was called, with its first call.
pub(super) type Probed = (OwnName, PreparedCall);

/// Calls each of the operations `names` once on the server of `stack` at `location`. The inner error says of the first one that was
/// not answered as expected where it is defined, what was expected, and what came instead.
///
/// # Errors
/// When the server cannot be connected to, or does not answer.
pub(super) async fn probe(
    stack: &'static Stack,
    names: &[OwnName],
    context: &TrialContext<'_>,
    location: &ServerLocation,
) -> Result<Result<Vec<Probed>, String>, TrialError> {
    let scenario = context.scenario;
    let options = ClientOptions { timeout: scenario.timeout, ..ClientOptions::default() };
    let unanswered =
        |source| TrialError::Connect { stack: stack.name, address: location.shown.clone(), source };
    let client = stack.connect(location.destination.clone(), options).await.map_err(unanswered)?;
    let mut deadline = Deadline::new(scenario.timeout);
    let mut probed = vec![];
    for name in names {
        let Some((prepared, place)) = scenario.own.example(*name, stack, context.seed) else { continue };
        let result = call(&*client, &mut deadline, &prepared).await;
        match CallOutcome::of(&result, &prepared.expected, scenario.numbers) {
            CallOutcome::Right => probed.push((*name, prepared)),
            _ => match result {
                Err(error) if error.kind.is_transport() => return Err(unanswered(error)),
                result => {
                    let found = found(&result, &prepared.expected);
                    return Ok(Err(format!(
                        "{place}: `{name}`: expected {}, but {found}",
                        prepared.expected
                    )));
                }
            },
        }
    }
    Ok(Ok(probed))
}

async fn call(
    client: &dyn Client,
    deadline: &mut Deadline,
    prepared: &PreparedCall,
) -> Result<Value, CallError> {
    deadline.within(Instant::now(), client.call(&prepared.call)).await
}

/// What came instead of what was `expected`.
fn found(result: &Result<Value, CallError>, expected: &Expectation) -> String {
    match (result, expected) {
        (Ok(value), Expectation::At { pointer, .. }) => match pointer.find(value) {
            Some(part) => format!("{} is there", shown(part)),
            None => format!("nothing is there in the answer {}", shown(value)),
        },
        (Ok(value), _) => format!("the answer is {}", shown(value)),
        (Err(error), _) => format!("the call failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use calculator::ErrorKind;

    use super::*;

    #[test]
    fn what_came_is_shown_with_what_was_looked_for() {
        let answer = Ok(Value::map(vec![("name".into(), "Bob".into())]));
        let at = |pointer: &str| Expectation::At { pointer: pointer.parse().unwrap(), equals: "Ann".into() };
        assert_eq!(found(&answer, &at("/name")), "\"Bob\" is there");
        assert!(found(&answer, &at("/nam")).starts_with("nothing is there in the answer {"));
        assert_eq!(found(&Ok(Value::Int(4)), &Expectation::Value(Value::Int(3))), "the answer is 4");
        let error = Err(CallError::new(ErrorKind::UnknownMethod, "no such method"));
        assert_eq!(found(&error, &Expectation::AnyResult), "the call failed: unknown-method: no such method");
    }
}
