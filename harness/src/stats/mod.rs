//! Statistics: pure functions, no I/O.

mod betting;
mod change_point;
mod e_divisive;
mod histogram;
mod interval;
mod knee;
mod quantile;
mod saturation;
pub mod simulation;
mod statement;

pub use betting::{Evidence, lower_bound, upper_bound};
pub use change_point::{Shift, find_shift};
pub use e_divisive::{ChangePoint, MIN_CHANGE, MIN_CLUSTER, Search};
pub use histogram::{MAX_DURATION, growing_histogram, new_histogram, record_duration};
pub use interval::{Interval, blocks_needed, interval_of_median, ratio_of_medians};
pub use knee::knee;
pub use quantile::{Distribution, MIN_CALLS_BEYOND, carries_quantile, median, quantile_with_missing, range};
pub use saturation::Saturation;
pub(crate) use saturation::is_saturated;
pub use statement::{
    ByBlock, Comparison, Comparisons, ERROR_RATE, MIN_DELTA, Statement, blocks_for_pairs, delta, error_each,
    ratio, ratios,
};
