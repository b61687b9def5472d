//! The `system.*` methods, which Python's `xmlrpc.server` and jsonrpclib's server have from one dispatcher.

use calculator::{Call, CallError, Dispatcher, ErrorKind, Params, Service, Value};

const LIST_METHODS: &str = "system.listMethods";
const METHOD_HELP: &str = "system.methodHelp";
const METHOD_SIGNATURE: &str = "system.methodSignature";
const MULTICALL: &str = "system.multicall";

/// The methods that a server has besides the service's, with their help.
const SYSTEM: [(&str, &str); 4] = [
    (LIST_METHODS, "Return the names of all methods."),
    (METHOD_HELP, "Return the help of a method; empty where there is none."),
    (METHOD_SIGNATURE, "Signatures are not supported."),
    (MULTICALL, "Execute several calls, one after the other."),
];

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// The call itself failed.
    Call(CallError),
    /// An entry of a multicall lacks this member. CPython lets its KeyError fail all of them.
    MissingMember(&'static str),
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        Refused::Call(error)
    }
}

impl From<Refused> for CallError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Call(error) => error,
            Refused::MissingMember(name) => invalid(format!("a call of {MULTICALL} has a member `{name}`")),
        }
    }
}

/// Executes `call`: a method of the service, or one of the `system.*` methods. A multicall has at most `max_batch`
/// entries; those that fail are given by `fault` among its results.
///
/// # Errors
/// [`Refused`].
pub async fn call(
    dispatcher: &Dispatcher,
    call: Call,
    max_batch: usize,
    fault: fn(CallError) -> Value,
) -> Result<Value, Refused> {
    if !call.method.starts_with("system.") {
        return Ok(dispatcher.call(call).await?);
    }
    if call.method == MULTICALL {
        // Boxed, so that every other call need not carry the room for it.
        return Box::pin(multicall(dispatcher, call.params, max_batch, fault)).await;
    }
    Ok(introspect(dispatcher.service(), call)?)
}

fn introspect(service: &dyn Service, call: Call) -> Result<Value, CallError> {
    match &*call.method {
        LIST_METHODS => {
            let [] = call.params.bind(LIST_METHODS, [])?;
            let own = service.methods().iter().map(|info| info.name);
            let mut names: Vec<_> = own.chain(SYSTEM.iter().map(|(name, _)| *name)).collect();
            names.sort_unstable();
            Ok(Value::List(names.into_iter().map(Value::from).collect()))
        }
        METHOD_HELP => match call.params.bind(METHOD_HELP, ["name"])? {
            [Value::Str(name)] => Ok(help(service, &name).into()),
            [other] => Err(invalid(format!("a method's name is a string, not {}", other.kind()))),
        },
        METHOD_SIGNATURE => {
            let [_] = call.params.bind(METHOD_SIGNATURE, ["name"])?;
            // The text that CPython's server gives for every method.
            Ok("signatures not supported".into())
        }
        name => Err(CallError::unknown_method(name)),
    }
}

fn help(service: &dyn Service, name: &str) -> &'static str {
    let own = service.methods().iter().find(|info| info.name == name).map(|info| info.doc);
    let system = || SYSTEM.iter().find(|(system, _)| *system == name).map(|(_, help)| *help);
    own.or_else(system).unwrap_or_default()
}

/// A list of `{methodName, params}` gives a list with `[result]` or a fault for each. CPython executes nested ones; here
/// they are faults, for they would multiply what one request can ask for.
async fn multicall(
    dispatcher: &Dispatcher,
    params: Params,
    max_batch: usize,
    fault: fn(CallError) -> Value,
) -> Result<Value, Refused> {
    let [calls] = params.bind(MULTICALL, ["calls"])?;
    let Value::List(calls) = calls else {
        return Err(invalid(format!("the calls are a list, not {}", calls.kind())).into());
    };
    if calls.len() > max_batch {
        let message = format!("{} calls in one; the limit is {max_batch}", calls.len());
        return Err(CallError::new(ErrorKind::TooLarge, message).into());
    }
    let mut results = Vec::with_capacity(calls.len());
    for value in calls {
        let call = entry(value)?;
        let result = if call.method == MULTICALL {
            Err(invalid(format!("{MULTICALL} cannot be called by itself")))
        } else if call.method.starts_with("system.") {
            introspect(dispatcher.service(), call)
        } else {
            dispatcher.call(call).await
        };
        results.push(result.map_or_else(fault, |value| Value::List(vec![value])));
    }
    Ok(Value::List(results))
}

fn invalid(message: String) -> CallError {
    CallError::new(ErrorKind::InvalidArguments, message)
}

/// An entry of a multicall as a call.
fn entry(value: Value) -> Result<Call, Refused> {
    let Value::Map(members) = value else {
        return Err(invalid(format!("a call is a struct, not {}", value.kind())).into());
    };
    let (mut method, mut params) = (None, None);
    for (name, value) in members {
        match name.as_str() {
            "methodName" => method = Some(value),
            "params" => params = Some(value),
            _ => {}
        }
    }
    let missing = Refused::MissingMember;
    match (method.ok_or(missing("methodName"))?, params.ok_or(missing("params"))?) {
        (Value::Str(method), Value::List(params)) => Ok(Call::positional(method, params)),
        _ => Err(invalid("a call has a string methodName and a list of params".to_owned()).into()),
    }
}
