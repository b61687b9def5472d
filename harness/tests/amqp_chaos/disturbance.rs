//! What happens to the broker, and when.

use std::fmt;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The longest pause between two disturbances.
const MAX_CALM: Duration = Duration::from_secs(3);
/// The longest time for which the broker is paused: longer than the clients and servers wait for its heartbeats.
const MAX_PAUSE: Duration = Duration::from_secs(7);
/// The longest time for which the broker accepts no messages.
const MAX_BLOCK: Duration = Duration::from_secs(4);

/// Something that happens to the broker, its connections or a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// The broker is killed with SIGKILL, and started again.
    Kill,
    /// The broker is stopped in order, and started again.
    Restart,
    /// The broker is paused with SIGSTOP.
    Pause(Duration),
    /// The broker accepts no messages, as when it has no memory left.
    Block(Duration),
    /// The broker closes all connections.
    CloseConnections,
    /// The server that executes casts dies, and another one takes over.
    KillServer,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disturbance::Kill => f.write_str("kill"),
            Disturbance::Restart => f.write_str("restart"),
            Disturbance::Pause(time) => write!(f, "pause of {} ms", time.as_millis()),
            Disturbance::Block(time) => write!(f, "block of {} ms", time.as_millis()),
            Disturbance::CloseConnections => f.write_str("closed connections"),
            Disturbance::KillServer => f.write_str("kill of the server"),
        }
    }
}

impl Disturbance {
    /// The name of its kind.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Disturbance::Kill => "kills",
            Disturbance::Restart => "restarts",
            Disturbance::Pause(_) => "pauses",
            Disturbance::Block(_) => "blocks",
            Disturbance::CloseConnections => "times all connections closed",
            Disturbance::KillServer => "kills of the server",
        }
    }
}

/// `count` disturbances, each with the calm before it. The same seed gives the same plan.
pub(crate) fn plan(seed: u64, count: usize) -> Vec<(Duration, Disturbance)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut up_to = move |max: Duration| max.mul_f64(random.random::<f64>());
    let mut kind = ChaCha8Rng::seed_from_u64(!seed);
    (0..count)
        .map(|_| {
            let calm = up_to(MAX_CALM);
            let disturbance = match kind.random_range(0..10) {
                0..3 => Disturbance::Kill,
                3 => Disturbance::Restart,
                4..6 => Disturbance::Pause(up_to(MAX_PAUSE)),
                6..8 => Disturbance::Block(up_to(MAX_BLOCK)),
                8 => Disturbance::CloseConnections,
                _ => Disturbance::KillServer,
            };
            (calm, disturbance)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_determines_the_plan_and_that_of_the_short_form_has_every_kind() {
        assert_eq!(plan(7, 20), plan(7, 20));
        assert_eq!(plan(7, 20)[..5], plan(7, 5));
        assert_ne!(plan(7, 20), plan(8, 20));
        for (seed, count) in [(crate::SEED, crate::DISTURBANCES), (7, 200)] {
            let kinds: BTreeSet<_> =
                plan(seed, count).into_iter().map(|(_, disturbance)| disturbance.kind()).collect();
            assert_eq!(kinds.len(), 6, "seed {seed}");
        }
    }
}
