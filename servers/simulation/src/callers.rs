//! Clients and their callers.

use std::time::Duration;

use calculator::{Call, CallError, Deadline, ErrorKind, Value};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};
use zerorpc::{Items, Reply};

use crate::check::{CallRecord, Ending, echo_text};
use crate::defect::Defect;
use crate::peers::AnyClient;
use crate::plan::{CallKind, CallPlan};

/// Makes the calls of one caller sequentially, each with a [`Deadline`] as in a measurement.
pub(crate) async fn make_calls(
    client: AnyClient,
    calls: Vec<CallPlan>,
    started: Instant,
    defect: Defect,
) -> Vec<CallRecord> {
    let mut records = Vec::with_capacity(calls.len());
    for plan in calls {
        tokio::time::sleep(plan.pause).await;
        let began = started.elapsed();
        let ending = make_call(&client, &plan, defect).await;
        records.push(CallRecord { id: plan.id, began, ended: started.elapsed(), ending });
    }
    records
}

/// Makes a call.
pub(crate) async fn make_call(client: &AnyClient, plan: &CallPlan, defect: Defect) -> Ending {
    let call = call_of(plan);
    if let (CallKind::Stream { slots, caller_pause, dropped_after, .. }, Some(zerorpc)) =
        (plan.kind, &client.zerorpc)
    {
        let reply = within(plan.timeout, zerorpc.open(&call, slots)).await;
        return match reply {
            Ok(Reply::Items(items)) => {
                let skipped = (defect == Defect::ClientSkipsItems).then_some(3);
                receive(items, plan.timeout, caller_pause, dropped_after, skipped).await
            }
            Ok(Reply::Value(value)) => Ending::Result(Ok(value)),
            Err(error) => Ending::Result(Err(error)),
        };
    }
    if defect == Defect::CallerIgnoresDeadline {
        return Ending::Result(client.client.call(&call).await);
    }
    Ending::Result(within(plan.timeout, client.client.call(&call)).await)
}

/// Awaits a call as the harness does.
async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    Deadline::new(timeout).within(Instant::now().into_std(), call).await
}

fn call_of(plan: &CallPlan) -> Call {
    let id = Value::Int(plan.id);
    let ms = |duration: Duration| Value::Int(i64::try_from(duration.as_millis()).unwrap_or(0));
    match plan.kind {
        CallKind::Add { wait } => Call::positional("add", [id, ms(wait)]),
        CallKind::Echo { bytes } => Call::positional("echo", [Value::from(echo_text(plan.id, bytes))]),
        CallKind::DivideByZero => Call::positional("divide", [id, Value::Int(0)]),
        CallKind::Unknown => Call::positional("nosuch", [id]),
        CallKind::Stream { items, server_pause, .. } => {
            Call::positional("count", [id, Value::Int(i64::try_from(items).unwrap_or(0)), ms(server_pause)])
        }
    }
}

/// Receives the items of a stream.
async fn receive(
    mut items: Items,
    item_timeout: Duration,
    pause: Duration,
    dropped_after: Option<usize>,
    skipped: Option<usize>,
) -> Ending {
    let mut received = 0;
    loop {
        if dropped_after == Some(received) {
            return Ending::Stream { items: received, error: None, dropped: true };
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let mut next = timeout(item_timeout, items.next()).await;
        if skipped == Some(received) {
            next = timeout(item_timeout, items.next()).await;
        }
        match next {
            Ok(Some(Ok(Value::Int(item)))) if usize::try_from(item) == Ok(received) => received += 1,
            Ok(Some(Ok(item))) => return Ending::Disorder { expected: received, received: item },
            Ok(Some(Err(error))) => {
                return Ending::Stream { items: received, error: Some(error), dropped: false };
            }
            Ok(None) => return Ending::Stream { items: received, error: None, dropped: false },
            Err(_) => {
                let error = CallError::new(ErrorKind::Timeout, "no item in time");
                return Ending::Stream { items: received, error: Some(error), dropped: false };
            }
        }
    }
}
