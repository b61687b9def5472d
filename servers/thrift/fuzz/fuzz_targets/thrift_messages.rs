//! Any bytes are decoded as a request, a reply and a value in both protocols, or refused. A decoded value that is encoded and
//! decoded again is the same.
#![no_main]

use calculator::{Calculator, Limits, Value};
use libfuzzer_sys::fuzz_target;
use thrift_rpc::wire::{decode_reply, decode_request, decode_value, encode_value, leading_value_len};
use thrift_rpc::{Binary, Compact, Encoding};

fuzz_target!(|bytes: &[u8]| {
    decode::<Binary>(bytes);
    decode::<Compact>(bytes);
});

fn decode<E: Encoding>(bytes: &[u8]) {
    let limits = Limits::default();
    let _ = decode_request::<E>(bytes, &Calculator, &limits);
    let _ = decode_reply::<E>(bytes, 1, &limits);
    let Ok(value) = decode_value::<E>(bytes, &limits) else { return };
    assert_eq!(leading_value_len::<E>(bytes, &limits), Some(bytes.len()));
    if value.any(|value| matches!(value, Value::Float(v) if v.is_nan())) {
        return;
    }
    // Every decoded value can be encoded.
    let again = encode_value::<E>(&value).expect("it was decoded");
    assert_eq!(decode_value::<E>(&again, &limits), Ok(value));
}
