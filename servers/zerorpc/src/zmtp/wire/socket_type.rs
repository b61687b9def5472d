//! Types of ZeroMQ sockets.

/// The type of a socket, which the handshake announces by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketType {
    /// Sends to and receives from its peers.
    Dealer,
    /// Like a dealer, but can answer the peer that a message came from.
    Router,
    /// Sends to its peers in turn.
    Push,
    /// Receives from all its peers.
    Pull,
    /// Sends to all peers that have subscribed.
    Pub,
    /// Receives what it has subscribed to.
    Sub,
    /// Alternately sends and receives a message.
    Req,
    /// Alternately receives and sends a message.
    Rep,
    /// A `Pub` that passes subscriptions to the application as messages.
    Xpub,
    /// A `Sub` whose subscriptions the application sends as messages.
    Xsub,
}

impl SocketType {
    const ALL: [SocketType; 10] = [
        SocketType::Dealer,
        SocketType::Router,
        SocketType::Push,
        SocketType::Pull,
        SocketType::Pub,
        SocketType::Sub,
        SocketType::Req,
        SocketType::Rep,
        SocketType::Xpub,
        SocketType::Xsub,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SocketType::Dealer => "DEALER",
            SocketType::Router => "ROUTER",
            SocketType::Push => "PUSH",
            SocketType::Pull => "PULL",
            SocketType::Pub => "PUB",
            SocketType::Sub => "SUB",
            SocketType::Req => "REQ",
            SocketType::Rep => "REP",
            SocketType::Xpub => "XPUB",
            SocketType::Xsub => "XSUB",
        }
    }

    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }

    /// Whether a socket of this type may talk to one of type `peer`.
    #[must_use]
    pub fn is_compatible_with(self, peer: SocketType) -> bool {
        use SocketType::{Dealer, Pub, Pull, Push, Rep, Req, Router, Sub, Xpub, Xsub};
        match self {
            Dealer => matches!(peer, Router | Rep | Dealer),
            Router => matches!(peer, Dealer | Req | Router),
            Push => peer == Pull,
            Pull => peer == Push,
            Pub | Xpub => matches!(peer, Sub | Xsub),
            Sub | Xsub => matches!(peer, Pub | Xpub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
        }
    }
}
