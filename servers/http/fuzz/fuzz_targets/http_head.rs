//! Feeds any bytes to the parsers of heads. A verdict on a part of the bytes must not change with the rest, and the cheap search
//! for the end of a head must not miss one.
#![no_main]

use http_layer::bare::wire::{HeadError, field_space, may_be_complete, parse_request, parse_response};
use libfuzzer_sys::fuzz_target;

/// The length of the head, or why there is none.
type Verdict = Result<Option<usize>, HeadError>;

fn request(bytes: &[u8]) -> Verdict {
    Ok(parse_request(bytes, &mut field_space())?.map(|(_, len)| len))
}

fn response(bytes: &[u8]) -> Verdict {
    Ok(parse_response(bytes, &mut field_space())?.map(|(_, len)| len))
}

fuzz_target!(|bytes: &[u8]| {
    for parse in [request, response] {
        let Ok(Some(len)) = parse(bytes) else { continue };
        for cut in 0..bytes.len() {
            let expected = if cut < len { None } else { Some(len) };
            assert_eq!(parse(&bytes[..cut]).expect("a part of a head is no error"), expected);
        }
        // An empty line at the beginning is found early, which costs only time.
        for searched in 1..len {
            assert!(may_be_complete(&bytes[..len], searched), "{searched} of {len}");
        }
    }
});
