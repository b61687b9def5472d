//! AMQP 0-9-1 frames, read just far enough to see the lengths of bodies and the arguments of methods.

/// What a client sends before its first frame.
const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// A frame: its type and payload.
pub(crate) struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

/// The frames of one direction of a connection.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut rest = bytes.strip_prefix(HEADER).unwrap_or(bytes);
    let mut frames = Vec::new();
    while let [kind, _, _, a, b, c, d, after @ ..] = rest {
        let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (payload, after) = after.split_at(size);
        assert_eq!(after[0], 0xce, "a frame ends with its mark");
        frames.push(Frame { kind: *kind, payload: payload.to_vec() });
        rest = &after[1..];
    }
    assert!(rest.is_empty(), "all of it is frames");
    frames
}

impl Frame {
    /// The length of the body that a content header announces: behind class and weight.
    pub(crate) fn body_size(&self) -> Option<u64> {
        let size = self.payload.get(4..12)?;
        (self.kind == 2).then(|| u64::from_be_bytes(size.try_into().unwrap()))
    }

    /// The arguments of that method.
    pub(crate) fn method(&self, class: u16, method: u16) -> Option<&[u8]> {
        let id = [class.to_be_bytes(), method.to_be_bytes()].concat();
        self.payload.strip_prefix(id.as_slice()).filter(|_| self.kind == 1)
    }
}
