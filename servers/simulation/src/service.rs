//! The service that is called: the calculator, which records what it executes, and streams.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calculator::{Calculator, CallError, MethodInfo, Params, Service, Value};
use futures_util::{StreamExt, stream};
use zerorpc::{Streams, ValueStream};

use crate::defect::Defect;

/// How often each call was executed, by its id. Clones share their contents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Executions(Arc<Mutex<BTreeMap<i64, u32>>>);

impl Executions {
    fn add(&self, id: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
    }

    pub(crate) fn of(&self, id: i64) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied().unwrap_or(0)
    }
}

/// The calculator. `add(id, ms)` waits for so many milliseconds. The first argument of each call is its id, or a text that
/// begins with it.
pub(crate) struct RecordingCalculator {
    pub(crate) executions: Executions,
    pub(crate) defect: Defect,
}

/// The id of a call with these arguments.
fn id_of(params: &Params) -> Option<i64> {
    match params.values().next()? {
        Value::Int(id) => Some(*id),
        Value::Str(text) => text.split(':').next()?.parse().ok(),
        _ => None,
    }
}

impl Service for RecordingCalculator {
    fn name(&self) -> &'static str {
        "Calculator"
    }

    fn methods(&self) -> &[MethodInfo] {
        Calculator.methods()
    }

    fn wait(&self, method: &str, params: &Params) -> Duration {
        if self.defect == Defect::ServerLosesCalls && id_of(params).is_some_and(|id| id % 5 == 0) {
            return Duration::from_secs(1 << 30);
        }
        match (method, params.values().nth(1)) {
            ("add", Some(Value::Int(ms))) => Duration::from_millis(u64::try_from(*ms).unwrap_or(0)),
            _ => Duration::ZERO,
        }
    }

    fn call(&self, method: &str, params: Params) -> Result<Value, CallError> {
        if let Some(id) = id_of(&params) {
            self.executions.add(id);
            if self.defect == Defect::ServerExecutesTwice && id % 5 == 0 {
                self.executions.add(id);
            }
        }
        Calculator.call(method, params)
    }
}

/// `count(id, n, ms)` streams the numbers from 0 to n − 1, and waits before each.
pub(crate) struct Counting(pub(crate) Executions);

const COUNT: &[MethodInfo] =
    &[MethodInfo { name: "count", params: &["id", "n", "ms"], doc: "Stream the numbers below n." }];

impl Streams for Counting {
    fn methods(&self) -> &[MethodInfo] {
        COUNT
    }

    fn open(&self, method: &str, params: Params) -> Result<ValueStream, CallError> {
        let arguments = params.bind(method, ["id", "n", "ms"])?;
        let [Value::Int(id), Value::Int(n), Value::Int(ms)] = arguments else {
            return Err(CallError::unknown_method(method));
        };
        self.0.add(id);
        let pause = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let items = stream::iter(0..n).then(move |item| async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok(Value::Int(item))
        });
        Ok(items.boxed())
    }
}
