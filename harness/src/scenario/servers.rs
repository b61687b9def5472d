//! Several servers of one stack.

use std::num::NonZeroU32;

use calculator::Work;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::count;
use crate::stacks::text;

/// The largest number of servers of a trial or a timeline.
pub(super) const MAX_SERVERS: NonZeroU32 = NonZeroU32::new(32).unwrap();

/// Servers of a measurement whose handlers do different work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowServers {
    /// The number of such servers. They are the last ones that are started.
    #[serde(deserialize_with = "count::deserialize")]
    #[schemars(example = 1)]
    pub servers: NonZeroU32,
    /// What their handlers do before they answer, in the form of the measurement's `work`.
    #[serde(with = "text")]
    #[schemars(with = "String", example = &"sleep:20ms")]
    pub work: Work,
}

/// One, the number of servers where none is given.
pub(super) fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn is_one(number: &NonZeroU32) -> bool {
    *number == NonZeroU32::MIN
}
