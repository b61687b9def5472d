//! The addresses of servers that a run would load.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};

use net::Endpoint;

use super::Failure;
use crate::run::targets::Targets;
use crate::stacks::Stack;

/// Refuses a target with an address that is neither loopback nor private, unless `yes`: a run makes load, and such a server may be in
/// use. A name that has no address is left to the run, which reports that there is no answer.
pub(super) fn check_addresses(targets: &Targets, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    for (name, url) in &targets.urls {
        let stack = Stack::named(name).map_err(Failure::usage)?;
        let address = stack.parse_url(url).map_err(Failure::usage)?;
        for endpoint in address.endpoints() {
            let Endpoint::Tcp { host, port } = endpoint else { continue };
            let found = (host.as_str(), *port).to_socket_addrs();
            if let Some(public) =
                found.into_iter().flatten().map(|found| found.ip()).find(|ip| !is_private(*ip))
            {
                return Err(Failure::usage(format!(
                    "--target {name}: {public} is neither a loopback nor a private address, and a run makes load; give --yes if this \
                     server is meant"
                )));
            }
        }
    }
    Ok(())
}

/// Whether `ip` belongs to this machine, or to a network that is not the internet.
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => {
            let is_link_local = ip.segments()[0] & 0xffc0 == 0xfe80;
            let is_unique_local = ip.segments()[0] & 0xfe00 == 0xfc00;
            ip.is_loopback() || is_link_local || is_unique_local || ip == Ipv6Addr::UNSPECIFIED
        }
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    // RFC 6598 for networks of providers and of Kubernetes, RFC 2544 for benchmarks.
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_for_benchmarks = a == 198 && (18..20).contains(&b);
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || is_shared
        || is_for_benchmarks
        || ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_addresses_of_the_internet_need_a_yes() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in
            ["203.0.113.7", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"]
        {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_target_on_the_internet_is_refused_without_a_yes_and_without_its_password() {
        let of = |url: &str| Targets {
            urls: BTreeMap::from([("jsonrpc@new".to_owned(), url.to_owned())]),
            ..Targets::default()
        };
        let public = of("http://u:secret@203.0.113.7/");
        let message = check_addresses(&public, false).unwrap_err().message;
        assert!(message.starts_with("--target jsonrpc@new: 203.0.113.7 is neither"), "{message}");
        assert!(message.contains("--yes") && !message.contains("secret"));
        check_addresses(&public, true).unwrap();
        for url in ["http://127.0.0.1:1/", "http://localhost:1/", "http+unix://%2Ftmp%2Fs/"] {
            check_addresses(&of(url), false).unwrap();
        }
    }
}
