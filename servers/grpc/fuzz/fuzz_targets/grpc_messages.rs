//! Any bytes are decoded as arguments, a value and a body, or refused. A decoded value that is encoded and decoded again is
//! the same.
#![no_main]

use calculator::{Limits, Value};
use grpc::wire::{MessageReader, MessageSplitter, decode_arguments, decode_value, encode_value, encoded_len};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let _ = decode_arguments(bytes, &["x", "y"], &limits);
    let (whole, mut single) = (read(&[bytes]), MessageReader::new(1_000));
    let singly = bytes.chunks(1).try_for_each(|byte| single.push(byte)).and_then(|()| single.finish());
    assert_eq!(whole, singly.map(|message| message.map(<[u8]>::to_vec)));
    assert_eq!(split(&[bytes]), split(&bytes.chunks(1).collect::<Vec<_>>()));
    let Ok(value) = decode_value(bytes, &limits) else { return };
    if value.any(|value| matches!(value, Value::Float(v) if v.is_nan())) {
        return;
    }
    // Every decoded value can be encoded.
    let again = encode_value(&value).expect("it was decoded");
    assert_eq!(encoded_len(&value), Ok(again.len()));
    assert_eq!(decode_value(&again, &limits), Ok(value));
});

fn read(chunks: &[&[u8]]) -> Result<Option<Vec<u8>>, grpc::wire::FrameError> {
    let mut reader = MessageReader::new(1_000);
    chunks.iter().try_for_each(|chunk| reader.push(chunk))?;
    reader.finish().map(|message| message.map(<[u8]>::to_vec))
}

fn split(chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, grpc::wire::FrameError> {
    let (mut splitter, mut messages) = (MessageSplitter::new(1_000), vec![]);
    for mut chunk in chunks.iter().copied() {
        while let Some(message) = splitter.next_message(&mut chunk)? {
            messages.push(message.to_vec());
        }
    }
    splitter.finish().map(|()| messages)
}
