//! Feeds any bytes to the decoders of responses. A result that they decode and that can be encoded must survive a round
//! trip.
#![no_main]

use calculator::Limits;
use jsonrpc::wire::{ReplyTo, Version, decode_batch_reply, decode_failure, decode_reply, write_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let _ = decode_failure(body, &limits);
    let _ = decode_batch_reply(body, &[1, 2, 3], &limits);
    let Ok(value) = decode_reply(body, 1, &limits) else { return };
    let mut written = Vec::new();
    write_reply(&mut written, ReplyTo { id: "1", version: Version::V2 }, &Ok(value.clone()));
    // A value that JSON cannot represent is encoded as an error.
    if let Ok(again) = decode_reply(&written, 1, &limits) {
        assert_eq!(again, value);
    }
});
