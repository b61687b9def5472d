//! A server for one client over standard input and output, as language servers are, and servers of the Model Context Protocol.

use std::io;
use std::pin::pin;

use net::Endpoint;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::deploy::Place;
use crate::stacks::{Stack, Transport};

/// The place where a server of `stack` listens. [`relay`] connects to it.
///
/// # Errors
/// For a stack whose server has no pipes, and when their folder cannot be made.
pub(super) fn place(stack: &Stack) -> Result<Place, Failure> {
    if !stack.has_transport(Transport::Stdio) {
        return Err(Failure::usage(format!("--stdio: the server of {} has no pipes", stack.name)));
    }
    let place = Place::new(Transport::Stdio);
    place.prepare().map_err(Failure::could_not_run)?;
    Ok(place)
}

/// Connects to the server at `endpoint`, and passes on standard input to it and what it answers to standard output. Cancels `stop` once
/// the input has ended and everything in it is answered, or the server has closed the connection.
///
/// # Errors
/// The errors of the operating system.
pub(super) async fn relay(endpoint: Endpoint, stop: CancellationToken) -> io::Result<()> {
    let _stop = stop.drop_guard();
    let (mut from_server, mut to_server) = tokio::io::split(net::connect(&endpoint).await?);
    let requests = async {
        tokio::io::copy(&mut tokio::io::stdin(), &mut to_server).await?;
        to_server.shutdown().await
    };
    // What has arrived is flushed before more is awaited: a client waits for the response.
    let mut output = tokio::io::stdout();
    let mut responses = pin!(tokio::io::copy(&mut from_server, &mut output));
    tokio::select! {
        answered = &mut responses => answered.map(drop),
        sent = requests => {
            let answered = responses.await;
            sent.and(answered.map(drop))
        }
    }
}
