//! Dispatching of requests to endpoints, with the error messages of oslo.messaging's dispatcher.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use calculator::{Executor, Params, Value};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::endpoint::{Endpoint, Interface};
use crate::context::Context;
use crate::serializer::Serializer;
use crate::version;
use crate::wire::{Arguments, Failure, Request};

/// Which methods of its endpoints a server exposes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessPolicy {
    /// All methods except those whose names begin with an underscore.
    #[default]
    Public,
    /// The named methods only.
    Only(HashSet<String>),
    /// All methods.
    Everything,
}

impl AccessPolicy {
    fn allows(&self, method: &str) -> bool {
        match self {
            AccessPolicy::Public => !method.starts_with('_'),
            AccessPolicy::Only(methods) => methods.contains(method),
            AccessPolicy::Everything => true,
        }
    }
}

/// Finds the endpoint that a request is for, and runs its method.
///
/// The first endpoint in the request's namespace, of a compatible version, that has the method executes it. Dispatching
/// needs no broker:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use amqp::wire::{Arguments, Request};
/// use amqp::{Methods, RpcDispatcher};
/// use calculator::Params;
///
/// let control = Methods::new().namespace("control").version("2.0").method("stop", |_, _| Ok("stopping".into()));
/// let test = Methods::new().method("test", |_, arguments| {
///     let [arg] = arguments.bind("test", ["arg"])?;
///     Ok(arg)
/// });
/// let dispatcher = RpcDispatcher::new().endpoint(control).endpoint(test).build();
///
/// let request = Request {
///     method: Some(Ok("test".into())),
///     arguments: Arguments::Named(Params::Named(vec![("arg".into(), 7.into())])),
///     ..Request::default()
/// };
/// assert_eq!(dispatcher.dispatch(request).await, Ok(7.into()));
///
/// let request = Request { method: Some(Ok("stop".into())), ..Request::default() };
/// assert_eq!(dispatcher.dispatch(request).await.unwrap_err().class, "NoSuchMethod");
/// # }
/// ```
pub struct RpcDispatcher {
    endpoints: Vec<(Interface, Box<dyn Endpoint>)>,
    policy: AccessPolicy,
    serializer: Option<Arc<dyn Serializer>>,
    executor: Executor,
    /// Has a permit for each handler that may run at a time, if the executor limits them.
    handler_slots: Semaphore,
}

impl Default for RpcDispatcher {
    fn default() -> Self {
        RpcDispatcher::new()
    }
}

impl fmt::Debug for RpcDispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interfaces = self.endpoints.iter().map(|(interface, _)| interface);
        f.debug_list().entries(interfaces).finish()
    }
}

impl RpcDispatcher {
    /// Creates a dispatcher without endpoints and serializer, with [`AccessPolicy::Public`] and [`Executor::Async`].
    #[must_use]
    pub fn new() -> Self {
        RpcDispatcher {
            endpoints: Vec::new(),
            policy: AccessPolicy::default(),
            serializer: None,
            executor: Executor::Async,
            handler_slots: Semaphore::new(1),
        }
    }

