//! The bytes of a call in two records: equal or not.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::load::{Operation, OwnOperation};
use crate::record::{Parts, Party, Record, Wire};

/// The bytes of a call of one stack in two records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BytesComparison {
    /// The stack.
    pub stack: String,
    /// The operation.
    pub operation: Operation,
    /// The bytes of a call in the first record.
    pub base: CallBytes,
    /// The bytes of a call in the second record.
    pub new: CallBytes,
    /// Whether they are equal; absent where the bytes of a call varied in one of the records, so that nothing exact can
    /// be said.
    pub is_equal: Option<bool>,
}

/// The bytes of a call, over all hops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallBytes {
    /// Towards the server, in bytes.
    pub up: u64,
    /// Towards the client, in bytes.
    pub down: u64,
    /// TCP segments with payload, in both directions. They depend on timing, and are never compared.
    pub packets: f64,
    /// Each hop: sender, receiver, bytes, and their purpose.
    pub hops: Vec<(Party, Party, u64, Option<Parts>)>,
}

impl CallBytes {
    pub(crate) fn of(wire: &Wire) -> Self {
        let is_up = |from, to| from == Party::Client || to == Party::Server;
        let bytes = |up: bool| {
            let hops = wire.hops.iter().filter(|hop| is_up(hop.from, hop.to) == up);
            hops.fold(0_u64, |sum, hop| sum.saturating_add(hop.bytes))
        };
        CallBytes {
            up: bytes(true),
            down: bytes(false),
            packets: wire.hops.iter().map(|hop| hop.packets).sum(),
            hops: wire.hops.iter().map(|hop| (hop.from, hop.to, hop.bytes, hop.parts)).collect(),
        }
    }

    pub(crate) fn total(&self) -> i128 {
        i128::from(self.up) + i128::from(self.down)
    }
}

impl BytesComparison {
    /// How many bytes more a call takes in the second record; negative if fewer.
    #[must_use]
    pub fn difference(&self) -> i128 {
        self.new.total() - self.base.total()
    }
}

/// Whether calls of `operation` are the same in both records: those of the calculator are, and those of one's own if they are defined
/// alike. What is expected of their answers, and how often a mix calls them, does not change their bytes.
fn is_same_call(operation: Operation, records: [&Record; 2]) -> bool {
    let Some(name) = operation.own_name() else { return true };
    let [base, new] = records.map(|record| {
        let defined = record.scenario.operations.iter().find(|defined| defined.name == name);
        defined.map(|defined| OwnOperation { weight: NonZeroU32::MIN, expect: None, ..defined.clone() })
    });
    base == new
}

/// The bytes of `record` for the stack and the operation of `like`.
fn counted<'a>(record: &'a Record, like: &Wire) -> Option<&'a Wire> {
    let same = |wire: &&Wire| wire.stack == like.stack && wire.operation == like.operation;
    with_hops(record).find(same)
}

fn with_hops(record: &Record) -> impl Iterator<Item = &Wire> {
    record.wire.iter().filter(|wire| !wire.hops.is_empty())
}

/// The stacks and operations whose bytes only one of the records has, or that are of other calls, a sentence each.
pub(super) fn missing(base: &Record, new: &Record) -> Vec<String> {
    let in_both =
        |stack: &str| [base, new].iter().all(|record| record.stacks.iter().any(|facts| facts.name == stack));
    let only = |which: &'static str, record: &Record, other: &Record| -> Vec<String> {
        let only = with_hops(record).filter(|wire| in_both(&wire.stack) && counted(other, wire).is_none());
        only.map(|wire| {
            format!("Only the {which} record has the bytes of {} {}.", wire.stack, wire.operation)
        })
        .collect()
    };
    let other_calls: Vec<String> = with_hops(base)
        .filter(|wire| counted(new, wire).is_some() && !is_same_call(wire.operation, [base, new]))
        .map(|wire| {
            let Wire { stack, operation, .. } = wire;
            format!("The bytes of {stack} {operation} are not compared: the records define {operation} differently.")
        })
        .collect();
    [only("first", base, new), only("second", new, base), other_calls].concat()
}

/// Compares the bytes of each stack and operation that both records have, those that differ first.
pub(super) fn compare(base: &Record, new: &Record) -> Vec<BytesComparison> {
    let compare = |wire: &Wire| {
        let other = counted(new, wire).filter(|_| is_same_call(wire.operation, [base, new]))?;
        let (base, new) = (CallBytes::of(wire), CallBytes::of(other));
        let is_equal = (wire.exact && other.exact).then(|| base.hops == new.hops);
        Some(BytesComparison { stack: wire.stack.clone(), operation: wire.operation, base, new, is_equal })
    };
    let mut all: Vec<_> = with_hops(base).filter_map(compare).collect();
    all.sort_by_key(|comparison| comparison.is_equal != Some(false));
    all
}
