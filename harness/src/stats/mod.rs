//! Statistics: pure functions, no I/O.

mod bootstrap;
mod change_point;
mod histogram;
mod letters;
mod quantile;

pub use bootstrap::{BLOCKS_FOR_A_VERDICT, CONFIDENCE, Interval, ratio_interval};
pub use change_point::{Shift, find_shift};
pub use histogram::{MAX_DURATION, growing_histogram, new_histogram, record_duration};
pub use letters::letters;
pub use quantile::{median, quantile_with_missing, range};
