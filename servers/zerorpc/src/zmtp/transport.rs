//! The transport of a connection: a stream, or a socket of another library.

use std::fmt;
use std::io;
use std::task::{Context, Poll};

/// A ZeroMQ socket of another library, which takes the place of a connection.
///
/// It exchanges whole messages. They are encoded as ZMTP frames, as if read from and written to a stream after the
/// handshake. Only one task polls it.
pub trait MessageSocket: Send + Sync {
    /// Ready when a message or the end can be read.
    ///
    /// # Errors
    /// The error that ends the connection.
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when a message can be written.
    ///
    /// # Errors
    /// The error that ends the connection.
    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Appends the next message to `buffer` and returns their length in bytes; 0 at the end of the connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], or the error that ends the connection.
    fn try_read(&self, buffer: &mut Vec<u8>) -> io::Result<usize>;

    /// Sends the message that `bytes` begin with and returns the length of that message in bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], or the error that ends the connection.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
}

/// The transport of a connection: a stream, or a socket of another library.
pub enum Transport {
    /// A stream, over which this crate speaks ZMTP.
    Stream(net::Stream),
    /// A socket of another library, which speaks ZMTP itself.
    Socket(Box<dyn MessageSocket>),
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transport::Stream(stream) => stream.fmt(f),
            Transport::Socket(_) => f.write_str("Socket"),
        }
    }
}

impl Transport {
    pub(super) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Stream(stream) => stream.poll_read_ready(context),
            Transport::Socket(socket) => socket.poll_read_ready(context),
        }
    }

    pub(super) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Stream(stream) => stream.poll_write_ready(context),
            Transport::Socket(socket) => socket.poll_write_ready(context),
        }
    }

    pub(super) fn try_read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Transport::Stream(stream) => stream.try_read_buf(buffer),
            Transport::Socket(socket) => socket.try_read(buffer),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Stream(stream) => stream.try_write(bytes),
            Transport::Socket(socket) => socket.try_write(bytes),
        }
    }
}
