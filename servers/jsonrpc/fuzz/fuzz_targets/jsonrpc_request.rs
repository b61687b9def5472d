//! Feeds any bytes to the decoder of requests. A call that it decodes and that can be encoded must survive a round trip.
#![no_main]

use calculator::Limits;
use jsonrpc::wire::{Envelope, Message, decode, decode_query, encode_call};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    if let Ok(query) = str::from_utf8(body)
        && let Ok(Some(request)) = decode_query(query, &limits)
    {
        assert!(matches!(decode(&request, &limits), Ok(Message::Single(_))));
    }
    let Ok(message) = decode(body, &limits) else { return };
    let requests = match message {
        Message::Single(request) => vec![request],
        Message::Batch(requests) => requests,
    };
    for call in requests.into_iter().filter_map(|request| request.call.ok()) {
        let Ok(written) = encode_call(&Envelope::default(), &call, 7) else { continue };
        let Ok(Message::Single(again)) = decode(&written, &limits) else { panic!("an encoded call is not decoded") };
        assert_eq!(again.call, Ok(call));
    }
});
