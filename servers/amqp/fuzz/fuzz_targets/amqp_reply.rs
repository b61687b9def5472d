//! Any bytes are read as a reply or refused.

#![no_main]

use amqp::wire::read_reply;
use calculator::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = read_reply(body, &Limits::default());
});
