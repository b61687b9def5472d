//! The two sides of a gate.

use serde::Serialize;

/// A side of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the change is compared with.
    Base,
    /// The change.
    New,
}

impl Side {
    /// Both sides.
    pub const BOTH: [Side; 2] = [Side::Base, Side::New];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Side::Base => "base",
            Side::New => "new",
        }
    }
}

/// The end of the connection that differs between the sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangedEnd {
    /// The servers differ, and one client calls both.
    #[default]
    Server,
    /// The clients differ, and call one server.
    Client,
    /// Each side has its own server and client.
    Both,
}

impl ExchangedEnd {
    /// Which server `side` uses: its index among the servers of a round.
    pub(super) fn server_of(self, side: Side) -> usize {
        if self == ExchangedEnd::Client { 0 } else { side as usize }
    }

    /// Which client `side` uses: its index among the clients of a round.
    pub(super) fn client_of(self, side: Side) -> usize {
        if self == ExchangedEnd::Server { 0 } else { side as usize }
    }
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CountedEnd {
    /// The server.
    Server,
    /// The client.
    Client,
}

impl CountedEnd {
    /// The ends that a gate counts which exchanges `exchanged`.
    pub(super) fn of(exchanged: ExchangedEnd) -> &'static [CountedEnd] {
        match exchanged {
            ExchangedEnd::Server => &[CountedEnd::Server],
            ExchangedEnd::Client => &[CountedEnd::Client],
            ExchangedEnd::Both => &[CountedEnd::Server, CountedEnd::Client],
        }
    }

    /// The name.
    pub(super) fn name(self) -> &'static str {
        match self {
            CountedEnd::Server => "server",
            CountedEnd::Client => "client",
        }
    }
}
