//! Why a connection cannot be opened, in words that name the remedy.

use std::error::Error;
use std::io;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use crate::tls;

/// Describes why connecting to a server failed. An exhausted limit is named with its value, and a certificate that cannot be
/// accepted with what is wrong with it; only an error that a server which is not running causes asks whether it runs.
#[must_use]
pub fn describe_connect_error(error: &io::Error) -> String {
    if let Some(reason) = tls::describe(error) {
        return reason;
    }
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE) => {
            let limit =
                getrlimit(Resource::RLIMIT_NOFILE).map_or("unknown".to_owned(), |(soft, _)| soft.to_string());
            format!("too many open files: the limit of this process is {limit}; raise it with `ulimit -n`")
        }
        Some(Errno::ENFILE) => "too many open files in the whole system; raise fs.file-max".to_owned(),
        Some(Errno::EADDRNOTAVAIL) => {
            format!("{error}; no local port may be left (net.ipv4.ip_local_port_range)")
        }
        Some(Errno::ECONNREFUSED | Errno::ENOENT) => format!("{error}; is the server running?"),
        _ => error.to_string(),
    }
}

/// Describes why a library that opens its connections itself could not open one: like [`describe_connect_error`], from the
/// causes of the error.
#[must_use]
pub fn describe_connect_failure(error: &(dyn Error + 'static)) -> String {
    if let Some(reason) = tls::describe(error).or_else(|| tls::ended_during_handshake(error)) {
        return reason;
    }
    let cause = tls::causes(error).last().unwrap_or(error);
    cause.downcast_ref().map_or_else(|| cause.to_string(), describe_connect_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_an_exhausted_limit_and_asks_for_the_server_only_if_it_may_be_absent() {
        let described = |errno: Errno| describe_connect_error(&io::Error::from(errno));
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(described(Errno::EMFILE).contains(&format!("the limit of this process is {limit}")));
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::EADDRNOTAVAIL, Errno::EHOSTUNREACH] {
            assert!(!described(errno).contains("server running"), "{errno}");
        }
        for errno in [Errno::ECONNREFUSED, Errno::ENOENT] {
            assert!(described(errno).ends_with("; is the server running?"), "{errno}");
        }
    }
}
