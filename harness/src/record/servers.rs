//! The calls that each of several servers executed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Trial;

/// One of several servers of a trial or a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerCalls {
    /// The calls that it executed, by its count. Of a trial, between two moments just after the beginning and the end of the
    /// window. It is a few too small where a process was killed, whose count was read just before. Absent where the server
    /// does not report it.
    pub calls: Option<u64>,
}

impl Trial {
    /// The share of the calls that each of several servers executed, in the order in which they were started; empty for a
    /// single server, where one does not report its calls, and where there were none.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn shares_of_servers(&self) -> Vec<f64> {
        let calls: Option<Vec<u64>> = self.servers.iter().map(|server| server.calls).collect();
        let calls = calls.unwrap_or_default();
        let all = calls.iter().fold(0_u64, |sum, calls| sum.saturating_add(*calls));
        if all == 0 { vec![] } else { calls.iter().map(|calls| *calls as f64 / all as f64).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn shares_are_those_of_all_calls_and_unknown_where_a_server_reports_none() {
        let shares = |calls: &[Option<u64>]| {
            let servers = calls.iter().map(|calls| ServerCalls { calls: *calls }).collect();
            Trial { servers, ..sample::trial("amqp", [0, 1]) }.shares_of_servers()
        };
        assert_eq!(shares(&[Some(30), Some(10)]), [0.75, 0.25]);
        for unknown in [&[][..], &[Some(3), None], &[Some(0), Some(0)]] {
            assert_eq!(shares(unknown), Vec::<f64>::new(), "{unknown:?}");
        }
    }
}
