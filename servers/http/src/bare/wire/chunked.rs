//! The chunked transfer coding (RFC 9112, section 7.1).

use bytes::BytesMut;

use super::error::BodyFault;
use super::field_list::MAX_FIELDS;

/// The maximum number of bytes of all extensions of a body's chunks, and of its trailer section.
const MAX_OVERHEAD: usize = 16 << 10;

/// The maximum length of a line with the size of a chunk.
const MAX_LINE: usize = MAX_OVERHEAD + 64;

/// Decodes a chunked body from bytes that arrive in parts. Extensions and trailers are checked and ignored.
#[derive(Debug)]
pub struct ChunkedDecoder {
    state: State,
    body: BytesMut,
    limit: usize,
    /// The bytes of extensions so far.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the line with the size of a chunk.
    Size,
    /// Inside a chunk, of which this number of bytes is missing.
    Data(usize),
    /// At the line end after a chunk.
    DataEnd,
    /// In the trailer section.
    Trailers,
    /// After the last line.
    Done,
}

impl ChunkedDecoder {
    /// A decoder of one body of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        ChunkedDecoder { state: State::Size, body: BytesMut::new(), limit, extensions: 0 }
    }

    /// Decodes as many of `bytes` as possible and returns their number. The rest must be given again, with what arrives after
    /// them.
    ///
    /// # Errors
    /// [`BodyFault`]; a body above the limit is refused when the size of a chunk shows it, before its bytes arrive.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<usize, BodyFault> {
        let mut rest = bytes;
        loop {
            let used = match self.state {
                State::Size => self.read_size(rest)?,
                State::Data(missing) => {
                    let arrived = rest.get(..missing).unwrap_or(rest);
                    self.body.extend_from_slice(arrived);
                    let missing = missing - arrived.len();
                    self.state = if missing == 0 { State::DataEnd } else { State::Data(missing) };
                    arrived.len()
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        self.state = State::Size;
                        2
                    }
                    [] | [b'\r'] => 0,
                    _ => return Err(BodyFault::Chunk),
                },
                State::Trailers => self.read_trailers(rest)?,
                State::Done => 0,
            };
            if used == 0 {
                return Ok(bytes.len() - rest.len());
            }
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Whether the whole body, with its trailers, has been decoded.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The body so far.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes the body so far.
    #[must_use]
    pub fn take_body(&mut self) -> BytesMut {
        std::mem::take(&mut self.body)
    }

    /// Reads the line with the size of a chunk, and returns its length; 0 if it is incomplete.
    fn read_size(&mut self, bytes: &[u8]) -> Result<usize, BodyFault> {
        let searched = bytes.get(..MAX_LINE).unwrap_or(bytes);
        let Some(end) = searched.iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() < MAX_LINE { Ok(0) } else { Err(BodyFault::Overhead(MAX_OVERHEAD)) };
        };
        let line = searched.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").ok_or(BodyFault::Chunk)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        let size = parse_size(digits).ok_or(BodyFault::Chunk)?;
        // White space before an extension is bad, but allowed (RFC 9112, section 7.1.1).
        let is_extension = matches!(extension.trim_ascii_start(), [] | [b';', ..]);
        if !is_extension || extension.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(BodyFault::Chunk);
        }
        self.extensions += extension.len();
        if self.extensions > MAX_OVERHEAD {
            return Err(BodyFault::Overhead(MAX_OVERHEAD));
        }
        self.state = match usize::try_from(size) {
            Ok(0) => State::Trailers,
            Ok(size) if size <= self.limit - self.body.len() => State::Data(size),
            _ => return Err(BodyFault::TooLarge(self.limit)),
        };
        Ok(end + 1)
    }

    /// Reads the trailer section, and returns its length; 0 if it is incomplete.
    fn read_trailers(&mut self, bytes: &[u8]) -> Result<usize, BodyFault> {
        let section = bytes.get(..MAX_OVERHEAD).unwrap_or(bytes);
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        match httparse::parse_headers(section, &mut fields) {
            // `httparse` also takes a line feed alone for a line end.
            Ok(httparse::Status::Complete((len, _)))
                if has_bare_line_feed(section.get(..len).unwrap_or_default()) =>
            {
                Err(BodyFault::Chunk)
            }
            Ok(httparse::Status::Complete((len, _))) => {
                self.state = State::Done;
                Ok(len)
            }
            Ok(httparse::Status::Partial) if bytes.len() < MAX_OVERHEAD => Ok(0),
            Ok(httparse::Status::Partial) => Err(BodyFault::Overhead(MAX_OVERHEAD)),
            Err(_) => Err(BodyFault::Chunk),
        }
    }
}

/// Whether a line of `bytes` ends with a line feed alone.
fn has_bare_line_feed(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    // What follows the last line feed is no line.
    lines.next_back();
    lines.any(|line| !line.ends_with(b"\r"))
}

