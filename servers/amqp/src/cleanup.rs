//! Deletion of the queues that servers leave at the broker.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::options::QueueDeleteOptions;
use tokio::time::{Instant, sleep};

use crate::connect::TransportError;
use crate::notify::Priority;
use crate::publisher::close;
use crate::target::Target;
use crate::topology::short_string;
use crate::url::TransportUrl;

/// The pause before a queue is tried again whose consumer the broker has not removed yet.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// The reply code of a queue that is in use (PRECONDITION_FAILED).
const IN_USE: u16 = 406;

/// Deletes the queues of the server `target`, that of its topic, that of its name and those of its notifications, with the
/// messages in them. As in oslo.messaging, a server leaves them behind when it stops. A queue that does not exist is no error.
///
/// A queue that still has a consumer after `timeout` stays: another server uses it.
///
/// # Errors
/// [`TransportError`]; [`TransportError::Refused`] for a queue that is in use.
pub async fn delete_server_queues(
    broker: &TransportUrl,
    target: &Target,
    timeout: Duration,
) -> Result<(), TransportError> {
    let deadline = Instant::now() + timeout;
    let connection = broker.connect("cleanup", timeout).await?;
    let of_topic = Target { server: None, ..target.clone() };
    let of_notifications = Priority::ALL.map(|priority| priority.queue(&target.topic));
    for queue in [target.queue(), of_topic.queue()].into_iter().chain(of_notifications) {
        loop {
            // The broker closes the channel with each refusal.
            let channel = connection.create_channel().await?;
            let options = QueueDeleteOptions { if_unused: true, ..QueueDeleteOptions::default() };
            let Err(error) = channel.queue_delete(short_string(&queue), options).await else { break };
            let is_in_use =
                matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == IN_USE);
            if !is_in_use || Instant::now() >= deadline {
                return Err(error.into());
            }
            sleep(RETRY_INTERVAL).await;
        }
    }
    close(&connection).await;
    Ok(())
}
