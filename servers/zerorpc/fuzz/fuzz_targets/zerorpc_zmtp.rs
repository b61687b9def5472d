//! What comes over a connection gives the same however it is cut into pieces, and no more of it is held than a message
//! may have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zerorpc::zmtp::Inbox;
use zerorpc::zmtp::wire::{Command, MessageLimits, SocketType, WireError, read_greeting};

const LIMITS: MessageLimits = MessageLimits { octets: 300, frames: 5 };

fn taken(octets: &[u8], at_once: usize) -> Result<Vec<String>, WireError> {
    let mut inbox = Inbox::new(LIMITS);
    let mut seen = Vec::new();
    for part in octets.chunks(at_once) {
        inbox.space().extend_from_slice(part);
        while let Some(incoming) = inbox.next()? {
            seen.push(format!("{incoming:?}"));
        }
        assert!(inbox.capacity() < (64 << 10) + 2 * at_once, "{} octets are held", inbox.capacity());
    }
    Ok(seen)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (at_once, octets) = input;
    let _ = read_greeting(octets);
    if let Ok(command) = Command::read(octets) {
        let _ = command.ready_for(SocketType::Router);
    }
    let whole = taken(octets, octets.len().max(1));
    assert_eq!(taken(octets, usize::from(at_once).max(1)), whole);
});
