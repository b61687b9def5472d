//! The crate `zeromq`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::net::TcpStream;
use zeromq::{
    DealerSocket, RouterSocket, Socket, SocketEvent, SocketOptions, SocketRecv, SocketSend, ZmqMessage,
};

use crate::zmtp::wire::{split_message, write_frames};
use crate::zmtp::{Carrier, Endpoint, Stream};

pub(super) async fn dealer(endpoint: &Endpoint) -> io::Result<Stream> {
    // The library tries for ever where nobody listens. A call shall fail instead, as with every other protocol, so the
    // first attempt is made without it.
    if let Endpoint::Tcp { host, port } = endpoint {
        TcpStream::connect((host.as_str(), *port)).await?;
    }
    let mut options = SocketOptions::default();
    options.no_connect_timeout();
    let mut socket = DealerSocket::with_options(options);
    let events = socket.monitor();
    socket.connect(&endpoint.to_string()).await.map_err(io::Error::other)?;
    let (sender, receiver) = socket.split();
    let gone = events.filter(|event| std::future::ready(matches!(event, SocketEvent::Disconnected(_))));
    Ok(carried(sender, receiver, Some(gone.map(drop).boxed())))
}

pub(super) async fn router(listen: SocketAddr) -> io::Result<(Stream, String)> {
    let listener = TcpListener::bind(listen)?;
    let url = format!("tcp://{}", listener.local_addr()?);
    let mut socket = RouterSocket::new();
    socket.bind_listener(listener).await.map_err(io::Error::other)?;
    let (sender, receiver) = socket.split();
    Ok((carried(sender, receiver, None), url))
}

fn carried<S, R>(sender: S, receiver: R, gone: Option<BoxStream<'static, ()>>) -> Stream
where
    S: SocketSend + Send + 'static,
    R: SocketRecv + Send + 'static,
{
    Stream::Carried(Box::new(Halves {
        sending: Mutex::new(Sending::Idle(sender)),
        receiving: Mutex::new(Receiving { receiver, gone, came: None, ended: false }),
    }))
}

struct Halves<S, R> {
    sending: Mutex<Sending<S>>,
    receiving: Mutex<Receiving<R>>,
}

enum Sending<S> {
    Idle(S),
    /// A message waits for room in the library's queue.
    Busy(BoxFuture<'static, S>),
    Gone,
}

struct Receiving<R> {
    receiver: R,
    /// Tells that the peer of a DEALER has gone: receiving from it would wait for ever.
    gone: Option<BoxStream<'static, ()>>,
    came: Option<ZmqMessage>,
    ended: bool,
}

async fn send<S: SocketSend>(mut sender: S, message: ZmqMessage) -> S {
    if let Err(error) = sender.send(message).await {
        tracing::debug!("a message was not sent: {error}");
    }
    sender
}

impl<S, R> Carrier for Halves<S, R>
where
    S: SocketSend + Send + 'static,
    R: SocketRecv + Send + 'static,
{
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut receiving = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        let receiving = &mut *receiving;
        if receiving.came.is_some() || receiving.ended {
            return Poll::Ready(Ok(()));
        }
        let came = pin!(receiving.receiver.recv()).poll(context);
        if let Poll::Ready(came) = came {
            receiving.came = Some(came.map_err(io::Error::other)?);
            return Poll::Ready(Ok(()));
        }
        let Some(gone) = &mut receiving.gone else { return Poll::Pending };
        let _ = ready!(gone.poll_next_unpin(context));
        receiving.ended = true;
        Poll::Ready(Ok(()))
    }

    fn try_read(&self, space: &mut Vec<u8>) -> io::Result<usize> {
        let mut receiving = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        match receiving.came.take() {
            Some(message) => Ok(write_frames(space, message.iter().map(|frame| &**frame))),
            None if receiving.ended => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Sending::Busy(sent) = &mut *sending {
            *sending = Sending::Idle(ready!(sent.poll_unpin(context)));
        }
        Poll::Ready(Ok(()))
    }

    fn try_write(&self, octets: &[u8]) -> io::Result<usize> {
        let Some((frames, end)) = split_message(octets) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let frames: Vec<_> = frames.into_iter().map(Bytes::copy_from_slice).collect();
        let message = ZmqMessage::try_from(frames).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *sending, Sending::Gone) {
            Sending::Idle(sender) => {
                let mut sent = send(sender, message).boxed();
                *sending = match sent.poll_unpin(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(sender) => Sending::Idle(sender),
                    Poll::Pending => Sending::Busy(sent),
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
