//! Any bytes are decoded as an event or refused. A decoded value that is encoded and decoded again is the same.
#![no_main]

use calculator::Value;
use libfuzzer_sys::fuzz_target;
use zerorpc::wire::{ChannelEvent, Event, Id, Ids, write_event};

const DEPTH: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = Event::decode(bytes, DEPTH) else { return };
    let _ = event.call_args(DEPTH);
    let _ = event.reply(DEPTH);
    let _ = event.credit();
    let Ok(value) = event.item(DEPTH) else { return };
    if value.any(|value| matches!(value, Value::Float(v) if v.is_nan())) {
        return;
    }
    let mut again = Vec::new();
    // Every decoded value can be encoded.
    write_event(&mut again, &Ids::new().id(7), Id::Bin(b"abc"), ChannelEvent::Item(&value)).expect("it was decoded");
    let again = Event::decode(&again, DEPTH).expect("it was encoded").item(DEPTH);
    assert_eq!(again, Ok(value));
});
