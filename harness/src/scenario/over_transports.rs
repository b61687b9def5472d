//! A scenario over other transports than TCP.

use super::model::Scenario;
use crate::stacks::{Stack, Transport};

impl Scenario {
    /// Measures each of its stacks over each of `transports`, instead of over TCP. Floors that it does not list stay over TCP,
    /// and so does what is called in this process. Without transports, nothing changes.
    ///
    /// # Errors
    /// A message that names the stacks that lack one of them.
    pub fn over(&mut self, transports: &[Transport]) -> Result<(), String> {
        let Some(first) = transports.first() else { return Ok(()) };
        for transport in transports {
            let lacking: Vec<_> =
                self.stacks.iter().filter(|name| lacks(name, *transport)).map(String::as_str).collect();
            if !lacking.is_empty() {
                let (names, verb) = (lacking.join(", "), if lacking.len() == 1 { "has" } else { "have" });
                return Err(format!("{transport}: {names} {verb} no such transport; leave out with --stack"));
            }
        }
        let over_all = |names: &mut Vec<String>| {
            let mut expanded: Vec<String> = Vec::new();
            for name in names.drain(..) {
                for transport in transports {
                    let over = over(&name, *transport);
                    if !expanded.contains(&over) {
                        expanded.push(over);
                    }
                }
            }
            *names = expanded;
        };
        over_all(&mut self.stacks);
        self.measurements.iter_mut().for_each(|measurement| over_all(&mut measurement.stacks));
        self.timelines.iter_mut().for_each(|timeline| over_all(&mut timeline.stacks));
        self.topologies.iter_mut().for_each(|topology| over_all(&mut topology.stacks));
        // A stack may be in one pair only.
        self.pairs.iter_mut().flatten().for_each(|name| *name = over(name, *first));
        Ok(())
    }
}

/// Whether there is a stack `name` that has a server, but not over `transport`.
fn lacks(name: &str, transport: Transport) -> bool {
    Stack::named(name).is_ok_and(|stack| stack.has_server() && !stack.has_transport(transport))
}

/// The name of the stack `name` over `transport`; `name` where it has no server or is over that already.
fn over(name: &str, transport: Transport) -> String {
    let is_changed = Stack::named(name).is_ok_and(|stack| stack.has_server() && stack.transport != transport);
    if is_changed { transport.of(name) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Plan;

    fn scenario(stacks: &[&str]) -> Scenario {
        let mut scenario = Scenario::load("quick").unwrap();
        scenario.stacks = stacks.iter().map(|name| (*name).to_owned()).collect();
        scenario
    }

    fn measured(scenario: &Scenario) -> Vec<&'static str> {
        let plan = Plan::new(scenario, &[0, 1]).unwrap();
        plan.stacks().into_iter().filter(|stack| !stack.protocol.is_floor()).map(|stack| stack.name).collect()
    }

    #[test]
    fn every_stack_is_measured_over_every_transport() {
        let mut both = scenario(&["rest", "zerorpc"]);
        both.measurements[0].stacks = vec!["rest".to_owned()];
        both.pairs = vec![["rest".to_owned(), "zerorpc".to_owned()]];
        let mut only = both.clone();
        both.over(&[Transport::Tcp, Transport::Unix]).unwrap();
        assert_eq!(measured(&both), ["rest", "rest+unix", "zerorpc", "zerorpc+unix"]);
        assert_eq!(both.measurements[0].stacks, ["rest", "rest+unix"]);
        assert_eq!(both.pairs, [["rest", "zerorpc"]]);
        only.over(&[Transport::Unix, Transport::Unix]).unwrap();
        assert_eq!(measured(&only), ["rest+unix", "zerorpc+unix"]);
        assert_eq!(only.pairs, [["rest+unix", "zerorpc+unix"]]);
        let unchanged = only.clone();
        only.over(&[]).unwrap();
        only.over(&[Transport::Unix]).unwrap();
        assert_eq!(only, unchanged);
    }

    #[test]
    fn listed_floors_are_over_the_transport_too_and_a_function_call_has_none() {
        let mut scenario = scenario(&["inproc", "tcp", "rest"]);
        scenario.over(&[Transport::Unix]).unwrap();
        assert_eq!(scenario.stacks, ["inproc", "tcp+unix", "rest+unix"]);
    }

    #[test]
    fn stacks_without_the_transport_are_named_and_nothing_is_changed() {
        let mut scenario = scenario(&["rest", "amqp", "rest-python"]);
        let before = scenario.clone();
        assert_eq!(
            scenario.over(&[Transport::Unix]).unwrap_err(),
            "unix: amqp, rest-python have no such transport; leave out with --stack"
        );
        assert_eq!(scenario, before);
        scenario.stacks = vec!["rest+unix".to_owned()];
        assert!(scenario.over(&[Transport::Tcp]).unwrap_err().contains("tcp: rest+unix has no such"));
    }
}
