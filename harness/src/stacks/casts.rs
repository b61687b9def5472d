//! The options of `rpcbench call` with which a message is sent without asking for a reply.

use serde::{Deserialize, Serialize};

use super::options::OptionGroup;

/// Additional options of `rpcbench call` for protocols that go through a broker.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct CallOptions {
    /// Send the message without asking for a reply
    #[arg(long, help_heading = "Brokers")]
    pub(super) cast: bool,
    /// With --cast: send it to every server of the topic or subject
    #[arg(long, requires = "cast", help_heading = "Brokers")]
    pub(super) fanout: bool,
}

pub(super) const CALL: OptionGroup = OptionGroup::of::<CallOptions>("casts");
