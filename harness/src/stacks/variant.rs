//! Variants of a stack. `rest@bridge` is `rest` with a server that is reached over another route, so that only the route
//! differs. `rest+unix` is `rest` over another transport, with a server that the run starts.

use std::sync::{Mutex, PoisonError};

use super::facts::Role;
use super::list::{UnknownStack, all};
use super::protocol::Stack;
use super::stack_name::base_name;
use super::stack_transport::lacks_transport;
use super::transport::Transport;

/// The longest label, in bytes.
const MAX_LABEL_LEN: usize = 24;

/// The variants asked for so far. There are as many as the user named, and they are needed until the program ends.
static VARIANTS: Mutex<Vec<&'static Stack>> = Mutex::new(Vec::new());

fn named(name: &str) -> Result<&'static Stack, UnknownStack> {
    let unknown = || UnknownStack::Name(name.to_owned());
    let find = |base: &str| all().iter().find(|stack| stack.name == base).ok_or_else(unknown);
    let (stack, label) = name.split_once('@').map_or((name, None), |(stack, label)| (stack, Some(label)));
    let (base, transport) =
        stack.split_once('+').map_or((stack, None), |(base, transport)| (base, Some(transport)));
    match (transport, label) {
        (None, None) => find(base),
        (None, Some(label)) => {
            let base = find(base).ok().filter(|stack| stack.has_server()).ok_or_else(unknown)?;
            let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            if label.is_empty() || label.len() > MAX_LABEL_LEN || !label.bytes().all(is_plain) {
                return Err(unknown());
            }
            Ok(variant(name, base, Transport::Tcp))
        }
        (Some(transport), None) => {
            let base = find(base)?;
            let parsed = transport.parse::<Transport>().ok();
            let parsed = parsed.filter(|parsed| base.transports.contains(parsed));
            parsed.map(|parsed| variant(name, base, parsed)).ok_or_else(|| lacks_transport(base, transport))
        }
        (Some(_), Some(label)) => Err(UnknownStack::Transport(format!(
            "`{name}`: the URL of a server that is already running says its transport; name it `{base}@{label}`"
        ))),
    }
}

/// The variant `name` of `base`, which is created once.
fn variant(name: &str, base: &'static Stack, transport: Transport) -> &'static Stack {
    let mut variants = VARIANTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = variants.iter().find(|stack| stack.name == name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let variant: &'static Stack = Box::leak(Box::new(base.variant(name, Role::Variant, transport)));
    variants.push(variant);
    variant
}

impl Stack {
    /// Finds the stack with this name. `STACK@LABEL` and `STACK+TRANSPORT` are variants of STACK.
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

    /// Whether its server is always one that is already running: `STACK@LABEL`.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.name.contains('@')
    }
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
        assert!(variant.is_elsewhere() && !variant.has_transport(Transport::Unix));
    }

    #[test]
    fn a_stack_over_another_transport_is_a_variant_whose_server_the_run_starts() {
        let variant = Stack::named("rest-hyper+unix").unwrap();
        assert_eq!((variant.name, variant.base_name()), ("rest-hyper+unix", "rest-hyper"));
        assert_eq!((variant.role, variant.transport), (Role::Variant, Transport::Unix));
        assert!(std::ptr::eq(variant, Stack::named("rest-hyper+unix").unwrap()));
        assert!(!variant.is_elsewhere() && !variant.has_transport(Transport::Tcp));
        assert_eq!(Transport::Unix.of("rest-hyper"), variant.name);
    }

    #[test]
    fn labels_are_short_and_plain() {
        for name in ["rest@", "rest@A", "rest@a b", "rest@a@b", "soap@bridge", "inproc@bridge"] {
            assert!(Stack::named(name).is_err(), "{name}");
        }
        assert!(Stack::named(&format!("rest@{}", "x".repeat(25))).is_err());
    }

    #[test]
    fn a_transport_that_a_stack_lacks_is_refused_with_those_that_it_has() {
        for (name, expected) in [
            ("rest+pipe", "`rest` has no transport `pipe`; it has tcp, unix, tls, tls-resumed"),
            ("rest-bare+h2", "`rest-bare` has no transport `h2`; it has tcp, unix, tls, tls-resumed"),
            ("zerorpc+tls", "`zerorpc` has no transport `tls`; it has tcp, unix"),
            ("rest-python+unix", "`rest-python` has no transport `unix`; it has tcp"),
            ("rest+", "`rest` has no transport ``; it has tcp, unix, tls, tls-resumed"),
            ("rest+unix+tls", "`rest` has no transport `unix+tls`; it has tcp, unix, tls, tls-resumed"),
            ("rest+tcp", "`rest+tcp` is written `rest`"),
            ("amqp+unix", "`amqp` has no transport `unix`; it has tcp, tls"),
            ("inproc+unix", "is called in this process"),
            ("rest+unix@bridge", "name it `rest@bridge`"),
            ("rets+unix", "unknown stack `rets+unix`; did you mean `rest`?"),
        ] {
            let Err(error) = Stack::named(name) else { panic!("{name} is not a stack") };
            assert!(error.to_string().contains(expected), "{name}: {error}");
        }
    }
}
