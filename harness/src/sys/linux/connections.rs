//! The TCP connections of processes, from /proc.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::sys::types::Connection;

/// The state of an open connection in the table: `TCP_ESTABLISHED` of linux/net/tcp_states.h.
const ESTABLISHED: &str = "01";

/// The ports that the system gives to connections without one, as two numbers (ip(7)).
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

pub(in crate::sys) fn connections(pids: &[u32]) -> Option<BTreeSet<Connection>> {
    let mut own = HashSet::new();
    for pid in pids {
        own.extend(sockets_of(*pid)?);
    }
    let mut found = BTreeSet::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        // A kernel without IPv6 has no second table.
        let Ok(text) = fs::read_to_string(table) else { continue };
        let open = text.lines().skip(1).filter_map(open_connection);
        found.extend(open.filter(|(_, inode)| own.contains(inode)).map(|(connection, _)| connection));
    }
    Some(found)
}

pub(in crate::sys) fn local_ports() -> Option<u32> {
    let text = fs::read_to_string(PORT_RANGE).ok()?;
    let mut ends = text.split_whitespace().map_while(|end| end.parse::<u32>().ok());
    let (first, last) = (ends.next()?, ends.next()?);
    (last.checked_sub(first)?).checked_add(1)
}

/// The inodes of the sockets of process `pid`; `None` where it has ended, or belongs to another user.
fn sockets_of(pid: u32) -> Option<Vec<u64>> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let inode = |target: &str| target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    // A descriptor may be closed after it was listed.
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    Some(links.filter_map(|link| inode(link.to_str()?)).collect())
}

/// The connection of a line of the table with the inode of the socket; `None` unless it is open (proc_pid_net(5)).
fn open_connection(line: &str) -> Option<(Connection, u64)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [_, local, peer, state, _, _, _, _, _, inode, ..] = fields.as_slice() else { return None };
    let connection = (*state == ESTABLISHED).then(|| Some(Connection::new(address(local)?, address(peer)?)));
    Some((connection??, inode.parse().ok()?))
}

/// Parses `0100007F:1F90`: words of 32 bits of the address in the byte order of the machine, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let host = match host.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let mut octets = [0; 16];
            octets.chunks_exact_mut(4).zip(words).for_each(|(part, word)| part.copy_from_slice(&word));
            // The other end of the same connection may have a socket for IPv4.
            IpAddr::from(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(host, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_of_the_table_are_read_and_only_open_connections_count() {
        let line = |state: &str| {
            format!(
                "   3: 0100007F:1F90 0100007F:C350 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1"
            )
        };
        let [server, client] = ["127.0.0.1:8080", "127.0.0.1:50000"].map(|text| text.parse().unwrap());
        let connection = Connection::new(server, client);
        assert_eq!(open_connection(&line("01")), Some((connection, 4711)));
        assert_eq!(Connection::new(client, server), connection);
        for state in ["06", "0A", "08"] {
            assert_eq!(open_connection(&line(state)), None, "{state}");
        }
        for line in ["", "  sl  local_address rem_address   st", "0: x y 01 a b c d e f"] {
            assert_eq!(open_connection(line), None, "{line}");
        }
        let mapped = "0000000000000000FFFF00000100007F:1F90";
        assert_eq!(address(mapped), Some(server));
        assert_eq!(address("00000000000000000000000001000000:0050"), "[::1]:80".parse().ok());
        assert_eq!(address("7F:1F90"), None);
    }

    #[test]
    fn a_connection_with_both_ends_in_one_process_is_found_once_while_it_is_open() {
        let own = || connections(&[std::process::id()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connection = Connection::new(client.local_addr().unwrap(), client.peer_addr().unwrap());
        let (server, _) = listener.accept().unwrap();
        assert_eq!(own().iter().filter(|other| **other == connection).count(), 1);
        drop((client, server));
        assert!(!own().contains(&connection));
        assert!(local_ports().is_some_and(|ports| ports > 1_000));
        // No process has this id (/proc/sys/kernel/pid_max is at most 2²²).
        assert_eq!(connections(&[u32::MAX]), None);
    }
}
