//! Cuts bytes into parts, from the first to the last.

use std::borrow::Cow;

use super::part::{Layer, Part};

/// Bytes of which a part after the other is cut off.
pub(in crate::stacks) struct Cutter<'a> {
    rest: &'a [u8],
    parts: Vec<Part>,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cutter { rest: bytes, parts: Vec::new() }
    }

    /// The bytes that have not been cut off yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Cuts off a part of `len` bytes; nothing if that is 0. `None` if there are fewer bytes.
    pub(super) fn cut(
        &mut self,
        len: usize,
        layer: Layer,
        meaning: impl Into<Cow<'static, str>>,
    ) -> Option<&'a [u8]> {
        let (part, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        if len > 0 {
            self.parts.push(Part { layer, len, meaning: meaning.into(), ends_line: false });
        }
        Some(part)
    }

    /// Notes that a line or a frame ends with the last part.
    pub(super) fn end_line(&mut self) {
        if let Some(last) = self.parts.last_mut() {
            last.ends_line = true;
        }
    }

    /// Cuts the next `len` bytes with `cut`, which must cut all of them.
    pub(super) fn cut_within(
        &mut self,
        len: usize,
        cut: impl FnOnce(&mut Cutter<'a>) -> Option<()>,
    ) -> Option<()> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        let mut within = Cutter::new(bytes);
        cut(&mut within)?;
        self.parts.extend(within.finish()?);
        self.rest = rest;
        Some(())
    }

    /// The parts; `None` unless they are all bytes.
    pub(super) fn finish(self) -> Option<Vec<Part>> {
        self.rest.is_empty().then_some(self.parts)
    }
}

/// The position after the first `mark` in `bytes`.
pub(super) fn end_of(mark: &[u8], bytes: &[u8]) -> Option<usize> {
    Some(bytes.windows(mark.len()).position(|window| window == mark)? + mark.len())
}

/// The parts of `bytes` as pairs of text and meaning, for tests.
#[cfg(test)]
pub(super) fn shown(bytes: &[u8], parts: &[Part]) -> Vec<(Layer, String)> {
    let mut rest = bytes;
    let text = |part: &Part| {
        let (text, after) = rest.split_at(part.len);
        rest = after;
        (part.layer, text.escape_ascii().to_string())
    };
    parts.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_all_bytes_or_there_are_none() {
        let mut cutter = Cutter::new(b"abcdef");
        assert_eq!(cutter.cut(2, Layer::Framing, "x"), Some(&b"ab"[..]));
        assert_eq!(cutter.cut(0, Layer::Values, "nothing"), Some(&b""[..]));
        assert_eq!(cutter.cut(9, Layer::Values, "too much"), None);
        // What is inside must be cut as a whole.
        assert_eq!(cutter.cut_within(3, |within| within.cut(2, Layer::Values, "y").map(drop)), None);
        assert_eq!(cutter.cut_within(3, |within| within.cut(3, Layer::Values, "y").map(drop)), Some(()));
        assert_eq!(cutter.rest(), b"f");
        cutter.cut(1, Layer::Envelope, "z");
        let lengths: Vec<_> = cutter.finish().unwrap().iter().map(|part| part.len).collect();
        assert_eq!(lengths, [2, 3, 1]);
        assert_eq!(Cutter::new(b"a").finish(), None);
    }
}
