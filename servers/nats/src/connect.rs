//! Connections over the crate `async-nats`.

use std::error::Error;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use calculator::{CallError, ErrorKind};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::broker::Broker;

/// A connection, which the library opens again whenever it is lost.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// How often the connection was lost.
    pub(crate) losses: Arc<watch::Sender<u64>>,
    /// The largest payload that the broker accepts, in bytes.
    pub(crate) max_payload: usize,
}

/// Connects to `broker` under the name `name`, which the broker's administrator sees.
///
/// # Errors
/// [`ErrorKind::Undeliverable`] if the broker cannot be reached or refuses the login, [`ErrorKind::Timeout`] if it does not
/// answer within `limit`.
pub(crate) async fn connect(broker: &Broker, name: &str, limit: Duration) -> Result<Connection, CallError> {
    let losses = Arc::new(watch::Sender::new(0_u64));
    let mut options = ConnectOptions::new()
        .name(name)
        .connection_timeout(limit)
        // The caller has a deadline.
        .request_timeout(None)
        // Other brokers of a cluster may not be reachable from here, and the comparison is about this one.
        .ignore_discovered_servers()
        .event_callback({
            let losses = Arc::clone(&losses);
            move |event| {
                match event {
                    Event::Disconnected | Event::Closed => losses.send_modify(|count| *count += 1),
                    Event::SlowConsumer(_) => {
                        tracing::warn!("messages were dropped: more arrived than this process could hold");
                    }
                    Event::ServerError(error) => tracing::warn!("the broker reported: {error}"),
                    _ => {}
                }
                ready(())
            }
        });
    if let Some(login) = broker.login() {
        options = options.user_and_password(login.user.clone(), login.password.clone());
    }
    let late = || CallError::new(ErrorKind::Timeout, "the broker has not answered in time");
    let connecting = timeout(limit, options.connect(broker.to_string()));
    let client = connecting.await.map_err(|_| late())?.map_err(|error| match error.kind() {
        ConnectErrorKind::TimedOut => late(),
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            undeliverable("the broker refuses the user name and the password")
        }
        _ => undeliverable(&format!("cannot connect to the broker: {}", describe(&error))),
    })?;
    let max_payload = client.server_info().max_payload;
    Ok(Connection { client, losses, max_payload })
}

/// Waits until the broker has carried out everything that was sent before, such as subscriptions.
///
/// # Errors
/// [`ErrorKind::Undeliverable`] if the connection ends, [`ErrorKind::Timeout`] after `limit`.
pub(crate) async fn synchronise(client: &Client, limit: Duration) -> Result<(), CallError> {
    let round_trip = async {
        // The broker handles what comes over a connection in its order.
        let inbox = client.new_inbox();
        let failed = |error: &dyn Error| undeliverable(&error.to_string());
        let mut subscription = client.subscribe(inbox.clone()).await.map_err(|error| failed(&error))?;
        client.publish(inbox, bytes::Bytes::new()).await.map_err(|error| failed(&error))?;
        subscription.next().await.map(drop).ok_or_else(|| undeliverable("the connection has ended"))
    };
    let late = |_| CallError::new(ErrorKind::Timeout, "the broker has not answered in time");
    timeout(limit, round_trip).await.map_err(late)?
}

/// An [`ErrorKind::Undeliverable`] error.
pub(crate) fn undeliverable(reason: &str) -> CallError {
    CallError::new(ErrorKind::Undeliverable, reason)
}

/// The reason that the system or the broker gave, which the library's error holds.
fn describe(error: &(dyn Error + 'static)) -> String {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    let mut last = error.to_string();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return net::describe_connect_error(error);
        }
        last = error.to_string();
        source = error.source();
    }
    last
}
