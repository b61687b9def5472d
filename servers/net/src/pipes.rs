//! Pairs of pipes, as a program has them with the one that started it through standard input and output.
//!
//! A client makes two named pipes beside the server's socket, which takes datagrams, and sends their name to it. The server opens both
//! and sends a byte; then the client opens its end of the other one, and removes their files. From then on only the pipes are used, one
//! for each direction.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixDatagram;
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

use crate::peer_end::PeerEnd;
use crate::socket_file::{SocketFile, check_length, connect_error};

/// The length in bytes of what tells the pipes of a connection from others.
const NAME_LEN: usize = 16;

/// What the server sends when it has opened both pipes.
const ACCEPTED: [u8; 1] = [0];

/// One end of a connection: a pipe to read from, and one to write to.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) receiver: Receiver,
    /// `None` after [`Self::shut_down`].
    sender: Option<Sender>,
}

impl Pipes {
    /// The pipe to write to.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] after [`Self::shut_down`].
    pub(crate) fn sender(&self) -> io::Result<&Sender> {
        self.sender.as_ref().ok_or(io::ErrorKind::BrokenPipe.into())
    }

    /// The same, to be changed.
    pub(crate) fn sender_mut(&mut self) -> io::Result<&mut Sender> {
        self.sender.as_mut().ok_or(io::ErrorKind::BrokenPipe.into())
    }

    /// Closes the pipe to write to: its reader sees the end.
    pub(crate) fn shut_down(&mut self) {
        self.sender = None;
    }

    /// The state of the other end.
    pub(crate) fn peer_end(&self) -> PeerEnd {
        let of_sender = self.sender.as_ref().map(|sender| PeerEnd::of(sender.ready(Interest::WRITABLE)));
        match of_sender {
            Some(PeerEnd::Closed) => PeerEnd::Closed,
            _ => PeerEnd::of(self.receiver.ready(Interest::READABLE)),
        }
    }
}

/// The files of the pipes of a connection, which are removed on drop.
#[derive(Debug)]
struct Files {
    paths: [PathBuf; 2],
}

impl Files {
    fn new(socket: &Path, name: &str) -> Self {
        Files { paths: paths(socket, name) }
    }
}

/// Where the pipes `name` of the server at `socket` are: the pipe to the server, and the one from it.
fn paths(socket: &Path, name: &str) -> [PathBuf; 2] {
    ["up", "down"].map(|way| {
        let mut path = socket.as_os_str().to_owned();
        path.push(format!(".{name}.{way}"));
        path.into()
    })
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = fs::remove_file(path);
        }
    }
}

