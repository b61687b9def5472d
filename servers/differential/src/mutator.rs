//! Random changes of messages.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The maximum number of changes of one message.
const MAX_CHANGES: u32 = 4;

/// The maximum length of a mutated message, in bytes.
const MAX_LEN: usize = 4096;

/// Bytes that mean something in many formats, or are at the edge of a range.
const SPECIAL_BYTES: &[u8] = b"\0\x01\x1f \"'&<>/\\[]{}:,.-+_0189eEnNxX=%\x7f\x80\xc0\xc3\xd9\xed\xff";

/// Changes messages at random. The same seed makes the same changes.
pub struct Mutator {
    random: ChaCha8Rng,
    seeds: Vec<Vec<u8>>,
    dictionary: &'static [&'static [u8]],
}

impl Mutator {
    /// Creates a mutator of the messages `seeds`, which inserts parts of `dictionary`.
    #[must_use]
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>, dictionary: &'static [&'static [u8]]) -> Self {
        Mutator { random: ChaCha8Rng::seed_from_u64(seed), seeds, dictionary }
    }

    /// Makes the next message: one of the seeds with one to four changes.
    #[must_use]
    pub fn message(&mut self) -> Vec<u8> {
        let mut message = self.seeds.choose(&mut self.random).cloned().unwrap_or_default();
        for _ in 0..self.random.random_range(1..=MAX_CHANGES) {
            self.change(&mut message);
        }
        message.truncate(MAX_LEN);
        message
    }

    fn change(&mut self, message: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.random_range(0..=message.len());
        match random.random_range(0..8) {
            0 if at < message.len() => message[at] ^= 1 << random.random_range(0..8),
            1 if at < message.len() => {
                message[at] = *SPECIAL_BYTES.choose(random).unwrap_or(&0);
            }
            2 => {
                let byte = *SPECIAL_BYTES.choose(random).unwrap_or(&0);
                message.insert(at, byte);
            }
            3 => {
                let end = random.random_range(at..=message.len().min(at + 16));
                message.drain(at..end);
            }
            4 => {
                // Repeats a part: a longer number, one more level, a second member with the same name.
                let end = random.random_range(at..=message.len().min(at + 64));
                let part = message[at..end].to_vec();
                message.splice(at..at, part);
            }
            5 => {
                let other = self.seeds.choose(random).map(Vec::as_slice).unwrap_or_default();
                let start = random.random_range(0..=other.len());
                let end = random.random_range(start..=other.len().min(start + 64));
                message.splice(at..at, other[start..end].iter().copied());
            }
            _ => {
                let part = self.dictionary.choose(random).copied().unwrap_or_default();
                let end = if random.random() { at } else { message.len().min(at + part.len()) };
                message.splice(at..end, part.iter().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_messages() {
        let messages = |seed| {
            let mut mutator = Mutator::new(seed, vec![b"{\"x\":1}".to_vec()], &[b"null"]);
            (0..100).map(|_| mutator.message()).collect::<Vec<_>>()
        };
        assert_eq!(messages(1), messages(1));
        assert_ne!(messages(1), messages(2));
    }
}
