//! The calls of a trial with operations of one's own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::super::own_name::OwnName;
use super::super::prepared::PreparedCall;
use super::compiled::Compiled;
use crate::stacks::Stack;

/// The calls of one trial with operations of one's own; none by default, for an operation of the calculator.
#[derive(Clone, Default)]
pub struct OwnCalls(Option<Arc<Shared>>);

/// What the callers of a trial share.
struct Shared {
    stack: &'static Stack,
    operations: Vec<Arc<Compiled>>,
    /// The call of each operation whose calls are all the same.
    fixed: Vec<Option<PreparedCall>>,
    /// The next row of each operation with a file, counted beyond its last row.
    next_rows: Vec<AtomicUsize>,
    /// The operations of successive calls, each as often as its weight says, in a random order.
    cycle: Vec<u16>,
    seed: u64,
}

impl OwnCalls {
    /// The calls of `operations` on `stack`. The order of a mix and random values follow from `seed`.
    pub(super) fn new(operations: Vec<Arc<Compiled>>, stack: &'static Stack, seed: u64) -> Self {
        let divisor = operations.iter().fold(0, |divisor, operation| gcd(divisor, operation.weight)).max(1);
        let mut cycle = Vec::new();
        for (number, operation) in (0..).zip(&operations) {
            cycle.extend(std::iter::repeat_n(number, (operation.weight / divisor) as usize));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        cycle.shuffle(&mut rng);
        let fixed = operations
            .iter()
            .map(|operation| operation.is_fixed().then(|| operation.call(stack, 0, &mut rng)))
            .collect();
        let next_rows = operations.iter().map(|_| AtomicUsize::new(0)).collect();
        OwnCalls(
            (!operations.is_empty())
                .then(|| Arc::new(Shared { stack, operations, fixed, next_rows, cycle, seed })),
        )
    }

    /// The calls of caller `number`; `None` for an operation of the calculator.
    pub(in super::super) fn of_caller(&self, number: usize) -> Option<OwnCaller> {
        Some(OwnCaller::new(self.0.as_ref()?, number))
    }

    /// The operations, in the order in which parts of a mix are counted.
    pub fn names(&self) -> impl Iterator<Item = OwnName> {
        self.0.iter().flat_map(|shared| shared.operations.iter().map(|operation| operation.name))
    }
}

impl fmt::Debug for OwnCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// The calls of one caller. Each is prepared before the caller needs it.
pub(in super::super) struct OwnCaller {
    shared: Arc<Shared>,
    rng: ChaCha8Rng,
    /// The position in the cycle.
    position: usize,
    /// The operation of the current call.
    number: usize,
    /// The current call, unless it is a fixed one.
    rendered: Option<PreparedCall>,
}

impl OwnCaller {
    fn new(shared: &Arc<Shared>, number: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(shared.seed);
        rng.set_stream(number as u64 + 1);
        let position = number % shared.cycle.len().max(1);
        let mut caller = OwnCaller { shared: Arc::clone(shared), rng, position, number: 0, rendered: None };
        caller.prepare();
        caller
    }

    /// The current call, and for a mix the number of its operation.
    pub(in super::super) fn current(&self) -> Option<(&PreparedCall, Option<usize>)> {
        let call = self.rendered.as_ref().or_else(|| self.shared.fixed.get(self.number)?.as_ref())?;
        Some((call, (self.shared.operations.len() > 1).then_some(self.number)))
    }

    /// Goes on to the next call.
    pub(in super::super) fn advance(&mut self) {
        self.position = (self.position + 1) % self.shared.cycle.len().max(1);
        self.prepare();
    }

    fn prepare(&mut self) {
        let Shared { stack, operations, fixed, next_rows, cycle, .. } = &*self.shared;
        self.number = cycle.get(self.position).copied().unwrap_or_default().into();
        self.rendered = match (operations.get(self.number), fixed.get(self.number)) {
            (Some(operation), Some(None)) => {
                let row = next_rows.get(self.number).filter(|_| operation.rows() > 0);
                let row = row.map_or(0, |next| next.fetch_add(1, Ordering::Relaxed) % operation.rows());
                Some(operation.call(stack, row, &mut self.rng))
            }
            _ => None,
        };
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
