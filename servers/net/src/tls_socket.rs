//! A connection over TLS, with the operations of every other one.

use std::fmt;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::PeerEnd;
use crate::plain::{PlainStream, poll_attempts};

/// TLS over another connection. Reading and writing complete a handshake that is not complete yet, and answer what the peer asks for.
///
/// As with OpenSSL, a write that would block must be repeated with the same bytes: they may be encrypted already. It has been written
/// once all of its records, of at most 64 KiB of data, are sent. Dropping it sends the record that ends a connection, `close_notify`
/// (RFC 8446, section 6.1), as far as that is possible without waiting.
pub(crate) struct TlsSocket {
    /// Carries the records.
    carrier: PlainStream,
    session: Mutex<Session>,
}

struct Session {
    connection: Connection,
    /// Whether there are bytes that were decrypted and not read yet.
    has_unread: bool,
    /// Whether no further record is to be read: the peer has ended the connection, or it has failed.
    has_ended: bool,
    /// Why the connection failed.
    failure: Option<rustls::Error>,
    /// The number of bytes of a write that are encrypted, but not all sent.
    encrypted: usize,
    /// Whether `close_notify` was made, after which nothing can be written.
    is_closed: bool,
}

impl TlsSocket {
    /// `connection` over `carrier`, after its handshake or before it.
    pub(crate) fn new(carrier: PlainStream, connection: impl Into<Connection>) -> Self {
        let mut session = Session {
            connection: connection.into(),
            has_unread: false,
            has_ended: false,
            failure: None,
            encrypted: 0,
            is_closed: false,
        };
        // Data may have arrived together with the end of the handshake.
        session.decrypt();
        TlsSocket { carrier, session: Mutex::new(session) }
    }

