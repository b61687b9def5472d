//! Properties of the codec.

use calculator::Text;
use calculator::strategies::json_values;
use proptest::prelude::*;

use super::responses::reply_text;
use super::*;

fn call() -> impl Strategy<Value = Call> {
    let params = prop_oneof![
        prop::collection::vec(json_values(), 0..4).prop_map(Params::Positional),
        prop::collection::vec((any::<String>().prop_map(Text::from), json_values()), 0..4)
            .prop_map(Params::named),
    ];
    let method = any::<String>().prop_filter("not empty", |method| !method.is_empty());
    (method, params).prop_map(|(method, params)| Call { method: method.into(), params })
}

proptest! {
    #[test]
    fn calls_are_decoded_as_encoded(call in call(), id in any::<u64>()) {
        let body = encode_call(&Envelope::default(), &call, id).unwrap();
        let id = id.to_string();
        let read = decode(&body, &Limits::default()).unwrap();
        prop_assert_eq!(read, Message::Single(Request { call: Ok(call), reply: v2(&id) }));
    }

    #[test]
    fn results_are_decoded_as_encoded(value in json_values(), id in any::<u64>(), old in any::<bool>()) {
        let text = id.to_string();
        let to = if old { v1(&text) } else { v2(&text) };
        let body = reply_text(to, Ok(value.clone()));
        prop_assert_eq!(decode_reply(body.as_bytes(), id, &Limits::default()), Ok(value));
    }

    #[test]
    fn any_bytes_are_decoded_or_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, &Limits::default());
        let _ = decode_reply(&bytes, 1, &Limits::default());
        let _ = decode_batch_reply(&bytes, &[1, 2], &Limits::default());
        let _ = decode_query(&String::from_utf8_lossy(&bytes), &Limits::default());
    }

    #[test]
    fn any_json_is_decoded_or_rejected_without_a_panic(value in json_values()) {
        let mut body = Vec::new();
        calculator::json::write(&mut body, &value).unwrap();
        let _ = decode(&body, &Limits::default());
        let _ = decode_reply(&body, 1, &Limits::default());
    }
}