/// Connects to the server whose socket is at `socket`, and waits until it has accepted.
///
/// # Errors
/// The errors of the operating system.
pub(crate) async fn connect(socket: &Path) -> io::Result<Pipes> {
    // Unique among the processes of this system.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    check_length(socket)?;
    let announcing = std::os::unix::net::UnixDatagram::unbound()?;
    announcing.connect(socket).map_err(|error| connect_error(socket, error))?;
    let name = format!("{:08x}{:08x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let files = Files::new(socket, &name);
    let [up, down] = &files.paths;
    for path in [up, down] {
        mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    }
    let mut receiver = OpenOptions::new().open_receiver(down)?;
    announcing.send(name.as_bytes())?;
    let mut accepted = [0; ACCEPTED.len()];
    receiver.read_exact(&mut accepted).await?;
    // A pipe can be opened for writing once it has a reader.
    Ok(Pipes { receiver, sender: Some(OpenOptions::new().open_sender(up)?) })
}

/// The server's socket, to which clients send the names of their pipes.
#[derive(Debug)]
pub(crate) struct PipeListener {
    socket: UnixDatagram,
    path: PathBuf,
    _file: SocketFile,
}

impl PipeListener {
    /// Binds the socket at `path`.
    ///
    /// # Errors
    /// As [`SocketFile::bind`].
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let (socket, file) = SocketFile::bind(path, |path| UnixDatagram::bind(path))?;
        Ok(PipeListener { socket, path: path.to_owned(), _file: file })
    }

    /// Accepts a connection. Cancel-safe.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionAborted`] where a client sent no name of its pipes or has left; the errors of the operating system.
    pub(crate) async fn accept(&self) -> io::Result<Pipes> {
        let mut name = [0; NAME_LEN + 1];
        let len = self.socket.recv(&mut name).await?;
        let name = name.get(..len).and_then(|name| str::from_utf8(name).ok());
        let is_name =
            |name: &&str| name.len() == NAME_LEN && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let aborted = |reason: &str| io::Error::new(io::ErrorKind::ConnectionAborted, reason.to_owned());
        let name = name.filter(is_name).ok_or_else(|| aborted("not the name of two pipes"))?;
        let [up, down] = paths(&self.path, name);
        let gone = |error: io::Error| aborted(&error.to_string());
        let receiver = OpenOptions::new().open_receiver(&up).map_err(gone)?;
        // Without a reader, opening fails instead of waiting for one. The pipe is empty, so that it takes the bytes without waiting, too.
        let nonblocking = OFlag::O_NONBLOCK.bits();
        let mut sender =
            fs::OpenOptions::new().write(true).custom_flags(nonblocking).open(&down).map_err(gone)?;
        sender.write_all(&ACCEPTED).map_err(gone)?;
        Ok(Pipes { receiver, sender: Some(Sender::from_file(sender)?) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::{Endpoint, Listener, PeerEnd, Stream};

    fn files(folder: &std::path::Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    /// Both ends of a connection, the client's first.
    async fn connection(listener: &Listener) -> (Stream, Stream) {
        let (client, server) = tokio::join!(crate::connect(listener.endpoint()), listener.next());
        (client.unwrap(), server)
    }

    /// The input of a program may end at once.
    #[tokio::test]
    async fn what_was_written_before_the_end_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind(&Endpoint::Pipes(folder.path().join("s"))).await.unwrap();
        let (mut client, mut server) = connection(&listener).await;
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.write(b"more").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        let mut arrived = Vec::new();
        server.read_to_end(&mut arrived).await.unwrap();
        assert_eq!(arrived, b"last");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        arrived.clear();
        client.read_to_end(&mut arrived).await.unwrap();
        assert_eq!(arrived, b"answer");
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_and_either_end_sees_the_end_of_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Pipes(folder.path().join("s"));
        let listener = Listener::bind(&endpoint).await.unwrap();
        for client_leaves in [true, false] {
            let (mut client, mut server) = connection(&listener).await;
            client.write_all(b"to the server").await.unwrap();
            assert_eq!(files(folder.path()), 1, "only the socket has a file");
            let mut arrived = [0; 13];
            server.read_exact(&mut arrived).await.unwrap();
            assert_eq!(&arrived, b"to the server");
            // More than a pipe holds.
            let long = vec![b'a'; 1 << 20];
            let mut received = vec![0; long.len()];
            let (written, read) = tokio::join!(server.write_all(&long), client.read_exact(&mut received));
            assert!(written.is_ok() && read.is_ok() && received == long);
            assert_eq!(
                client.bytes_counted().map(|counts| (counts.sent, counts.received)),
                Some((13, 1 << 20))
            );
            assert_eq!((client.peer_end(), server.peer_end()), (PeerEnd::Open, PeerEnd::Open));
            let (mut stays, leaves) = if client_leaves { (server, client) } else { (client, server) };
            drop(leaves);
            assert_eq!(stays.read(&mut arrived).await.unwrap(), 0);
            tokio::time::timeout(Duration::from_secs(60), stays.departed()).await.unwrap();
        }
        drop(listener);
        assert_eq!(files(folder.path()), 0);
        let error = crate::connect(&endpoint).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn what_names_no_pipes_is_no_connection() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = Listener::bind(&Endpoint::Pipes(path.clone())).await.unwrap();
        let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let outside = folder.path().join("s.0123456789abcdeg.up");
        std::fs::write(&outside, b"kept").unwrap();
        for name in [&b""[..], b"../../etc/passwd", b"0123456789abcdef", b"0123456789abcdeg", &[b'0'; 300]] {
            socket.send_to(name, &path).unwrap();
            assert_eq!(listener.accept().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionAborted);
        }
        assert_eq!(std::fs::read(outside).unwrap(), b"kept");
        // Both pipes of a client that has left are gone, and the next one is served.
        tokio::select! {
            biased;
            _ = crate::connect(listener.endpoint()) => panic!("nobody has accepted"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(files(folder.path()), 2);
        let (mut client, mut server) = connection(&listener).await;
        server.write_all(b"!").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
    }
}
