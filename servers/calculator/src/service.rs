//! The services that a server can serve.

use std::sync::LazyLock;
use std::time::Duration;

use ecow::eco_format;

use crate::arithmetic;
use crate::{CallError, ErrorKind, Method, Params, Value};

/// The description of a method, for introspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// The name on the wire.
    pub name: &'static str,
    /// The names of the parameters, in positional order.
    pub params: &'static [&'static str],
    /// One line of help.
    pub doc: &'static str,
}

/// A set of methods, independent of protocols, executors and sockets.
pub trait Service: Send + Sync + 'static {
    /// The name of the service, for introspection.
    fn name(&self) -> &'static str;

    /// The public methods, sorted by name.
    fn methods(&self) -> &[MethodInfo];

    /// How long a call must wait before it is executed. The dispatcher does the waiting, so that an asynchronous executor
    /// can serve other calls meanwhile. Default: no wait.
    fn wait(&self, _method: &str, _params: &Params) -> Duration {
        Duration::ZERO
    }

    /// Executes a call.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownMethod`], [`ErrorKind::InvalidArguments`], or an error of the method itself.
    fn call(&self, method: &str, params: Params) -> Result<Value, CallError>;
}

/// The calculator: add, multiply, subtract (|x − y|), divide, hello and echo.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calculator;

/// The methods of the calculator, sorted by name.
static METHODS: LazyLock<Vec<MethodInfo>> = LazyLock::new(|| {
    let mut methods: Vec<_> = Method::ALL
        .into_iter()
        .map(|method| MethodInfo { name: method.name(), params: method.params(), doc: method.doc() })
        .collect();
    methods.sort_unstable_by_key(|info| info.name);
    methods
});

impl Service for Calculator {
    fn name(&self) -> &'static str {
        "Calculator"
    }

    fn methods(&self) -> &[MethodInfo] {
        &METHODS
    }

    fn call(&self, method: &str, params: Params) -> Result<Value, CallError> {
        let Some(method) = Method::from_name(method) else {
            return Err(CallError::unknown_method(method));
        };
        let binary = |operation: fn(&Value, &Value) -> Result<Value, CallError>, params: Params| {
            let [x, y] = params.bind(method.name(), ["x", "y"])?;
            operation(&x, &y)
        };
        match method {
            Method::Add => binary(arithmetic::add, params),
            Method::Multiply => binary(arithmetic::multiply, params),
            Method::Subtract => binary(arithmetic::subtract, params),
            Method::Divide => binary(arithmetic::divide, params),
            Method::Hello => match params.bind("hello", ["name"])? {
                [Value::Str(name)] => Ok(Value::Str(eco_format!("hello, {name}"))),
                [other] => Err(CallError::new(
                    ErrorKind::InvalidArguments,
                    format!("hello() takes a string, not {}", other.kind()),
                )),
            },
            Method::Echo => params.bind("echo", ["value"]).map(|[value]| value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Call;

    fn call(call: Call) -> Result<Value, ErrorKind> {
        Calculator.call(&call.method, call.params).map_err(|error| error.kind)
    }

    #[test]
    fn hello_accepts_positional_and_named_arguments() {
        assert_eq!(call(Call::positional("hello", ["RPC".into()])), Ok("hello, RPC".into()));
        assert_eq!(call(Call::named("hello", [("name".into(), "RPC".into())])), Ok("hello, RPC".into()));
        assert_eq!(call(Call::positional("hello", [Value::Int(1)])), Err(ErrorKind::InvalidArguments));
    }

    #[test]
    fn lists_its_methods_sorted_by_name() {
        let names: Vec<_> = Calculator.methods().iter().map(|info| info.name).collect();
        assert_eq!(names, ["add", "divide", "echo", "hello", "multiply", "subtract"]);
    }

    #[test]
    fn rejects_unknown_and_private_methods() {
        for name in ["nosuch", "_private", "", "Add", "__class__"] {
            assert_eq!(call(Call::positional(name, [])), Err(ErrorKind::UnknownMethod));
        }
    }
}
