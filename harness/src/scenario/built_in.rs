//! The scenarios that are built into the program.

use crate::stacks::{hint, nearest};

/// The built-in scenarios: name and TOML text.
pub static BUILT_IN: &[(&str, &str)] = &[
    ("quick", include_str!("../../../scenarios/quick.toml")),
    ("standard", include_str!("../../../scenarios/standard.toml")),
    ("saturation", include_str!("../../../scenarios/saturation.toml")),
    ("rate-sweep", include_str!("../../../scenarios/rate-sweep.toml")),
    ("concurrency-sweep", include_str!("../../../scenarios/concurrency-sweep.toml")),
    ("amqp", include_str!("../../../scenarios/amqp.toml")),
    ("brokers", include_str!("../../../scenarios/brokers.toml")),
    ("overhead", include_str!("../../../scenarios/overhead.toml")),
    ("http-bare", include_str!("../../../scenarios/http-bare.toml")),
    ("transports", include_str!("../../../scenarios/transports.toml")),
    ("payload", include_str!("../../../scenarios/payload.toml")),
    ("threading", include_str!("../../../scenarios/threading.toml")),
    ("work", include_str!("../../../scenarios/work.toml")),
    ("zerorpc-fast", include_str!("../../../scenarios/zerorpc-fast.toml")),
    ("grpc", include_str!("../../../scenarios/grpc.toml")),
    ("dependent", include_str!("../../../scenarios/dependent.toml")),
    ("streams", include_str!("../../../scenarios/streams.toml")),
    ("connections", include_str!("../../../scenarios/connections.toml")),
    ("cold-call", include_str!("../../../scenarios/cold-call.toml")),
    ("claims", include_str!("../../../scenarios/claims.toml")),
    ("claims-quick", include_str!("../../../scenarios/claims-quick.toml")),
    ("codecs", include_str!("../../../scenarios/codecs.toml")),
    ("outage", include_str!("../../../scenarios/outage.toml")),
    ("round-robin", include_str!("../../../scenarios/round-robin.toml")),
    ("scale-out", include_str!("../../../scenarios/scale-out.toml")),
    ("call-cast-fanout", include_str!("../../../scenarios/call-cast-fanout.toml")),
    ("exchanges", include_str!("../../../scenarios/exchanges.toml")),
    ("languages", include_str!("../../../scenarios/languages.toml")),
    ("containers", include_str!("../../../scenarios/containers.toml")),
];

/// The TOML text of the built-in scenario `name`.
///
/// # Errors
/// [`UnknownScenario`].
pub fn built_in(name: &str) -> Result<&'static str, UnknownScenario> {
    let found = BUILT_IN.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text).ok_or_else(|| UnknownScenario { name: name.to_owned() })
}

/// The name is not that of a built-in scenario.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown scenario `{name}`{}; the scenarios are {}",
    hint(nearest(name, names())), names().collect::<Vec<_>>().join(", ")
)]
pub struct UnknownScenario {
    /// The name that was given.
    pub name: String,
}

fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}
