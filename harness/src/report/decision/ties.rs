//! Places that are not certain: which ranks a stack can have, and which neighbours do not certainly differ.

use std::cmp::Ordering;

/// The best and the worst place of each of `count` stacks: as many are ahead as are certainly ahead, and as many behind as
/// are certainly behind. `order` says whether the figure of the first stack is certainly less than that of the second.
pub(super) fn ranks(count: usize, order: impl Fn(usize, usize) -> Ordering) -> Vec<(usize, usize)> {
    let certainly = |a: usize, wanted: Ordering| (0..count).filter(|b| order(a, *b) == wanted).count();
    (0..count).map(|a| (1 + certainly(a, Ordering::Greater), count - certainly(a, Ordering::Less))).collect()
}

/// The number of the group of each of `count` stacks, which are in ascending order of their figures; `None` where a stack
/// certainly differs from its neighbours. A stack joins the group of the one before it if it does not certainly differ
/// from any of that group.
pub(super) fn groups(count: usize, order: impl Fn(usize, usize) -> Ordering) -> Vec<Option<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for stack in 0..count {
        match groups.last_mut() {
            Some(group) if group.iter().all(|member| order(*member, stack).is_eq()) => group.push(stack),
            _ => groups.push(vec![stack]),
        }
    }
    let mut of_stack = vec![None; count];
    let several = groups.into_iter().filter(|group| group.len() > 1);
    for (number, group) in several.enumerate() {
        for member in group {
            of_stack[member] = Some(number);
        }
    }
    of_stack
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Differences of less than two are not certain.
    fn of(figures: &'static [i32]) -> impl Fn(usize, usize) -> Ordering + Copy {
        move |a: usize, b: usize| match figures[a] - figures[b] {
            difference if difference.abs() < 2 => Ordering::Equal,
            difference => difference.cmp(&0),
        }
    }

    #[test]
    fn a_rank_is_a_range_where_the_order_is_not_certain() {
        assert_eq!(ranks(4, of(&[1, 5, 6, 9])), [(1, 1), (2, 3), (2, 3), (4, 4)]);
        // The second differs from neither neighbour, which differ from each other.
        assert_eq!(ranks(3, of(&[1, 2, 3])), [(1, 2), (1, 3), (2, 3)]);
        assert_eq!(ranks(0, of(&[])), []);
    }

    #[test]
    fn a_group_holds_neighbours_of_which_no_two_certainly_differ() {
        assert_eq!(groups(5, of(&[1, 5, 6, 9, 10])), [None, Some(0), Some(0), Some(1), Some(1)]);
        assert_eq!(groups(3, of(&[1, 2, 3])), [Some(0), Some(0), None]);
        assert_eq!(groups(2, of(&[1, 9])), [None, None]);
    }
}
