//! Letters that show which entries of a ranking are distinguishable.

/// Letters for the `count` entries of a ranking such that two entries share a letter exactly if `tied(a, b)`, that is, if
/// they are not distinguishable. This is the compact letter display (H.-P. Piepho, 2004).
///
/// A tie is not transitive: if a is tied with b and b with c, while a and c differ, then b has two letters. Each letter
/// stands for one maximal group of mutually tied entries; the groups are in order of rank.
#[must_use]
pub fn letters(count: usize, tied: impl Fn(usize, usize) -> bool) -> Vec<String> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    find_groups(&mut groups, &mut Vec::new(), (0..count).collect(), Vec::new(), &tied);
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort_unstable();
    let mut letters = vec![String::new(); count];
    // Enough for 77 groups; a comparison of more stacks would not be readable anyway.
    let alphabet = ('a'..='z').chain('A'..='Z').chain('α'..='ω');
    for (letter, group) in alphabet.zip(&groups) {
        for member in group {
            letters[*member].push(letter);
        }
    }
    letters
}

/// Finds all maximal groups by the algorithm of Bron and Kerbosch (1973). The members of `group` are mutually tied. Those of
/// `candidates` and `excluded` are tied with all of them; groups with an excluded entry have been found already.
fn find_groups(
    groups: &mut Vec<Vec<usize>>,
    group: &mut Vec<usize>,
    mut candidates: Vec<usize>,
    mut excluded: Vec<usize>,
    tied: &impl Fn(usize, usize) -> bool,
) {
    if candidates.is_empty() && excluded.is_empty() {
        if !group.is_empty() {
            groups.push(group.clone());
        }
        return;
    }
    while let Some(next) = candidates.pop() {
        let with_next =
            |others: &[usize]| others.iter().copied().filter(|other| tied(next, *other)).collect();
        group.push(next);
        find_groups(groups, group, with_next(&candidates), with_next(&excluded), tied);
        group.pop();
        excluded.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(count: usize, ties: &[(usize, usize)]) -> String {
        letters(count, |a, b| ties.contains(&(a.min(b), a.max(b)))).join(" ")
    }

    #[test]
    fn letters_of_examples() {
        assert_eq!(joined(3, &[]), "a b c");
        assert_eq!(joined(3, &[(0, 1)]), "a a b");
        assert_eq!(joined(3, &[(0, 1), (1, 2)]), "a ab b");
        assert_eq!(joined(3, &[(0, 1), (0, 2), (1, 2)]), "a a a");
        assert_eq!(joined(4, &[(0, 2), (1, 2), (2, 3)]), "a b abc c");
        assert_eq!(joined(0, &[]), "");
    }

    proptest! {
        #[test]
        fn two_entries_share_a_letter_exactly_if_they_are_tied(
            count in 1_usize..9,
            bits in prop::collection::vec(any::<bool>(), 36),
        ) {
            let tied = |a: usize, b: usize| bits[a.max(b) * (a.max(b) - 1) / 2 + a.min(b)];
            let letters = letters(count, tied);
            for b in 1..count {
                for a in 0..b {
                    let common = letters[a].chars().any(|letter| letters[b].contains(letter));
                    prop_assert_eq!(common, tied(a, b));
                }
            }
        }
    }
}
