//! Feeds any bytes to the decoder of replies. A result or a fault that it decodes must survive a round trip.
#![no_main]

use calculator::Limits;
use hessian::{Reply, decode_reply, encode_fault, encode_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let Ok(reply) = decode_reply(body, &limits) else { return };
    let written = match &reply {
        Reply::Value(value) => encode_reply(value),
        Reply::Fault(fault) => encode_fault(fault),
    };
    let again = decode_reply(&written.expect("a decoded reply can be encoded"), &limits);
    // Compared as text, since NaN is not equal to itself.
    assert_eq!(format!("{:?}", again.expect("an encoded reply is decoded")), format!("{reply:?}"));
});
