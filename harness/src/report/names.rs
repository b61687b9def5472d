//! Names of files and columns that are made from texts, each given out once.

use std::collections::BTreeSet;

/// The names that were given out.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name made from `text` that has not been given out before: lower-case letters, digits and hyphens.
    pub(super) fn unique(&mut self, text: &str) -> String {
        const MAX_LENGTH: usize = 60;
        let plain: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
            .collect();
        let mut name: String =
            plain.split_whitespace().collect::<Vec<_>>().join("-").chars().take(MAX_LENGTH).collect();
        if name.is_empty() {
            "measurement".clone_into(&mut name);
        }
        let mut unique = name.clone();
        let mut number = 1;
        while !self.0.insert(unique.clone()) {
            number += 1;
            unique = format!("{name}-{number}");
        }
        unique
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_unique() {
        let mut names = Names::default();
        assert_eq!(names.unique("latency on two cores"), "latency-on-two-cores");
        assert_eq!(names.unique("Latency, on/two cores"), "latency-on-two-cores-2");
        assert_eq!(names.unique("../../etc"), "etc");
        assert_eq!(names.unique("…"), "measurement");
        assert_eq!(names.unique(&"x".repeat(999)).len(), 60);
    }
}
