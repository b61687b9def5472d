//! Strategies for property tests, so that all protocols are tested with the same values.

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};

use crate::{Text, Value};

/// Any value that JSON can represent: all kinds but bytes and dates, with finite floats, up to four levels deep.
pub fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(Value::Float),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::list),
            prop::collection::vec((any::<String>().prop_map(Text::from), inner), 0..6).prop_map(Value::map),
        ]
    })
}
