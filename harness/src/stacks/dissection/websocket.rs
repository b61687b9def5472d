//! WebSocket: a frame and the message in it (RFC 6455, section 5.2).

use super::cutter::Cutter;
use super::part::Layer::Framing;
use super::part::Part;

/// The bit that says that a mask follows the length.
const MASKED: u8 = 0x80;
/// The lengths that say that the length follows, in two or in eight bytes.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// The parts of a frame with a whole message, which `cut` cuts. What a client sends is masked: its message is cut as it is without the
/// mask.
pub(in crate::stacks) fn frame(
    bytes: &[u8],
    cut: impl FnOnce(&mut Cutter<'_>) -> Option<()>,
) -> Option<Vec<Part>> {
    let mut cutter = Cutter::new(bytes);
    cutter.cut(1, Framing, "last frame of a message, which is text")?;
    let length = *cutter.rest().first()?;
    cutter.cut(
        1,
        Framing,
        if length & MASKED == 0 { "length of the message" } else { "masked; length of the message" },
    )?;
    match length & !MASKED {
        TWO_BYTES => drop(cutter.cut(2, Framing, "length of a message above 125 bytes")?),
        EIGHT_BYTES => drop(cutter.cut(8, Framing, "length of a message above 65,535 bytes")?),
        _ => {}
    }
    let mask = if length & MASKED == 0 {
        &[0]
    } else {
        cutter.cut(
            4,
            Framing,
            "mask: each byte of the message is combined with one of these by exclusive or",
        )?
    };
    let message: Vec<u8> =
        cutter.rest().iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let mut within = Cutter::new(&message);
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
        assert_eq!(lens(b"\x81"), None);
        assert_eq!(lens(b"\x81\x85\x37"), None);
    }
}
