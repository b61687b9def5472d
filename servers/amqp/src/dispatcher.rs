//! Whom a request is for among a server's endpoints, and what to answer if nobody, in the words of oslo.messaging's
//! dispatcher.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use calculator::{Executor, Params, Value};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::wire::{Arguments, Failure, Request};
use crate::{Context, Endpoint, Interface, Serializer, version};

/// Which of its endpoints' methods a server lets callers reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessPolicy {
    /// All but those whose names begin with an underscore.
    #[default]
    Public,
    /// Those that are named, and no others.
    Only(HashSet<String>),
    /// All.
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

/// Finds the method that a request asks for and runs it.
///
/// Endpoints are asked in their order: the first one of the request's namespace, of a compatible version, that has the
/// method, executes it. A request is dispatched without a broker here:
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
    /// The handlers that may run at a time, where the executor bounds them.
    places: Semaphore,
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
    /// No endpoints, [`AccessPolicy::Public`], no serializer, handlers as tasks of the runtime.
    #[must_use]
    pub fn new() -> Self {
        RpcDispatcher {
            endpoints: Vec::new(),
            policy: AccessPolicy::default(),
            serializer: None,
            executor: Executor::Async,
            places: Semaphore::new(1),
        }
    }

    /// One endpoint more, asked after those before it.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Endpoint) -> Self {
        self.endpoints.push((endpoint.interface(), Box::new(endpoint)));
        self
    }

    /// Which methods can be reached.
    #[must_use]
    pub fn access_policy(mut self, policy: AccessPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// What arguments, results and contexts pass.
    #[must_use]
    pub fn serializer(mut self, serializer: impl Serializer) -> Self {
        self.serializer = Some(Arc::new(serializer));
        self
    }

    /// How handlers are run: one at a time, on that many threads of their own, or as tasks of the runtime, where only
    /// a handler that waits lets others run.
    #[must_use]
    pub fn executor(mut self, executor: Executor) -> Self {
        self.executor = executor;
        let places = match executor {
            Executor::Threads(n) => n.get().min(Semaphore::MAX_PERMITS),
            Executor::Blocking | Executor::Async => 1,
        };
        self.places = Semaphore::new(places);
        self
    }

    /// Ready for a server, or several.
    #[must_use]
    pub fn build(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// Executes a request. Must be awaited inside a Tokio runtime.
    ///
    /// # Errors
    /// The failure that is the request's answer.
    pub async fn dispatch(self: &Arc<Self>, request: Request) -> Result<Value, Failure> {
        let method = match request.method {
            Some(Ok(method)) => method,
            None => return Err(no_method("NoneType")),
            Some(Err(kind)) => return Err(no_method(kind)),
        };
        let namespace = match &request.namespace {
            None => None,
            Some(Ok(namespace)) => Some(namespace.as_str()),
            Some(Err(_)) => return Err(unsupported("None", &method)),
        };
        let index = self.find(&method, namespace, request.version.as_ref())?;
        let mut context = request.context;
        if let Some(seconds) = request.monitor {
            context.set("client_timeout", i64::try_from(seconds).unwrap_or(i64::MAX));
        }
        let arguments = match request.arguments {
            Arguments::Named(params) => params,
            Arguments::Other(kind) => {
                let message = format!("'{kind}' object has no attribute 'items'");
                return Err(Failure::builtin("AttributeError", message));
            }
        };
        self.run(Found { index, method, context, arguments }).await
    }

    /// The endpoint that a request is for.
    fn find(
        &self,
        method: &str,
        namespace: Option<&str>,
        requested: Option<&Result<String, &'static str>>,
    ) -> Result<usize, Failure> {
        let requested = match requested {
            None => version::DEFAULT,
            Some(Ok(version)) => version,
            Some(Err("NoneType")) => return Err(unsupported("None", method)),
            Some(Err(kind)) => {
                let message = format!("'{kind}' object has no attribute 'split'");
                return Err(Failure::builtin("AttributeError", message));
            }
        };
        let mut served = false;
        for (index, (interface, endpoint)) in self.endpoints.iter().enumerate() {
            if interface.namespace.as_deref() != namespace
                || !version::compatible(&interface.version, requested)?
            {
                continue;
            }
            served = true;
            if endpoint.has(method) && self.policy.allows(method) {
                return Ok(index);
            }
        }
        Err(if served { Failure::no_such_method(method) } else { unsupported(requested, method) })
    }

    async fn run(self: &Arc<Self>, found: Found) -> Result<Value, Failure> {
        match self.executor {
            Executor::Async => self.invoke(found).await,
            Executor::Blocking => {
                let _turn = self.places.acquire().await.map_err(unfinished)?;
                self.invoke(found).await
            }
            Executor::Threads(_) => {
                let _place = self.places.acquire().await.map_err(unfinished)?;
                let (this, runtime) = (Arc::clone(self), Handle::current());
                let handling = move || runtime.block_on(this.invoke(found));
                tokio::task::spawn_blocking(handling).await.map_err(unfinished)?
            }
        }
    }

    async fn invoke(&self, found: Found) -> Result<Value, Failure> {
        let Found { index, method, mut context, mut arguments } = found;
        let Some((_, endpoint)) = self.endpoints.get(index) else {
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

/// A request whose endpoint is known.
struct Found {
    index: usize,
    method: Cow<'static, str>,
    context: Context,
    arguments: Params,
}

fn unfinished(reason: impl fmt::Display) -> Failure {
    Failure::builtin("Exception", format!("the handler did not finish: {reason}"))
}

fn no_method(kind: &str) -> Failure {
    Failure::builtin("TypeError", format!("attribute name must be string, not '{kind}'"))
}

fn unsupported(version: &str, method: &str) -> Failure {
    let message = format!("Endpoint does not support RPC version {version}. Attempted method: {method}");
    Failure::dispatcher("UnsupportedVersion", message)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use calculator::{CallError, ErrorKind};

    use super::*;
    use crate::Methods;

    fn named(method: &'static str) -> Request {
        Request { method: Some(Ok(method.into())), ..Request::default() }
    }

    fn says(word: &'static str) -> impl Fn(&Context, Params) -> Result<Value, Failure> {
        move |_, _| Ok(word.into())
    }

    fn dispatcher() -> RpcDispatcher {
        RpcDispatcher::new()
            .endpoint(Methods::new().namespace("n").version("2.3").method("where", says("n 2.3")))
            .endpoint(Methods::new().method("where", says("first")).method("_private", says("secret")))
            .endpoint(Methods::new().method("where", says("second")).method("other", says("other")))
    }

    async fn answer(request: Request) -> Result<Value, String> {
        dispatcher().build().dispatch(request).await.map_err(|failure| failure.class.into_owned())
    }

    #[tokio::test]
    async fn the_first_endpoint_of_the_namespace_and_version_that_has_the_method_is_asked() {
        assert_eq!(answer(named("where")).await, Ok("first".into()));
        assert_eq!(answer(named("other")).await, Ok("other".into()));
        let within = |version: &str| Request {
            namespace: Some(Ok("n".to_owned())),
            version: Some(Ok(version.to_owned())),
            ..named("where")
        };
        assert_eq!(answer(within("2.1")).await, Ok("n 2.3".into()));
        for version in ["2.4", "1.0"] {
            assert_eq!(answer(within(version)).await, Err("UnsupportedVersion".to_owned()));
        }
        let elsewhere = Request { namespace: Some(Ok(String::new())), ..named("where") };
        assert_eq!(answer(elsewhere).await, Err("UnsupportedVersion".to_owned()));
        for method in ["nosuch", "_private", "target"] {
            assert_eq!(answer(named(method)).await, Err("NoSuchMethod".to_owned()));
        }
    }

    #[tokio::test]
    async fn requests_of_the_wrong_shape_are_answered_as_by_the_reference() {
        for (version, class) in [
            (Ok("1.1"), "UnsupportedVersion"),
            (Ok("1.0.1"), "UnsupportedVersion"),
            (Err("NoneType"), "UnsupportedVersion"),
            (Ok("1"), "IndexError"),
            (Ok("abc"), "ValueError"),
            (Err("int"), "AttributeError"),
        ] {
            let request = Request { version: Some(version.map(str::to_owned)), ..named("where") };
            assert_eq!(answer(request).await, Err(class.to_owned()), "{version:?}");
        }
        assert_eq!(answer(Request::default()).await, Err("TypeError".to_owned()));
        let listed = Request { arguments: Arguments::Other("list"), ..named("where") };
        assert_eq!(answer(listed).await, Err("AttributeError".to_owned()));
    }

    #[tokio::test]
    async fn an_access_policy_decides_what_can_be_reached() {
        let only = AccessPolicy::Only(HashSet::from(["_private".to_owned()]));
        for (policy, method, reached) in [
            (AccessPolicy::Everything, "_private", true),
            (AccessPolicy::Everything, "other", true),
            (only.clone(), "_private", true),
            (only, "other", false),
        ] {
            let result = dispatcher().access_policy(policy).build().dispatch(named(method)).await;
            assert_eq!(result.is_ok(), reached, "{method}");
        }
    }

    /// Counts in dozens on the wire.
    struct Dozens;

    impl Serializer for Dozens {
        fn serialize_entity(&self, context: &Context, value: Value) -> Result<Value, CallError> {
            assert!(context.get("known").is_some());
            match value {
                Value::Int(n) if n % 12 == 0 => Ok((n / 12).into()),
                _ => Err(CallError::new(ErrorKind::NotRepresentable, "no dozen")),
            }
        }

        fn deserialize_entity(&self, _: &Context, value: Value) -> Result<Value, CallError> {
            let Value::Int(n) = value else { return Err(CallError::new(ErrorKind::Malformed, "no number")) };
            Ok((n * 12).into())
        }

        fn deserialize_context(&self, context: Context) -> Context {
            context.with("known", true)
        }
    }

    #[tokio::test]
    async fn a_serializer_sees_arguments_context_and_result() {
        let adds = |n: i64| {
            Methods::new().method("add", move |context, arguments| {
                assert!(context.get("known").is_some());
                let [Value::Int(x)] = arguments.bind("add", ["x"])? else { panic!("a number") };
                Ok((x + n).into())
            })
        };
        let request = |x: Value| Request {
            arguments: Arguments::Named(Params::Named(vec![("x".into(), x)])),
            ..named("add")
        };
        let dispatcher = RpcDispatcher::new().endpoint(adds(24)).serializer(Dozens).build();
        assert_eq!(dispatcher.dispatch(request(3.into())).await, Ok(5.into()));
        let refused = dispatcher.dispatch(request("x".into())).await.unwrap_err();
        assert_eq!((&*refused.class, refused.message.as_str()), ("ValueError", "no number"));
        let dispatcher = RpcDispatcher::new().endpoint(adds(1)).serializer(Dozens).build();
        assert_eq!(dispatcher.dispatch(request(3.into())).await.unwrap_err().class, "OverflowError");
    }

    #[tokio::test]
    async fn every_executor_executes() {
        let two = NonZeroUsize::new(2).unwrap();
        for executor in [Executor::Async, Executor::Blocking, Executor::Threads(two)] {
            let dispatcher = dispatcher().executor(executor).build();
            let all = (0..8).map(|_| dispatcher.dispatch(named("where")));
            for answer in futures_util::future::join_all(all).await {
                assert_eq!(answer, Ok("first".into()));
            }
        }
    }
}
