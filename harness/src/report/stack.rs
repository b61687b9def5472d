//! What tables and figures need to know about a stack's protocol and role.

use codecs::Format;

use crate::record::StackFacts;
use crate::stacks::{Colour, Leg, PROTOCOLS, Part, ProtocolRef, Role};

/// The protocol of a stack, and what the stack is for in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackKind {
    protocol: ProtocolRef,
    role: Role,
}

impl StackKind {
    /// The kind of the stack that `facts` describe.
    #[must_use]
    pub fn of(facts: &StackFacts) -> Self {
        StackKind { protocol: facts.protocol, role: facts.role }
    }

    /// The name of the protocol.
    #[must_use]
    pub fn protocol_name(self) -> &'static str {
        self.protocol.name()
    }

    /// Whether both stacks speak the same protocol.
    #[must_use]
    pub fn has_protocol_of(self, other: Self) -> bool {
        self.protocol == other.protocol
    }

    /// Whether it is a function call inside the client's process, without any socket.
    #[must_use]
    pub fn is_function_call(self) -> bool {
        self.protocol.is_in_process()
    }

    /// Whether its messages pass through a broker.
    #[must_use]
    pub fn is_brokered(self) -> bool {
        self.protocol.needs_broker()
    }

    /// Whether its protocol is a floor for all other protocols: `inproc` or `tcp`.
    #[must_use]
    pub fn is_floor(self) -> bool {
        self.protocol.is_floor()
    }

    /// Whether it is a floor, either for all protocols or for those that use a broker.
    #[must_use]
    pub fn is_any_floor(self) -> bool {
        matches!(self.role, Role::Floor | Role::BrokerFloor)
    }

    /// Whether it stands for its protocol in the ranking of usual libraries.
    #[must_use]
    pub fn is_usual(self) -> bool {
        matches!(self.role, Role::Default | Role::DefaultAndMinimal)
    }

    /// Whether it stands for its protocol in the ranking of minimal libraries.
    #[must_use]
    pub fn is_minimal(self) -> bool {
        matches!(self.role, Role::Minimal | Role::DefaultAndMinimal)
    }

    /// Whether its server is a reference implementation.
    #[must_use]
    pub fn is_reference(self) -> bool {
        self.role == Role::Reference
    }

    /// Whether an application could choose it: it is not a floor, a step, a reference server or another route.
    #[must_use]
    pub fn is_choice(self) -> bool {
        matches!(self.role, Role::Default | Role::Minimal | Role::DefaultAndMinimal | Role::Alternative)
    }

    /// Whether figures draw it filled and solid, as they do floors and usual libraries, and not hollow and dashed.
    #[must_use]
    pub fn is_drawn_filled(self) -> bool {
        self.is_usual() || self.role == Role::Floor
    }

    /// The stack with which this protocol is compared besides the floor of all protocols: the minimum that its broker or its socket
    /// library can do.
    #[must_use]
    pub fn own_floor(self) -> Option<&'static str> {
        self.protocol.own_floor()
    }

    /// What the stack is for, in a few words.
    #[must_use]
    pub fn role_title(self) -> &'static str {
        self.role.title()
    }

    /// The parts of bytes that go one way in a call; `None` where they are not understood.
    pub(super) fn dissect(self, leg: Leg, bytes: &[u8]) -> Option<Vec<Part>> {
        self.protocol.dissect(leg, bytes)
    }

    /// The format of `[[codec]]` that is closest to that of its messages.
    pub(super) fn codec_format(self) -> Option<Format> {
        self.protocol.codec_format()
    }

    /// The colour of its protocol in figures.
    #[must_use]
    pub fn colour(self) -> Colour {
        self.protocol.colour()
    }

    /// The colours of all protocols, each once.
    #[must_use]
    pub fn colours() -> Vec<Colour> {
        let mut colours = Vec::new();
        for colour in PROTOCOLS.iter().map(|protocol| protocol.colour()) {
            // The floors share a colour.
            if !colours.contains(&colour) {
                colours.push(colour);
            }
        }
        colours
    }
}
