//! Reads the resource usage of a process, of this machine or of another.

use super::control::{self, ControlPort};
use crate::sys::{self, UsageReading};

/// Where to read the usage of a process.
#[derive(Clone, Debug)]
pub enum Meter {
    /// From the operating system: process `pid` of this machine.
    Process(u32),
    /// From the operating system: this process, which makes the calls.
    ThisProcess {
        /// Threads whose run-queue delay does not count: those that were there before the callers.
        except: Vec<u32>,
    },
    /// From the control port of a server that runs in a container or on another machine.
    Control(ControlPort),
}

impl Meter {
    /// The usage of the process so far, with the instant of the reading; `None` where it is not observable.
    #[must_use]
    pub fn read(&self) -> Option<UsageReading> {
        match self {
            Meter::Process(pid) => sys::usage(*pid),
            Meter::ThisProcess { except } => sys::own_usage(except),
            Meter::Control(port) => control::read_usage(port).ok().flatten(),
        }
    }

    /// The CPU time of the process so far; `None` where it is not observable. For a process of this machine this is much faster
    /// than [`Self::read`]; a control port is read in full.
    #[must_use]
    pub fn read_cpu_time(&self) -> Option<UsageReading> {
        match self {
            Meter::Process(pid) => sys::cpu_time(*pid),
            Meter::ThisProcess { .. } => sys::cpu_time(std::process::id()),
            Meter::Control(_) => self.read(),
        }
    }

    /// Resets the recorded peak memory of the process to its current memory, where that is possible.
    pub fn reset_peak_memory(&self) {
        match self {
            Meter::Process(pid) => sys::reset_peak_memory(*pid),
            Meter::ThisProcess { .. } => sys::reset_peak_memory(std::process::id()),
            Meter::Control(port) => {
                let _ = control::reset_peak_memory(port);
            }
        }
    }
}
