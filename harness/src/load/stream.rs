//! The operation `stream:N`: one call whose result is a stream of N items.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use calculator::stream::COUNT;
use calculator::{Call, CallError, CallFuture, Client, ErrorKind, Value};

/// The length of a stream in items, from 1 to 100,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamLength(NonZeroU32);

/// The longest stream. The servers in Python take seconds for it.
const MAX_ITEMS: u32 = 100_000;

impl Default for StreamLength {
    /// As many items as zerorpc-python receives ahead.
    fn default() -> Self {
        StreamLength(const { NonZeroU32::new(100).unwrap() })
    }
}

impl FromStr for StreamLength {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let items = text.parse().ok().filter(|items: &NonZeroU32| items.get() <= MAX_ITEMS);
        items.map(StreamLength).ok_or(())
    }
}

impl fmt::Display for StreamLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StreamLength {
    /// The number of items.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The call whose result is such a stream.
    pub(super) fn call(self) -> Call {
        Call::positional(COUNT.name, [self.count()])
    }

    /// What a client of [`over`] answers if all items arrived, each at its place.
    pub(super) fn count(self) -> Value {
        Value::Int(i64::from(self.get()))
    }
}

/// A client whose calls are made over `client`, each with a stream as its result, and end with the number of its items.
pub(super) fn over(client: Arc<dyn Client>) -> Arc<dyn Client> {
    Arc::new(StreamClient(client))
}

struct StreamClient(Arc<dyn Client>);

impl StreamClient {
    async fn receive(&self, call: &Call) -> Result<Value, CallError> {
        let mut received = 0_i64;
        let mut on_item = |item: Value| {
            if item != Value::Int(received) {
                let message = format!("item {received} of the stream is {}", item.kind());
                return Err(CallError::new(ErrorKind::Malformed, message));
            }
            received += 1;
            Ok(())
        };
        self.0.call_stream(call, &mut on_item).ok_or_else(|| CallError::lacking("streams"))?.await?;
        Ok(Value::Int(received))
    }
}

impl Client for StreamClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.receive(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::{OnItem, StreamFuture};

    /// A client whose streams have these items.
    struct Fixed(Vec<Value>);

    impl Client for Fixed {
        fn call<'a>(&'a self, _: &'a Call) -> CallFuture<'a> {
            panic!("a stream is no usual call")
        }

        fn call_stream<'a>(&'a self, _: &'a Call, on_item: OnItem<'a>) -> Option<StreamFuture<'a>> {
            Some(Box::pin(async move { self.0.iter().cloned().try_for_each(on_item) }))
        }
    }

    #[tokio::test]
    async fn the_answer_is_the_number_of_items_that_are_right() {
        let length: StreamLength = "3".parse().unwrap();
        let received = async |items: &[i64]| {
            let client = over(Arc::new(Fixed(items.iter().copied().map(Value::Int).collect())));
            client.call(&length.call()).await.map_err(|error| error.kind)
        };
        assert_eq!(received(&[0, 1, 2]).await, Ok(length.count()));
        assert_eq!(received(&[0, 1]).await, Ok(Value::Int(2)));
        assert_eq!(received(&[0, 2, 1]).await, Err(ErrorKind::Malformed));
    }

    #[test]
    fn a_length_is_limited() {
        for text in ["1", "100", "100000"] {
            assert_eq!(text.parse::<StreamLength>().unwrap().to_string(), text);
        }
        for text in ["0", "100001", "-1", "", "10KiB", "1.5"] {
            assert_eq!(text.parse::<StreamLength>(), Err(()), "{text}");
        }
        assert_eq!(StreamLength::default().get(), 100);
    }
}
