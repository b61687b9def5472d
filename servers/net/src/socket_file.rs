//! The files of listening Unix sockets.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use socket2::{Domain, SockAddr, Socket, Type};

/// The maximum length of the path of a Unix socket in bytes, on Linux (unix(7)).
pub const MAX_SOCKET_PATH: usize = 107;

/// The socket files of this process, each with its device and inode, for [`remove_socket_files`].
static SOCKET_FILES: Mutex<Vec<(PathBuf, (u64, u64))>> = Mutex::new(Vec::new());

/// Removes the files of all listening sockets of this process, for a process that exits without dropping them. A file that
/// has taken the place of one of them is kept.
pub fn remove_socket_files() {
    let files = std::mem::take(&mut *SOCKET_FILES.lock().unwrap_or_else(PoisonError::into_inner));
    for (path, inode) in files {
        if identity(&path) == Some(inode) {
            // The folder may be read-only, which cannot be handled here.
            let _ = fs::remove_file(path);
        }
    }
}

/// The file of a listening socket. It is removed on drop, unless another file has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// Binds a socket to `path` by calling `bind`. A socket file on which no process listens any more is replaced. Any
    /// other file, including a symbolic link, is not.
    ///
    /// # Errors
    /// The errors of `bind`; [`io::ErrorKind::AddrInUse`] if the path is in use; [`io::ErrorKind::InvalidInput`] if it is
    /// too long.
    pub fn bind<L>(path: &Path, bind: impl Fn(&Path) -> io::Result<L>) -> io::Result<(L, SocketFile)> {
        check_length(path)?;
        let listener = match bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Self::clear(path)?;
                bind(path)?
            }
            bound => bound?,
        };
        Ok((listener, SocketFile::new(path)))
    }

    /// Takes responsibility for the socket file at `path`, which another library has just bound.
    #[must_use]
    pub fn new(path: &Path) -> SocketFile {
        let file = SocketFile { path: path.to_owned(), identity: identity(path) };
        if let Some(inode) = file.identity {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            SOCKET_FILES.lock().unwrap_or_else(PoisonError::into_inner).push((path, inode));
        }
        file
    }

    /// Makes `path` free for a listening socket: removes a socket file on which no process listens any more. Call it before
    /// another library binds a socket, since that may remove any file.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] if another file is at `path`, or a socket that is in use;
    /// [`io::ErrorKind::InvalidInput`] if the path is too long; the errors of removing a file.
    pub fn clear(path: &Path) -> io::Result<()> {
        check_length(path)?;
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(metadata) if metadata.is_symlink() => Err(in_use("a symbolic link is there")),
            Ok(metadata) if !metadata.file_type().is_socket() => {
                Err(in_use("a file that is not a socket is there"))
            }
            Ok(_) if is_abandoned(path) => fs::remove_file(path),
            Ok(_) => Err(in_use("another process listens there")),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let mut files = SOCKET_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|(_, inode)| Some(*inode) != self.identity);
        drop(files);
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // The file may have been removed already, or its folder may be read-only. Neither can be handled here.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn in_use(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, reason)
}

/// Checks that a Unix socket can have this path.
pub(crate) fn check_length(path: &Path) -> io::Result<()> {
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        let reason =
            format!("the path has {length} bytes, and that of a Unix socket at most {MAX_SOCKET_PATH}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    Ok(())
}

/// The error of connecting to the Unix socket at `path`, with the reason if the path is not a socket. The operating system
/// reports a refused connection then.
pub(crate) fn connect_error(path: &Path, error: io::Error) -> io::Error {
    let is_socket = |metadata: fs::Metadata| metadata.file_type().is_socket();
    if error.kind() == io::ErrorKind::ConnectionRefused
        && fs::metadata(path).is_ok_and(|file| !is_socket(file))
    {
        return io::Error::new(error.kind(), "the file is not a socket");
    }
    error
}

/// Device and inode of the socket at `path`.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    metadata.file_type().is_socket().then(|| (metadata.dev(), metadata.ino()))
}

/// Whether a socket is at `path` on which no process listens.
fn is_abandoned(path: &Path) -> bool {
    let connected = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // With a full queue of connections, a blocking socket would wait for the listener.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    identity(path).is_some()
        && connected().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
        SocketFile::bind(path, |path| UnixListener::bind(path))
    }

    #[test]
    fn the_socket_file_is_removed_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = bind(&path).unwrap();
        assert!(path.exists());
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_has_replaced_the_socket_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = bind(&path).unwrap();
        // The first file is moved, not removed, so that its inode is not used again.
        fs::rename(&path, folder.path().join("moved")).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn an_abandoned_socket_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        // The standard library leaves the file behind.
        drop(UnixListener::bind(&path).unwrap());
        let bound = bind(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).is_ok());
        drop(bound);
    }

    #[test]
    fn a_path_may_have_107_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let longest = MAX_SOCKET_PATH - folder.path().as_os_str().len() - 1;
        let path = |length: usize| folder.path().join("s".repeat(length));
        assert!(UnixListener::bind(path(longest + 1)).is_err());
        let error = bind(&path(longest + 1)).unwrap_err().to_string();
        assert_eq!(error, "the path has 108 bytes, and that of a Unix socket at most 107");
        let _bound = bind(&path(longest)).unwrap();
        assert!(UnixStream::connect(path(longest)).is_ok());
    }

    #[test]
    fn a_file_that_is_not_a_socket_is_the_reason_why_connecting_fails() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        drop(UnixListener::bind(at("socket")).unwrap());
        symlink(at("file"), at("to-file")).unwrap();
        let reason =
            |name: &str| connect_error(&at(name), UnixStream::connect(at(name)).unwrap_err()).to_string();
        for name in ["file", "to-file"] {
            assert_eq!(reason(name), "the file is not a socket");
        }
        for name in ["socket", "missing"] {
            assert_ne!(reason(name), "the file is not a socket");
        }
    }

    #[test]
    fn ordinary_files_folders_and_links_are_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "precious").unwrap();
        fs::create_dir(at("folder")).unwrap();
        drop(UnixListener::bind(at("socket")).unwrap());
        symlink(at("file"), at("to-file")).unwrap();
        symlink(at("socket"), at("to-socket")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        for (name, reason) in [
            ("file", "a file that is not a socket is there"),
            ("folder", "a file that is not a socket is there"),
            ("to-file", "a symbolic link is there"),
            ("to-socket", "a symbolic link is there"),
            ("dangling", "a symbolic link is there"),
        ] {
            for error in [bind(&at(name)).unwrap_err(), SocketFile::clear(&at(name)).unwrap_err()] {
                assert_eq!((error.kind(), &*error.to_string()), (io::ErrorKind::AddrInUse, reason), "{name}");
                assert!(fs::symlink_metadata(at(name)).is_ok(), "{name}");
            }
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "precious");
    }
}
