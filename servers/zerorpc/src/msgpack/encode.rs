//! Encoding.

use calculator::{CallError, ErrorKind, Extension, FormatLengths, Value};
use rmp::Marker;

/// A float has eight bytes, an integer fewer, and a string one or two for its length.
const LENGTHS: FormatLengths = FormatLengths { scalar: 5, container: 3, member: 1 };

/// Makes space in `out` for a list or a map, so that the buffer of a long one need not grow.
pub(crate) fn reserve_for(out: &mut Vec<u8>, value: &Value) {
    out.reserve(value.estimated_length(&LENGTHS));
}

/// Appends `value`.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] for a date, [`ErrorKind::Overflow`] for an integer outside −2⁶³ … 2⁶⁴−1,
/// [`ErrorKind::TooLarge`] for 2³² or more items or bytes. `out` may then end with a part of the value.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), CallError> {
    match value {
        Value::Null => out.push(Marker::Null.to_u8()),
        Value::Bool(false) => out.push(Marker::False.to_u8()),
        Value::Bool(true) => out.push(Marker::True.to_u8()),
        Value::Int(v) => write_int(out, *v),
        Value::BigInt(digits) => match digits.parse() {
            Ok(v) => write_uint(out, v),
            Err(_) => return Err(CallError::new(ErrorKind::Overflow, "Integer value out of range")),
        },
        Value::Float(v) => write_tagged(out, Marker::F64, v.to_be_bytes()),
        Value::Str(text) => write_str(out, text)?,
        Value::Bytes(bytes) => write_bin(out, bytes)?,
        Value::DateTime(_) => {
            let message = "zerorpc has no type for a date and time";
            return Err(CallError::new(ErrorKind::NotRepresentable, message));
        }
        Value::Extension(value) => write_extension(out, value)?,
        Value::List(items) => {
            write_list_len(out, items.len())?;
            for item in items {
                write_value(out, item)?;
            }
        }
        Value::Map(members) => {
            let len = checked_len(members.len())?;
            match len {
                0..=15 => out.push(0x80 | low_byte(len)),
                16..=0xffff => write_tagged(out, Marker::Map16, low_two_bytes(len)),
                _ => write_tagged(out, Marker::Map32, len.to_be_bytes()),
            }
            for (name, value) in members {
                write_str(out, name)?;
                write_value(out, value)?;
            }
        }
    }
    Ok(())
}

/// Appends the marker and length of a list of `len` items.
///
/// # Errors
/// [`ErrorKind::TooLarge`].
pub(crate) fn write_list_len(out: &mut Vec<u8>, len: usize) -> Result<(), CallError> {
    let len = checked_len(len)?;
    match len {
        0..=15 => out.push(0x90 | low_byte(len)),
        16..=0xffff => write_tagged(out, Marker::Array16, low_two_bytes(len)),
        _ => write_tagged(out, Marker::Array32, len.to_be_bytes()),
    }
    Ok(())
}

/// Appends a str.
///
/// # Errors
/// [`ErrorKind::TooLarge`].
pub(crate) fn write_str(out: &mut Vec<u8>, text: &str) -> Result<(), CallError> {
    let len = checked_len(text.len())?;
    match len {
        0..=31 => out.push(0xa0 | low_byte(len)),
        32..=0xff => out.extend_from_slice(&[Marker::Str8.to_u8(), low_byte(len)]),
        0x100..=0xffff => write_tagged(out, Marker::Str16, low_two_bytes(len)),
        _ => write_tagged(out, Marker::Str32, len.to_be_bytes()),
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Appends a bin.
///
/// # Errors
/// [`ErrorKind::TooLarge`].
pub(crate) fn write_bin(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), CallError> {
    let len = checked_len(bytes.len())?;
    match len {
        0..=0xff => out.extend_from_slice(&[Marker::Bin8.to_u8(), low_byte(len)]),
        0x100..=0xffff => write_tagged(out, Marker::Bin16, low_two_bytes(len)),
        _ => write_tagged(out, Marker::Bin32, len.to_be_bytes()),
    }
    out.extend_from_slice(bytes);
    Ok(())
}

fn write_extension(out: &mut Vec<u8>, value: &Extension) -> Result<(), CallError> {
    let len = checked_len(value.data.len())?;
    match len {
        1 => out.push(Marker::FixExt1.to_u8()),
        2 => out.push(Marker::FixExt2.to_u8()),
        4 => out.push(Marker::FixExt4.to_u8()),
        8 => out.push(Marker::FixExt8.to_u8()),
        16 => out.push(Marker::FixExt16.to_u8()),
        0..=0xff => out.extend_from_slice(&[Marker::Ext8.to_u8(), low_byte(len)]),
        0x100..=0xffff => write_tagged(out, Marker::Ext16, low_two_bytes(len)),
        _ => write_tagged(out, Marker::Ext32, len.to_be_bytes()),
    }
    out.extend_from_slice(&value.number.to_be_bytes());
    out.extend_from_slice(&value.data);
    Ok(())
}

fn write_int(out: &mut Vec<u8>, v: i64) {
    if let Ok(v) = u64::try_from(v) {
        write_uint(out, v);
    } else if let Ok(v) = i8::try_from(v) {
        // A negative fixint is its own marker.
        if v < -32 {
            out.push(Marker::I8.to_u8());
        }
        out.extend_from_slice(&v.to_be_bytes());
    } else if let Ok(v) = i16::try_from(v) {
        write_tagged(out, Marker::I16, v.to_be_bytes());
    } else if let Ok(v) = i32::try_from(v) {
        write_tagged(out, Marker::I32, v.to_be_bytes());
    } else {
        write_tagged(out, Marker::I64, v.to_be_bytes());
    }
}

fn write_uint(out: &mut Vec<u8>, v: u64) {
    if let Ok(v) = u8::try_from(v) {
        if v >= 0x80 {
            out.push(Marker::U8.to_u8());
        }
        out.push(v);
    } else if let Ok(v) = u16::try_from(v) {
        write_tagged(out, Marker::U16, v.to_be_bytes());
    } else if let Ok(v) = u32::try_from(v) {
        write_tagged(out, Marker::U32, v.to_be_bytes());
    } else {
        write_tagged(out, Marker::U64, v.to_be_bytes());
    }
}

fn write_tagged<const N: usize>(out: &mut Vec<u8>, marker: Marker, payload: [u8; N]) {
    out.push(marker.to_u8());
    out.extend_from_slice(&payload);
}

fn checked_len(len: usize) -> Result<u32, CallError> {
    u32::try_from(len)
        .map_err(|_| CallError::new(ErrorKind::TooLarge, "MessagePack has at most 2³²−1 items or bytes"))
}

fn low_byte(len: u32) -> u8 {
    len.to_be_bytes()[3]
}

fn low_two_bytes(len: u32) -> [u8; 2] {
    let [_, _, high, low] = len.to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use calculator::document::document;

    use super::*;

    #[test]
    fn the_buffer_of_a_document_does_not_grow() {
        let document = document(1, 64 << 10);
        let estimated = document.estimated_length(&LENGTHS);
        let mut written = Vec::new();
        reserve_for(&mut written, &document);
        write_value(&mut written, &document).unwrap();
        assert_eq!(written.capacity(), estimated);
        assert!(estimated < written.len() * 3 / 2, "{estimated} estimated, {} written", written.len());
    }
}
