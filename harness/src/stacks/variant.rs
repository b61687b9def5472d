//! Variants of a stack: `rest@bridge` is `rest` with a server that is reached over another route, so that only the
//! route differs.

use std::sync::{Mutex, PoisonError};

use super::facts::Role;
use super::list::{UnknownStack, all};
use super::protocol::Stack;

/// The longest label, in bytes.
const MAX_LABEL_LEN: usize = 24;

/// The variants asked for so far. There are as many as the user named, and they are needed until the program ends.
static VARIANTS: Mutex<Vec<&'static Stack>> = Mutex::new(Vec::new());

fn named(name: &str) -> Result<&'static Stack, UnknownStack> {
    let unknown = || UnknownStack(name.to_owned());
    let Some((base, label)) = name.split_once('@') else {
        return all().iter().find(|stack| stack.name == name).ok_or_else(unknown);
    };
    let base = all().iter().find(|stack| stack.name == base && stack.has_server()).ok_or_else(unknown)?;
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if label.is_empty() || label.len() > MAX_LABEL_LEN || !label.bytes().all(is_plain) {
        return Err(unknown());
    }
    let mut variants = VARIANTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = variants.iter().find(|stack| stack.name == name) {
        return Ok(known);
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let variant: &'static Stack = Box::leak(Box::new(base.renamed(name, Role::Variant)));
    variants.push(variant);
    Ok(variant)
}

impl Stack {
    /// Finds the stack with this name. `STACK@LABEL` is a variant of STACK.
    ///
    /// # Errors
    /// [`UnknownStack`], which lists the valid names.
    pub fn named(name: &str) -> Result<&'static Stack, UnknownStack> {
        named(name)
    }

    /// The name of the stack that this is a variant of; its own name where it is not a variant.
    #[must_use]
    pub fn base_name(&self) -> &'static str {
        base_name(self.name)
    }
}

/// The name of the stack that `name` is a variant of; `name` where it is not a variant.
#[must_use]
pub fn base_name(name: &str) -> &str {
    name.split_once('@').map_or(name, |(base, _)| base)
}

/// The name of `stack`'s variant with the label of `other`; `stack` where `other` has no label.
#[must_use]
pub fn at_the_place_of(stack: &str, other: &str) -> String {
    other.split_once('@').map_or_else(|| stack.to_owned(), |(_, label)| format!("{stack}@{label}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_its_stack_under_another_name_and_is_created_once() {
        let variant = Stack::named("rest-hyper@bridge").unwrap();
        assert_eq!((variant.name, variant.base_name()), ("rest-hyper@bridge", "rest-hyper"));
        assert_eq!((variant.role, variant.client.name), (Role::Variant, "hyper"));
        assert!(std::ptr::eq(variant, Stack::named("rest-hyper@bridge").unwrap()));
        assert_eq!(at_the_place_of("tcp", variant.name), "tcp@bridge");
        assert_eq!(at_the_place_of("tcp", "rest"), "tcp");
    }

    #[test]
    fn labels_are_short_and_plain() {
        for name in ["rest@", "rest@A", "rest@a b", "rest@a@b", "soap@bridge", "inproc@bridge"] {
            assert!(Stack::named(name).is_err(), "{name}");
        }
        assert!(Stack::named(&format!("rest@{}", "x".repeat(25))).is_err());
    }
}
