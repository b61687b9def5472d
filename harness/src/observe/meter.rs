//! What a process has used: of this machine, or out of sight.

use std::net::SocketAddr;

use crate::observe::control;
use crate::sys::{self, Usage};

/// Where it is read what a process has used.
#[derive(Clone, Copy, Debug)]
pub enum Meter {
    /// The system: it is a process of this machine.
    Process(u32),
    /// Its control port: it is out of sight, in a container or on another machine.
    Control(SocketAddr),
}

impl Meter {
    /// What the process has used so far; `None` where that is not observable.
    #[must_use]
    pub fn read(self) -> Option<Usage> {
        match self {
            Meter::Process(pid) => sys::usage(pid),
            Meter::Control(address) => control::ask(address).ok()?.usage,
        }
    }

    /// Makes its peak memory start anew, where that can be done.
    pub fn reset_peak_memory(self) {
        match self {
            Meter::Process(pid) => sys::reset_peak_memory(pid),
            Meter::Control(address) => {
                let _ = control::reset(address);
            }
        }
    }
}
