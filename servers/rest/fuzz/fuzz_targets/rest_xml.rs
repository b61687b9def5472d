//! Feeds any bytes to the decoder of XML arguments. Every decoded value that can be encoded must survive a round trip.
#![no_main]

use calculator::{Limits, Params};
use libfuzzer_sys::fuzz_target;
use rest::wire::ParameterType;
use rest::wire::xml::{decode_params, encode_result};

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let Ok(Params::Named(members)) = decode_params(body, ParameterType::Any, &limits) else { return };
    for (_, value) in members {
        let Ok(written) = encode_result(&value) else { continue };
        let text = String::from_utf8(written).expect("text");
        let body = text.replacen("<result ", "<arguments><value ", 1).replace("</result>", "</value></arguments>");
        let again = decode_params(body.as_bytes(), ParameterType::Any, &limits).expect("an encoded value is decoded");
        assert_eq!(again, Params::Named(vec![("value".into(), value)]));
    }
});
