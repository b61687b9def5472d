//! The fields of a head, and the limits on heads.

use std::mem::MaybeUninit;

use http::HeaderName;

use crate::fields::Fields;

/// The maximum number of fields of a head; the same as in hyper.
pub const MAX_FIELDS: usize = 100;

/// The maximum length of a head in bytes.
pub const MAX_HEAD_BYTES: usize = 64 << 10;

/// Space on the stack for the fields of a head. It is not initialized, so it costs nothing.
pub type FieldSpace<'b> = [MaybeUninit<httparse::Header<'b>>; MAX_FIELDS];

/// Creates space for the fields of a head.
#[must_use]
pub fn field_space<'b>() -> FieldSpace<'b> {
    [const { MaybeUninit::uninit() }; MAX_FIELDS]
}

/// The fields of a head, as positions in its bytes.
#[derive(Clone, Copy, Debug)]
pub struct FieldList<'a>(pub(super) &'a [httparse::Header<'a>]);

impl<'a> FieldList<'a> {
    /// Each field: its name as it was sent, and its value without the white space around it.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.0.iter().map(|field| (field.name, field.value))
    }
}

impl Fields for FieldList<'_> {
    fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let is_named = move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name.as_str());
        self.0.iter().filter(is_named).map(|field| field.value)
    }
}
