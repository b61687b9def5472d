//! The bytes of a connection have the same result however they are cut, and their buffer stays within the limit of a
//! message.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use nats::wire::{Decoder, Operation, WireError};

const MAX_PAYLOAD: usize = 300;

fn received(bytes: &[u8], chunk_len: usize) -> Result<Vec<Operation>, WireError> {
    let (mut decoder, mut inbox, mut operations) = (Decoder::new(MAX_PAYLOAD), BytesMut::new(), Vec::new());
    for part in bytes.chunks(chunk_len) {
        inbox.extend_from_slice(part);
        while let Some(operation) = decoder.decode(&mut inbox)? {
            operations.push(operation);
        }
        assert!(inbox.capacity() < (256 << 10) + 2 * bytes.len(), "{} bytes of memory", inbox.capacity());
    }
    Ok(operations)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (chunk_len, bytes) = input;
    let whole = received(bytes, bytes.len().max(1));
    assert_eq!(received(bytes, usize::from(chunk_len).max(1)), whole);
});
