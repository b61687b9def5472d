//! MessagePack: the length of a value.

use rmp::Marker;

/// The length of the value at the start.
pub(super) fn value_len(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut pending) = (0_usize, 1_usize);
    while pending > 0 {
        let (len, items) = head(bytes.get(at..)?)?;
        at = at.checked_add(len)?;
        pending = (pending - 1).checked_add(items)?;
    }
    (at <= bytes.len()).then_some(at)
}

/// The length of the value at the start without the values in it, and their number.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let (marker, rest) = bytes.split_first()?;
    // A length of `width` bytes.
    let length = |width: usize| {
        let digits = rest.get(..width)?;
        Some(digits.iter().fold(0_usize, |length, digit| (length << 8) | usize::from(*digit)))
    };
    let fixed = |len: usize| Some((1 + len, 0));
    let text = |width: usize| Some((length(width)?.checked_add(1 + width)?, 0));
    let items = |width: usize, each: usize| Some((1 + width, length(width)?.checked_mul(each)?));
    match Marker::from_u8(*marker) {
        Marker::FixPos(_)
        | Marker::FixNeg(_)
        | Marker::Null
        | Marker::True
        | Marker::False
        | Marker::Reserved => fixed(0),
        Marker::U8 | Marker::I8 => fixed(1),
        Marker::U16 | Marker::I16 | Marker::FixExt1 => fixed(2),
        Marker::FixExt2 => fixed(3),
        Marker::U32 | Marker::I32 | Marker::F32 => fixed(4),
        Marker::FixExt4 => fixed(5),
        Marker::U64 | Marker::I64 | Marker::F64 => fixed(8),
        Marker::FixExt8 => fixed(9),
        Marker::FixExt16 => fixed(17),
        Marker::FixStr(len) => fixed(len.into()),
        Marker::Str8 | Marker::Bin8 => text(1),
        Marker::Str16 | Marker::Bin16 => text(2),
        Marker::Str32 | Marker::Bin32 => text(4),
        // The type of an extension is a byte behind its length.
        Marker::Ext8 => text(1).map(|(len, items)| (len + 1, items)),
        Marker::Ext16 => text(2).map(|(len, items)| (len + 1, items)),
        Marker::Ext32 => text(4).map(|(len, items)| (len.saturating_add(1), items)),
        Marker::FixArray(len) => Some((1, len.into())),
        Marker::Array16 => items(2, 1),
        Marker::Array32 => items(4, 1),
        Marker::FixMap(len) => Some((1, 2 * usize::from(len))),
        Marker::Map16 => items(2, 2),
        Marker::Map32 => items(4, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::Value;

    #[test]
    fn the_length_of_a_value_is_that_of_its_encoding() {
        let text = |len: usize| Value::from("x".repeat(len));
        let list = Value::list(vec![Value::Null, Value::Bool(true), Value::Float(1.5), text(3)]);
        let map = Value::map(vec![("k".into(), list.clone()), ("l".into(), Value::Int(70_000))]);
        let many = Value::list(vec![Value::Int(1); 40]);
        let ints = [0, -1, 200, -200, 40_000, -40_000, 1 << 31, i64::MIN].map(Value::Int);
        let texts = [0, 31, 32, 300, 70_000].map(text);
        for value in ints.into_iter().chain(texts).chain([list, map, many]) {
            let mut bytes = ::zerorpc::wire::encode_value(&value).unwrap();
            let len = bytes.len();
            assert_eq!(value_len(&bytes), Some(len), "{value:?}");
            bytes.push(7);
            assert_eq!(value_len(&bytes), Some(len), "{value:?}");
            assert_eq!(value_len(&bytes[..len - 1]), None, "{value:?}");
        }
        assert_eq!(value_len(b"\xdf\xff\xff\xff\xff\x01"), None);
    }
}
