//! The sides of a gate as they are measured, and the programs of a round.

use std::fs;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread;

use rand::Rng;

use super::build::Program;
use super::error::GateError;
use super::round::Contender;

/// A side that is ready to be measured.
#[derive(Clone)]
pub(super) struct Contestant {
    /// The side in a few words.
    pub(super) described: String,
    pub(super) form: Form,
}

/// What a side is in every round.
#[derive(Clone)]
pub(super) enum Form {
    Program(Program),
    Url(String),
    Command(String),
}

/// The programs of a round. Dropping it deletes those that were linked for it.
pub(super) struct Linked {
    /// The seeds of their section padding, base and new; absent for programs that were not linked here.
    pub(super) seeds: [Option<u32>; 2],
    programs: [Option<PathBuf>; 2],
    is_owner: bool,
}

impl Linked {
    /// Links the sides that can be linked again, with random section padding.
    ///
    /// # Errors
    /// [`GateError::Link`], [`GateError::Interrupted`].
    pub(super) fn new(
        contestants: &[Contestant; 2],
        rng: &mut impl Rng,
        interrupted: &AtomicBool,
    ) -> Result<Self, GateError> {
        let links = contestants.each_ref().map(|contestant| match &contestant.form {
            Form::Program(Program::Relinked(links)) => Some((links, rng.random())),
            _ => None,
        });
        // A link takes most of the time of a round, and a linker hardly uses more than one core.
        let programs = thread::scope(|scope| {
            let linking = links
                .map(|side| side.map(|(links, seed)| scope.spawn(move || links.link(seed, interrupted))));
            linking.map(|side| side.map(|link| link.join().unwrap_or_else(|panic| resume_unwind(panic))))
        });
        let mut linked =
            Linked { seeds: links.map(|side| Some(side?.1)), programs: [None, None], is_owner: true };
        let mut failed = None;
        for (program, link) in linked.programs.iter_mut().zip(programs) {
            match link.transpose() {
                Ok(path) => *program = path,
                Err(error) => failed = Some(error),
            }
        }
        // If one side has failed, this deletes the program of the other.
        failed.map_or(Ok(linked), Err)
    }

    /// The base of one and the new side of another, which keep their programs.
    pub(super) fn borrowed(base: &Linked, new: &Linked) -> Self {
        Linked {
            seeds: [base.seeds[0], new.seeds[1]],
            programs: [base.programs[0].clone(), new.programs[1].clone()],
            is_owner: false,
        }
    }

    pub(super) fn contenders<'a>(&'a self, contestants: &'a [Contestant; 2]) -> [Contender<'a>; 2] {
        [0, 1].map(|index| match (&self.programs[index], &contestants[index].form) {
            (Some(linked), _) | (None, Form::Program(Program::Fixed(linked))) => Contender::Program(linked),
            (None, Form::Program(Program::Relinked(_))) => unreachable!("linked for the round"),
            (None, Form::Url(url)) => Contender::Url(url),
            (None, Form::Command(command)) => Contender::Command(command),
        })
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        for program in self.programs.iter().flatten().filter(|_| self.is_owner) {
            let _ = fs::remove_file(program);
        }
    }
}
