//! Any trailers are a status or none, and any text is a timeout or none.
#![no_main]

use grpc::{read_status, timeout};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(time) = timeout::decode(bytes) {
        assert_eq!(timeout::decode(timeout::encode(time).as_bytes()), Some(time));
    }
    let mut headers = HeaderMap::new();
    let names = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
    for (name, value) in names.into_iter().zip(bytes.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let _ = read_status(&headers);
});
