//! The deliveries of a consumer, with the reason for their end.

use std::pin::Pin;

use futures_util::stream::{self, Stream, StreamExt};
use lapin::Consumer;
use lapin::message::Delivery;

use crate::errors::end_of_consumer;

/// Deliveries of one queue, followed by the reason when its consumer has ended.
pub(crate) type Deliveries = Pin<Box<dyn Stream<Item = Result<Delivery, String>> + Send + Sync>>;

/// The deliveries of `consumer`. Unlike the consumer, the stream does not end silently when the broker cancels it.
pub(crate) fn deliveries_of(consumer: Consumer) -> Deliveries {
    let end = stream::once(std::future::ready(Err(end_of_consumer(None))));
    let deliveries = consumer.map(|delivery| delivery.map_err(|error| end_of_consumer(Some(&error))));
    Box::pin(deliveries.chain(end))
}

/// The reason in the item that [`deliveries_of`] yields last.
pub(crate) fn reason_of_end(ended: Option<Result<Delivery, String>>) -> String {
    ended.and_then(Result::err).unwrap_or_else(|| end_of_consumer(None))
}
