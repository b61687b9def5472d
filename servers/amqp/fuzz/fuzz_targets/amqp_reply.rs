//! Decoding arbitrary bytes as a reply never panics.

#![no_main]

use amqp::wire::read_reply;
use calculator::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = read_reply(body, &Limits::default());
});