    /// The connection that carries the records.
    pub(crate) fn carrier(&self) -> &PlainStream {
        &self.carrier
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Stream::peer_end`](crate::Stream::peer_end).
    pub(crate) fn peer_end(&self) -> PeerEnd {
        match self.carrier.peer_end() {
            PeerEnd::Open if self.session().has_ended => PeerEnd::HalfClosed,
            end => end,
        }
    }

    /// As [`Stream::poll_read_ready`](crate::Stream::poll_read_ready). Decrypts what has arrived until there is data or the end: other
    /// records, such as a server's session tickets, leave nothing to be read.
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut session = self.session();
        while !session.has_unread && !session.has_ended {
            session.send_waiting(&self.carrier, context);
            ready!(self.carrier.poll_read_ready(context))?;
            match session.receive(&mut Carrier(&self.carrier)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => received?,
            }
            // What cannot be sent yet is sent later.
            let _ = session.send(&self.carrier);
        }
        Poll::Ready(Ok(()))
    }

    /// As [`AsyncRead::poll_read`].
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let TlsSocket { carrier, session } = self;
        let session = session.get_mut().unwrap_or_else(PoisonError::into_inner);
        loop {
            match session.take(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                taken => return Poll::Ready(taken.map(drop)),
            }
            session.send_waiting(carrier, context);
            // Unlike an attempt without the context, this remembers that a read which did not fill its space has emptied the socket.
            match session.receive(&mut Reading { carrier, context }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                received => received?,
            }
            let _ = session.send(carrier);
        }
    }

    /// As [`Stream::try_read_buf`](crate::Stream::try_read_buf). Reads at most once from the carrier.
    pub(crate) fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        let mut session = self.session();
        match session.take(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            taken => return taken,
        }
        session.receive(&mut Carrier(&self.carrier))?;
        let _ = session.send(&self.carrier);
        session.take(buffer)
    }

    /// Writes as much of `slices` as possible without waiting, and returns the number of bytes.
    ///
    /// # Errors
    /// As [`Stream::try_write`](crate::Stream::try_write).
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.session();
        session.send(&self.carrier)?;
        if session.encrypted == 0 {
            session.encrypted = session.connection.writer().write_vectored(slices)?;
            session.send(&self.carrier)?;
        }
        Ok(mem::take(&mut session.encrypted))
    }

    /// As [`AsyncWrite::poll_write_vectored`].
    pub(crate) fn poll_write(
        &self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_attempts(|| self.carrier.poll_write_ready(context), || self.try_write_vectored(slices))
    }

    /// Sends what is encrypted already.
    pub(crate) fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.session().send(&self.carrier) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
            ready!(self.carrier.poll_write_ready(context))?;
        }
    }

    /// Sends `close_notify`, and shuts down the carrier's sending side.
    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session().close();
        ready!(self.poll_flush(context))?;
        Pin::new(&mut self.carrier).poll_shutdown(context)
    }
}

impl Drop for TlsSocket {
    fn drop(&mut self) {
        let TlsSocket { carrier, session } = self;
        let session = session.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A write that was given up must not look like a complete one.
        if session.encrypted == 0 {
            session.close();
            // The peer may have left.
            let _ = session.send(carrier);
        }
    }
}

impl fmt::Debug for TlsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsSocket").field(&self.carrier).finish()
    }
}

impl Session {
    /// Moves decrypted bytes to `buffer`, and returns their number; 0 at the end of the stream.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there are none; [`io::ErrorKind::UnexpectedEof`] if the peer has ended the connection without
    /// saying so; [`io::ErrorKind::InvalidData`] if it violates the protocol, or refuses the handshake.
    fn take(&mut self, buffer: &mut impl BufMut) -> io::Result<usize> {
        let mut reader = self.connection.reader();
        let decrypted = match (reader.fill_buf(), &self.failure) {
            (Ok(decrypted), None) => decrypted,
            (Ok(decrypted), Some(_)) if !decrypted.is_empty() => decrypted,
            (_, Some(failure)) => return Err(io::Error::new(io::ErrorKind::InvalidData, failure.clone())),
            (Err(error), None) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let message = "the connection ended without the end of TLS: what was sent may be incomplete";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
            (Err(error), None) => return Err(error),
        };
        let len = decrypted.len().min(buffer.chunk_mut().len());
        buffer.put_slice(&decrypted[..len]);
        reader.consume(len);
        self.has_unread = reader.fill_buf().is_ok_and(|rest| !rest.is_empty());
        Ok(len)
    }

    /// Reads once from `carrier`, and decrypts.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing has arrived; the errors of the carrier.
    fn receive(&mut self, carrier: &mut dyn Read) -> io::Result<()> {
        self.has_ended |= self.connection.read_tls(carrier)? == 0;
        self.decrypt();
        Ok(())
    }

    fn decrypt(&mut self) {
        match self.connection.process_new_packets() {
            Ok(state) => {
                self.has_unread = state.plaintext_bytes_to_read() > 0;
                self.has_ended |= state.peer_has_closed();
            }
            Err(failure) => {
                self.failure = Some(failure);
                self.has_ended = true;
            }
        }
    }

    /// Sends the records that wait, which may be what the peer waits for: answers, and the alert with the reason why the connection fails.
    /// Wakes the task once more can be sent. What prevents it shows when data is written; until then, what has arrived can be read.
    fn send_waiting(&mut self, carrier: &PlainStream, context: &mut Context<'_>) {
        while self.connection.wants_write() {
            let Poll::Ready(Ok(())) = carrier.poll_write_ready(context) else { return };
            match self.send(carrier) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    /// Sends the records that wait.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when not all of them can be sent; the errors of the carrier.
    fn send(&mut self, carrier: &PlainStream) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut Carrier(carrier))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Makes `close_notify`, once.
    fn close(&mut self) {
        if !mem::replace(&mut self.is_closed, true) {
            self.connection.send_close_notify();
        }
    }
}

/// The carrier as the library reads it; a task is woken when it can be read again.
struct Reading<'a, 'b> {
    carrier: &'a mut PlainStream,
    context: &'a mut Context<'b>,
}

impl Read for Reading<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut *self.carrier).poll_read(self.context, &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The carrier as the library reads and writes it, without waiting.
struct Carrier<'a>(&'a PlainStream);

impl Read for Carrier<'_> {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read_buf(&mut buffer)
    }
}

impl Write for Carrier<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    use super::*;
    use crate::tls_server::tests::acceptor;
    use crate::{Endpoint, HALF_CLOSED_TIMEOUT, Listener, Stream, TlsConnector, Trust};

    async fn listener() -> Listener {
        Listener::bind(&Endpoint::loopback()).await.unwrap().with_tls(Some(acceptor(None)))
    }

    fn connector() -> TlsConnector {
        TlsConnector::new(&Trust::Any).unwrap()
    }

    /// Client and server of a connection whose handshake is complete.
    async fn pair() -> (Stream, Stream) {
        let listener = listener().await;
        let connector = connector();
        let client = async {
            let mut client = connector.open(listener.endpoint()).await.unwrap();
            client.write_all(b"!").await.unwrap();
            client
        };
        let server = async {
            let mut server = listener.accept().await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'!');
            server
        };
        tokio::join!(client, server)
    }

    #[tokio::test]
    async fn more_than_the_sockets_hold_arrives_in_both_directions() {
        let (mut client, mut server) = pair().await;
        let sent: Vec<u8> = (0..8_000_000_u32).map(|number| (number % 251) as u8).collect();
        for _ in 0..2 {
            let mut received = vec![0; sent.len()];
            let (written, read) = tokio::join!(client.write_all(&sent), server.read_exact(&mut received));
            written.unwrap();
            read.unwrap();
            assert!(received == sent);
            mem::swap(&mut client, &mut server);
        }
        assert_eq!(client.bytes_counted(), None, "the kernel counts the bytes of TCP");
    }

    #[tokio::test]
    async fn the_end_of_a_connection_and_its_loss_are_distinguishable() {
        let (client, mut server) = pair().await;
        drop(client);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.departed().await;

        // One that can still read.
        let (mut client, mut server) = pair().await;
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"late").await.unwrap();
        let mut late = [0; 4];
        client.read_exact(&mut late).await.unwrap();
        assert_eq!(&late, b"late");

        let (listener, connector) = (listener().await, connector());
        let lost = async {
            let mut client = connector.connect(listener.endpoint()).await.unwrap();
            client.write_all(b"!").await.unwrap();
            client.flush().await.unwrap();
        };
        let server = async {
            let mut server = listener.accept().await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'!');
            for _ in 0..2 {
                let error = server.read(&mut [0; 8]).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }
        };
        tokio::join!(lost, server);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_during_a_call_is_noticed_as_soon_as_without_tls() {
        let (mut client, mut server) = pair().await;
        // Session tickets that are not read would reset the connection, which is noticed at once.
        server.write_all(b"?").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'?');
        let start = Instant::now();
        tokio::join!(server.departed(), async { drop(client) });
        assert_eq!(start.elapsed().as_secs(), HALF_CLOSED_TIMEOUT.as_secs());

        // One that only sends `close_notify`, and does not close the connection.
        let (listener, connector) = (listener().await, connector());
        let client = async {
            let mut client = connector.connect(listener.endpoint()).await.unwrap();
            client.write_all(b"!").await.unwrap();
            client.get_mut().1.send_close_notify();
            client.flush().await.unwrap();
            client
        };
        let server = async {
            let mut server = listener.accept().await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'!');
            let start = Instant::now();
            server.departed().await;
            start.elapsed().as_secs()
        };
        let (_client, seconds) = tokio::join!(client, server);
        assert_eq!(seconds, HALF_CLOSED_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn what_is_not_tls_fails_for_good_and_is_answered_by_an_alert() {
        let listener = listener().await;
        let Endpoint::Tcp { host, port } = listener.endpoint() else { panic!("TCP") };
        let mut plain = TcpStream::connect((host.as_str(), *port)).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut server = listener.accept().await.unwrap();
        for _ in 0..2 {
            let error = server.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        drop(server);
        let mut alert = Vec::new();
        plain.read_to_end(&mut alert).await.unwrap();
        assert_eq!(alert[0], 21, "{alert:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn bytes_arrive_in_order_however_they_are_cut(
            writes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40_000), 1..8),
            read_sizes in proptest::collection::vec(1_usize..20_000, 1..8),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let received = runtime.block_on(async {
                let (mut client, mut server) = pair().await;
                let write = async {
                    for part in &writes {
                        client.write_all(part).await.unwrap();
                    }
                    client.shutdown().await.unwrap();
                };
                let read = async {
                    let mut received = Vec::new();
                    for size in read_sizes.iter().cycle() {
                        let mut part = vec![0; *size];
                        match server.read(&mut part).await.unwrap() {
                            0 => break,
                            len => received.extend_from_slice(&part[..len]),
                        }
                    }
                    received
                };
                tokio::join!(write, read).1
            });
            prop_assert!(received == writes.concat());
        }
    }
}
