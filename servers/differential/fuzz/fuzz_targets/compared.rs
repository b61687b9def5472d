//! Compares messages with a reference process that lives as long as the fuzzer.

use std::cell::RefCell;
use std::path::Path;

use differential::{CODECS, Codec, Reference};

thread_local! {
    static REFERENCE: RefCell<Option<(Codec, Reference)>> = const { RefCell::new(None) };
}

/// Compares the decoders of `codec` for one message.
pub fn compare(codec: &str, message: &[u8]) {
    REFERENCE.with_borrow_mut(|reference| {
        let (codec, reference) = reference.get_or_insert_with(|| {
            let codec = CODECS.into_iter().find(|known| known.name == codec).expect("a codec");
            let python = std::env::var_os("RPCBENCH_PYTHON").expect("scripts/fuzz sets RPCBENCH_PYTHON");
            let reference = Reference::start(Path::new(&python), codec.name).expect("Python can be started");
            (codec, reference)
        });
        if let Err(error) = differential::compare(codec, reference, message) {
            panic!("{error}");
        }
    });
}
