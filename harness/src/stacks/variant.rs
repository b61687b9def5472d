//! A stack at another place: `rest@bridge` is `rest` whose server is reached another way, so that the way is what
//! differs.

use std::sync::{Mutex, PoisonError};

use super::{ALL, Role, Stack, UnknownStack};

/// The longest label.
const LONGEST: usize = 24;

/// Those that were asked for. There are as many as somebody wrote down, and they are needed until the program ends.
static VARIANTS: Mutex<Vec<&'static Stack>> = Mutex::new(Vec::new());

/// The stack of that name: a row of [`ALL`], or `STACK@LABEL`.
pub(super) fn named(name: &str) -> Result<&'static Stack, UnknownStack> {
    let unknown = || UnknownStack(name.to_owned());
    let Some((base, label)) = name.split_once('@') else {
        return ALL.iter().find(|stack| stack.name == name).ok_or_else(unknown);
    };
    let base = ALL.iter().find(|stack| stack.name == base && stack.has_server()).ok_or_else(unknown)?;
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if label.is_empty() || label.len() > LONGEST || !label.bytes().all(is_plain) {
        return Err(unknown());
    }
    let mut variants = VARIANTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = variants.iter().find(|stack| stack.name == name) {
        return Ok(known);
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let variant: &'static Stack = Box::leak(Box::new(Stack { name, role: Role::Variant, ..base.clone() }));
    variants.push(variant);
    Ok(variant)
}

impl Stack {
    /// The name of the stack that this is a variant of; its own where it is none.
    #[must_use]
    pub fn base_name(&self) -> &'static str {
        base_name(self.name)
    }
}

/// The name of the stack that `name` is a variant of; itself where it is none.
#[must_use]
pub fn base_name(name: &str) -> &str {
    name.split_once('@').map_or(name, |(base, _)| base)
}

/// The name of `stack` at the place of `other`: with that one's label, where it has one.
#[must_use]
pub fn at_the_place_of(stack: &str, other: &str) -> String {
    other.split_once('@').map_or_else(|| stack.to_owned(), |(_, label)| format!("{stack}@{label}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_its_stack_by_another_name_and_each_is_made_once() {
        let variant = Stack::named("rest-hyper@bridge").unwrap();
        assert_eq!((variant.name, variant.base_name()), ("rest-hyper@bridge", "rest-hyper"));
        assert_eq!((variant.role, variant.client), (Role::Variant, "hyper"));
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
