//! The documents of payload scenarios: lists of pseudo-random records that every protocol can represent.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Value;

const WORDS: [&str; 12] = [
    "alpha", "broker", "cache", "dispatch", "éclair", "frame", "greeting", "header", "index", "journal",
    "queue", "züri",
];

/// Generates a list of records whose [`size`] is at least `bytes` and exceeds it by less than one record. It depends only
/// on the arguments, and is the same on every machine. A record has an id, a name, a score, a flag, and a list of tags:
/// 32-bit integers, finite doubles, booleans and text without control characters, which every protocol can represent.
#[must_use]
pub fn document(seed: u64, bytes: usize) -> Value {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut records = Vec::new();
    let mut total = 0;
    let mut id = 0;
    while total < bytes {
        let record = record(&mut rng, id);
        total += size(&record);
        records.push(record);
        id += 1;
    }
    Value::list(records)
}

fn record(rng: &mut ChaCha8Rng, id: i64) -> Value {
    let word = |rng: &mut ChaCha8Rng| WORDS[rng.random_range(0..WORDS.len())];
    let name = format!("{} {}", word(rng), word(rng));
    let tags = (0..rng.random_range(0..4)).map(|_| Value::from(word(rng))).collect();
    // Multiples of a quarter have short decimal forms, so that text formats do not pay for irrelevant digits.
    let score = f64::from(rng.random_range(-4_000..4_000)) / 4.0;
    Value::map(vec![
        ("id".into(), Value::Int(id)),
        ("name".into(), Value::from(name)),
        ("score".into(), Value::Float(score)),
        ("active".into(), Value::Bool(rng.random())),
        ("tags".into(), Value::List(tags)),
    ])
}

/// The size of a value in bytes, independent of any protocol, which this suite calls its payload: 8 for a number, 1 for
/// a boolean, the UTF-8 length of text and of member names, 0 for structure.
#[must_use]
pub fn size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 8,
        Value::BigInt(digits) => digits.len(),
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::DateTime(text) => text.len(),
        Value::Extension(value) => value.data.len(),
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(members) => members.iter().map(|(name, value)| name.len() + size(value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_requested_size_and_depend_on_the_seed_only() {
        for bytes in [100, 1 << 10, 64 << 10] {
            let value = document(7, bytes);
            assert!((bytes..bytes + 200).contains(&size(&value)), "{bytes}: {}", size(&value));
            assert_eq!(value, document(7, bytes));
            assert_ne!(value, document(8, bytes));
        }
    }
}
