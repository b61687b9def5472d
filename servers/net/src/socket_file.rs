//! The files of listening Unix sockets.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use socket2::{Domain, SockAddr, Socket, Type};

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
    /// The errors of `bind`; [`io::ErrorKind::AddrInUse`] if the path is in use.
    pub fn bind<L>(path: &Path, bind: impl Fn(&Path) -> io::Result<L>) -> io::Result<(L, SocketFile)> {
        let listener = match bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
                fs::remove_file(path)?;
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

    /// Removes the socket file at `path` if no process listens on it any more, before another library binds it.
    ///
    /// # Errors
    /// Those of removing a file.
    pub fn remove_abandoned(path: &Path) -> io::Result<()> {
        if is_abandoned(path) { fs::remove_file(path) } else { Ok(()) }
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
    fn ordinary_files_folders_and_links_are_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "precious").unwrap();
        fs::create_dir(at("folder")).unwrap();
        drop(UnixListener::bind(at("socket")).unwrap());
        symlink(at("file"), at("to-file")).unwrap();
        symlink(at("socket"), at("to-socket")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        for name in ["file", "folder", "to-file", "to-socket", "dangling"] {
            assert_eq!(bind(&at(name)).unwrap_err().kind(), io::ErrorKind::AddrInUse, "{name}");
            assert!(fs::symlink_metadata(at(name)).is_ok(), "{name}");
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "precious");
    }
}
