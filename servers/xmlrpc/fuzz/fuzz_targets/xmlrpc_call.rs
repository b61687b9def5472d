//! Feeds any bytes to the decoder of calls. A call that it decodes and that can be encoded must survive a round trip.
#![no_main]

use calculator::Limits;
use libfuzzer_sys::fuzz_target;
use xmlrpc::wire::{EncodeOptions, decode_call, encode_call};

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let Ok(call) = decode_call(body, &limits) else { return };
    let Ok(written) = encode_call(&call, &EncodeOptions { allow_none: true }) else { return };
    let again = decode_call(&written, &limits).expect("an encoded call is decoded");
    // Compared as text, since NaN is not equal to itself.
    assert_eq!(format!("{again:?}"), format!("{call:?}"));
});
