//! What the two ends of a trial's connections used of their cores.

use super::{Trial, Used};

/// What the processes that answer calls used together: the server, and the broker where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Serving {
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// CPU time as a share of a core.
    pub utilisation: f64,
}

impl Trial {
    /// What server and broker used; `None` where one of them could not be observed. `is_brokered` states whether the calls
    /// passed through a broker.
    #[must_use]
    pub fn serving(&self, is_brokered: bool) -> Option<Serving> {
        let server = self.server?;
        let of_server = Serving { cpu_ns: server.cpu_ns, utilisation: server.utilisation };
        match (self.broker, is_brokered) {
            (Some(Used { cpu_ns, utilisation, .. }), _) => Some(Serving {
                cpu_ns: of_server.cpu_ns.saturating_add(cpu_ns),
                utilisation: of_server.utilisation + utilisation,
            }),
            (None, false) => Some(of_server),
            (None, true) => None,
        }
    }

    /// `cpu_ns` per correct answer, in nanoseconds; `None` without any.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "the CPU time of a trial is far below 2⁵³ ns")]
    pub fn per_answer(&self, cpu_ns: u64) -> Option<f64> {
        (self.counts.right > 0).then(|| cpu_ns as f64 / self.counts.right as f64)
    }

    /// The shares of a core that the client and the serving processes used. Where all of them ran on one core, each end
    /// gets the share that was used of that core, since neither end could have used more.
    ///
    /// `None` where it is not known what an end could have used: a process could not be observed, the cores are not
    /// known, or the load came from several agents.
    #[must_use]
    pub fn utilisations(&self, is_brokered: bool) -> Option<[f64; 2]> {
        let (client, serving) = (self.client?.utilisation, self.serving(is_brokered)?.utilisation);
        let cores = &self.cores;
        if !self.agents.is_empty() || cores.client.is_empty() || cores.server.is_empty() {
            return None;
        }
        Some(if cores.is_one() { [client + serving; 2] } else { [client, serving] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::Cores;
    use crate::record::{AgentPart, sample};

    fn trial() -> Trial {
        let used = |utilisation| Some(Used { cpu_ns: 10, utilisation, ..Used::default() });
        Trial { client: used(0.5), server: used(0.25), ..sample::trial("amqp", [0, 1]) }
    }

    #[test]
    fn server_and_broker_are_one_end() {
        let direct = trial();
        assert_eq!(direct.utilisations(false), Some([0.5, 0.25]));
        // The broker is on another machine.
        assert_eq!((direct.serving(true), direct.utilisations(true)), (None, None));
        let brokered = Trial { broker: trial().client, ..trial() };
        assert_eq!(brokered.serving(true), Some(Serving { cpu_ns: 20, utilisation: 0.75 }));
        assert_eq!(brokered.utilisations(true), Some([0.5, 0.75]));
    }

    #[test]
    fn processes_on_one_core_share_its_time() {
        let mut one_core = trial();
        one_core.cores.server = vec![0];
        assert_eq!(one_core.utilisations(false), Some([0.75, 0.75]));
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        assert_eq!(Trial { server: None, ..trial() }.utilisations(false), None);
        assert_eq!(Trial { client: None, ..trial() }.utilisations(false), None);
        assert_eq!(Trial { cores: Cores::default(), ..trial() }.utilisations(false), None);
        let part = AgentPart::new(&trial(), 1, None);
        assert_eq!(Trial { agents: vec![part], ..trial() }.utilisations(false), None);
    }
}
