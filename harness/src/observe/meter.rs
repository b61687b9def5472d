//! Reads the resource usage of a process, of this machine or of another.

use std::net::SocketAddr;

use crate::observe::control;
use crate::sys::{self, UsageReading};

/// Where to read the usage of a process.
#[derive(Clone, Copy, Debug)]
pub enum Meter {
    /// From the operating system: process `pid` of this machine.
    Process(u32),
    /// From the control port of a server that runs in a container or on another machine.
    Control(SocketAddr),
}

impl Meter {
    /// The usage of the process so far, with the instant of the reading; `None` where it is not observable.
    #[must_use]
    pub fn read(self) -> Option<UsageReading> {
        match self {
            Meter::Process(pid) => sys::usage(pid),
            Meter::Control(address) => control::read_usage(address).ok().flatten(),
        }
    }

    /// Resets the recorded peak memory of the process to its current memory, where that is possible.
    pub fn reset_peak_memory(self) {
        match self {
            Meter::Process(pid) => sys::reset_peak_memory(pid),
            Meter::Control(address) => {
                let _ = control::reset_peak_memory(address);
            }
        }
    }
}
