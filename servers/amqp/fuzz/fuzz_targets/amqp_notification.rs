//! Decoding arbitrary bytes as a notification never panics.

#![no_main]

use amqp::wire::read_notification;
use calculator::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = read_notification(body, &Limits::default());
});
