//! A part of the bytes of a call.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

/// What bytes of a call are for, as in the wire ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The arguments or the result.
    Values,
    /// The rest of the message.
    Envelope,
    /// Everything outside the message.
    Framing,
}

impl Layer {
    /// All layers, from the inside to the outside.
    pub const ALL: [Layer; 3] = [Layer::Values, Layer::Envelope, Layer::Framing];

    /// The name of the layer.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Layer::Values => "arguments or result",
            Layer::Envelope => "envelope",
            Layer::Framing => "framing",
        }
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// From the client, with the arguments.
    Request,
    /// From the server, with the result.
    Reply,
}

impl Message {
    /// The meaning of the values in it.
    pub(in crate::stacks) fn value(self) -> &'static str {
        match self {
            Message::Request => "argument",
            Message::Reply => "result",
        }
    }
}

/// One way between two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The message that goes this way.
    pub message: Message,
    /// Whether the broker sends it.
    pub is_from_broker: bool,
}

/// Consecutive bytes with one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The purpose.
    pub layer: Layer,
    /// The number of bytes; never 0.
    pub len: usize,
    /// The meaning, in half a sentence.
    pub meaning: Cow<'static, str>,
    /// Whether a line or a frame ends with it.
    pub ends_line: bool,
}
