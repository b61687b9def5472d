//! How many answers arrived over time, and which servers gave them.

use super::{BIN_LENGTH, TimelineBin, TimelineResult, nanos};
use crate::scenario::Action;

/// The number of bins of the last second.
const BINS_AT_END: usize = 10;

impl TimelineResult {
    /// Right answers per second that arrived before the first event began. `None` if it began in the first bin, and in records
    /// of older versions.
    #[must_use]
    pub fn answers_before(&self) -> Option<f64> {
        let bins = self.events.first()?.began_ns / nanos(BIN_LENGTH);
        answers_per_second(self.bins.get(..usize::try_from(bins).ok()?)?)
    }

    /// Right answers per second that arrived in the last second. `None` in records of older versions.
    #[must_use]
    pub fn answers_at_end(&self) -> Option<f64> {
        answers_per_second(self.last_second()?)
    }

    /// [`Self::answers_at_end`] as a multiple of [`Self::answers_before`]. `None` if there were no answers before.
    #[must_use]
    pub fn answer_gain(&self) -> Option<f64> {
        let before = self.answers_before().filter(|before| *before > 0.0)?;
        Some(self.answers_at_end()? / before)
    }

    /// The longest response time in milliseconds of the calls that were scheduled in the last second; infinite if one of them
    /// got no right answer. `None` in records of older versions.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "response times are far below 2⁵³ ns")]
    pub fn slowest_at_end_ms(&self) -> Option<f64> {
        let bins = self.last_second()?;
        if bins.iter().any(|bin| bin.right != bin.scheduled) {
            return Some(f64::INFINITY);
        }
        let slowest = bins.iter().filter_map(|bin| bin.max_ns).max()?;
        Some(slowest as f64 / 1e6)
    }

    /// The share of the calls that were executed by servers that were added. `None` where a server does not report its calls,
    /// and where no call was executed.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a timeline has at most a million calls")]
    pub fn added_share(&self) -> Option<f64> {
        let added = self.events.iter().filter(|event| event.action == Action::AddServer).count();
        let first = self.servers.len().checked_sub(added)?;
        let added = self.servers.get(first..)?.iter().filter_map(|server| server.calls);
        let by_added = added.fold(0_u64, u64::saturating_add);
        let executed = self.executed().filter(|executed| *executed > 0)?;
        Some(by_added as f64 / executed as f64)
    }

    /// The last ten bins that are not shorter than others.
    fn last_second(&self) -> Option<&[TimelineBin]> {
        let whole = self.bins.iter().take_while(|bin| bin.answered.is_some()).count();
        self.bins.get(whole.checked_sub(BINS_AT_END)?..whole)
    }
}

/// The right answers per second that arrived in `bins`; `None` where that is not known.
#[allow(clippy::cast_precision_loss, reason = "a timeline has at most a million calls")]
fn answers_per_second(bins: &[TimelineBin]) -> Option<f64> {
    let answered = bins.iter().try_fold(0_u64, |sum, bin| Some(sum.saturating_add(bin.answered?)))?;
    let seconds = BIN_LENGTH.as_secs_f64() * bins.len() as f64;
    (!bins.is_empty()).then(|| answered as f64 / seconds)
}
