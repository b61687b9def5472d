//! Codecs, and the comparison of one message.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use calculator::{CallError, ErrorKind};

use crate::reference::{Reference, ReferenceOutcome};

/// The decoders of a protocol, as the suite implements them.
#[derive(Clone, Copy)]
pub struct Codec {
    /// The protocol, by the name that `servers/python/decoders.py` takes.
    pub name: &'static str,
    /// The ways to decode a message.
    pub views: &'static [View],
    /// The differences from the reference implementation that are intended.
    pub known: &'static [Known],
    /// Parts of messages that a mutation may insert.
    pub dictionary: &'static [&'static [u8]],
}

/// One way to decode a message, such as to decode it as a request.
pub struct View {
    /// The name that the reference reports its outcome under.
    pub name: &'static str,
    /// Decodes a message with the suite's decoder.
    pub decode: fn(&[u8]) -> Outcome,
}

/// What a decoder makes of a message: the value in the notation of `servers/python/decoders.py`, or why it is rejected.
pub type Outcome = Result<String, Rejection>;

/// Why the suite's decoder rejects a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// The decoder's message.
    pub message: String,
}

impl From<CallError> for Rejection {
    fn from(error: CallError) -> Self {
        Rejection { kind: error.kind, message: error.message }
    }
}

/// A difference from the reference implementation that is intended.
pub struct Known {
    /// The name under which the documentation of the protocol's crate lists it.
    pub name: &'static str,
    /// Whether the outcomes of a message differ in this way.
    pub applies: fn(&Case<'_>) -> bool,
    /// A message whose outcomes differ in this way.
    pub example: fn() -> Vec<u8>,
}

/// A number of levels beyond every limit.
pub(crate) const NESTED_LEVELS: usize = 80;

/// A message with [`NESTED_LEVELS`] levels, each of which starts with `open` and ends with `close`.
pub(crate) fn nested(start: &str, open: &str, close: &str, end: &str) -> Vec<u8> {
    [start, &open.repeat(NESTED_LEVELS), &close.repeat(NESTED_LEVELS), end].concat().into_bytes()
}

/// A message whose outcomes differ.
pub struct Case<'a> {
    /// The name of the [view](View).
    pub view: &'static str,
    /// The message.
    pub message: &'a [u8],
    /// The outcome of the suite's decoder.
    pub ours: &'a Outcome,
    /// The outcome of the reference implementation.
    pub reference: &'a ReferenceOutcome,
}

impl Case<'_> {
    /// Whether the suite's decoder rejects, with an error of this kind, what the reference implementation accepts.
    pub(crate) fn stricter(&self, kind: ErrorKind) -> bool {
        self.reference.value.is_ok() && self.ours.as_ref().is_err_and(|rejection| rejection.kind == kind)
    }

    /// Whether the suite's decoder accepts what the reference implementation rejects for a reason that contains this
    /// text.
    pub(crate) fn laxer(&self, reason: &str) -> bool {
        self.ours.is_ok() && self.reference.value.as_ref().is_err_and(|text| text.contains(reason))
    }
}

/// A difference that is not intended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The name of the codec.
    pub codec: &'static str,
    /// The name of the [view](View).
    pub view: &'static str,
    /// The message.
    pub message: Vec<u8>,
    /// The outcome of the suite's decoder.
    pub ours: Outcome,
    /// The outcome of the reference implementation.
    pub reference: ReferenceOutcome,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { codec, view, message, ours, reference } = self;
        let reference_value = match &reference.value {
            Ok(value) => format!("accepts {value}"),
            Err(reason) => format!("rejects it: {reason}"),
        };
        let ours = match ours {
            Ok(value) => format!("accepts {value}"),
            Err(Rejection { kind, message }) => format!("rejects it, {}: {message}", kind.name()),
        };
        write!(
            f,
            "{codec}, as {view}: b\"{}\"\n  our decoder {ours}\n  the reference {reference_value} (notes: {:?})",
            message.escape_ascii(),
            reference.notes
        )
    }
}

/// Why a comparison failed.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The outcomes differ, and not in a known way.
    #[error("{0}")]
    Difference(Box<Difference>),
    /// The Python process has ended, or sent something that is not an answer.
    #[error("the reference implementation does not answer: {0}")]
    Reference(#[from] io::Error),
}

/// Decodes `message` in every view of `codec` with both decoders. Returns the names of the known differences that
/// occurred.
///
/// # Errors
/// [`CompareError::Difference`] for the first difference that is not known.
pub fn compare(
    codec: &Codec,
    reference: &mut Reference,
    message: &[u8],
) -> Result<BTreeSet<&'static str>, CompareError> {
    let mut differences = BTreeSet::new();
    let outcomes = reference.decode(message)?;
    for view in codec.views {
        let outcome = outcomes
            .iter()
            .find(|outcome| outcome.view == view.name)
            .ok_or_else(|| io::Error::other(format!("no outcome for the view {}", view.name)))?;
        let ours = (view.decode)(message);
        let same = match (&ours, &outcome.value) {
            (Ok(ours), Ok(value)) => ours == value,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if same {
            continue;
        }
        let case = Case { view: view.name, message, ours: &ours, reference: outcome };
        match codec.known.iter().find(|known| (known.applies)(&case)) {
            Some(known) => {
                differences.insert(known.name);
            }
            None => {
                return Err(CompareError::Difference(Box::new(Difference {
                    codec: codec.name,
                    view: view.name,
                    message: message.to_owned(),
                    reference: outcome.clone(),
                    ours,
                })));
            }
        }
    }
    Ok(differences)
}
