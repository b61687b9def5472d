//! Our decoders and the reference implementations return the same value for any bytes, or both reject them.
#![no_main]

mod compared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: compared::start("amqp"), |message: &[u8]| compared::compare(message));
