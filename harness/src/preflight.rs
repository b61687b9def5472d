//! What happens to a stack before it is measured: the conformance table, and a count of its bytes on the wire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use calculator::{Client, Deadline, Value, conformance};

use crate::deploy::port_of;
use crate::load::{Operation, Prepared};
use crate::observe::wire::{Snapshot, Traffic};
use crate::record::{Check, End, SocketFacts, Wire};
use crate::stack::Stack;
use crate::trial::{BrokerSite, Setting, Site, SiteError};

/// Over how many calls bytes are averaged, so that a heartbeat in between weighs little.
const CALLS: u64 = 100;

/// What was found out about a stack.
pub struct Findings {
    /// How it did in the conformance table.
    pub check: Check,
    /// Its bytes on the wire; empty where it failed the table or the system does not count.
    pub wire: Vec<Wire>,
    /// The options of its sockets; empty where the system does not tell.
    pub sockets: Vec<SocketFacts>,
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
    let site = Site::start(stack, setting, broker, &[], false)?;
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
        let mut findings = Findings { check, wire: vec![], sockets: vec![] };
        if findings.check.may_be_measured() && stack.has_server() {
            for operation in operations {
                count_bytes(stack, *operation, setting, &site, &mut findings).await?;
            }
        }
        Ok(findings)
    })
}

fn only(clients: Vec<Arc<dyn Client>>) -> Option<Arc<dyn Client>> {
    clients.into_iter().next()
}

/// Finds nothing where the system does not count, or a call is not answered.
async fn count_bytes(
    stack: &'static Stack,
    operation: Operation,
    setting: &Setting<'_>,
    site: &Site,
    findings: &mut Findings,
) -> Result<(), SiteError> {
    let place = &site.place;
    let (Some(port), Some(prepared)) = (port_of(&place.address.url), ledger_call(operation, setting.seed))
    else {
        return Ok(());
    };
    let mut deadline = Deadline::new(setting.scenario.timeout);
    let before = Snapshot::take(port);
    let Some(client) = only(place.connect(stack, 1, setting.scenario.timeout).await?) else { return Ok(()) };
    // The first call may open the connection, and is part of the set-up only by what it takes beyond the others.
    let mut right = deadline.within(Instant::now(), client.call(&prepared.call)).await == prepared.answer;
    let (opened, server_opened) = settled(port, site).await;
    for _ in 0..CALLS {
        right &= deadline.within(Instant::now(), client.call(&prepared.call)).await == prepared.answer;
    }
    let (after, server_after) = settled(port, site).await;
    let (Some(before), Some(opened), Some(after), true) = (before, opened, after, right) else {
        return Ok(());
    };
    if !opened.is_alive_in(&after) {
        // The peer closes the connection after each call, and with it go its counts.
        return Ok(());
    }

    let per_call = after.since(&opened, CALLS);
    let first = opened.since(&before, 1);
    let (up, down) = prepared.payload();
    let mut wire = Wire {
        stack: stack.name.to_owned(),
        operation,
        #[allow(clippy::cast_precision_loss)]
        payload: Traffic { up: up as f64, down: down as f64 },
        per_call,
        setup: Traffic { up: (first.up - per_call.up).max(0.0), down: (first.down - per_call.down).max(0.0) },
        behind_broker: None,
    };
    let own: Vec<_> = after.sockets().filter(|socket| !before.contains(socket)).collect();
    let mut sockets = SocketFacts::of(stack.name, End::Client, own.iter().copied());
    if let (Some(opened), Some(after)) = (server_opened, server_after) {
        // The server of a broker has connections of its own; any other has one per connection of the client.
        let of_this_client = after
            .sockets()
            .filter(|socket| stack.needs_broker() || own.iter().any(|own| own.local == socket.peer));
        sockets.extend(SocketFacts::of(stack.name, End::Server, of_this_client));
        if stack.needs_broker() {
            let carried = after.since(&opened, CALLS);
            // What the server receives travels towards it: up.
            wire.behind_broker = Some(Traffic { up: carried.down, down: carried.up });
        }
    }
    findings.wire.push(wire);
    if findings.sockets.is_empty() {
        findings.sockets = sockets;
    }
    Ok(())
}

/// How often the counts are looked at until they stand still, and how long each time.
const LOOKS: u32 = 50;
const STILL: Duration = Duration::from_millis(10);

/// What the sockets of client and server have carried when nothing is on its way any more: an acknowledgement or a
/// confirm may follow the answer. What still changes after half a second is taken as it is.
async fn settled(port: u16, site: &Site) -> (Option<Snapshot>, Option<Snapshot>) {
    let look = || (Snapshot::take(port), site.stats().and_then(|stats| stats.sockets).map(Snapshot::of));
    let mut last = look();
    for _ in 0..LOOKS {
        tokio::time::sleep(STILL).await;
        let now = look();
        if now == last {
            break;
        }
        last = now;
    }
    last
}

/// The call whose bytes are counted: add(2, 3) for `add`, so that the same build gives the same count every time.
fn ledger_call(operation: Operation, seed: u64) -> Option<Prepared> {
    if operation == Operation::ADD {
        let call = calculator::Call::positional("add", [Value::Int(2), Value::Int(3)]);
        return Some(Prepared::new(call));
    }
    operation.prepare(seed).into_iter().next()
}
