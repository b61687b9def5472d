//! A trial for the tests of this folder.

use super::Trial;
use crate::deploy::{Cores, Placement};
use crate::load::{Load, Operation};
use crate::scenario::{Measurement, TrialSpec};
use crate::stacks::Stack;

/// A trial of `stack` with one caller, in which nothing was measured yet. Client and server have `cores`.
pub(super) fn trial(stack: &str, [client, server]: [usize; 2]) -> Trial {
    let measurement = Measurement {
        name: "latency".to_owned(),
        operation: Operation::ADD,
        load: Load::ONE_CALLER,
        placement: if client == server { Placement::Shared } else { Placement::Split },
        connections: None,
        warm: true,
        slice: None,
    };
    let cores = Cores { client: vec![client], server: vec![server] };
    Trial::new(&TrialSpec::new(Stack::named(stack).unwrap(), &measurement, &cores), 0, 0)
}
