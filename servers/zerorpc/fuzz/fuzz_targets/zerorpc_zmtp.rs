//! The bytes of a connection have the same result however they are cut, and their buffer stays within the limits of a
//! message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zerorpc::zmtp::Inbox;
use zerorpc::zmtp::wire::{Command, MessageLimits, SocketType, WireError, read_greeting};

const LIMITS: MessageLimits = MessageLimits { bytes: 300, frames: 5 };

fn received(bytes: &[u8], chunk_len: usize) -> Result<Vec<String>, WireError> {
    let mut inbox = Inbox::new(LIMITS);
    let mut incoming = Vec::new();
    for part in bytes.chunks(chunk_len) {
        inbox.buffer().extend_from_slice(part);
        while let Some(next) = inbox.next()? {
            incoming.push(format!("{next:?}"));
        }
        assert!(inbox.capacity() < (64 << 10) + 2 * chunk_len, "{} bytes of memory", inbox.capacity());
    }
    Ok(incoming)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (chunk_len, bytes) = input;
    let _ = read_greeting(bytes);
    if let Ok(command) = Command::decode(bytes) {
        let _ = command.peer_type(SocketType::Router);
    }
    let whole = received(bytes, bytes.len().max(1));
    assert_eq!(received(bytes, usize::from(chunk_len).max(1)), whole);
});
