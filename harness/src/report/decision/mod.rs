//! The decision table: a row for each stack and a column for each figure, as multiples of a baseline.

mod build;
mod model;
mod ties;

pub(super) use build::table;
pub use model::{Bound, DecisionCell, DecisionColumn, DecisionRatio, DecisionRow, DecisionTable};
