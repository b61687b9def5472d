//! Endpoints: the methods of a server.

use std::borrow::Cow;
use std::collections::HashMap;

use calculator::{Call, Dispatcher, Params, Value};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::context::Context;
use crate::version;
use crate::wire::Failure;

/// The execution of a method.
pub type MethodFuture<'a> = BoxFuture<'a, Result<Value, Failure>>;

/// A group of methods under one namespace and version.
///
/// [`Methods`] is an endpoint of plain functions. Implement the trait for methods that share state or that await
/// something.
pub trait Endpoint: Send + Sync + 'static {
    /// The namespace and version of the methods.
    fn interface(&self) -> Interface {
        Interface::default()
    }

    /// Whether the endpoint has the method `method`.
    fn has(&self, method: &str) -> bool;

    /// Executes `method`, for which [`has`](Self::has) has returned `true`.
    fn call<'a>(
        &'a self,
        context: &'a Context,
        method: Cow<'static, str>,
        arguments: Params,
    ) -> MethodFuture<'a>;
}

/// The namespace and version of an endpoint's methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `None` is the null namespace, which differs from `""`.
    pub namespace: Option<String>,
    /// `major.minor` or `major.minor.revision`. Serves requests for the same major version and the same or an older
    /// minor version.
    pub version: String,
}

/// The null namespace, version 1.0.
impl Default for Interface {
    fn default() -> Self {
        Interface { namespace: None, version: version::DEFAULT.to_owned() }
    }
}

type Method = Box<dyn Fn(&Context, Params) -> Result<Value, Failure> + Send + Sync>;

/// An endpoint of plain functions.
///
/// ```
/// use amqp::Methods;
///
/// let endpoint = Methods::new().version("2.5").method("test", |_context, arguments| {
///     let [arg] = arguments.bind("test", ["arg"])?;
///     Ok(arg)
/// });
/// ```
#[derive(Default)]
pub struct Methods {
    interface: Interface,
    methods: HashMap<String, Method>,
}

impl Methods {
    /// Creates an endpoint without methods, in the null namespace, of version 1.0.
    #[must_use]
    pub fn new() -> Self {
        Methods::default()
    }

    /// Sets the namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.interface.namespace = Some(namespace.into());
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.interface.version = version.into();
        self
    }

    /// Adds a method, or replaces the one of the same name.
    #[must_use]
    pub fn method(
        mut self,
        name: impl Into<String>,
        method: impl Fn(&Context, Params) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.methods.insert(name.into(), Box::new(method));
        self
    }
}

impl Endpoint for Methods {
    fn interface(&self) -> Interface {
        self.interface.clone()
    }

    fn has(&self, method: &str) -> bool {
        self.methods.contains_key(method)
    }

    fn call<'a>(
        &'a self,
        context: &'a Context,
        method: Cow<'static, str>,
        arguments: Params,
    ) -> MethodFuture<'a> {
        async move {
            match self.methods.get(&*method) {
                Some(function) => function(context, arguments),
                None => Err(Failure::no_such_method(&method)),
            }
        }
        .boxed()
    }
}

/// A service of the suite's contract, such as the calculator, as an endpoint. It runs on the service dispatcher's executor,
/// with its injected faults.
impl Endpoint for Dispatcher {
    fn has(&self, method: &str) -> bool {
        self.service().methods().iter().any(|info| info.name == method)
    }

    fn call<'a>(&'a self, _: &'a Context, method: Cow<'static, str>, arguments: Params) -> MethodFuture<'a> {
        async move {
            let call = Call { method: method.clone(), params: arguments };
            Dispatcher::call(self, call).await.map_err(|error| Failure::from_call_error(error, &method))
        }
        .boxed()
    }
}
