//! The method of the calculator whose result is a stream.

use std::ops::Range;

use crate::{CallError, ErrorKind, MethodInfo, Params, Value};

/// The method that every server of a protocol with streams has.
pub const COUNT: MethodInfo =
    MethodInfo { name: "count", params: &["limit"], doc: "Return the integers from 0 to limit - 1." };

/// The items of a call of [`COUNT`].
///
/// # Errors
/// [`ErrorKind::InvalidArguments`] unless `params` are one integer.
pub fn count(params: Params) -> Result<Range<i64>, CallError> {
    match params.bind(COUNT.name, ["limit"])? {
        [Value::Int(limit)] => Ok(0..limit),
        [other] => {
            let message = format!("count() takes an integer, not {}", other.kind());
            Err(CallError::new(ErrorKind::InvalidArguments, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_zero_up_to_the_limit() {
        let items = |limit: Value| count(Params::Positional(vec![limit]));
        assert_eq!(items(Value::Int(3)), Ok(0..3));
        assert_eq!(items(Value::Int(-1)).unwrap().count(), 0);
        assert_eq!(items(Value::from("3")).unwrap_err().kind, ErrorKind::InvalidArguments);
        let none = count(Params::Positional(vec![])).unwrap_err();
        assert_eq!(none.kind, ErrorKind::InvalidArguments);
    }
}
