//! What is encoded: a call and its result.

use calculator::{Call, Value};

use crate::structs::Record;

/// A call and its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The call.
    pub(crate) call: Call,
    /// Its result.
    pub(crate) result: Value,
    /// The arguments and the result as structs.
    pub(crate) typed: Typed,
}

/// The arguments and the result of a call as types that a program knows when it is compiled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Typed {
    /// Two numbers, and a number as the result.
    Numbers {
        /// The arguments.
        arguments: [i64; 2],
        /// The result.
        result: i64,
    },
    /// A [document](calculator::document), which is also the result.
    Document(Vec<Record>),
}

impl Exchange {
    /// The exchange of `call` and `result`. `None` if there are no structs for it: they exist for two integers that give
    /// one, as in `add(2, 3)`, and for a document that is returned unchanged.
    #[must_use]
    pub fn new(call: Call, result: Value) -> Option<Self> {
        let typed = match (call.params.as_positional().ok()?, &result) {
            ([Value::Int(x), Value::Int(y)], Value::Int(result)) => {
                Typed::Numbers { arguments: [*x, *y], result: *result }
            }
            ([document], result) if document == result => Typed::Document(records(document)?),
            _ => return None,
        };
        Some(Exchange { call, result, typed })
    }
}

/// The records of a document; `None` if it is not one.
fn records(document: &Value) -> Option<Vec<Record>> {
    let Value::List(records) = document else { return None };
    records.iter().map(record).collect()
}

fn record(value: &Value) -> Option<Record> {
    let Value::Map(members) = value else { return None };
    let members: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let [
        ("id", Value::Int(id)),
        ("name", Value::Str(name)),
        ("score", Value::Float(score)),
        ("active", Value::Bool(active)),
        ("tags", Value::List(tags)),
    ] = members.as_slice()
    else {
        return None;
    };
    let tag = |tag: &Value| match tag {
        Value::Str(text) => Some(text.as_str().to_owned()),
        _ => None,
    };
    Some(Record {
        id: *id,
        name: name.as_str().to_owned(),
        score: *score,
        active: *active,
        tags: tags.iter().map(tag).collect::<Option<_>>()?,
    })
}
