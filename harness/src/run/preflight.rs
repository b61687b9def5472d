//! The inspection of a stack before it is measured: the conformance table, its bytes on the wire, its fairness facts.

use calculator::{Deadline, conformance};

use crate::load::Operation;
use crate::record::{Check, Fairness, SocketFacts, Wire};
use crate::run::fairness::{self, Observed};
use crate::run::ledger;
use crate::stacks::Stack;
use crate::trial::{BrokerLocation, RunningServer, TrialContext, TrialError};

/// The findings about a stack.
pub struct Findings {
    /// The result of the conformance table.
    pub check: Check,
    /// The bytes on the wire; empty where the stack failed the table or bytes are not observable.
    pub wire: Vec<Wire>,
    /// The socket options of both ends; empty where they are not observable.
    pub sockets: Vec<SocketFacts>,
    /// The facts for the fairness table.
    pub fairness: Fairness,
}

/// Starts the server of `stack`, checks it against the conformance table, and counts the bytes of each of `operations`.
///
/// # Errors
/// When the server does not start or cannot be reached.
pub fn inspect(
    stack: &'static Stack,
    operations: &[Operation],
    context: &TrialContext<'_>,
    broker: Option<&BrokerLocation>,
) -> Result<Findings, TrialError> {
    let running = RunningServer::start(stack, context, broker, &[], false)?;
    let location = &running.location;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| TrialError::Runtime { stack: stack.name, source })?;
    runtime.block_on(async {
        let timeout = context.scenario.timeout;
        let outcomes = match location.connect(stack, 1, timeout).await?.into_iter().next() {
            Some(client) => {
                conformance::run(&*client, stack.protocol.profile(), &mut Deadline::new(timeout)).await
            }
            None => vec![],
        };
        let check = Check::new(stack.name, &outcomes);
        let (mut wire, mut sockets, mut observed) = (vec![], vec![], Observed::default());
        if check.may_be_measured() && stack.has_server() {
            for operation in operations {
                let counted = ledger::count(stack, *operation, context.seed, timeout, &running).await?;
                wire.extend(counted.wire);
                observed.reused = counted.reused.or(observed.reused);
                observed.threads = counted.threads.or(observed.threads);
                if sockets.is_empty() {
                    sockets = counted.sockets;
                }
            }
            if stack.needs_broker() {
                observed.broker =
                    stack.protocol.broker_product(location.destination.url.clone(), timeout).await;
            }
        }
        let fairness = fairness::collect(stack, context, &location.destination, observed);
        Ok(Findings { check, wire, sockets, fairness })
    })
}
