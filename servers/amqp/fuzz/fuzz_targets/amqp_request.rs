//! Decoding arbitrary bytes as a request never panics.

#![no_main]

use amqp::wire::read_request;
use calculator::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = read_request(body, &Limits::default());
});
