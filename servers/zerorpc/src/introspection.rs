//! Methods that every zerorpc server has in addition to those of its service (`_inject_builtins` in zerorpc-python's
//! `core.py`).

use calculator::{CallError, ErrorKind, MethodInfo, Remote, Service, Value};

use crate::streams::Streams;

/// The name and methods of a server, as it reports them.
pub(crate) struct Catalog {
    name: &'static str,
    /// Sorted by name.
    methods: Vec<MethodInfo>,
}

impl Catalog {
    /// The catalog of a server with the methods of both.
    pub(crate) fn new(service: &dyn Service, streams: Option<&dyn Streams>) -> Self {
        let mut methods = service.methods().to_vec();
        methods.extend(streams.map(Streams::methods).unwrap_or_default());
        methods.sort_by_key(|info| info.name);
        Catalog { name: service.name(), methods }
    }
}

/// Calls a built-in method; `None` if `method` is not one.
pub(crate) fn call(catalog: &Catalog, method: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
    let built_in = method.strip_prefix("_zerorpc_")?;
    let no_args = || expect_no_args(method, args);
    Some(match built_in {
        "ping" => no_args().map(|()| Value::list(vec!["pong".into(), catalog.name.into()])),
        "name" => no_args().map(|()| catalog.name.into()),
        "list" => {
            no_args().map(|()| Value::List(catalog.methods.iter().map(|info| info.name.into()).collect()))
        }
        "inspect" => no_args().map(|()| inspect(catalog)),
        "help" => method_named_by(catalog, method, args).map(|info| info.doc.into()),
        "args" => method_named_by(catalog, method, args).map(|info| {
            // Like Python's inspect.getargspec: the names, the name of *args, that of **kwargs, the defaults.
            let names = parameters(info).map(Value::from).collect();
            Value::list(vec![Value::List(names), Value::Null, Value::Null, Value::Null])
        }),
        _ => return None,
    })
}

/// The parameters of a method as Python reports them. A Python server serves bound methods, so `self` is included.
fn parameters(info: &MethodInfo) -> impl Iterator<Item = &'static str> {
    std::iter::once("self").chain(info.params.iter().copied())
}

fn inspect(catalog: &Catalog) -> Value {
    let method = |info: &MethodInfo| {
        let args = parameters(info).map(|name| Value::map(vec![("name".into(), name.into())]));
        let details =
            vec![("args".into(), Value::List(args.collect())), ("doc".into(), Value::from(info.doc))];
        (info.name.into(), Value::map(details))
    };
    Value::map(vec![
        ("name".into(), catalog.name.into()),
        ("methods".into(), Value::map(catalog.methods.iter().map(method).collect())),
    ])
}

fn expect_no_args(method: &str, args: &[Value]) -> Result<(), CallError> {
    if args.is_empty() {
        return Ok(());
    }
    let message = format!("{method}() takes no arguments but {} were given", args.len());
    Err(CallError::new(ErrorKind::InvalidArguments, message))
}

/// The method whose name is the one argument of `method`.
fn method_named_by<'a>(
    catalog: &'a Catalog,
    method: &str,
    args: &[Value],
) -> Result<&'a MethodInfo, CallError> {
    let [Value::Str(name)] = args else {
        let message = format!("{method}() takes the name of a method");
        return Err(CallError::new(ErrorKind::InvalidArguments, message));
    };
    catalog.methods.iter().find(|info| info.name == name).ok_or_else(|| {
        let class = Remote { class: Some("KeyError".to_owned()), ..Remote::default() };
        CallError::remote(ErrorKind::Internal, format!("'{name}'"), class)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::Calculator;

    fn called(method: &str, args: &[Value]) -> String {
        format!("{:?}", call(&Catalog::new(&Calculator, None), method, args).unwrap().unwrap())
    }

    #[test]
    fn built_in_methods_return_what_they_return_in_python() {
        assert_eq!(called("_zerorpc_ping", &[]), r#"["pong", "Calculator"]"#);
        assert_eq!(called("_zerorpc_name", &[]), r#""Calculator""#);
        assert!(called("_zerorpc_list", &[]).starts_with(r#"["add", "divide", "echo""#));
        assert_eq!(called("_zerorpc_help", &["add".into()]), r#""Return x + y.""#);
        assert_eq!(called("_zerorpc_args", &["add".into()]), r#"[["self", "x", "y"], null, null, null]"#);
        let inspected = call(&Catalog::new(&Calculator, None), "_zerorpc_inspect", &[]).unwrap().unwrap();
        let hello = inspected.get("methods").and_then(|methods| methods.get("hello")).unwrap();
        assert_eq!(
            format!("{hello:?}"),
            r#"{"args": [{"name": "self"}, {"name": "name"}], "doc": "Return a greeting."}"#
        );
    }

    #[test]
    fn wrong_arguments_and_unknown_names_are_errors() {
        let unknown =
            call(&Catalog::new(&Calculator, None), "_zerorpc_help", &["nosuch".into()]).unwrap().unwrap_err();
        assert_eq!(unknown.remote.unwrap().class.as_deref(), Some("KeyError"));
        for (method, args) in [("_zerorpc_ping", vec![Value::Null]), ("_zerorpc_args", vec![])] {
            let error = call(&Catalog::new(&Calculator, None), method, &args).unwrap().unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArguments);
        }
        assert!(call(&Catalog::new(&Calculator, None), "_zerorpc_nosuch", &[]).is_none());
        assert!(call(&Catalog::new(&Calculator, None), "add", &[]).is_none());
    }
}
