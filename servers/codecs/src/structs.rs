//! The structs of typed codecs.

use serde::{Deserialize, Serialize};

/// A record of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The position in the document.
    pub id: i64,
    /// Two words.
    pub name: String,
    /// A multiple of a quarter.
    pub score: f64,
    /// A flag.
    pub active: bool,
    /// Up to three words.
    pub tags: Vec<String>,
}

/// A call with two numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NumbersCall {
    /// The name of the method.
    pub method: String,
    /// The arguments.
    pub arguments: [i64; 2],
}

/// A call with a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DocumentCall {
    /// The name of the method.
    pub method: String,
    /// The argument.
    pub document: Vec<Record>,
}
