//! Feeds any bytes to the decoders of arguments, results, problems and queries. Every decoded value must survive a
//! round trip.
#![no_main]

use calculator::{Call, Limits};
use libfuzzer_sys::fuzz_target;
use rest::wire::{
    ParameterType, decode_failure, decode_params, decode_query, decode_result, encode_call, encode_result,
};

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let _ = decode_failure(500, body, &limits);
    if let Ok(query) = str::from_utf8(body) {
        let _ = decode_query(query, ParameterType::Any);
        let _ = decode_query(query, ParameterType::Number);
    }
    if let Ok(result) = decode_result(body, &limits)
        && let Ok(written) = encode_result(&result)
    {
        assert_eq!(decode_result(&written, &limits), Ok(result));
    }
    if let Ok(params) = decode_params(body, &limits) {
        let call = Call { method: "add".into(), params };
        let Ok(written) = encode_call(&call) else { return };
        assert_eq!(decode_params(&written, &limits), Ok(call.params));
    }
});
