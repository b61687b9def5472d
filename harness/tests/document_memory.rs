//! The memory that it takes to echo a long document, in a server and in a client.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::fs;

use calculator::{Call, ClientOptions, Value, document};
use common::{Process, rpcbench};
use rpcbench::stacks::{Destination, Stack};
use rpcbench::sys;

/// The information of the document in bytes.
const DOCUMENT_BYTES: usize = 1 << 20;

/// What freed memory a process may keep.
const MAX_KEPT_BYTES: u64 = 20 << 20;

/// A field of /proc/PID/status in bytes.
fn memory(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// The peak of a process's memory above `idle`, as a multiple of the document.
fn peak_above(idle: u64, pid: u32) -> u64 {
    memory(pid, "VmHWM").saturating_sub(idle).div_ceil(DOCUMENT_BYTES as u64)
}

#[test]
fn a_document_takes_a_small_multiple_of_its_information() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    sys::return_unused_memory();
    let text: Value = document::document(1, DOCUMENT_BYTES);
    let echo = Call::positional("echo", [text.clone()]);
    let client_pid = std::process::id();
    let stacks = [("zerorpc", 9), ("grpc", 9), ("jsonrpc-hyper", 9), ("rest-hyper", 9), ("xmlrpc-hyper", 14)];
    for (stack, most) in stacks {
        let protocol = stack.trim_end_matches("-hyper");
        let server = Process::start(&mut rpcbench(&["serve", protocol]));
        let url = server.url();
        runtime.block_on(async {
            let connecting =
                Stack::named(stack).unwrap().connect(Destination::new(url), ClientOptions::default());
            let client = connecting.await.unwrap();
            client.call(&Call::positional("add", [2.into(), 3.into()])).await.unwrap();
            let server_pid = u32::try_from(server.pid().as_raw()).unwrap();
            let idle = memory(server_pid, "VmRSS");
            let client_idle = memory(client_pid, "VmRSS");
            sys::reset_peak_memory(server_pid);
            sys::reset_peak_memory(client_pid);
            assert_eq!(client.call(&echo).await.as_ref(), Ok(&text));
            let (in_server, in_client) = (peak_above(idle, server_pid), peak_above(client_idle, client_pid));
            assert!(in_server <= most, "{stack}: {in_server} × the information in the server");
            assert!(in_client <= most, "{stack}: {in_client} × the information in the client");
            for _ in 0..6 {
                assert_eq!(client.call(&echo).await.as_ref(), Ok(&text));
            }
            let kept = memory(server_pid, "VmRSS").saturating_sub(idle);
            assert!(kept <= MAX_KEPT_BYTES, "{stack}: the server keeps {kept} bytes");
        });
    }
}
