//! Pairs of pipes, like the standard input and output of a child process.
//!
//! A client makes two named pipes beside the server's socket, which takes datagrams, and sends their name to it. The server opens both
//! and sends a byte; then the client opens its end of the other one, and removes their files. From then on only the pipes are used, one
//! for each direction.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixDatagram;
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};
use tokio::time::timeout;

use crate::peer_end::PeerEnd;
use crate::socket_file::{SocketFile, check_length, connect_error};

/// The length in bytes of what tells the pipes of a connection from others.
const NAME_LEN: usize = 16;

/// What the server sends when it has opened both pipes.
const ACCEPTED: [u8; 1] = [0];

/// How often a client that waits to be accepted looks whether the server is still there.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

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

    /// The state of the other end. As long as it reads, it is open, whether or not it sends any more: unlike TCP, pipes show that.
    pub(crate) fn peer_end(&self) -> PeerEnd {
        match &self.sender {
            Some(sender) => PeerEnd::of(sender.ready(Interest::WRITABLE)),
            None => PeerEnd::of(self.receiver.ready(Interest::READABLE)),
        }
    }
}

/// The files that a client has made for the pipes of a connection. They are removed on drop.
#[derive(Debug, Default)]
struct Files(Vec<PathBuf>);

impl Files {
    fn make(&mut self, path: &Path) -> io::Result<()> {
        mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        self.0.push(path.to_owned());
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
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

/// Connects to the server whose socket is at `socket`, and waits until it has accepted.
///
/// # Errors
/// The errors of the operating system.
pub(crate) async fn connect(socket: &Path) -> io::Result<Pipes> {
    check_length(socket)?;
    let announcing = UnixDatagram::unbound()?;
    announcing.connect(socket).map_err(|error| connect_error(socket, error))?;
    // Each `RandomState` has random keys. Process ids are not unique where containers share the folder.
    let name = format!("{:0width$x}", RandomState::new().hash_one(std::process::id()), width = NAME_LEN);
    let [up, down] = paths(socket, &name);
    let mut files = Files::default();
    files.make(&up)?;
    files.make(&down)?;
    let mut receiver = OpenOptions::new().open_receiver(&down)?;
    // From now on the server sees the end of this pipe, even if this process ends before it has opened its own end. Without a reader, a
    // pipe can be opened only for both.
    let held = OpenOptions::new().read_write(true).open_sender(&up)?;
    announcing.send(name.as_bytes()).await?;
    let mut accepted = [0; ACCEPTED.len()];
    loop {
        match timeout(PROBE_INTERVAL, receiver.read_exact(&mut accepted)).await {
            Ok(read) => {
                read?;
                break;
            }
            // Fails if the server is gone, and the name with it.
            Err(_) => {
                announcing.send(&[]).await?;
            }
        }
    }
    let sender = OpenOptions::new().open_sender(&up)?;
    drop(held);
    Ok(Pipes { receiver, sender: Some(sender) })
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
        let len = loop {
            match self.socket.recv(&mut name).await? {
                // A client looks whether this server is there.
                0 => {}
                len => break len,
            }
        };
        let name = name.get(..len).and_then(|name| str::from_utf8(name).ok());
        let is_name =
            |name: &&str| name.len() == NAME_LEN && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let aborted = |reason: &str| io::Error::new(io::ErrorKind::ConnectionAborted, reason.to_owned());
        let name = name.filter(is_name).ok_or_else(|| aborted("not the name of two pipes"))?;
        // Without a reader, opening a pipe for writing fails instead of waiting for one. A link leads to another user's file.
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits();
        let open = |path: &Path, options: &mut fs::OpenOptions| -> io::Result<fs::File> {
            let file = options.custom_flags(flags).open(path).map_err(|error| {
                match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
                    Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => error,
                    // The client has left, or there are no pipes.
                    _ => aborted(&error.to_string()),
                }
            })?;
            let is_pipe = file.metadata()?.file_type().is_fifo();
            if is_pipe { Ok(file) } else { Err(aborted("not a pipe")) }
        };
        let [up, down] = paths(&self.path, name);
        let receiver = open(&up, fs::OpenOptions::new().read(true))?;
        let mut sender = open(&down, fs::OpenOptions::new().write(true))?;
        // The pipe is empty, so that it takes the bytes without waiting.
        sender.write_all(&ACCEPTED).map_err(|error| aborted(&error.to_string()))?;
        Ok(Pipes { receiver: Receiver::from_file(receiver)?, sender: Some(Sender::from_file(sender)?) })
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

    #[tokio::test]
    async fn a_client_whose_server_ends_before_it_accepts_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Pipes(folder.path().join("s"));
        let listener = Listener::bind(&endpoint).await.unwrap();
        let ending = async {
            tokio::task::yield_now().await;
            drop(listener);
        };
        let (connected, ()) = tokio::join!(crate::connect(&endpoint), ending);
        assert_eq!(connected.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        assert_eq!(files(folder.path()), 0);
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
        let pipe = folder.path().join("s.00000000000000ff.up");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let file = folder.path().join("s.00000000000000ff.down");
        std::fs::write(&file, b"kept").unwrap();
        socket.send_to(b"", &path).unwrap();
        for name in [
            &b"x"[..],
            b"../../etc/passwd",
            b"0123456789abcdef",
            b"0123456789abcdeg",
            b"00000000000000ff",
            &[b'0'; 300],
        ] {
            socket.send_to(name, &path).unwrap();
            assert_eq!(listener.accept().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionAborted);
        }
        for kept in [&outside, &file] {
            assert_eq!(std::fs::read(kept).unwrap(), b"kept");
        }
        for made in [outside, file, pipe] {
            std::fs::remove_file(made).unwrap();
        }
        // Both pipes of a client that has left are gone, and the next one is served.
        tokio::select! {
            biased;
            _ = crate::connect(listener.endpoint()) => panic!("it was not accepted"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(files(folder.path()), 1);
        let (mut client, mut server) = connection(&listener).await;
        server.write_all(b"!").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
    }
}
