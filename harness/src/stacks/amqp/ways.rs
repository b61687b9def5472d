//! Messages without an answer: casts, fanout casts and notifications.

use std::sync::Arc;

use amqp::notify::{Listener, Notification, NotificationResult, Notifier, Priority};
use amqp::{AmqpClient, Context, Target, Transport, TransportError};
use calculator::{Call, CallError, CallFuture, Client, ClientOptions, Dispatcher, Value};

use crate::stacks::way::Way;

/// The ways of the stacks that send as oslo.messaging does.
pub(super) const WAYS: &[Way] = &[Way::Cast, Way::Fanout, Way::Notify];

/// What notifications name as their publisher.
const PUBLISHER: &str = "rpcbench";
/// The priority of all notifications.
const PRIORITY: Priority = Priority::Info;

/// Casts. A call ends with null when the broker has confirmed the message.
struct Casts(AmqpClient);

impl Client for Casts {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.0.cast(call).await.map(|()| Value::Null) })
    }
}

/// Notifications of the type that is the method's name, with the arguments as a list. A call ends with null when the broker has
/// confirmed the message.
struct Notifications(Notifier);

impl Client for Notifications {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        let arguments = call.params.values().cloned().collect();
        Box::pin(async move {
            const EMPTY: &Context = &Context::new();
            self.0.notify(EMPTY, PRIORITY, &call.method, Value::List(arguments)).await.map(|()| Value::Null)
        })
    }
}

/// A client that sends to `target` in `way`, which is not a call.
///
/// # Errors
/// As [`AmqpClient::connect`]. A notifier connects when it sends for the first time.
pub(super) async fn connect(
    transport: &Transport,
    target: Target,
    way: Way,
    options: &ClientOptions,
) -> Result<Arc<dyn Client>, CallError> {
    if way == Way::Notify {
        let notifier = Notifier::new(transport, target, PUBLISHER).timeout(options.timeout);
        return Ok(Arc::new(Notifications(notifier)));
    }
    let target = Target { fanout: way == Way::Fanout, ..target };
    Ok(Arc::new(Casts(AmqpClient::connect(transport, target, options).await?)))
}

/// A listener that executes each notification of the topic as a call of `dispatcher`: the method is the type of the event. A
/// notification is acknowledged when its execution begins.
///
/// # Errors
/// [`TransportError`].
pub(super) async fn listen(
    transport: &Transport,
    target: Target,
    dispatcher: Dispatcher,
) -> Result<Listener, TransportError> {
    Listener::bind(transport, target, &[PRIORITY], move |notification| {
        let (dispatcher, call) = (dispatcher.clone(), call_of(notification));
        tokio::spawn(async move {
            // There is no caller to whom an error could go.
            let _ = dispatcher.call(call).await;
        });
        NotificationResult::Handled
    })
    .await
}

/// The call that a notification stands for.
fn call_of(notification: Notification) -> Call {
    let arguments = match notification.payload {
        Value::List(arguments) => arguments.into_vec(),
        other => vec![other],
    };
    Call::positional(notification.event_type, arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_stands_for_a_call_of_the_method_that_is_its_type() {
        let notification = |payload: Value| Notification {
            message_id: String::new(),
            publisher_id: String::new(),
            event_type: "add".to_owned(),
            priority: String::new(),
            timestamp: String::new(),
            payload,
            context: Context::new(),
        };
        let arguments = || vec![Value::Int(2), Value::Int(3)];
        assert_eq!(
            call_of(notification(Value::List(arguments().into()))),
            Call::positional("add", arguments())
        );
        assert_eq!(call_of(notification(Value::Int(7))), Call::positional("add", [Value::Int(7)]));
    }
}
