//! The facts about protocols and stacks, as plain values.

use net::Scheme;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A colour for light and for dark backgrounds. Taken from Okabe and Ito's palette, whose colours
/// people with any kind of colour vision can distinguish, darkened or lightened where the contrast was too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Red, green and blue on a light background.
    pub light: [u8; 3],
    /// Red, green and blue on a dark background.
    pub dark: [u8; 3],
}

/// The URLs of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct UrlForm {
    /// The schemes that clients accept.
    pub schemes: &'static [Scheme],
    /// An example, shown when an invalid URL was given.
    pub example: &'static str,
}

/// How messages pass through a broker, which decides how much work the broker has with each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryTerms {
    /// The kind of the request queue.
    pub queue: &'static str,
    /// Whether the request queue survives a restart of the broker.
    pub durable: bool,
    /// Whether messages are marked to be written to disk.
    pub persistent: bool,
    /// How many requests the broker sends ahead of their acknowledgement; 0 for any number.
    pub prefetch: u16,
    /// Whether messages are acknowledged.
    pub acknowledged: bool,
    /// Whether the broker confirms each message published.
    pub confirmed: bool,
}

/// How a stack's callers are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// As futures on one current-thread Tokio runtime.
    Tokio,
    /// Each on a dedicated thread, without a runtime: the floors.
    Threads,
}

/// The purpose of a stack in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Measured in every block, so that the others can be compared with it.
    Floor,
    /// The protocol over its usual library. The stack has the protocol's name.
    Default,
    /// The protocol over the smallest library available.
    #[serde(alias = "leanest")]
    Minimal,
    /// Default and minimal at once: there is only one library.
    #[serde(alias = "default-and-leanest")]
    DefaultAndMinimal,
    /// The minimal cost of a broker: a floor for the protocol that goes through it only.
    BrokerFloor,
    /// The suite's code over another library, to separate the cost of the library from that of the protocol.
    Alternative,
    /// The protocol with some of its costs left out or added, to show what each of them is; not ranked.
    Step,
    /// The protocol's reference library as the server, to compare the suite's server with; not ranked.
    Reference,
    /// A stack whose server is reached over another route or transport, to show the cost of that; not ranked.
    Variant,
}

impl Role {
    /// The role in a few words, for lists.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Role::Floor => "floor",
            Role::Default => "default",
            Role::Minimal => "minimal",
            Role::DefaultAndMinimal => "default and minimal",
            Role::BrokerFloor => "floor of its broker",
            Role::Alternative => "alternative library",
            Role::Step => "intermediate step",
            Role::Reference => "reference server",
            Role::Variant => "other route or transport",
        }
    }
}

/// One end of a stack: the library that carries its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The library's name as reports show it.
    pub name: &'static str,
    /// The library and the libraries below it, by their names on crates.io.
    pub libraries: &'static [&'static str],
    /// A description of the threads, and where handlers run; absent where a Tokio runtime decides that.
    pub threads: Option<(&'static str, &'static str)>,
}

impl End {
    /// An end that runs on a Tokio runtime.
    #[must_use]
    pub const fn new(name: &'static str, libraries: &'static [&'static str]) -> Self {
        End { name, libraries, threads: None }
    }

    /// Changes the end to use dedicated threads, which `runtime` describes; `executor` describes where handlers run.
    #[must_use]
    pub const fn on_threads(mut self, runtime: &'static str, executor: &'static str) -> Self {
        self.threads = Some((runtime, executor));
        self
    }
}
