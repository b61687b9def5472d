//! Small figures as data.

use super::stack::StackKind;
use crate::stats::{Interval, Statement};

/// Small figures that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charts {
    /// The subject.
    pub title: String,
    /// How to read them; empty where that is said above.
    pub caption: String,
    /// Values over time.
    pub charts: Vec<Chart>,
    /// Ratios with intervals.
    pub ratios: Vec<Ratios>,
}

/// A small figure: ratios with their intervals on one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratios {
    /// What has the ratios.
    pub title: String,
    /// What is compared.
    pub quantity: String,
    /// δ, a share: the difference that the statements are about.
    pub delta: f64,
    /// What a ratio is, for the axis.
    pub axis: &'static str,
    /// The rows, in groups that are not empty.
    pub groups: Vec<RatioGroup>,
}

/// Rows of [`Ratios`] that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioGroup {
    /// What its rows have in common.
    pub heading: &'static str,
    /// Whether both sides of its ratios are the same, so that all of a difference is noise.
    pub is_noise: bool,
    /// The rows.
    pub rows: Vec<RatioRow>,
}

/// A ratio of speeds.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioRow {
    /// What is compared with what.
    pub name: String,
    /// The ratio.
    pub ratio: Interval,
    /// The statement that follows from it.
    pub statement: Statement,
}

/// A small figure: a value over time, with its levels and where they change.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What has the value.
    pub title: String,
    /// Which value it is, with its unit.
    pub subtitle: String,
    /// The dates along the axis of time. The positions of points and levels refer to them.
    pub dates: Vec<String>,
    /// The points, in order of time.
    pub points: Vec<ChartPoint>,
    /// The levels, in order of time; a change is marked between two of them.
    pub levels: Vec<ChartLevel>,
    /// The kind of the stack, which determines the colour.
    pub stack: StackKind,
}

/// A point of a [`Chart`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChartPoint {
    /// The position of its date.
    pub at: usize,
    /// The value.
    pub value: f64,
    /// The bounds of its error bar.
    pub interval: Option<[f64; 2]>,
}

/// A level of a [`Chart`].
#[derive(Clone, Debug, PartialEq)]
pub struct ChartLevel {
    /// The position of the first date.
    pub from: usize,
    /// The position of the last date.
    pub to: usize,
    /// The value.
    pub value: f64,
    /// By how much it differs from the previous level; absent for the first one.
    pub change: Option<String>,
}
