//! libzmq, through the crate `zmq`.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use net::{Endpoint, SocketFile};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zmq::{DONTWAIT, PollEvents, Socket};

use crate::url::url_of;
use crate::zmtp::wire::{split_message, write_frames};
use crate::zmtp::{MessageSocket, Transport};

pub(super) fn dealer(endpoint: &Endpoint) -> io::Result<Transport> {
    let socket = zmq::Context::new().socket(zmq::DEALER)?;
    socket.set_linger(0)?;
    socket.connect(&url_of(endpoint))?;
    transport(socket, None)
}

pub(super) fn router(endpoint: &Endpoint, max_message: usize) -> io::Result<(Transport, String)> {
    // libzmq removes whatever file is at the path.
    if let Endpoint::Unix(path) = endpoint {
        SocketFile::clear(path)?;
    }
    let socket = zmq::Context::new().socket(zmq::ROUTER)?;
    // Replies that are queued when the server ends are still written.
    socket.set_linger(1_000)?;
    socket.set_maxmsgsize(i64::try_from(max_message).unwrap_or(i64::MAX))?;
    socket.bind(&url_of(endpoint))?;
    let file = match endpoint {
        Endpoint::Unix(path) => Some(SocketFile::new(path)),
        _ => None,
    };
    let url = socket.get_last_endpoint()?.map_err(|_| io::ErrorKind::InvalidData)?;
    Ok((transport(socket, file)?, url))
}

fn transport(socket: Socket, file: Option<SocketFile>) -> io::Result<Transport> {
    #[allow(
        deprecated,
        reason = "the replacement is unsafe; the order of the fields makes the descriptor outlive its use here"
    )]
    let signal = AsyncFd::with_interest(socket.get_fd()?, Interest::READABLE)?;
    Ok(Transport::Socket(Box::new(SignalledSocket { signal, socket: Mutex::new(socket), _file: file })))
}

/// A socket and the file descriptor that becomes readable when the socket's state changes. The signal is
/// edge-triggered: after each use of the socket, its state has to be read again before waiting for the next signal.
struct SignalledSocket {
    // Declared first, so that it is dropped before the socket, which owns the descriptor.
    signal: AsyncFd<RawFd>,
    socket: Mutex<Socket>,
    /// The file of a listening Unix socket, which is removed also if the process exits without dropping the socket.
    _file: Option<SocketFile>,
}

impl SignalledSocket {
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

impl MessageSocket for SignalledSocket {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(context, zmq::POLLIN)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(context, zmq::POLLOUT)
    }

    fn try_read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let frames = self.socket().recv_multipart(DONTWAIT)?;
        Ok(write_frames(buffer, frames.iter().map(Vec::as_slice)))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (frames, end) = split_message(bytes).ok_or(io::ErrorKind::InvalidData)?;
        match self.socket().send_multipart(frames, DONTWAIT) {
            // A message to a peer that has disconnected is dropped.
            Ok(()) | Err(zmq::Error::EHOSTUNREACH) => Ok(end),
            Err(error) => Err(error.into()),
        }
    }
}
