//! Servers of one stack that end and start while clients call them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use super::place::Place;
use super::ports::free_ports;
use super::server::{ServerError, ServerProcess, ServerStart};

/// Number of attempts to start a new server. Another process may take a port after it was found to be free.
const MAX_ATTEMPTS: u32 = 3;

/// Why a server of a group did not end or start.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The process did not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// There is no port for it.
    #[error("no port is free: {0}")]
    Port(io::Error),
    /// No server runs that could end.
    #[error("no server runs")]
    NoneRuns,
    /// No server has ended that could start again.
    #[error("no server has ended")]
    NoneEnded,
}

/// Servers of one stack, started in the same way. A server that has ended can be started again at the same address. Dropping
/// the group stops them.
pub struct ServerGroup<'a> {
    start: ServerStart<'a>,
    members: Vec<Member>,
}

/// A server, or its place while it does not run.
struct Member {
    place: Place,
    process: Option<ServerProcess>,
    calls: CallCount,
}

/// The calls that the processes of a server have executed.
#[derive(Clone, Copy, Debug)]
struct CallCount {
    /// Those of processes that have ended; `None` where one of them did not report them.
    ended: Option<u64>,
    /// Those of all processes when [`ServerGroup::reset_calls`] was called.
    at_reset: u64,
}

impl<'a> ServerGroup<'a> {
    /// A group without servers. Each is started like `start`, without a broker at a separate place of the stack's transport.
    #[must_use]
    pub fn new(start: ServerStart<'a>) -> Self {
        ServerGroup { start, members: vec![] }
    }

    /// The URL of the first server, without credentials; empty if there is none.
    #[must_use]
    pub fn url(&self) -> &str {
        let first = self.members.first().and_then(|member| member.process.as_ref());
        first.map(ServerProcess::url).unwrap_or_default()
    }

    /// Adds a server, and waits until it listens.
    ///
    /// # Errors
    /// [`GroupError::Server`] and [`GroupError::Port`].
    pub fn add(&mut self) -> Result<(), GroupError> {
        let mut attempt = 1;
        loop {
            let place = self.new_place()?;
            match self.start_at(&place) {
                Ok(process) => {
                    let calls = CallCount { ended: Some(0), at_reset: 0 };
                    self.members.push(Member { place, process: Some(process), calls });
                    return Ok(());
                }
                // A server that cannot listen ends.
                Err(ServerError::Ended { .. }) if attempt < MAX_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Kills the first server that runs, after it has been asked for its calls.
    ///
    /// # Errors
    /// [`GroupError::NoneRuns`].
    pub fn kill(&mut self) -> Result<(), GroupError> {
        self.take_running().map(ServerProcess::kill)
    }

    /// Asks the first server that runs to end, and waits until it has.
    ///
    /// # Errors
    /// [`GroupError::NoneRuns`].
    pub fn stop(&mut self) -> Result<(), GroupError> {
        self.take_running().map(|process| drop(process.stop()))
    }

    /// Starts the first server that has ended again, and waits until it listens.
    ///
    /// # Errors
    /// [`GroupError::NoneEnded`] and [`GroupError::Server`].
    pub fn restart(&mut self) -> Result<(), GroupError> {
        let ended = self.members.iter().position(|member| member.process.is_none());
        let index = ended.ok_or(GroupError::NoneEnded)?;
        let process = self.start_at(&self.members[index].place)?;
        self.members[index].process = Some(process);
        Ok(())
    }

    /// Counts calls from now on: those before, which are not meant, are left out of [`Self::calls`].
    pub fn reset_calls(&mut self) {
        for member in &mut self.members {
            member.calls.at_reset = member.all_calls().unwrap_or(0);
        }
    }

    /// The number of calls that each server has executed since [`Self::reset_calls`], in the order in which they were added;
    /// `None` where it does not report them. Of a process that was killed, those that it executed after it had been asked
    /// for the last time are missing.
    #[must_use]
    pub fn calls(&self) -> Vec<Option<u64>> {
        let since_reset = |member: &Member| Some(member.all_calls()?.saturating_sub(member.calls.at_reset));
        self.members.iter().map(since_reset).collect()
    }

    /// Removes the process of the first server that runs from its place, and keeps the number of its calls.
    fn take_running(&mut self) -> Result<ServerProcess, GroupError> {
        let running = self.members.iter_mut().find(|member| member.process.is_some());
        let running = running.ok_or(GroupError::NoneRuns)?;
        running.calls.ended = running.all_calls();
        running.process.take().ok_or(GroupError::NoneRuns)
    }

    /// A place that stays the same when the server is started again.
    fn new_place(&self) -> Result<Place, GroupError> {
        let transport = self.start.stack.transport;
        if !transport.is_over_tcp() {
            return Ok(Place::new(transport));
        }
        let [port] = free_ports().map_err(GroupError::Port)?;
        Ok(Place::at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()))
    }

    fn start_at(&self, place: &Place) -> Result<ServerProcess, ServerError> {
        ServerProcess::start(ServerStart { listen: Some(place.clone()), ..self.start.clone() })
    }
}

impl Member {
    fn all_calls(&self) -> Option<u64> {
        let running = match &self.process {
            Some(process) => process.stats()?.calls,
            None => 0,
        };
        Some(self.calls.ended? + running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::Stack;

    #[test]
    fn a_group_without_servers_has_nothing_to_end_and_nothing_to_start_again() {
        let mut group = ServerGroup::new(ServerStart::of(Stack::named("rest").unwrap()));
        assert_eq!((group.url(), group.calls().len()), ("", 0));
        for (result, expected) in [
            (group.kill(), "no server runs"),
            (group.stop(), "no server runs"),
            (group.restart(), "no server has ended"),
        ] {
            assert_eq!(result.unwrap_err().to_string(), expected);
        }
    }
}
