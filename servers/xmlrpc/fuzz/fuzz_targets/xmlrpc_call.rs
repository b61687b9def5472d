//! Any bytes are a call or are refused, and a call that can be written is read back.
#![no_main]

use calculator::Limits;
use libfuzzer_sys::fuzz_target;
use xmlrpc::wire::{EncodeOptions, decode_call, encode_call};

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let Ok(call) = decode_call(body, &limits) else { return };
    let Ok(written) = encode_call(&call, &EncodeOptions { allow_none: true }) else { return };
    let again = decode_call(&written, &limits).expect("what was written is read");
    // NaN is not equal to itself, and its text is.
    assert_eq!(format!("{again:?}"), format!("{call:?}"));
});
