//! What happens to a stack before it is measured: the conformance table, and a count of its bytes on the wire.

use calculator::{Deadline, conformance};

use crate::ledger;
use crate::load::Operation;
use crate::record::{Check, SocketFacts, Wire};
use crate::stack::Stack;
use crate::trial::{BrokerSite, Setting, Site, SiteError};

/// What was found out about a stack.
pub struct Findings {
    /// How it did in the conformance table.
    pub check: Check,
    /// Its bytes on the wire; empty where it failed the table or the system does not count.
    pub wire: Vec<Wire>,
    /// The options of its sockets; empty where the system does not tell.
    pub sockets: Vec<SocketFacts>,
    /// Whether all calls went over the same connections; absent where that is not observable.
    pub reused: Option<bool>,
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
        let outcomes = match place.connect(stack, 1, timeout).await?.into_iter().next() {
            Some(client) => conformance::run(&*client, stack.protocol, &mut Deadline::new(timeout)).await,
            None => vec![],
        };
        let check = Check::new(stack.name, &outcomes);
        let mut findings = Findings { check, wire: vec![], sockets: vec![], reused: None };
        if findings.check.may_be_measured() && stack.has_server() {
            for operation in operations {
                let counted = ledger::count(stack, *operation, setting.seed, timeout, &site).await?;
                findings.wire.extend(counted.wire);
                findings.reused = counted.reused.or(findings.reused);
                if findings.sockets.is_empty() {
                    findings.sockets = counted.sockets;
                }
            }
        }
        Ok(findings)
    })
}
