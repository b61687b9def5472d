//! The sides of a gate as they are measured, and the programs of a round.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

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
        let mut linked = Linked { seeds: [None; 2], programs: [None, None], is_owner: true };
        for (index, contestant) in contestants.iter().enumerate() {
            if let Form::Program(Program::Relinked(links)) = &contestant.form {
                let seed = rng.random();
                linked.seeds[index] = Some(seed);
                linked.programs[index] = Some(links.link(seed, interrupted)?);
            }
        }
        Ok(linked)
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
