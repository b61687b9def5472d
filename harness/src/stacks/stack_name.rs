//! The parts of a stack's name: `STACK`, `STACK@LABEL`, `STACK+TRANSPORT`.

use super::transport::Transport;

/// The name of the stack that `name` is a variant of; `name` where it is not a variant.
#[must_use]
pub fn base_name(name: &str) -> &str {
    name.split_once(['@', '+']).map_or(name, |(base, _)| base)
}

/// The name of the stack that the target `name` stands for: the part before `@`.
#[must_use]
pub fn without_label(name: &str) -> &str {
    name.split_once('@').map_or(name, |(stack, _)| stack)
}

/// The route by which the server of the stack `name` is reached, if it is not the usual one: the label, or the transport.
#[must_use]
pub fn route(name: &str) -> Option<&str> {
    name.split_once(['@', '+']).map(|(_, route)| route)
}

/// The transport of the stack `name`.
#[must_use]
pub fn transport_of(name: &str) -> Transport {
    name.split_once('+').and_then(|(_, transport)| transport.parse().ok()).unwrap_or_default()
}

/// The name of `stack`'s variant with the label of `other`; `stack` where `other` has no label. Over any transport, stacks
/// are compared with a floor over TCP, so that their multiples of it can be compared with each other.
#[must_use]
pub fn at_the_place_of(stack: &str, other: &str) -> String {
    other.split_once('@').map_or_else(|| stack.to_owned(), |(_, label)| format!("{stack}@{label}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_route_of_a_stack_and_of_its_floor() {
        assert_eq!((base_name("rest@bridge"), route("rest@bridge")), ("rest", Some("bridge")));
        assert_eq!((base_name("rest"), route("rest")), ("rest", None));
        assert_eq!(at_the_place_of("tcp", "rest@bridge"), "tcp@bridge");
        assert_eq!(at_the_place_of("tcp", "rest"), "tcp");
    }

    #[test]
    fn a_transport_is_a_route_but_no_label() {
        assert_eq!((base_name("rest+unix"), route("rest+unix")), ("rest", Some("unix")));
        assert_eq!(
            (transport_of("rest+unix"), transport_of("rest"), transport_of("rest@unix")),
            (Transport::Unix, Transport::Tcp, Transport::Tcp)
        );
        assert_eq!(at_the_place_of("tcp", "rest+unix"), "tcp");
        assert_eq!((without_label("rest@a"), without_label("rest+unix")), ("rest", "rest+unix"));
    }
}
