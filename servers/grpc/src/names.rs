//! The names of services and methods, and the paths that they make.

use std::borrow::Cow;

use calculator::{CallError, ErrorKind};

/// The service whose methods are those of the served [`Service`](calculator::Service).
pub const SERVICE: &str = "rpcbench.Calculator";

/// The package of [`SERVICE`].
pub(crate) const PACKAGE: &str = "rpcbench";

/// The path of requests for `method`: `/rpcbench.Calculator/Add` for `add`.
///
/// # Errors
/// [`ErrorKind::UnknownMethod`] for a text that cannot be the name of a method.
pub fn method_path(method: &str) -> Result<String, CallError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if method.is_empty() || !method.chars().all(is_name) {
        let message = format!("\"{method}\" cannot be the name of a method of the service {SERVICE}");
        return Err(CallError::new(ErrorKind::UnknownMethod, message));
    }
    Ok(format!("/{SERVICE}/{}", rpc_name(method)))
}

/// The name of `method` in the style of Protocol Buffers: `add` is `Add`, `read_all` is `ReadAll`. Names that do not begin
/// with a lower-case letter are unchanged, so that a private `_add` is not another name of `add`.
pub(crate) fn rpc_name(method: &str) -> Cow<'_, str> {
    if !method.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Cow::Borrowed(method);
    }
    let mut name = String::with_capacity(method.len());
    for word in method.split('_') {
        let mut rest = word.chars();
        name.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(rest.as_str());
    }
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_the_name_that_a_definition_would_give_it() {
        for (method, name) in
            [("add", "Add"), ("read_all", "ReadAll"), ("Add", "Add"), ("_add", "_add"), ("", "")]
        {
            assert_eq!(rpc_name(method), name);
        }
        assert_eq!(method_path("add").unwrap(), "/rpcbench.Calculator/Add");
    }

    #[test]
    fn what_cannot_be_a_method_has_no_path() {
        for text in ["", "a/b", "a b", "é", "a?b", "a\n"] {
            assert_eq!(method_path(text).unwrap_err().kind, ErrorKind::UnknownMethod, "{text}");
        }
    }
}
