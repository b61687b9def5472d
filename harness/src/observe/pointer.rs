//! JSON Pointers (RFC 6901), which name a part of a result.

use std::fmt;
use std::str::FromStr;

use calculator::Value;

/// A JSON Pointer: `/name` is the member `name`, `/items/0` the first item of the member `items`, and the empty text the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    tokens: Vec<String>,
}

/// Why a text is not a [`Pointer`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a JSON Pointer: expected `/` before each part, for example /items/0/name")]
pub struct PointerError(String);

impl Pointer {
    /// The part of `value` that the pointer names; `None` where there is none.
    #[must_use]
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.tokens.iter().try_fold(value, |value, token| match value {
            Value::List(items) => items.get(index(token)?),
            other => other.get(token),
        })
    }
}

/// An index of an array: digits without a leading zero (RFC 6901, section 4).
fn index(token: &str) -> Option<usize> {
    let is_index = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| is_index)
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tokens = match text.strip_prefix('/') {
            // In this order, as the section on evaluation says.
            Some(rest) => rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect(),
            None if text.is_empty() => vec![],
            None => return Err(PointerError(text.to_owned())),
        };
        Ok(Pointer { text: text.to_owned(), tokens })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_names_members_and_items() {
        let value = Value::map(vec![
            ("items".into(), Value::list(vec![Value::Int(7), Value::map(vec![("a/b".into(), true.into())])])),
            ("~".into(), Value::Null),
            ("".into(), Value::Int(1)),
        ]);
        let find = |text: &str| text.parse::<Pointer>().unwrap().find(&value).cloned();
        assert_eq!(find(""), Some(value.clone()));
        assert_eq!(find("/items/0"), Some(Value::Int(7)));
        assert_eq!(find("/items/1/a~1b"), Some(Value::Bool(true)));
        assert_eq!(find("/~0"), Some(Value::Null));
        assert_eq!(find("/"), Some(Value::Int(1)));
        for absent in ["/items/2", "/items/00", "/items/+1", "/items/-", "/none", "/items/0/x"] {
            assert_eq!(find(absent), None, "{absent}");
        }
        assert!("name".parse::<Pointer>().unwrap_err().to_string().contains("`name` is not a JSON Pointer"));
    }
}
