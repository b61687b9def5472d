//! Compares messages with a reference process that lives as long as the fuzzer.

use std::cell::RefCell;
use std::path::Path;

use differential::{CODECS, Codec, Reference};

thread_local! {
    static REFERENCE: RefCell<Option<(Codec, Reference)>> = const { RefCell::new(None) };
}

/// Starts the reference process of `codec`, and waits until it has answered once. Before the first message, whose time is
/// limited: on a busy machine, Python may take longer to start.
pub fn start(codec: &str) {
    let codec = CODECS.into_iter().find(|known| known.name == codec).expect("a codec");
    let python = std::env::var_os("RPCBENCH_PYTHON").expect("scripts/fuzz sets RPCBENCH_PYTHON");
    let reference = Reference::start(Path::new(&python), codec.name).expect("Python can be started");
    REFERENCE.set(Some((codec, reference)));
    compare(b"");
}

/// Compares the decoders for one message.
pub fn compare(message: &[u8]) {
    REFERENCE.with_borrow_mut(|reference| {
        let (codec, reference) = reference.as_mut().expect("the reference process was started");
        if let Err(error) = differential::compare(codec, reference, message) {
            panic!("{error}");
        }
    });
}
