//! Collecting the items and members of nested values.

use super::{Text, Value, keep_last_of_each_name};

/// Collects the items of lists and the members of maps while a message is decoded, so that each list and each map is
/// allocated once, with the size that it has at its end.
///
/// Lists and maps may be nested. Each must be closed before the one around it.
#[derive(Debug, Default)]
pub struct ValueBuilder {
    /// The items of all open lists; those of the innermost are last.
    items: Vec<Value>,
    /// The members of all open maps; those of the innermost are last.
    members: Vec<(Text, Value)>,
}

/// A list whose items are being added.
#[derive(Debug)]
pub struct OpenList {
    start: usize,
}

/// A map whose members are being added.
#[derive(Debug)]
pub struct OpenMap {
    start: usize,
}

/// The number of items from which on an outermost list keeps the buffer that it grew in, instead of being copied.
const MIN_MOVED_ITEMS: usize = 1_024;

impl ValueBuilder {
    /// Starts a list.
    #[must_use]
    pub fn open_list(&self) -> OpenList {
        OpenList { start: self.items.len() }
    }

    /// Appends an item to the innermost open list.
    pub fn push_item(&mut self, item: Value) {
        self.items.push(item);
    }

    /// Ends the innermost open list, which `list` must be.
    pub fn close_list(&mut self, list: OpenList) -> Value {
        Value::List(take_from(&mut self.items, list.start).into_boxed_slice())
    }

    /// Starts a map.
    #[must_use]
    pub fn open_map(&self) -> OpenMap {
        OpenMap { start: self.members.len() }
    }

    /// Appends a member to the innermost open map.
    pub fn push_member(&mut self, name: Text, value: Value) {
        self.members.push((name, value));
    }

    /// Ends the innermost open map, which `map` must be. The last member with a name wins.
    pub fn close_map(&mut self, map: OpenMap) -> Value {
        let mut members = take_from(&mut self.members, map.start);
        keep_last_of_each_name(&mut members);
        Value::Map(members.into_boxed_slice())
    }
}

/// Takes what follows `start`.
fn take_from<T>(all: &mut Vec<T>, start: usize) -> Vec<T> {
    if start == 0 && all.len() >= MIN_MOVED_ITEMS {
        return std::mem::take(all);
    }
    all.drain(start.min(all.len())..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_and_maps_have_their_own_items() {
        let mut builder = ValueBuilder::default();
        let outer = builder.open_list();
        builder.push_item(Value::Int(1));
        let map = builder.open_map();
        let inner = builder.open_list();
        builder.push_item(Value::Int(2));
        let inner = builder.close_list(inner);
        builder.push_member("a".into(), Value::Null);
        builder.push_member("a".into(), inner);
        let map = builder.close_map(map);
        builder.push_item(map);
        let value = builder.close_list(outer);
        let map = Value::map(vec![("a".into(), Value::list([Value::Int(2)]))]);
        assert_eq!(value, Value::list([Value::Int(1), map]));
        assert!(builder.items.is_empty() && builder.members.is_empty());
    }

    #[test]
    fn long_lists_are_complete_wherever_they_are() {
        let mut builder = ValueBuilder::default();
        let outer = builder.open_list();
        for _ in 0..2 {
            let list = builder.open_list();
            (0..3_000).for_each(|number| builder.push_item(Value::Int(number)));
            let list = builder.close_list(list);
            builder.push_item(list);
        }
        let numbers = Value::List((0..3_000).map(Value::Int).collect());
        assert_eq!(builder.close_list(outer), Value::list([numbers.clone(), numbers]));
    }
}
