//! The `system.*` methods, as both Python's `xmlrpc.server` and jsonrpclib's server have them.

use calculator::{Call, CallError, Dispatcher, ErrorKind, Params, Service, Value};

const LIST_METHODS: &str = "system.listMethods";
const METHOD_HELP: &str = "system.methodHelp";
const METHOD_SIGNATURE: &str = "system.methodSignature";
const MULTICALL: &str = "system.multicall";

/// The names of these methods, and their help.
const SYSTEM: [(&str, &str); 4] = [
    (LIST_METHODS, "Return the names of all methods."),
    (METHOD_HELP, "Return the help of a method; empty where there is none."),
    (METHOD_SIGNATURE, "Signatures are not supported."),
    (MULTICALL, "Execute several calls, one after the other."),
];

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// An error that any call can have.
    Call(CallError),
    /// An entry of a multicall has no member of this name. In CPython the KeyError fails the whole multicall.
    MissingMember(&'static str),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Failure::Call(error)
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Call(error) => error,
            Failure::MissingMember(name) => {
                invalid(format!("an entry of {MULTICALL} has no member `{name}`"))
            }
        }
    }
}

/// Executes `call`: a method of the service, or one of the `system.*` methods. A multicall may have at most `max_batch`
/// entries; `fault` turns the error of an entry that fails into its result.
///
/// # Errors
/// [`Failure`].
pub async fn call(
    dispatcher: &Dispatcher,
    call: Call,
    max_batch: usize,
    fault: fn(CallError) -> Value,
) -> Result<Value, Failure> {
    if !call.method.starts_with("system.") {
        return Ok(dispatcher.call(call).await?);
    }
    if call.method == MULTICALL {
        // Boxed, so that the futures of other calls stay small.
        return Box::pin(multicall(dispatcher, call.params, max_batch, fault)).await;
    }
    Ok(introspect(dispatcher.service(), call)?)
}

fn introspect(service: &dyn Service, call: Call) -> Result<Value, CallError> {
    match &*call.method {
        LIST_METHODS => {
            let [] = call.params.bind(LIST_METHODS, [])?;
            let of_service = service.methods().iter().map(|info| info.name);
            let mut names: Vec<_> = of_service.chain(SYSTEM.iter().map(|(name, _)| *name)).collect();
            names.sort_unstable();
            Ok(Value::List(names.into_iter().map(Value::from).collect()))
        }
        METHOD_HELP => match call.params.bind(METHOD_HELP, ["name"])? {
            [Value::Str(name)] => Ok(help(service, &name).into()),
            [other] => Err(invalid(format!("the name of a method must be a string, not {}", other.kind()))),
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
    let of_service = service.methods().iter().find(|info| info.name == name).map(|info| info.doc);
    let system = || SYSTEM.iter().find(|(system, _)| *system == name).map(|(_, help)| *help);
    of_service.or_else(system).unwrap_or_default()
}

/// Executes a list of `{methodName, params}`. The result is a list with `[result]` or a fault for each entry. CPython
/// executes nested multicalls; here they are faults, because nesting would multiply the work that one request can cause.
async fn multicall(
    dispatcher: &Dispatcher,
    params: Params,
    max_batch: usize,
    fault: fn(CallError) -> Value,
) -> Result<Value, Failure> {
    let [calls] = params.bind(MULTICALL, ["calls"])?;
    let Value::List(calls) = calls else {
        return Err(invalid(format!("the calls must be a list, not {}", calls.kind())).into());
    };
    if calls.len() > max_batch {
        let message = format!("{} calls in one; the limit is {max_batch}", calls.len());
        return Err(CallError::new(ErrorKind::TooLarge, message).into());
    }
    let mut results = Vec::with_capacity(calls.len());
    for value in calls {
        let call = entry(value)?;
        let result = if call.method == MULTICALL {
            Err(invalid(format!("{MULTICALL} cannot be nested")))
        } else if call.method.starts_with("system.") {
            introspect(dispatcher.service(), call)
        } else {
            dispatcher.call(call).await
        };
        results.push(result.map_or_else(fault, |value| Value::list(vec![value])));
    }
    Ok(Value::list(results))
}

fn invalid(message: String) -> CallError {
    CallError::new(ErrorKind::InvalidArguments, message)
}

/// Converts an entry of a multicall to a call.
fn entry(value: Value) -> Result<Call, Failure> {
    let Value::Map(members) = value else {
        return Err(invalid(format!("a call must be a struct, not {}", value.kind())).into());
    };
    let (mut method, mut params) = (None, None);
    for (name, value) in members {
        match name.as_str() {
            "methodName" => method = Some(value),
            "params" => params = Some(value),
            _ => {}
        }
    }
    let missing = Failure::MissingMember;
    match (method.ok_or(missing("methodName"))?, params.ok_or(missing("params"))?) {
        (Value::Str(method), Value::List(params)) => Ok(Call::positional(String::from(method), params)),
        _ => Err(invalid("methodName must be a string and params a list".to_owned()).into()),
    }
}
