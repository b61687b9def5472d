//! Messages without an answer, counted where they arrive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::servers::ServerCalls;
use super::wire::Wire;
use super::{Record, Trial};
use crate::stacks::Way;

/// The messages of a trial that have no answer, those of the warm-up included, and how many each receiver got. Receivers are
/// asked until nothing more arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deliveries {
    /// The messages that the client began to send.
    pub sent: u64,
    /// Those that the broker has confirmed; without confirms, those that were written. The others may have arrived, too.
    pub confirmed: u64,
    /// The messages that each receiver has executed.
    pub receivers: Vec<ServerCalls>,
}

impl Deliveries {
    /// How often messages were received, by all receivers together; `None` where one does not report it.
    #[must_use]
    pub fn received(&self) -> Option<u64> {
        self.receivers.iter().try_fold(0_u64, |sum, receiver| Some(sum.saturating_add(receiver.calls?)))
    }

    /// Whether every receiver has got as many as it must if the messages were sent in `way` and all were confirmed.
    #[must_use]
    pub fn is_complete(&self, way: Way) -> bool {
        let receivers = u64::try_from(self.receivers.len()).unwrap_or(u64::MAX);
        let expected = self.confirmed.saturating_mul(way.receivers_of(receivers));
        let is_whole = |receiver: &ServerCalls| way != Way::Fanout || receiver.calls >= Some(self.confirmed);
        self.received().is_some_and(|received| received >= expected) && self.receivers.iter().all(is_whole)
    }

    /// The mean number of receivers that a message had; `None` without messages, and where a receiver does not report its own.
    /// Messages that were not confirmed are left out of the messages, but not of what was received.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a trial has far fewer messages than 2⁵³")]
    pub fn per_message(&self) -> Option<f64> {
        (self.confirmed > 0).then_some(self.received()? as f64 / self.confirmed as f64)
    }
}

/// The bytes of a message that was sent in another way than a call, with one receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WireOfWay {
    /// The way.
    pub way: Way,
    /// The bytes.
    #[serde(flatten)]
    pub wire: Wire,
}

impl Record {
    /// The bytes of what `trial` sends, if they were counted.
    #[must_use]
    pub fn wire_of(&self, trial: &Trial) -> Option<&Wire> {
        let is_of_trial = |wire: &&Wire| wire.stack == trial.stack && wire.operation == trial.operation;
        if trial.way.is_call() {
            return self.wire.iter().find(is_of_trial);
        }
        let of_way = self.wire_of_ways.iter().filter(|it| it.way == trial.way).map(|it| &it.wire);
        of_way.into_iter().find(is_of_trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliveries(confirmed: u64, receivers: &[Option<u64>]) -> Deliveries {
        let receivers = receivers.iter().map(|calls| ServerCalls { calls: *calls }).collect();
        Deliveries { sent: confirmed, confirmed, receivers }
    }

    #[test]
    fn a_cast_goes_to_one_receiver_and_a_fanout_to_each() {
        for (way, receivers, expected) in [
            (Way::Cast, [Some(6), Some(4)], true),
            (Way::Notify, [Some(10), Some(0)], true),
            (Way::Cast, [Some(6), Some(3)], false),
            (Way::Fanout, [Some(10), Some(10)], true),
            // The sum alone does not show which of them is missing.
            (Way::Fanout, [Some(11), Some(9)], false),
            (Way::Cast, [Some(10), None], false),
        ] {
            assert_eq!(deliveries(10, &receivers).is_complete(way), expected, "{way} {receivers:?}");
        }
    }

    #[test]
    fn a_lost_message_lowers_the_mean_number_of_receivers() {
        assert_eq!(deliveries(10, &[Some(10), Some(10)]).per_message(), Some(2.0));
        assert_eq!(deliveries(10, &[Some(9), Some(0)]).per_message(), Some(0.9));
        assert_eq!(deliveries(0, &[Some(0)]).per_message(), None);
        assert_eq!(deliveries(10, &[Some(9), None]).per_message(), None);
    }
}
