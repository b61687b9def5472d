//! libzmq, by the crate `zmq`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zmq::{DONTWAIT, PollEvents, Socket};

use crate::zmtp::wire::{split_message, write_frames};
use crate::zmtp::{Carrier, Endpoint, Stream};

pub(super) fn dealer(endpoint: &Endpoint) -> io::Result<Stream> {
    let socket = zmq::Context::new().socket(zmq::DEALER)?;
    socket.set_linger(0)?;
    socket.connect(&endpoint.to_string())?;
    carried(socket)
}

pub(super) fn router(listen: SocketAddr, max_message: usize) -> io::Result<(Stream, String)> {
    let socket = zmq::Context::new().socket(zmq::ROUTER)?;
    // What was answered is still written when the server has ended.
    socket.set_linger(1_000)?;
    socket.set_maxmsgsize(i64::try_from(max_message).unwrap_or(i64::MAX))?;
    socket.bind(&format!("tcp://{listen}"))?;
    let url = socket.get_last_endpoint()?.map_err(|_| io::ErrorKind::InvalidData)?;
    Ok((carried(socket)?, url))
}

fn carried(socket: Socket) -> io::Result<Stream> {
    #[allow(
        deprecated,
        reason = "what replaces it is unsafe; that the descriptor outlives it, the fields' order sees to"
    )]
    let signal = AsyncFd::with_interest(socket.get_fd()?, Interest::READABLE)?;
    Ok(Stream::Carried(Box::new(Signalled { signal, socket: Mutex::new(socket) })))
}

/// A socket and the descriptor by which it tells that its state has changed. Whoever has done anything with the socket
/// has to look at its state again before the next change is waited for.
struct Signalled {
    // Dropped first: the descriptor is the socket's.
    signal: AsyncFd<RawFd>,
    socket: Mutex<Socket>,
}

impl Signalled {
    fn socket(&self) -> MutexGuard<'_, Socket> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, context: &mut Context<'_>, wanted: PollEvents) -> Poll<io::Result<()>> {
        loop {
            if self.socket().get_events()?.intersects(wanted) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.signal.poll_read_ready(context))?.clear_ready();
        }
    }
}

impl Carrier for Signalled {
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(context, zmq::POLLIN)
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(context, zmq::POLLOUT)
    }

    fn try_read(&self, space: &mut Vec<u8>) -> io::Result<usize> {
        let frames = self.socket().recv_multipart(DONTWAIT)?;
        Ok(write_frames(space, frames.iter().map(Vec::as_slice)))
    }

    fn try_write(&self, octets: &[u8]) -> io::Result<usize> {
        let (frames, end) = split_message(octets).ok_or(io::ErrorKind::InvalidData)?;
        match self.socket().send_multipart(frames, DONTWAIT) {
            // A peer that has gone is none to be told.
            Ok(()) | Err(zmq::Error::EHOSTUNREACH) => Ok(end),
            Err(error) => Err(error.into()),
        }
    }
}
