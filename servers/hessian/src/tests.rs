//! Tests of the codec.

mod golden;
mod properties;
mod rejections;

use calculator::Value;

/// The bytes that `hexadecimal` stands for.
fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hexadecimal.chars().map(|digit| digit.to_digit(16).unwrap().try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A record like those of the documents of payload scenarios.
fn record() -> Value {
    Value::map(vec![
        ("id".into(), Value::Int(0)),
        ("name".into(), "alpha züri".into()),
        ("score".into(), Value::Float(-3.25)),
        ("active".into(), Value::Bool(true)),
        ("tags".into(), Value::list(["cache".into(), "queue".into()])),
    ])
}
