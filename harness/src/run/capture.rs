//! Captures the bytes of one call of a stack with relays between its processes.
//!
//! The relays belong to calls that are not measured. What they keep must have the length that the kernel counted for the
//! same call without a relay (see [`ledger`](super::ledger)); otherwise nothing is recorded.

use std::time::{Duration, Instant};

use calculator::Deadline;

use super::quiet::{AFTER_CONNECTING, wait_until_quiet};
use super::relay::{Passed, Relay};
use crate::load::Operation;
use crate::record::{CapturedCall, CapturedHop, Hop, Party, Wire};
use crate::stacks::{Destination, Stack, Transport};
use crate::trial::{BrokerLocation, RunningServer, ServerCopy, ServerLocation, TrialContext};

/// How long nothing may pass before and after the call, for each attempt. Heartbeats and late acknowledgements make further
/// attempts necessary.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(25),
    Duration::from_millis(25),
    Duration::from_millis(125),
    Duration::from_millis(125),
];

/// Captures one call of `add` of `stack`, whose server `running` this run started, behind `broker` if it needs one. `wire` are
/// the bytes of the same call. `None` if the server was running already, for then the bytes are those of its owner, over another
/// transport than TCP, or if they cannot be captured.
pub async fn capture(
    stack: &'static Stack,
    context: &TrialContext<'_>,
    broker: Option<&BrokerLocation>,
    running: &RunningServer,
    wire: &Wire,
) -> Option<CapturedCall> {
    // The relays listen on ports.
    let is_relayed = stack.transport == Transport::Tcp && !context.targets.contains_key(stack.name);
    if wire.operation != Operation::ADD || !is_relayed {
        return None;
    }
    let url = &running.location.destination.url;
    let address = stack.parse_url(url).ok()?;
    let start = || Relay::start(address.endpoint().clone()).ok();
    let relayed = |relay: &Relay, options| {
        let url = net::with_endpoint(url, relay.endpoint())?;
        Some(Destination { url, options })
    };
    let of_client = start()?;
    // Behind a broker, the server has separate connections, which need a relay from the start.
    let behind = match broker {
        Some(broker) => {
            let relay = start()?;
            let through = net::with_endpoint(&broker.url, relay.endpoint())?;
            let location = BrokerLocation { url: through, pid: None, tls: None };
            let copy = ServerCopy { instance: 1, ..context.first_server() };
            let server = RunningServer::start(stack, context, Some(&location), &[], copy).ok()?;
            // In this order they are dropped: a server that ends removes its queues.
            Some((server, relay))
        }
        None => None,
    };
    let addressed = behind.as_ref().map_or(running, |(server, _)| server);
    let destination = relayed(&of_client, addressed.location.destination.options.clone())?;
    let relays = Relays { of_client, of_server: behind.as_ref().map(|(_, relay)| relay) };
    let hops = call_until_equal(stack, context, destination, &relays, wire).await?;
    Some(CapturedCall { stack: stack.name.to_owned(), operation: wire.operation, hops })
}

/// The relays between the processes of a stack.
struct Relays<'a> {
    of_client: Relay,
    /// Between the broker and the server.
    of_server: Option<&'a Relay>,
}

impl Relays<'_> {
    fn forget(&self) {
        [Some(&self.of_client), self.of_server].into_iter().flatten().for_each(Relay::forget);
    }

    /// The hops of what has passed, in the order of a call.
    fn hops(&self) -> Vec<CapturedHop> {
        use Party::{Broker, Client, Server};
        let hop = |from, to, bytes| CapturedHop { from, to, bytes };
        let Passed { up, down } = self.of_client.passed();
        match self.of_server.map(Relay::passed) {
            None => vec![hop(Client, Server, up), hop(Server, Client, down)],
            Some(behind) => vec![
                hop(Client, Broker, up),
                // The server has connected, so what it receives goes down.
                hop(Broker, Server, behind.down),
                hop(Server, Broker, behind.up),
                hop(Broker, Client, down),
            ],
        }
    }
}

/// Calls through the relays until the hops of a call have the lengths of those of `wire`.
async fn call_until_equal(
    stack: &'static Stack,
    context: &TrialContext<'_>,
    destination: Destination,
    relays: &Relays<'_>,
    wire: &Wire,
) -> Option<Vec<CapturedHop>> {
    let timeout = context.scenario.timeout;
    let prepared = wire.operation.example(context.seed)?;
    let location = ServerLocation::new(destination);
    let client = location.connect(stack, 1, timeout).await.ok()?.into_iter().next()?;
    let mut deadline = Deadline::new(timeout);
    // The first call may open the connection.
    deadline.within(Instant::now(), client.call(&prepared.call)).await.ok()?;
    wait_until_quiet(AFTER_CONNECTING[usize::from(stack.needs_broker())], || relays.hops()).await;
    for pause in PAUSES {
        wait_until_quiet(pause, || relays.hops()).await;
        relays.forget();
        deadline.within(Instant::now(), client.call(&prepared.call)).await.ok()?;
        let hops = wait_until_quiet(pause, || relays.hops()).await;
        if are_as_long(&hops, wire) {
            return Some(hops);
        }
    }
    None
}

/// Whether `hops` have as many bytes as those of `wire` that were counted.
fn are_as_long(hops: &[CapturedHop], wire: &Wire) -> bool {
    let is_equal = |counted: &Hop| {
        let captured = hops.iter().find(|hop| (hop.from, hop.to) == (counted.from, counted.to));
        captured.is_some_and(|hop| hop.bytes.len() as u64 == counted.bytes)
    };
    !wire.hops.is_empty() && wire.hops.iter().all(is_equal)
}
