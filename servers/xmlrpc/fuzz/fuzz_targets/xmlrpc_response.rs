//! Feeds any bytes to the decoder of responses. A result that it decodes and that can be encoded must survive a round
//! trip.
#![no_main]

use calculator::Limits;
use libfuzzer_sys::fuzz_target;
use xmlrpc::wire::{EncodeOptions, Response, decode_response, encode_fault, encode_response};

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    match decode_response(body, &limits) {
        Ok(Response::Value(value)) => {
            let Ok(written) = encode_response(&value, &EncodeOptions { allow_none: true }) else { return };
            let Ok(Response::Value(again)) = decode_response(&written, &limits) else { panic!("an encoded result is not decoded") };
            assert_eq!(format!("{again:?}"), format!("{value:?}"));
        }
        Ok(Response::Fault(fault)) if fault.other_code.is_none() => {
            assert_eq!(decode_response(&encode_fault(&fault), &limits), Ok(Response::Fault(fault)));
        }
        Ok(Response::Fault(_)) | Err(_) => {}
    }
});
