//! The bytes of one call of each stack, as they passed a relay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::Party;
use crate::load::Operation;
use crate::stacks::{Leg, Message};

/// The bytes of one call. Each hop has the number of bytes that the wire ledger counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapturedCall {
    /// The stack.
    pub stack: String,
    /// The operation; of `add` it is the call add(2, 3).
    pub operation: Operation,
    /// The hops in the order of the call: two hops between client and server, four through a broker.
    pub hops: Vec<CapturedHop>,
}

/// The bytes that went one way between two parties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapturedHop {
    /// The sender.
    pub from: Party,
    /// The receiver.
    pub to: Party,
    /// The bytes in base64, without the headers of TCP and IP; of several connections those of one after the other, in the
    /// order in which they were opened.
    #[serde(with = "base64_text")]
    #[schemars(with = "String")]
    pub bytes: Vec<u8>,
}

impl CapturedHop {
    /// What it carries, and who sent it.
    #[must_use]
    pub fn leg(&self) -> Leg {
        let is_request = self.from == Party::Client || self.to == Party::Server;
        Leg {
            message: if is_request { Message::Request } else { Message::Reply },
            is_from_broker: self.from == Party::Broker,
        }
    }
}

/// Bytes as a text in base64.
mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_in_a_record_and_other_text_is_an_error() {
        let hop = CapturedHop { from: Party::Client, to: Party::Broker, bytes: (0..=255).collect() };
        let mut value = serde_json::to_value(&hop).unwrap();
        assert!(value["bytes"].is_string());
        assert_eq!(serde_json::from_value::<CapturedHop>(value.clone()).unwrap(), hop);
        value["bytes"] = "no base64!".into();
        assert!(serde_json::from_value::<CapturedHop>(value).is_err());
    }
}