/// The number that hexadecimal `digits` write, of which there is at least one.
fn parse_size(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |size, digit| {
        size.checked_mul(16)?.checked_add(char::from(*digit).to_digit(16)?.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1_000;

    /// A body, and the bytes that follow it; `None` for a body that is incomplete.
    type Decoded = Result<Option<(Vec<u8>, Vec<u8>)>, BodyFault>;

    /// Decodes `bytes`, which arrive in parts of `part` bytes: the body, and the bytes that follow it.
    fn decoded(bytes: &[u8], part: usize) -> Decoded {
        let mut decoder = ChunkedDecoder::new(LIMIT);
        let mut pending = Vec::new();
        for part in bytes.chunks(part) {
            pending.extend_from_slice(part);
            let used = decoder.decode(&pending)?;
            pending.drain(..used);
        }
        Ok(decoder.is_done().then(|| (decoder.take_body().to_vec(), pending)))
    }

    /// The same however the bytes are cut.
    fn decoded_anyhow(bytes: &[u8]) -> Decoded {
        let whole = decoded(bytes, bytes.len().max(1));
        for part in [1, 2, 3, 7] {
            assert_eq!(decoded(bytes, part), whole, "{}", bytes.escape_ascii());
        }
        whole
    }

    #[test]
    fn chunks_are_joined_and_extensions_and_trailers_ignored() {
        for (text, body, rest) in [
            ("0\r\n\r\n", "", ""),
            ("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde", ""),
            ("3\r\nabc\r\n0\r\n\r\nGET", "abc", "GET"),
            ("A;name=value;x=\"y\"\r\n0123456789\r\n000\r\n\r\n", "0123456789", ""),
            ("3 \t;x\r\nabc\r\n0 \r\n\r\n", "abc", ""),
            ("1\r\na\r\n0\r\nTrailer: 1\r\nx: 2\r\n\r\n.", "a", "."),
            ("0000000000000000000003\r\n\r\n\r\r\n0\r\n\r\n", "\r\n\r", ""),
        ] {
            let expected = Some((body.as_bytes().to_vec(), rest.as_bytes().to_vec()));
            assert_eq!(decoded_anyhow(text.as_bytes()), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_chunk_is_refused() {
        for text in [
            "\r\n",
            "zz\r\n",
            "-1\r\n",
            "0x3\r\nabc\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3;a\nb\r\nabc\r\n",
            "3;a\0b\r\nabc\r\n",
            "3 3\r\nabc\r\n",
            "3\r\r\nabc\r\n",
            "10000000000000000\r\n",
            "0\r\nno field\r\n\r\n",
            "0\r\na: 1\r\n folded\r\n\r\n",
            "0\r\na: 1\n\r\n",
            "0\r\na: 1\r\n\n",
            "0\r\n\n",
        ] {
            assert_eq!(decoded_anyhow(text.as_bytes()), Err(BodyFault::Chunk), "{text:?}");
        }
    }

    #[test]
    fn a_body_above_the_limit_is_refused_by_the_size_of_its_chunk() {
        let too_large = Err(BodyFault::TooLarge(LIMIT));
        assert_eq!(decoded_anyhow(b"3e9\r\n"), too_large);
        assert_eq!(decoded_anyhow(b"3e8\r\n"), Ok(None));
        assert_eq!(decoded_anyhow(b"ffffffffffffffff\r\n"), too_large);
        let many = [b"1\r\nx\r\n".repeat(LIMIT), b"1\r\n".to_vec()].concat();
        assert_eq!(decoded(&many, 100), too_large);
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let overhead = Err(BodyFault::Overhead(MAX_OVERHEAD));
        let extension = format!("1;{}\r\nx\r\n", "y".repeat(MAX_OVERHEAD / 2));
        assert_eq!(decoded(extension.repeat(2).as_bytes(), 1_000), overhead);
        assert_eq!(decoded(&[b"1;", &b"y".repeat(MAX_LINE)[..]].concat(), 1_000), overhead);
        let trailers = format!("0\r\n{}", format!("a: {}\r\n", "x".repeat(1_000)).repeat(17));
        assert_eq!(decoded(trailers.as_bytes(), 1_000), overhead);
    }

    proptest! {
        #[test]
        fn a_body_is_the_same_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..6),
            part in 1_usize..40,
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(decoded(&bytes, part), Ok(Some((chunks.concat(), vec![]))));
        }

        #[test]
        fn any_bytes_have_the_same_verdict_however_they_are_cut(
            bytes in prop::collection::vec(prop::sample::select(&b"0123af;\r\n\t x:"[..]), 0..40),
        ) {
            let _ = decoded_anyhow(&bytes);
        }
    }
}
