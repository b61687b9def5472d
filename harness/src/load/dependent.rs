//! The operation `dependent`: ((5·2) + ((7−3)·10)) / (6−4) as six calls, some of which need the results of others.

use std::sync::Arc;

use calculator::{Calculator, Call, CallError, CallFuture, Client, ErrorKind, Method, Service, Value};
use futures_util::future::try_join_all;

/// How the six calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Steps {
    /// One after another.
    Sequential,
    /// Those that do not need each other's results at the same time, over one connection.
    Concurrent,
    /// Those that do not need each other's results in one message.
    Batched,
}

/// A number that a call is made with.
#[derive(Clone, Copy)]
enum Operand {
    /// This one.
    Int(i64),
    /// The result of the call with this index.
    ResultOf(usize),
}

use Operand::{Int, ResultOf};

/// A call, and what it is made with.
struct Step {
    method: Method,
    operands: [Operand; 2],
}

const fn step(method: Method, x: Operand, y: Operand) -> Step {
    Step { method, operands: [x, y] }
}

/// The calls of each level need only results of levels before it.
static LEVELS: [&[Step]; 4] = [
    &[
        step(Method::Multiply, Int(5), Int(2)),
        step(Method::Subtract, Int(7), Int(3)),
        step(Method::Subtract, Int(6), Int(4)),
    ],
    &[step(Method::Multiply, ResultOf(1), Int(10))],
    &[step(Method::Add, ResultOf(0), ResultOf(3))],
    &[step(Method::Divide, ResultOf(4), ResultOf(2))],
];

impl Step {
    /// The call, where `results` are those of the calls before it.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if one that it needs is missing, because a batch had too few.
    fn call(&self, results: &[Value]) -> Result<Call, CallError> {
        let operand = |operand: Operand| match operand {
            Int(number) => Ok(Value::Int(number)),
            ResultOf(index) => results.get(index).cloned().ok_or_else(|| {
                CallError::new(ErrorKind::Malformed, "the reply to a batch has too few results")
            }),
        };
        let [x, y] = self.operands;
        Ok(Call::positional(self.method.name(), [operand(x)?, operand(y)?]))
    }
}

impl Steps {
    /// All of them.
    pub const ALL: [Steps; 3] = [Steps::Sequential, Steps::Concurrent, Steps::Batched];

    /// The name of the operation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Steps::Sequential => "dependent",
            Steps::Concurrent => "dependent:concurrent",
            Steps::Batched => "dependent:batched",
        }
    }

    /// How many times the client waits for an answer.
    #[must_use]
    pub fn round_trips(self) -> usize {
        match self {
            Steps::Sequential => LEVELS.iter().map(|level| level.len()).sum(),
            Steps::Concurrent | Steps::Batched => LEVELS.len(),
        }
    }

    /// The methods that are called, each once.
    pub(super) fn methods() -> Vec<Method> {
        let mut methods = vec![];
        for Step { method, .. } in LEVELS.into_iter().flatten() {
            if !methods.contains(method) {
                methods.push(*method);
            }
        }
        methods
    }

    /// The result that the calculator gives.
    pub(super) fn expected() -> Result<Value, CallError> {
        let mut results = vec![];
        for step in LEVELS.into_iter().flatten() {
            let Call { method, params } = step.call(&results)?;
            results.push(Calculator.call(&method, params)?);
        }
        last(results)
    }

    /// A client whose every call makes the six calls over `client`, and ends with the last result.
    pub(super) fn over(self, client: Arc<dyn Client>) -> Arc<dyn Client> {
        Arc::new(DependentClient { client, steps: self })
    }
}

fn last(results: Vec<Value>) -> Result<Value, CallError> {
    let none = || CallError::new(ErrorKind::Malformed, "the reply to a batch has no results");
    results.into_iter().next_back().ok_or_else(none)
}

struct DependentClient {
    client: Arc<dyn Client>,
    steps: Steps,
}

impl DependentClient {
    async fn calculate(&self) -> Result<Value, CallError> {
        let mut results = Vec::new();
        for level in LEVELS {
            let calls: Vec<Call> = level.iter().map(|step| step.call(&results)).collect::<Result<_, _>>()?;
            match (self.steps, calls.as_slice()) {
                (Steps::Concurrent, calls @ [_, _, ..]) => {
                    results.extend(try_join_all(calls.iter().map(|call| self.client.call(call))).await?);
                }
                (Steps::Batched, calls @ [_, _, ..]) => {
                    let batch = self.client.call_batch(calls);
                    for result in batch.ok_or_else(|| CallError::lacking("batches"))?.await? {
                        results.push(result?);
                    }
                }
                (_, calls) => {
                    for call in calls {
                        results.push(self.client.call(call).await?);
                    }
                }
            }
        }
        last(results)
    }
}

