//! The topics, or subjects, of several servers of one stack behind the same broker.

/// The most servers of one stack that run at the same time: those of a topology.
pub const MAX_INSTANCES: usize = 32;

/// The first four characters of the topic of server number `instance`: `calc`, or `cal` and a character for its number. All are
/// equally long, so that a call takes the same bytes with each.
pub(super) fn topic_prefix(instance: usize) -> String {
    // Capital letters, so that none is `calc`.
    let digit = |number| char::from_digit(number, 36).map(|digit| digit.to_ascii_uppercase());
    match (instance, u32::try_from(instance).ok().and_then(digit)) {
        (0, _) => "calc".to_owned(),
        (_, Some(digit)) => format!("cal{digit}"),
        (number, None) => format!("cal{number}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_topics_of_servers_are_different_and_equally_long() {
        let all: BTreeSet<_> = (0..MAX_INSTANCES).map(topic_prefix).collect();
        assert_eq!(all.len(), MAX_INSTANCES);
        assert!(all.iter().all(|prefix| prefix.len() == 4), "{all:?}");
        assert_eq!([topic_prefix(0), topic_prefix(3), topic_prefix(12)], ["calc", "cal3", "calC"]);
    }
}
