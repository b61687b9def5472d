//! Compares the suite's decoders with the reference implementations in Python: for the same bytes, both must return the
//! same value, or both must reject them.
//!
//! A [`Reference`] is a Python process (`servers/python/decoders.py`) that decodes messages of one [`Codec`].
//! [`compare`] gives a message to both decoders. [`Mutator`] changes messages at random, from a seed.
//!
//! The differences that are intended are listed in the documentation of each protocol's crate, under "Differences from
//! the reference implementation", and here as [`Known`], with a message that shows the difference. Any other is an error.
//!
//! The test `mutations` makes a few thousand comparisons for each codec; `scripts/fuzz differential` makes as many as it
//! has time for, guided by the coverage of our decoders.

#![forbid(unsafe_code)]

mod amqp_codec;
mod canonical;
mod codec;
mod json;
mod jsonrpc_codec;
mod mutator;
mod reference;
mod rest_codec;
mod xmlrpc_codec;
mod zerorpc_codec;

pub use codec::{Case, Codec, CompareError, Difference, Known, Outcome, Rejection, View, compare};
pub use mutator::Mutator;
pub use reference::{Reference, ReferenceOutcome};

/// The codecs that have a reference implementation.
pub const CODECS: [Codec; 5] =
    [rest_codec::CODEC, xmlrpc_codec::CODEC, jsonrpc_codec::CODEC, zerorpc_codec::CODEC, amqp_codec::CODEC];
