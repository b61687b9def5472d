//! Whether a request is for the calculator, and what to answer if not, in the words of oslo.messaging's dispatcher.

use calculator::Call;

use crate::wire::{Arguments, Failure, Request};

/// The interface that is served: the null namespace, version 1.0.
const MAJOR: u32 = 1;
const MINOR: u32 = 0;

/// Turns a request into a call, or into the failure that is its answer.
pub(crate) fn accept(request: Request) -> Result<Call, Failure> {
    let method = match request.method {
        Some(Ok(method)) => method,
        None => return Err(no_method("NoneType")),
        Some(Err(kind)) => return Err(no_method(kind)),
    };
    let version = match &request.version {
        None => "1.0",
        Some(Ok(version)) => version,
        Some(Err("NoneType")) => return Err(unsupported("None", &method)),
        Some(Err(kind)) => {
            return Err(Failure::builtin(
                "AttributeError",
                format!("'{kind}' object has no attribute 'split'"),
            ));
        }
    };
    if !compatible(version)? || request.namespace.is_some() {
        return Err(unsupported(version, &method));
    }
    match request.arguments {
        Arguments::Named(params) => Ok(Call { method, params }),
        Arguments::Other(kind) => {
            Err(Failure::builtin("AttributeError", format!("'{kind}' object has no attribute 'items'")))
        }
    }
}

fn no_method(kind: &str) -> Failure {
    Failure::builtin("TypeError", format!("attribute name must be string, not '{kind}'"))
}

fn unsupported(version: &str, method: &str) -> Failure {
    let message = format!("Endpoint does not support RPC version {version}. Attempted method: {method}");
    Failure::dispatcher("UnsupportedVersion", message)
}

/// Whether what is served is compatible with `version`: the same major number, and no later minor number, or the
/// same minor number without a revision.
fn compatible(version: &str) -> Result<bool, Failure> {
    let number = |text: &str| {
        text.trim().parse::<u32>().map_err(|_| {
            let message = format!("invalid literal for int() with base 10: '{text}'");
            Failure::builtin("ValueError", message)
        })
    };
    let mut parts = version.splitn(3, '.');
    let major = number(parts.next().unwrap_or_default())?;
    let minor = parts.next().ok_or_else(|| Failure::builtin("IndexError", "list index out of range"))?;
    let minor = number(minor)?;
    let revision = parts.next().map_or(Ok(0), number)?;
    Ok(major == MAJOR && minor == MINOR && revision == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::Params;

    fn class_of(request: Request) -> Result<Call, (&'static str, &'static str)> {
        accept(request).map_err(|failure| (failure.class, failure.module))
    }

    fn add() -> Request {
        Request { method: Some(Ok("add".into())), ..Request::default() }
    }

    const UNSUPPORTED: (&str, &str) = ("UnsupportedVersion", "oslo_messaging.rpc.dispatcher");

    #[test]
    fn a_request_without_namespace_and_version_is_for_us() {
        let call = class_of(add()).unwrap();
        assert_eq!((&*call.method, call.params), ("add", Params::Named(vec![])));
        assert!(class_of(Request { version: Some(Ok("1.0".into())), ..add() }).is_ok());
    }

    #[test]
    fn other_namespaces_and_versions_are_answered_as_by_the_reference() {
        for namespace in ["", "n"] {
            let request = Request { namespace: Some(Ok(namespace.into())), ..add() };
            assert_eq!(class_of(request), Err(UNSUPPORTED));
        }
        for (version, class) in [
            (Ok("1.1"), UNSUPPORTED),
            (Ok("2.0"), UNSUPPORTED),
            (Ok("1.0.1"), UNSUPPORTED),
            (Err("NoneType"), UNSUPPORTED),
            (Ok("1"), ("IndexError", "builtins")),
            (Ok("abc"), ("ValueError", "builtins")),
            (Err("int"), ("AttributeError", "builtins")),
        ] {
            let request = Request { version: Some(version.map(str::to_owned)), ..add() };
            assert_eq!(class_of(request), Err(class), "{version:?}");
        }
    }

    #[test]
    fn a_request_of_the_wrong_shape_has_an_answer_too() {
        let nameless = Request { method: None, ..Request::default() };
        assert_eq!(class_of(nameless), Err(("TypeError", "builtins")));
        let listed = Request { arguments: Arguments::Other("list"), ..add() };
        assert_eq!(class_of(listed), Err(("AttributeError", "builtins")));
    }
}
