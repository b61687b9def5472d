//! Methods whose results are streams: the trait that applications implement.

use calculator::stream::{COUNT, count};
use calculator::{CallError, MethodInfo, Params, Value};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

/// The items of one call. An error ends the stream.
pub type ValueStream = BoxStream<'static, Result<Value, CallError>>;

/// A set of methods whose results are streams, like methods with the decorator `zerorpc.stream` in Python. A server has
/// these methods in addition to those of its [`Service`](calculator::Service), and runs each call as a task.
pub trait Streams: Send + Sync + 'static {
    /// The methods.
    fn methods(&self) -> &[MethodInfo];

    /// Starts a call of one of [`methods`](Self::methods). The stream is polled only while the caller gives credit for
    /// more items.
    ///
    /// # Errors
    /// [`InvalidArguments`](calculator::ErrorKind::InvalidArguments), or what the method itself reports.
    fn open(&self, method: &str, params: Params) -> Result<ValueStream, CallError>;
}

/// The streams of the calculator: the method [`COUNT`].
#[derive(Clone, Copy, Debug)]
pub struct CalculatorStreams;

impl Streams for CalculatorStreams {
    fn methods(&self) -> &[MethodInfo] {
        &[COUNT]
    }

    fn open(&self, method: &str, params: Params) -> Result<ValueStream, CallError> {
        if method != COUNT.name {
            return Err(CallError::unknown_method(method));
        }
        Ok(stream::iter(count(params)?.map(|item| Ok(Value::Int(item)))).boxed())
    }
}
