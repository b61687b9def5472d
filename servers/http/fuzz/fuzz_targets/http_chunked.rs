//! Feeds any bytes to the decoder of chunked bodies. The result must be the same however the bytes are cut.
#![no_main]

use http_layer::bare::wire::{BodyFault, ChunkedDecoder};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1_000;

/// The body, and the number of bytes that follow it.
fn decoded(bytes: &[u8], part: usize) -> Result<Option<(Vec<u8>, usize)>, BodyFault> {
    let (mut decoder, mut pending) = (ChunkedDecoder::new(LIMIT), Vec::new());
    for part in bytes.chunks(part) {
        pending.extend_from_slice(part);
        let used = decoder.decode(&pending)?;
        pending.drain(..used);
        assert!(decoder.body().len() <= LIMIT);
    }
    Ok(decoder.is_done().then(|| (decoder.take_body().to_vec(), pending.len())))
}

fuzz_target!(|bytes: &[u8]| {
    let whole = decoded(bytes, bytes.len().max(1));
    for part in [1, 2, 3, 7, 100] {
        assert_eq!(decoded(bytes, part), whole, "in parts of {part}");
    }
});
