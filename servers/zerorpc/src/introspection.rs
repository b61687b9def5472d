//! The methods that every zerorpc server has, besides those of its service (`_inject_builtins` in zerorpc-python's
//! `core.py`).

use calculator::{CallError, ErrorKind, MethodInfo, Remote, Service, Value};

use crate::Streams;

/// What a server tells of itself.
pub(crate) struct Catalog {
    name: &'static str,
    /// Sorted by name.
    methods: Vec<MethodInfo>,
}

impl Catalog {
    /// Of the methods of both.
    pub(crate) fn new(service: &dyn Service, streams: Option<&dyn Streams>) -> Self {
        let mut methods = service.methods().to_vec();
        methods.extend(streams.map(Streams::methods).unwrap_or_default());
        methods.sort_by_key(|info| info.name);
        Catalog { name: service.name(), methods }
    }
}

/// Answers a call of a built-in method; `None` where `method` is none.
pub(crate) fn answer(catalog: &Catalog, method: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
    let built_in = method.strip_prefix("_zerorpc_")?;
    Some(match built_in {
        "ping" => none(method, args).map(|()| Value::List(vec!["pong".into(), catalog.name.into()])),
        "name" => none(method, args).map(|()| catalog.name.into()),
        "list" => none(method, args)
            .map(|()| Value::List(catalog.methods.iter().map(|info| info.name.into()).collect())),
        "inspect" => none(method, args).map(|()| inspect(catalog)),
        "help" => named(catalog, method, args).map(|info| info.doc.into()),
        "args" => named(catalog, method, args).map(|info| {
            // As of Python's inspect.getargspec: names, the name of *args, that of **kwargs, defaults.
            let names = parameters(info).map(Value::from).collect();
            Value::List(vec![Value::List(names), Value::Null, Value::Null, Value::Null])
        }),
        _ => return None,
    })
}

/// A method's parameters as Python has them, where a served method is one of an object.
fn parameters(info: &MethodInfo) -> impl Iterator<Item = &'static str> {
    std::iter::once("self").chain(info.params.iter().copied())
}

fn inspect(catalog: &Catalog) -> Value {
    let method = |info: &MethodInfo| {
        let args = parameters(info).map(|name| Value::map(vec![("name".to_owned(), name.into())]));
        let details =
            vec![("args".to_owned(), Value::List(args.collect())), ("doc".to_owned(), Value::from(info.doc))];
        (info.name.to_owned(), Value::map(details))
    };
    Value::map(vec![
        ("name".to_owned(), catalog.name.into()),
        ("methods".to_owned(), Value::map(catalog.methods.iter().map(method).collect())),
    ])
}

fn none(method: &str, args: &[Value]) -> Result<(), CallError> {
    if args.is_empty() {
        return Ok(());
    }
    let message = format!("{method}() takes no arguments but {} were given", args.len());
    Err(CallError::new(ErrorKind::InvalidArguments, message))
}

fn named<'a>(catalog: &'a Catalog, method: &str, args: &[Value]) -> Result<&'a MethodInfo, CallError> {
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

    fn shown(method: &str, args: &[Value]) -> String {
        format!("{:?}", answer(&Catalog::new(&Calculator, None), method, args).unwrap().unwrap())
    }

    #[test]
    fn built_in_methods_answer_as_pythons_do() {
        assert_eq!(shown("_zerorpc_ping", &[]), r#"["pong", "Calculator"]"#);
        assert_eq!(shown("_zerorpc_name", &[]), r#""Calculator""#);
        assert!(shown("_zerorpc_list", &[]).starts_with(r#"["add", "divide", "echo""#));
        assert_eq!(shown("_zerorpc_help", &["add".into()]), r#""Return x + y.""#);
        assert_eq!(shown("_zerorpc_args", &["add".into()]), r#"[["self", "x", "y"], null, null, null]"#);
        let inspected = answer(&Catalog::new(&Calculator, None), "_zerorpc_inspect", &[]).unwrap().unwrap();
        let hello = inspected.get("methods").and_then(|methods| methods.get("hello")).unwrap();
        assert_eq!(
            format!("{hello:?}"),
            r#"{"args": [{"name": "self"}, {"name": "name"}], "doc": "Return a greeting."}"#
        );
    }

    #[test]
    fn what_they_do_not_know_is_an_error() {
        let unknown = answer(&Catalog::new(&Calculator, None), "_zerorpc_help", &["nosuch".into()])
            .unwrap()
            .unwrap_err();
        assert_eq!(unknown.remote.unwrap().class.as_deref(), Some("KeyError"));
        for (method, args) in [("_zerorpc_ping", vec![Value::Null]), ("_zerorpc_args", vec![])] {
            let error = answer(&Catalog::new(&Calculator, None), method, &args).unwrap().unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArguments);
        }
        assert!(answer(&Catalog::new(&Calculator, None), "_zerorpc_nosuch", &[]).is_none());
        assert!(answer(&Catalog::new(&Calculator, None), "add", &[]).is_none());
    }
}
