//! A server for one client over standard input and output, as language servers are, and servers of the Model Context Protocol.

use std::io;

use net::Endpoint;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::deploy::Place;
use crate::stacks::{Stack, Transport};

/// Where a server of `stack` listens for the pipes between which and standard input and output [`relay`] passes everything on.
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
pub(super) async fn relay(endpoint: Endpoint, stop: CancellationToken) {
    if let Err(error) = pass_on(&endpoint).await {
        tracing::warn!("standard input and output: {error}");
    }
    stop.cancel();
}

async fn pass_on(endpoint: &Endpoint) -> io::Result<()> {
    let (mut from_server, mut to_server) = tokio::io::split(net::connect(endpoint).await?);
    let requests = async {
        tokio::io::copy(&mut tokio::io::stdin(), &mut to_server).await?;
        to_server.shutdown().await
    };
    let responses = async {
        // Each write is flushed: a client waits for the response.
        tokio::io::copy(&mut from_server, &mut tokio::io::stdout()).await.map(drop)
    };
    let mut responses = std::pin::pin!(responses);
    tokio::select! {
        answered = &mut responses => answered,
        sent = requests => {
            sent?;
            responses.await
        }
    }
}
