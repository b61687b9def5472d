//! Where the servers that this program starts listen: on a free port of the loopback interface, or on a Unix socket in a
//! private folder.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use net::Endpoint;

use crate::stacks::Transport;

/// The name of a socket in its folder.
const SOCKET: &str = "socket";
/// The folder for temporary files if the usual one has so long a name that a socket in it could not be bound.
const SHORT_TEMPORARY_FOLDER: &str = "/tmp";

/// Where a server listens, each time that it is started.
#[derive(Clone, Debug)]
pub struct Place {
    endpoint: Endpoint,
    /// Absent for a port.
    folder: Option<Arc<SocketFolder>>,
}

/// The folder of a socket. It is removed on drop, with a socket that a killed server has left.
#[derive(Debug)]
struct SocketFolder {
    path: PathBuf,
}

impl Place {
    /// A place for a server over `transport`: any free port, which is another one at each start, or a socket.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        if transport.is_over_tcp() {
            return Place::at(Endpoint::loopback());
        }
        let of_socket = if transport == Transport::Stdio { Endpoint::Pipes } else { Endpoint::Unix };
        Place::socket_in(&std::env::temp_dir(), of_socket)
    }

    /// The place at `endpoint`, which needs nothing.
    #[must_use]
    pub fn at(endpoint: Endpoint) -> Self {
        Place { endpoint, folder: None }
    }

    /// A socket in a new folder, which does not exist yet, below `temporary`. `of_socket` makes the endpoint of its path.
    fn socket_in(temporary: &Path, of_socket: fn(PathBuf) -> Endpoint) -> Self {
        let folder = |temporary: &Path| temporary.join(format!("rpcbench-{:016x}", rand::random::<u64>()));
        let is_short = |folder: &Path| folder.join(SOCKET).as_os_str().len() <= net::MAX_SOCKET_PATH;
        let path = Some(folder(temporary)).filter(|path| is_short(path));
        let path = path.unwrap_or_else(|| folder(Path::new(SHORT_TEMPORARY_FOLDER)));
        let endpoint = of_socket(path.join(SOCKET));
        Place { endpoint, folder: Some(Arc::new(SocketFolder { path })) }
    }

    /// Where a server is to listen.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The folder that the socket alone is in; `None` for a port.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(|folder| folder.path.as_path())
    }

    /// Prepares it for a server, which removes the folder of its socket when it ends.
    ///
    /// # Errors
    /// When the folder cannot be created, or there is one of its name that other users can enter.
    pub fn prepare(&self) -> io::Result<()> {
        self.folder().map_or(Ok(()), create_private)
    }
}

/// Creates a folder that only this user can access, unless it is there.
fn create_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path)?;
            // Only its owner can enter it: if that is another user, the server cannot listen there.
            let is_private = found.is_dir() && found.permissions().mode() & 0o077 == 0;
            if is_private { Ok(()) } else { Err(error) }
        }
        created => created,
    }
}

impl Drop for SocketFolder {
    fn drop(&mut self) {
        // A server that was not killed has removed both.
        let _ = fs::remove_file(self.path.join(SOCKET));
        let _ = fs::remove_dir(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_has_a_private_folder_that_goes_with_it() {
        let temporary = tempfile::tempdir().unwrap();
        let place = Place::socket_in(temporary.path(), Endpoint::Unix);
        let folder = place.folder().unwrap().to_owned();
        assert!(!folder.exists());
        // Also if the server of an earlier start has left it.
        for _ in 0..2 {
            place.prepare().unwrap();
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
        let Endpoint::Unix(socket) = place.endpoint() else { panic!("{place:?}") };
        // The standard library leaves the file behind, as a server does that is killed.
        drop(UnixListener::bind(socket).unwrap());
        let other = place.clone();
        drop(place);
        assert!(folder.exists());
        drop(other);
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_that_others_can_access_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let place = Place::socket_in(temporary.path(), Endpoint::Unix);
        let folder = place.folder().unwrap();
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(place.prepare().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_socket_can_be_bound_however_long_the_name_of_the_folder_for_temporary_files_is() {
        let place = Place::socket_in(Path::new(&format!("/{}", "x".repeat(100))), Endpoint::Unix);
        let Endpoint::Unix(socket) = place.endpoint() else { panic!("{place:?}") };
        assert!(socket.starts_with(SHORT_TEMPORARY_FOLDER), "{socket:?}");
        assert!(socket.as_os_str().len() <= net::MAX_SOCKET_PATH);
    }

    #[test]
    fn over_tcp_any_free_port_is_taken() {
        let place = Place::new(Transport::Tcp);
        assert_eq!((place.endpoint().port(), place.folder()), (Some(0), None));
        place.prepare().unwrap();
    }
}
