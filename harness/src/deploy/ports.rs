//! Free ports for servers that must be found at the same address again.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// The ports to choose from. They lie below those that the system gives to connections (from 32768 on Linux): a machine under
/// load uses all of these within seconds, while a server takes up to some seconds until it listens. A client that connects
/// while no server listens may even get the server's port, and connect to itself.
const CANDIDATES: Range<u16> = 10_000..32_768;
/// How many ports to try.
const MAX_CANDIDATES: u32 = 1_000;

/// Ports of the loopback interface that are free and different. Another process may take one before it is used.
///
/// # Errors
/// When too few are free, or the system has no socket left.
pub(super) fn free_ports<const COUNT: usize>() -> io::Result<[u16; COUNT]> {
    // All bound at the same time, so that they are different.
    let (mut listeners, mut ports) = (Vec::new(), Vec::new());
    for _ in 0..MAX_CANDIDATES {
        let port = rand::random_range(CANDIDATES);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
            Err(error) => return Err(error),
        }
        ports.push(port);
        if let Ok(ports) = <[u16; COUNT]>::try_from(ports.as_slice()) {
            return Ok(ports);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_differ_and_are_not_those_of_connections() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && c != a);
        assert!([a, b, c].iter().all(|port| CANDIDATES.contains(port)));
    }
}
