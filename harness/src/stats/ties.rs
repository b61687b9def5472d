//! Ties: which of several stacks could not be told apart.

/// Letters for `count` ranked things such that two have a letter in common exactly when `tied(a, b)` says that they
/// could not be told apart: the compact letter display (Piepho 2004). A thing without a tie has a letter of its own.
///
/// Being tied is no equivalence: a may be tied with b and b with c, while a and c differ. Then b has two letters. Each
/// letter stands for a largest group of mutually tied things, in the order of the ranks.
#[must_use]
pub fn letters(count: usize, tied: impl Fn(usize, usize) -> bool) -> Vec<String> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    grow(&mut groups, &mut Vec::new(), (0..count).collect(), Vec::new(), &tied);
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort_unstable();
    let mut letters = vec![String::new(); count];
    // Seventy-seven groups at most are told apart; a comparison of so many stacks would not be readable anyhow.
    let alphabet = ('a'..='z').chain('A'..='Z').chain('α'..='ω');
    for (letter, group) in alphabet.zip(&groups) {
        for member in group {
            letters[*member].push(letter);
        }
    }
    letters
}

/// Finds every largest group by the algorithm of Bron and Kerbosch (1973): `group` is mutually tied, `candidates` are
/// tied with all of it, and so are those `excluded`, whose groups have been found already.
fn grow(
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
        grow(groups, group, with_next(&candidates), with_next(&excluded), tied);
        group.pop();
        excluded.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(count: usize, ties: &[(usize, usize)]) -> String {
        letters(count, |a, b| ties.contains(&(a.min(b), a.max(b)))).join(" ")
    }

    #[test]
    fn letters_of_known_cases() {
        assert_eq!(shown(3, &[]), "a b c");
        assert_eq!(shown(3, &[(0, 1)]), "a a b");
        assert_eq!(shown(3, &[(0, 1), (1, 2)]), "a ab b");
        assert_eq!(shown(3, &[(0, 1), (0, 2), (1, 2)]), "a a a");
        assert_eq!(shown(4, &[(0, 2), (1, 2), (2, 3)]), "a b abc c");
        assert_eq!(shown(0, &[]), "");
    }

    proptest! {
        #[test]
        fn a_common_letter_means_a_tie_and_no_common_letter_none(
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
