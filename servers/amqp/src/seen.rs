//! The messages that came last.

/// How many identities are kept, as by oslo.messaging's listeners.
const KEPT: usize = 16;
/// oslo.messaging's have 32 bytes. Longer ones than this are not kept.
const LONGEST: usize = 128;

/// Recognises a message that the broker delivers again because its acknowledgement got lost.
#[derive(Default)]
pub(crate) struct Seen {
    identities: [String; KEPT],
    next: usize,
}

impl Seen {
    /// Whether `identity` is among the last 16; it is then.
    pub(crate) fn again(&mut self, identity: &str) -> bool {
        if identity.is_empty() || identity.len() > LONGEST {
            return false;
        }
        if self.identities.iter().any(|seen| seen == identity) {
            return true;
        }
        if let Some(oldest) = self.identities.get_mut(self.next) {
            identity.clone_into(oldest);
        }
        self.next = (self.next + 1) % KEPT;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixteen_are_recognised() {
        let mut seen = Seen::default();
        assert!((0..17).all(|i| !seen.again(&i.to_string())));
        assert!((1..17).all(|i| seen.again(&i.to_string())));
        assert!(!seen.again("0"));
        let long = "x".repeat(1_000);
        assert!(!seen.again(&long) && !seen.again(&long) && !seen.again(""));
    }
}
