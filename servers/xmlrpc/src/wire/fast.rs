//! The short way for the messages of most calls: scalars, laid out as CPython, and so our own encoder, writes them.
//!
//! Whatever differs in a single byte is left to the parser. What is read here, the parser would read alike.

use std::borrow::Cow;

use calculator::{Call, Method, Params, Value};

/// The call in a `methodCall` document of scalars.
pub(super) fn call(body: &[u8]) -> Option<Call> {
    let mut rest = Rest(body);
    rest.skip(b"<?xml version='1.0'?>\n<methodCall>\n<methodName>")?;
    let name = rest.text()?;
    let method = match Method::from_name(name) {
        Some(method) => Cow::Borrowed(method.name()),
        None => Cow::Owned(name.to_owned()),
    };
    rest.skip(b"</methodName>\n<params>\n")?;
    // Nearly every call has two arguments at most.
    let mut values = Vec::with_capacity(2);
    while rest.skip(b"<param>\n").is_some() {
        values.push(rest.scalar()?);
        rest.skip(b"</param>\n")?;
    }
    rest.end(b"</params>\n</methodCall>\n")?;
    Some(Call { method, params: Params::Positional(values) })
}

/// The result in a `methodResponse` document of one scalar.
pub(super) fn result(body: &[u8]) -> Option<Value> {
    let mut rest = Rest(body);
    rest.skip(b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n")?;
    let value = rest.scalar()?;
    rest.end(b"</param>\n</params>\n</methodResponse>\n")?;
    Some(value)
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

/// More digits may exceed 64 bits.
const DIGITS: usize = 18;

impl<'a> Rest<'a> {
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn end(&self, expected: &[u8]) -> Option<()> {
        (self.0 == expected).then_some(())
    }

    fn until_tag(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == b'<')?;
        let (before, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(before)
    }

    /// Character data that stands for itself.
    fn text(&mut self) -> Option<&'a str> {
        let text = self.until_tag()?;
        // References, a part of `]]>`, line ends that are folded, control characters, and the first byte of U+FFFE.
        let plain = text.iter().all(|byte| match byte {
            b'&' | b'>' | 0xef => false,
            b'\t' | b'\n' => true,
            byte => *byte >= b' ',
        });
        if plain { str::from_utf8(text).ok() } else { None }
    }

    fn scalar(&mut self) -> Option<Value> {
        self.skip(b"<value>")?;
        if self.skip(b"<int>").is_some() {
            let text = self.until_tag()?;
            let digits = text.strip_prefix(b"-").unwrap_or(text);
            if digits.is_empty() || digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let int = digits.iter().fold(0_i64, |int, digit| int * 10 + i64::from(digit - b'0'));
            self.skip(b"</int></value>\n")?;
            return Some(Value::Int(if digits.len() == text.len() { int } else { -int }));
        }
        if self.skip(b"<string>").is_some() {
            let text = self.text()?.to_owned();
            self.skip(b"</string></value>\n")?;
            return Some(Value::Str(text));
        }
        if self.skip(b"<double>").is_some() {
            let text = self.until_tag()?;
            if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e')) {
                return None;
            }
            let float = str::from_utf8(text).ok()?.parse().ok()?;
            self.skip(b"</double></value>\n")?;
            return Some(Value::Float(float));
        }
        if self.skip(b"<boolean>").is_some() {
            let value = if self.skip(b"1").is_some() { true } else { self.skip(b"0").map(|()| false)? };
            self.skip(b"</boolean></value>\n")?;
            return Some(Value::Bool(value));
        }
        None
    }
}
