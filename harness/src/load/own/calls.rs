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

/// 2⁶⁴ divided by the golden ratio: the parts of its multiples after the binary point are spread evenly.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The calls of one trial with operations of one's own; none by default, for an operation of the calculator.
#[derive(Clone, Default)]
pub struct OwnCalls {
    shared: Option<Arc<Shared>>,
    /// The number of the trial's turn, from 0.
    turn: u32,
}

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
    /// The position of the next call in the cycle, counted beyond its end.
    next: AtomicUsize,
    seed: u64,
    block: u32,
}

impl OwnCalls {
    /// The calls of `operations` on `stack`. The order of a mix and random values follow from `seed` and `block`, so that all stacks
    /// of a block have the same. In each block the rows of a file begin in another part of it.
    pub(super) fn new(
        operations: Vec<Arc<Compiled>>,
        stack: &'static Stack,
        (seed, block): (u64, u32),
    ) -> Self {
        let divisor = operations.iter().fold(0, |divisor, operation| gcd(divisor, operation.weight)).max(1);
        let mut cycle = Vec::new();
        for (number, operation) in (0..).zip(&operations) {
            cycle.extend(std::iter::repeat_n(number, (operation.weight / divisor) as usize));
        }
        let mut rng = generator(seed, block, 0);
        cycle.shuffle(&mut rng);
        let fixed = operations
            .iter()
            .map(|operation| operation.is_fixed().then(|| operation.call(stack, 0, &mut rng)))
            .collect();
        let next_rows =
            operations.iter().map(|operation| AtomicUsize::new(first_row(block, operation.rows()))).collect();
        let next = AtomicUsize::new(0);
        let shared = (!operations.is_empty())
            .then(|| Arc::new(Shared { stack, operations, fixed, next_rows, cycle, next, seed, block }));
        OwnCalls { shared, turn: 0 }
    }

    /// The calls of another turn of the same trial, which go on where those of the last turn ended, with other random values.
    #[must_use]
    pub fn in_turn(&self, turn: u32) -> Self {
        OwnCalls { turn, ..self.clone() }
    }

    /// The calls of caller `number`; `None` for an operation of the calculator.
    pub(in super::super) fn of_caller(&self, number: usize) -> Option<OwnCaller> {
        Some(OwnCaller::new(self.shared.as_ref()?, self.turn, number))
    }

    /// The operations, in the order in which parts of a mix are counted.
    pub fn names(&self) -> impl Iterator<Item = OwnName> {
        self.shared.iter().flat_map(|shared| shared.operations.iter().map(|operation| operation.name))
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
    /// The operation of the current call.
    number: usize,
    /// The current call, unless it is a fixed one.
    rendered: Option<PreparedCall>,
}

impl OwnCaller {
    fn new(shared: &Arc<Shared>, turn: u32, number: usize) -> Self {
        let mut rng = generator(shared.seed, shared.block, turn);
        rng.set_stream(number as u64 + 1);
        let mut caller = OwnCaller { shared: Arc::clone(shared), rng, number: 0, rendered: None };
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
        self.prepare();
    }

    fn prepare(&mut self) {
        let Shared { stack, operations, fixed, next_rows, cycle, next, .. } = &*self.shared;
        // All callers share the position, so that even a few calls of many callers have the shares of the weights.
        let position = match operations.len() {
            0 | 1 => 0,
            _ => next.fetch_add(1, Ordering::Relaxed) % cycle.len().max(1),
        };
        self.number = cycle.get(position).copied().unwrap_or_default().into();
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

/// The generator of random values in a turn of a trial in `block`.
fn generator(seed: u64, block: u32, turn: u32) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&block.to_le_bytes());
    key[12..16].copy_from_slice(&turn.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// The row, of `rows`, with which `block` begins. Blocks are far from each other, however many there are, since each may take only a
/// few rows of a large file.
fn first_row(block: u32, rows: usize) -> usize {
    let share = u64::from(block).wrapping_mul(GOLDEN);
    usize::try_from((u128::from(share) * rows as u128) >> 64).unwrap_or_default()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
