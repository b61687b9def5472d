//! The crate `zeromq`.

use std::io;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use net::{Endpoint, SocketFile};
use tokio::net::TcpListener;
use zeromq::{
    DealerSocket, RouterSocket, Socket, SocketEvent, SocketOptions, SocketRecv, SocketSend, ZmqMessage,
};

use crate::url::url_of;
use crate::zmtp::wire::{split_message, write_frames};
use crate::zmtp::{MessageSocket, Transport};

pub(super) async fn dealer(endpoint: &Endpoint) -> io::Result<Transport> {
    let mut options = SocketOptions::default();
    options.no_connect_timeout();
    let mut socket = DealerSocket::with_options(options);
    let events = socket.monitor();
    socket.connect(&url_of(endpoint)).await.map_err(io::Error::other)?;
    let (sender, receiver) = socket.split();
    let disconnected =
        events.filter(|event| std::future::ready(matches!(event, SocketEvent::Disconnected(_))));
    Ok(transport(sender, receiver, Some(disconnected.map(drop).boxed()), None))
}

pub(super) async fn router(endpoint: &Endpoint) -> io::Result<(Transport, String)> {
    let mut socket = RouterSocket::new();
    let mut file = None;
    let bound = if let Endpoint::Tcp { host, port } = endpoint {
        let host = if host == "*" { "0.0.0.0" } else { host };
        let listener = TcpListener::bind((host, *port)).await?.into_std()?;
        let bound = Endpoint::from(listener.local_addr()?);
        socket.bind_listener(listener).await.map_err(io::Error::other)?;
        bound
    } else {
        // The library neither replaces an abandoned socket file nor reliably removes its socket's file.
        if let Endpoint::Unix(path) = endpoint {
            SocketFile::clear(path)?;
        }
        socket.bind(&url_of(endpoint)).await.map_err(io::Error::other)?;
        if let Endpoint::Unix(path) = endpoint {
            file = Some(SocketFile::new(path));
        }
        endpoint.clone()
    };
    let (sender, receiver) = socket.split();
    Ok((transport(sender, receiver, None, file), url_of(&bound)))
}

fn transport<S, R>(
    sender: S,
    receiver: R,
    disconnected: Option<BoxStream<'static, ()>>,
    file: Option<SocketFile>,
) -> Transport
where
    S: SocketSend + Send + 'static,
    R: SocketRecv + Send + 'static,
{
    Transport::Socket(Box::new(SplitSocket {
        sending: Mutex::new(SendState::Idle(sender)),
        receiving: Mutex::new(Receiving { receiver, disconnected, next: None, ended: false }),
        _file: file,
    }))
}

/// A socket as its sending and its receiving half.
struct SplitSocket<S, R> {
    sending: Mutex<SendState<S>>,
    receiving: Mutex<Receiving<R>>,
    /// The file of a listening Unix socket, which is removed with the socket.
    _file: Option<SocketFile>,
}

enum SendState<S> {
    Idle(S),
    /// A message waits for space in the queue of the library.
    Busy(BoxFuture<'static, S>),
    /// Only while the state is being replaced.
    Taken,
}

struct Receiving<R> {
    receiver: R,
    /// Yields when the peer of a DEALER has disconnected. Without it, receiving would wait forever.
    disconnected: Option<BoxStream<'static, ()>>,
    /// A message that has been received and not read yet.
    next: Option<ZmqMessage>,
    ended: bool,
}

async fn send<S: SocketSend>(mut sender: S, message: ZmqMessage) -> S {
    if let Err(error) = sender.send(message).await {
        tracing::debug!("a message was not sent: {error}");
    }
    sender
}

impl<S, R> MessageSocket for SplitSocket<S, R>
where
    S: SocketSend + Send + 'static,
    R: SocketRecv + Send + 'static,
{
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut receiving = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        let receiving = &mut *receiving;
        if receiving.next.is_some() || receiving.ended {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(message) = pin!(receiving.receiver.recv()).poll(context) {
            receiving.next = Some(message.map_err(io::Error::other)?);
            return Poll::Ready(Ok(()));
        }
        let Some(disconnected) = &mut receiving.disconnected else { return Poll::Pending };
        let _ = ready!(disconnected.poll_next_unpin(context));
        receiving.ended = true;
        Poll::Ready(Ok(()))
    }

    fn try_read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let mut receiving = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        match receiving.next.take() {
            Some(message) => Ok(write_frames(buffer, message.iter().map(|frame| &**frame))),
            None if receiving.ended => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        if let SendState::Busy(sent) = &mut *sending {
            *sending = SendState::Idle(ready!(sent.poll_unpin(context)));
        }
        Poll::Ready(Ok(()))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Some((frames, end)) = split_message(bytes) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let frames: Vec<_> = frames.into_iter().map(Bytes::copy_from_slice).collect();
        let message = ZmqMessage::try_from(frames).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *sending, SendState::Taken) {
            SendState::Idle(sender) => {
                let mut sent = send(sender, message).boxed();
                *sending = match sent.poll_unpin(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(sender) => SendState::Idle(sender),
                    Poll::Pending => SendState::Busy(sent),
                };
                Ok(end)
            }
            busy => {
                *sending = busy;
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }
}
