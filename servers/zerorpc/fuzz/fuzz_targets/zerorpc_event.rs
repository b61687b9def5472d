//! Any octets are an event or are refused; what was decoded is encoded and decoded again to the same.
#![no_main]

use calculator::Value;
use libfuzzer_sys::fuzz_target;
use zerorpc::wire::{Event, Id, Ids, Say, write_event};

const DEPTH: usize = 64;

fuzz_target!(|octets: &[u8]| {
    let Ok(event) = Event::decode(octets, DEPTH) else { return };
    let _ = event.call_args(DEPTH);
    let _ = event.reply(DEPTH);
    let _ = event.grant();
    let Ok(value) = event.item(DEPTH) else { return };
    if value.any(|value| matches!(value, Value::Float(v) if v.is_nan())) {
        return;
    }
    let mut again = Vec::new();
    // Every value that MessagePack has brought, it carries.
    write_event(&mut again, &Ids::new().id(7), Id::Bin(b"abc"), Say::Item(&value)).expect("it was read");
    let again = Event::decode(&again, DEPTH).expect("it was written").item(DEPTH);
    assert_eq!(again, Ok(value));
});
