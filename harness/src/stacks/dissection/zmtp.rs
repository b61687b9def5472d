//! ZMTP 3, the protocol of ZeroMQ: frames with flags and a length (RFC 23).

use super::cutter::Cutter;
use super::part::Layer::Framing;
use super::part::Part;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// The parts of a message whose last frame `body` cuts.
pub(in crate::stacks) fn parts(
    bytes: &[u8],
    body: impl FnOnce(&mut Cutter<'_>) -> Option<()>,
) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    loop {
        let flags = *cutter.rest().first()?;
        let length = cutter.rest().get(1..if flags & LONG == 0 { 2 } else { 9 })?;
        let header = 1 + length.len();
        let len = length
            .iter()
            .try_fold(0_usize, |len, byte| len.checked_mul(256).map(|len| len + usize::from(*byte)))?;
        if flags & COMMAND != 0 {
            return None;
        }
        if flags & MORE == 0 {
            cutter.cut(header, Framing, "frame header: the last frame of a message, and its length")?;
            cutter.cut_within(len, body)?;
            return cutter.finish();
        }
        let meaning = if len == 0 {
            "empty frame: ends the addresses before the message"
        } else {
            "frame with an address"
        };
        cutter.cut(header.checked_add(len)?, Framing, meaning)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::dissection::part::Layer;

    fn lengths(bytes: &[u8]) -> Option<Vec<usize>> {
        let whole =
            |cutter: &mut Cutter<'_>| cutter.cut(cutter.rest().len(), Layer::Values, "body").map(drop);
        Some(parts(bytes, whole)?.iter().map(|part| part.len).collect())
    }

    #[test]
    fn frames_are_cut_at_their_lengths() {
        assert_eq!(lengths(b"\x01\x00\x00\x03abc"), Some(vec![2, 2, 3]));
        assert_eq!(lengths(b"\x02\0\0\0\0\0\0\0\x01x"), Some(vec![9, 1]));
        for bytes in [
            &b""[..],
            b"\x00",
            b"\x00\x03ab",
            b"\x00\x01ab",
            b"\x04\x01a",
            b"\x02\xff\xff\xff\xff\xff\xff\xff\xffx",
        ] {
            assert_eq!(lengths(bytes), None, "{bytes:?}");
        }
    }
}