impl Client for DependentClient {
    fn call<'a>(&'a self, _: &'a Call) -> CallFuture<'a> {
        Box::pin(self.calculate())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use calculator::BatchFuture;
    use tokio::sync::Barrier;

    use super::*;

    /// Answers calls as the calculator does, and notes each message with the calls in it.
    #[derive(Default)]
    struct Recorder {
        messages: Mutex<Vec<String>>,
        has_batches: bool,
        /// How many results of a batch are lost.
        lost: usize,
        /// Calls of the first level are answered when as many have arrived.
        first_level: Option<Barrier>,
        /// This method fails.
        failing: Option<&'static str>,
    }

    fn shown(call: &Call) -> String {
        let values: Vec<_> = call.params.values().map(|value| format!("{value:?}")).collect();
        format!("{}({})", call.method, values.join(","))
    }

    impl Recorder {
        fn answer(&self, call: &Call) -> Result<Value, CallError> {
            if self.failing == Some(&*call.method) {
                return Err(CallError::new(ErrorKind::Internal, "it fails"));
            }
            Calculator.call(&call.method, call.params.clone())
        }
    }

    impl Client for Recorder {
        fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
            Box::pin(async move {
                let count = {
                    let mut messages = self.messages.lock().unwrap();
                    messages.push(shown(call));
                    messages.len()
                };
                if let Some(barrier) = self.first_level.as_ref().filter(|_| count <= LEVELS[0].len()) {
                    barrier.wait().await;
                }
                self.answer(call)
            })
        }

        fn call_batch<'a>(&'a self, calls: &'a [Call]) -> Option<BatchFuture<'a>> {
            let batch = async move {
                let all: Vec<_> = calls.iter().map(shown).collect();
                self.messages.lock().unwrap().push(all.join(" "));
                Ok(calls.iter().skip(self.lost).map(|call| self.answer(call)).collect())
            };
            self.has_batches.then(|| Box::pin(batch) as BatchFuture<'a>)
        }
    }

    async fn calculate(steps: Steps, client: Recorder) -> (Result<Value, ErrorKind>, Vec<String>) {
        let client = Arc::new(client);
        let result = steps.over(client.clone()).call(&Call::positional("dependent", [])).await;
        let messages = client.messages.lock().unwrap().clone();
        (result.map_err(|error| error.kind), messages)
    }

    const FIRST: [&str; 3] = ["multiply(5,2)", "subtract(7,3)", "subtract(6,4)"];
    const OTHERS: [&str; 3] = ["multiply(4,10)", "add(10,40)", "divide(50,2)"];

    #[test]
    fn the_result_is_that_of_the_formula() {
        assert_eq!(Steps::expected(), Ok(Value::Int(((5 * 2) + ((7 - 3) * 10)) / (6 - 4))));
        assert_eq!(Steps::ALL.map(Steps::round_trips), [6, 4, 4]);
        assert_eq!(Steps::methods().len(), 4);
    }

    #[tokio::test]
    async fn calls_wait_for_what_they_need() {
        let (result, messages) = calculate(Steps::Sequential, Recorder::default()).await;
        assert_eq!(
            (Ok(result.unwrap()), messages.len()),
            (Steps::expected(), Steps::Sequential.round_trips())
        );
        assert_eq!(messages, [FIRST, OTHERS].concat());
    }

    #[tokio::test]
    async fn calls_that_need_nothing_are_in_flight_together() {
        let first_level = Some(Barrier::new(LEVELS[0].len()));
        let (result, messages) =
            calculate(Steps::Concurrent, Recorder { first_level, ..Recorder::default() }).await;
        assert_eq!((Ok(result.unwrap()), messages.len()), (Steps::expected(), 6));
        assert_eq!(messages, [FIRST, OTHERS].concat());
    }

    #[tokio::test]
    async fn a_batch_is_one_message() {
        let client = || Recorder { has_batches: true, ..Recorder::default() };
        let (result, messages) = calculate(Steps::Batched, client()).await;
        assert_eq!((Ok(result.unwrap()), messages.len()), (Steps::expected(), Steps::Batched.round_trips()));
        assert_eq!(messages[0], FIRST.join(" "));
        assert_eq!(messages[1..], OTHERS);
        for lost in 1..=3 {
            let (result, _) = calculate(Steps::Batched, Recorder { lost, ..client() }).await;
            assert_eq!(result, Err(ErrorKind::Malformed), "{lost}");
        }
        let (result, messages) = calculate(Steps::Batched, Recorder::default()).await;
        assert_eq!((result, messages), (Err(ErrorKind::InvalidArguments), vec![]));
    }

    #[tokio::test]
    async fn the_first_failure_ends_it() {
        for (steps, method, calls) in
            [(Steps::Sequential, "subtract", 2), (Steps::Batched, "subtract", 1), (Steps::Batched, "add", 3)]
        {
            let client = Recorder { has_batches: true, failing: Some(method), ..Recorder::default() };
            let (result, messages) = calculate(steps, client).await;
            assert_eq!((result, messages.len()), (Err(ErrorKind::Internal), calls), "{steps:?} {method}");
        }
    }
}