    /// Adds an endpoint, after those added before.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Endpoint) -> Self {
        self.endpoints.push((endpoint.interface(), Box::new(endpoint)));
        self
    }

    /// Sets which methods are exposed.
    #[must_use]
    pub fn access_policy(mut self, policy: AccessPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the conversion of arguments, results and contexts.
    #[must_use]
    pub fn serializer(mut self, serializer: impl Serializer) -> Self {
        self.serializer = Some(Arc::new(serializer));
        self
    }

    /// Sets how handlers are run: one at a time, on a number of dedicated threads, or as tasks of the runtime. As a task,
    /// a handler lets others run only while it awaits something.
    #[must_use]
    pub fn executor(mut self, executor: Executor) -> Self {
        self.executor = executor;
        let slots = match executor {
            Executor::Threads(n) => n.get().min(Semaphore::MAX_PERMITS),
            Executor::Blocking | Executor::Async => 1,
        };
        self.handler_slots = Semaphore::new(slots);
        self
    }

    /// Finishes the configuration. The result can be shared by several servers.
    #[must_use]
    pub fn build(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// Executes a request. Must be awaited inside a Tokio runtime.
    ///
    /// # Errors
    /// The failure with which the request is answered.
    pub async fn dispatch(self: &Arc<Self>, request: Request) -> Result<Value, Failure> {
        let method = match request.method {
            Some(Ok(method)) => method,
            None => return Err(invalid_method_type("NoneType")),
            Some(Err(kind)) => return Err(invalid_method_type(kind)),
        };
        let namespace = match &request.namespace {
            None => None,
            Some(Ok(namespace)) => Some(namespace.as_str()),
            Some(Err(_)) => return Err(unsupported_version("None", &method)),
        };
        let index = self.find(&method, namespace, request.version.as_ref())?;
        let mut context = request.context;
        if let Some(seconds) = request.call_monitor_timeout {
            context.set("client_timeout", i64::try_from(seconds).unwrap_or(i64::MAX));
        }
        let arguments = match request.arguments {
            Arguments::Named(params) => params,
            Arguments::Other(kind) => {
                let message = format!("'{kind}' object has no attribute 'items'");
                return Err(Failure::builtin("AttributeError", message));
            }
        };
        self.run(Invocation { endpoint: index, method, context, arguments }).await
    }

    /// The index of the endpoint that a request is for.
    fn find(
        &self,
        method: &str,
        namespace: Option<&str>,
        requested: Option<&Result<String, &'static str>>,
    ) -> Result<usize, Failure> {
        let requested = match requested {
            None => version::DEFAULT,
            Some(Ok(version)) => version,
            Some(Err("NoneType")) => return Err(unsupported_version("None", method)),
            Some(Err(kind)) => {
                let message = format!("'{kind}' object has no attribute 'split'");
                return Err(Failure::builtin("AttributeError", message));
            }
        };
        let mut interface_found = false;
        for (index, (interface, endpoint)) in self.endpoints.iter().enumerate() {
            if interface.namespace.as_deref() != namespace
                || !version::is_compatible(&interface.version, requested)?
            {
                continue;
            }
            interface_found = true;
            if endpoint.has(method) && self.policy.allows(method) {
                return Ok(index);
            }
        }
        Err(if interface_found {
            Failure::no_such_method(method)
        } else {
            unsupported_version(requested, method)
        })
    }

    /// Runs a method on the executor.
    async fn run(self: &Arc<Self>, invocation: Invocation) -> Result<Value, Failure> {
        match self.executor {
            Executor::Async => self.invoke(invocation).await,
            Executor::Blocking => {
                let _slot = self.handler_slots.acquire().await.map_err(unfinished_handler_failure)?;
                self.invoke(invocation).await
            }
            Executor::Threads(_) => {
                let _slot = self.handler_slots.acquire().await.map_err(unfinished_handler_failure)?;
                let (this, runtime) = (Arc::clone(self), Handle::current());
                let handler = move || runtime.block_on(this.invoke(invocation));
                tokio::task::spawn_blocking(handler).await.map_err(unfinished_handler_failure)?
            }
        }
    }

    /// Calls a method, with the serializer's conversions around it.
    async fn invoke(&self, invocation: Invocation) -> Result<Value, Failure> {
        let Invocation { endpoint, method, mut context, mut arguments } = invocation;
        let Some((_, endpoint)) = self.endpoints.get(endpoint) else {
            return Err(Failure::no_such_method(&method));
        };
        let Some(serializer) = &self.serializer else {
            return endpoint.call(&context, method, arguments).await;
        };
        context = serializer.deserialize_context(context);
        if let Params::Named(members) = &mut arguments {
            for (_, value) in members {
                *value = serializer.deserialize_entity(&context, std::mem::replace(value, Value::Null))?;
            }
        }
        let result = endpoint.call(&context, method, arguments).await?;
        Ok(serializer.serialize_entity(&context, result)?)
    }
}

/// A request for a known endpoint.
struct Invocation {
    /// The endpoint's index.
    endpoint: usize,
    method: Cow<'static, str>,
    context: Context,
    arguments: Params,
}

fn unfinished_handler_failure(reason: impl fmt::Display) -> Failure {
    Failure::builtin("Exception", format!("the handler did not finish: {reason}"))
}

fn invalid_method_type(kind: &str) -> Failure {
    Failure::builtin("TypeError", format!("attribute name must be string, not '{kind}'"))
}

fn unsupported_version(version: &str, method: &str) -> Failure {
    let message = format!("Endpoint does not support RPC version {version}. Attempted method: {method}");
    Failure::dispatcher("UnsupportedVersion", message)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use calculator::{CallError, ErrorKind};

    use super::*;
    use crate::server::Methods;

    fn request(method: &'static str) -> Request {
        Request { method: Some(Ok(method.into())), ..Request::default() }
    }

    fn returns(word: &'static str) -> impl Fn(&Context, Params) -> Result<Value, Failure> {
        move |_, _| Ok(word.into())
    }

    fn dispatcher() -> RpcDispatcher {
        RpcDispatcher::new()
            .endpoint(Methods::new().namespace("n").version("2.3").method("where", returns("n 2.3")))
            .endpoint(Methods::new().method("where", returns("first")).method("_private", returns("secret")))
            .endpoint(Methods::new().method("where", returns("second")).method("other", returns("other")))
    }

    /// Dispatches a request; an error is the class of the failure.
    async fn dispatch(request: Request) -> Result<Value, String> {
        dispatcher().build().dispatch(request).await.map_err(|failure| failure.class.into_owned())
    }

    #[tokio::test]
    async fn dispatches_to_the_first_endpoint_with_the_namespace_version_and_method() {
        assert_eq!(dispatch(request("where")).await, Ok("first".into()));
        assert_eq!(dispatch(request("other")).await, Ok("other".into()));
        let within = |version: &str| Request {
            namespace: Some(Ok("n".to_owned())),
            version: Some(Ok(version.to_owned())),
            ..request("where")
        };
        assert_eq!(dispatch(within("2.1")).await, Ok("n 2.3".into()));
        for version in ["2.4", "1.0"] {
            assert_eq!(dispatch(within(version)).await, Err("UnsupportedVersion".to_owned()));
        }
        let elsewhere = Request { namespace: Some(Ok(String::new())), ..request("where") };
        assert_eq!(dispatch(elsewhere).await, Err("UnsupportedVersion".to_owned()));
        for method in ["nosuch", "_private", "target"] {
            assert_eq!(dispatch(request(method)).await, Err("NoSuchMethod".to_owned()));
        }
    }

    #[tokio::test]
    async fn malformed_requests_fail_with_the_exceptions_of_oslo_messaging() {
        for (version, class) in [
            (Ok("1.1"), "UnsupportedVersion"),
            (Ok("1.0.1"), "UnsupportedVersion"),
            (Err("NoneType"), "UnsupportedVersion"),
            (Ok("1"), "IndexError"),
            (Ok("abc"), "ValueError"),
            (Err("int"), "AttributeError"),
        ] {
            let request = Request { version: Some(version.map(str::to_owned)), ..request("where") };
            assert_eq!(dispatch(request).await, Err(class.to_owned()), "{version:?}");
        }
        assert_eq!(dispatch(Request::default()).await, Err("TypeError".to_owned()));
        let listed = Request { arguments: Arguments::Other("list"), ..request("where") };
        assert_eq!(dispatch(listed).await, Err("AttributeError".to_owned()));
    }

    #[tokio::test]
    async fn the_access_policy_limits_the_methods() {
        let only = AccessPolicy::Only(HashSet::from(["_private".to_owned()]));
        for (policy, method, allowed) in [
            (AccessPolicy::Everything, "_private", true),
            (AccessPolicy::Everything, "other", true),
            (only.clone(), "_private", true),
            (only, "other", false),
        ] {
            let result = dispatcher().access_policy(policy).build().dispatch(request(method)).await;
            assert_eq!(result.is_ok(), allowed, "{method}");
        }
    }

    /// Sends numbers as multiples of twelve.
    struct Dozens;

    impl Serializer for Dozens {
        fn serialize_entity(&self, context: &Context, value: Value) -> Result<Value, CallError> {
            assert!(context.get("known").is_some());
            match value {
                Value::Int(n) if n % 12 == 0 => Ok((n / 12).into()),
                _ => Err(CallError::new(ErrorKind::NotRepresentable, "not a dozen")),
            }
        }

        fn deserialize_entity(&self, _: &Context, value: Value) -> Result<Value, CallError> {
            let Value::Int(n) = value else {
                return Err(CallError::new(ErrorKind::Malformed, "not a number"));
            };
            Ok((n * 12).into())
        }

        fn deserialize_context(&self, context: Context) -> Context {
            context.with("known", true)
        }
    }

    #[tokio::test]
    async fn the_serializer_converts_arguments_context_and_result() {
        let adds = |n: i64| {
            Methods::new().method("add", move |context, arguments| {
                assert!(context.get("known").is_some());
                let [Value::Int(x)] = arguments.bind("add", ["x"])? else { panic!("a number") };
                Ok((x + n).into())
            })
        };
        let add_request = |x: Value| Request {
            arguments: Arguments::Named(Params::Named(vec![("x".into(), x)])),
            ..request("add")
        };
        let dispatcher = RpcDispatcher::new().endpoint(adds(24)).serializer(Dozens).build();
        assert_eq!(dispatcher.dispatch(add_request(3.into())).await, Ok(5.into()));
        let refused = dispatcher.dispatch(add_request("x".into())).await.unwrap_err();
        assert_eq!((&*refused.class, refused.message.as_str()), ("ValueError", "not a number"));
        let dispatcher = RpcDispatcher::new().endpoint(adds(1)).serializer(Dozens).build();
        assert_eq!(dispatcher.dispatch(add_request(3.into())).await.unwrap_err().class, "OverflowError");
    }

    #[tokio::test]
    async fn every_executor_runs_handlers() {
        let two = NonZeroUsize::new(2).unwrap();
        for executor in [Executor::Async, Executor::Blocking, Executor::Threads(two)] {
            let dispatcher = dispatcher().executor(executor).build();
            let all = (0..8).map(|_| dispatcher.dispatch(request("where")));
            for result in futures_util::future::join_all(all).await {
                assert_eq!(result, Ok("first".into()));
            }
        }
    }
}
