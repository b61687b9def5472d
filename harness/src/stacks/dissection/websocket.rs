//! WebSocket: a frame and its payload (RFC 6455, section 5.2).

use super::cutter::Cutter;
use super::part::Layer::Framing;
use super::part::Part;

/// The FIN bit and the opcode of text: the final frame of a text message.
const TEXT: u8 = 0x81;
/// The MASK bit: a masking key follows the length.
const MASKED: u8 = 0x80;
/// The payload lengths that announce an extended payload length of two or eight bytes.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// The parts of a frame that holds a whole text message. `cut` divides the payload; that of a client is unmasked first. `None` if the bytes
/// do not parse.
pub(in crate::stacks) fn frame(
    bytes: &[u8],
    cut: impl FnOnce(&mut Cutter<'_>) -> Option<()>,
) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    let first = cutter.cut(1, Framing, "FIN bit and opcode: the final frame of a text message")?;
    if first != [TEXT] {
        return None;
    }
    let length = *cutter.rest().first()?;
    let is_masked = length & MASKED != 0;
    cutter.cut(1, Framing, if is_masked { "MASK bit, and payload length" } else { "payload length" })?;
    match length & !MASKED {
        TWO_BYTES => drop(cutter.cut(2, Framing, "extended payload length: more than 125 bytes")?),
        EIGHT_BYTES => drop(cutter.cut(8, Framing, "extended payload length: more than 65,535 bytes")?),
        _ => {}
    }
    let key = if is_masked {
        cutter.cut(4, Framing, "masking key: the payload is XORed with these four bytes, repeated")?
    } else {
        &[0]
    };
    let payload: Vec<u8> =
        cutter.rest().iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let mut within = Cutter::new(&payload);
    cut(&mut within)?;
    for part in within.finish()? {
        cutter.cut(part.len, part.layer, part.meaning)?;
    }
    cutter.finish()
}

#[cfg(test)]
mod tests {
    use super::super::part::Layer::Envelope;
    use super::*;

    fn whole(cutter: &mut Cutter<'_>) -> Option<()> {
        assert!(cutter.rest().iter().all(u8::is_ascii_lowercase));
        let len = cutter.rest().len();
        cutter.cut(len, Envelope, "message").map(drop)
    }

    /// The examples of RFC 6455, section 5.7, with letters of one case.
    #[test]
    fn frames_with_and_without_a_mask_are_cut() {
        let lens = |bytes: &[u8]| {
            frame(bytes, whole).map(|parts| parts.iter().map(|part| part.len).collect::<Vec<_>>())
        };
        assert_eq!(lens(b"\x81\x05hello"), Some(vec![1, 1, 5]));
        let masked = b"hello".iter().zip([0x37, 0xfa, 0x21, 0x3d, 0x37]).map(|(byte, key)| byte ^ key);
        let frame: Vec<u8> = b"\x81\x85\x37\xfa\x21\x3d".iter().copied().chain(masked).collect();
        assert_eq!(lens(&frame), Some(vec![1, 1, 4, 5]));
        let long = |len: &[u8], count| lens(&[b"\x81", len, &vec![b'a'; count]].concat());
        assert_eq!(long(&[126, 0, 200], 200), Some(vec![1, 1, 2, 200]));
        assert_eq!(long(&[127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536), Some(vec![1, 1, 8, 65_536]));
        assert_eq!(lens(b"\x82\x05hello"), None, "a binary message");
        assert_eq!(lens(b"\x81"), None);
        assert_eq!(lens(b"\x81\x85\x37"), None);
    }
}
