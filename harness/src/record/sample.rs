//! A trial for the tests of this folder.

use std::time::Duration;

use super::Trial;
use crate::deploy::{Cores, Placement};
use crate::load::{Load, Operation};
use crate::scenario::{Measurement, TrialSpec, TrialTimes};
use crate::stacks::Stack;

/// A trial of `stack` with one caller, in which nothing was measured yet. Client and server have `cores`.
pub(super) fn trial(stack: &str, [client, server]: [usize; 2]) -> Trial {
    let placement = if client == server { Placement::Shared } else { Placement::Split };
    let measurement = Measurement::new("latency".to_owned(), Operation::ADD, Load::ONE_CALLER, placement);
    let times = TrialTimes { warmup: Duration::ZERO, measure: Duration::from_secs(1) };
    let cores = Cores { client: vec![client], server: vec![server] };
    Trial::new(&TrialSpec::new(Stack::named(stack).unwrap(), &measurement, &cores, times), 0, 0)
}
