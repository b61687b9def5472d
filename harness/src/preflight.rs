//! What happens to a stack before it is measured: the conformance table, and a count of its bytes on the wire.

use std::sync::Arc;
use std::time::Instant;

use calculator::{Client, Deadline, Value, conformance};

use crate::deploy::port_of;
use crate::load::{Operation, Prepared};
use crate::observe::wire::{Snapshot, Traffic};
use crate::record::{Check, Wire};
use crate::stack::Stack;
use crate::trial::{BrokerSite, Place, Setting, Site, SiteError};

/// Over how many calls bytes are averaged, so that a heartbeat in between weighs little.
const CALLS: u64 = 100;

/// What was found out about a stack.
pub struct Findings {
    /// How it did in the conformance table.
    pub check: Check,
    /// Its bytes on the wire; empty where it failed the table or the system does not count.
    pub wire: Vec<Wire>,
}

/// Starts `stack`'s server, passes it through the conformance table, and counts the bytes of each of `operations`.
///
/// # Errors
/// When it does not come up, or cannot be reached.
pub fn inspect(
    stack: &'static Stack,
    operations: &[Operation],
    setting: &Setting<'_>,
    broker: Option<&BrokerSite>,
) -> Result<Findings, SiteError> {
    let site = Site::start(stack, setting, broker, &[])?;
    let place = &site.place;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        SiteError::Connect {
            stack: stack.name,
            address: place.shown.clone(),
            source: calculator::CallError::new(calculator::ErrorKind::Internal, error.to_string()),
        }
    })?;
    runtime.block_on(async {
        let timeout = setting.scenario.timeout;
        let client = only(place.connect(stack, 1, timeout).await?);
        let outcomes = match client {
            Some(client) => conformance::run(&*client, stack.protocol, &mut Deadline::new(timeout)).await,
            None => vec![],
        };
        let check = Check::new(stack.name, &outcomes);
        let mut wire = Vec::new();
        if check.may_be_measured() && stack.has_server() {
            for operation in operations {
                wire.extend(count_bytes(stack, *operation, setting, place).await?);
            }
        }
        Ok(Findings { check, wire })
    })
}

fn only(clients: Vec<Arc<dyn Client>>) -> Option<Arc<dyn Client>> {
    clients.into_iter().next()
}

/// `None` where the system does not count, or a call was not answered.
async fn count_bytes(
    stack: &'static Stack,
    operation: Operation,
    setting: &Setting<'_>,
    place: &Place,
) -> Result<Option<Wire>, SiteError> {
    let (Some(port), Some(prepared)) = (port_of(&place.address.url), ledger_call(operation, setting.seed))
    else {
        return Ok(None);
    };
    let before = Snapshot::take(port);
    let Some(client) = only(place.connect(stack, 1, setting.scenario.timeout).await?) else {
        return Ok(None);
    };
    let mut deadline = Deadline::new(setting.scenario.timeout);
    // The first call may open the connection, and is part of the set-up only by what it takes beyond the others.
    let first = deadline.within(Instant::now(), client.call(&prepared.call)).await;
    let opened = Snapshot::take(port);
    for _ in 0..CALLS {
        if deadline.within(Instant::now(), client.call(&prepared.call)).await != prepared.answer {
            return Ok(None);
        }
    }
    let after = Snapshot::take(port);
    let (Some(before), Some(opened), Some(after)) = (before, opened, after) else { return Ok(None) };
    if first != prepared.answer {
        return Ok(None);
    }
    let per_call = after.since(&opened, CALLS);
    let first = opened.since(&before, 1);
    let (up, down) = prepared.payload();
    #[allow(clippy::cast_precision_loss)]
    Ok(Some(Wire {
        stack: stack.name.to_owned(),
        operation,
        payload: Traffic { up: up as f64, down: down as f64 },
        per_call,
        setup: Traffic { up: (first.up - per_call.up).max(0.0), down: (first.down - per_call.down).max(0.0) },
    }))
}

/// The call whose bytes are counted: add(2, 3) for `add`, so that the same build gives the same count every time.
fn ledger_call(operation: Operation, seed: u64) -> Option<Prepared> {
    if operation == Operation::ADD {
        let call = calculator::Call::positional("add", [Value::Int(2), Value::Int(3)]);
        return Some(Prepared::new(call));
    }
    operation.prepare(seed).into_iter().next()
}
