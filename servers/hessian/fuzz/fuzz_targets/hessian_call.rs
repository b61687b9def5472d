//! Feeds any bytes to the decoder of calls. A call that it decodes must survive a round trip.
#![no_main]

use calculator::Limits;
use hessian::{decode_call, encode_call};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let Ok(call) = decode_call(body, &limits) else { return };
    let written = encode_call(&call).expect("a decoded call can be encoded");
    let again = decode_call(&written, &limits).expect("an encoded call is decoded");
    // Compared as text, since NaN is not equal to itself.
    assert_eq!(format!("{again:?}"), format!("{call:?}"));
});
