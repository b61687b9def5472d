//! The events that a run reports while it is under way.

use super::error::SaveProblem;
use super::outlook::Outlook;
use crate::record::{Check, CodecTrial, SearchResult, Skipped, TimelineResult, TopologyResult, Trial};
use crate::stacks::BrokerKind;

/// An event of a run under way.
#[derive(Debug)]
pub enum Event<'a> {
    /// The stack with this name is about to be checked.
    Checking(&'a str),
    /// The instructions and allocations of a call at the server of the stack with this name are about to be counted.
    Counting(&'a str),
    /// A stack has been checked.
    Checked(&'a Check),
    /// A stack is skipped.
    Skipped(&'a Skipped),
    /// A private broker of this kind is about to be started.
    StartingBroker(BrokerKind),
    /// It is known what can be measured, and how long that takes.
    Planned(&'a Outlook),
    /// The first block begins; the run has this many trials in all.
    Measuring(u64),
    /// A trial is over.
    TrialDone(&'a Trial),
    /// A codec has been measured in a block.
    CodecDone(&'a CodecTrial),
    /// The search for the highest rate of a stack is over.
    SearchDone(&'a SearchResult),
    /// A timeline of a stack is over.
    TimelineDone(&'a TimelineResult),
    /// A topology of a stack is over.
    TopologyDone(&'a TopologyResult),
    /// The record was not saved as planned; the run goes on.
    SaveProblem(&'a SaveProblem),
}

/// Receives the events of a run.
pub type Progress<'a> = &'a mut dyn FnMut(Event<'_>);
