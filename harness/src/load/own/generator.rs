//! Generated values of variables.

use calculator::Value;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest text that is generated, in characters.
const MAX_TEXT_LEN: u32 = 1 << 16;
/// The characters of generated texts. They need no encoding in any protocol.
const CHARACTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// The member in which the parser of TOML wraps a date.
const TOML_DATE: &str = "$__toml_private_datetime";
/// Why a date of TOML is refused.
pub(super) const NO_DATES: &str =
    "a date has no form that all protocols have; write it as a text in quotation marks";

/// How the values of a variable are generated, from the seed of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// A random integer from the first to the second, including both.
    Integer([i64; 2]),
    /// A random text of this many lower-case letters and digits: 1 to 65536.
    Text(u32),
    /// One of these values.
    OneOf(#[schemars(with = "Vec<serde_json::Value>")] Vec<Value>),
}

impl Generator {
    /// Why it generates nothing; `None` if it does.
    pub(super) fn mistake(&self) -> Option<String> {
        match self {
            Generator::Integer([low, high]) if low > high => {
                Some(format!("no integer is from {low} to {high}; write the smaller one first"))
            }
            Generator::Text(length) if !(1..=MAX_TEXT_LEN).contains(length) => {
                Some(format!("expected a length from 1 to {MAX_TEXT_LEN}, not {length}"))
            }
            Generator::OneOf(values) if values.is_empty() => {
                Some("`one_of` needs at least one value".to_owned())
            }
            Generator::OneOf(values) if values.iter().any(has_date) => Some(NO_DATES.to_owned()),
            _ => None,
        }
    }

    /// A value.
    pub(super) fn value(&self, rng: &mut ChaCha8Rng) -> Value {
        match self {
            Generator::Integer([low, high]) => Value::Int(rng.random_range(*low..=*high.max(low))),
            Generator::Text(length) => {
                let character = |_| char::from(CHARACTERS[rng.random_range(0..CHARACTERS.len())]);
                Value::from((0..*length).map(character).collect::<String>())
            }
            Generator::OneOf(values) => {
                values.get(rng.random_range(0..values.len().max(1))).cloned().unwrap_or(Value::Null)
            }
        }
    }
}

/// Whether there is a date of TOML in `value`.
pub(super) fn has_date(value: &Value) -> bool {
    value.any(|part| part.get(TOML_DATE).is_some())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn values_lie_in_their_range_and_follow_from_the_seed() {
        let one_of = Generator::OneOf(vec!["a".into(), Value::Int(2)]);
        let values = |generator: &Generator, seed| -> Vec<Value> {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            (0..200).map(|_| generator.value(&mut rng)).collect()
        };
        let integers = values(&Generator::Integer([-1, 1]), 1);
        assert!([-1, 0, 1].iter().all(|int| integers.contains(&Value::Int(*int))));
        assert!(integers.iter().all(|value| matches!(value, Value::Int(-1..=1))));
        let texts = values(&Generator::Text(12), 1);
        assert!(texts.iter().all(|text| matches!(text, Value::Str(text) if text.len() == 12)));
        assert_eq!(texts, values(&Generator::Text(12), 1));
        assert_ne!(texts, values(&Generator::Text(12), 2));
        let chosen = values(&one_of, 1);
        assert!(chosen.contains(&"a".into()) && chosen.contains(&Value::Int(2)));
        assert!(matches!(values(&Generator::Integer([i64::MIN, i64::MAX]), 1)[0], Value::Int(_)));
    }

    #[test]
    fn what_generates_nothing_is_a_mistake() {
        for (generator, expected) in [
            (Generator::Integer([2, 1]), "from 2 to 1"),
            (Generator::Text(0), "1 to 65536"),
            (Generator::OneOf(vec![]), "at least one"),
        ] {
            assert!(generator.mistake().is_some_and(|mistake| mistake.contains(expected)));
        }
        assert_eq!(Generator::Integer([1, 1]).mistake(), None);
    }
}
