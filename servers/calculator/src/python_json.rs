//! JSON as Python's `json` module reads it: with `NaN`, `Infinity` and `-Infinity` as floats.

use crate::{CallError, ErrorKind, Limits, Text, Value, json};

/// Parses `text` as exactly one JSON value in which `NaN`, `Infinity` and `-Infinity` may stand for floats.
///
/// Python writes these constants for floats that JSON cannot represent. [`json::read`] is faster and accepts all other
/// text, so a decoder calls this function for text that `json::read` refuses.
///
/// # Errors
/// As [`json::read`].
pub fn read(text: &[u8], limits: &Limits) -> Result<Value, CallError> {
    json::check_depth(text, limits)?;
    let text = str::from_utf8(text).map_err(|error| malformed(error.valid_up_to(), "invalid UTF-8"))?;
    let mut parser = Parser { text, at: 0 };
    let value = parser.value()?;
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(malformed(parser.at, "more than one value")),
    }
}

/// Parses `text` as [`json::read`] does, or as [`read`] if it refuses the text.
///
/// # Errors
/// The error of [`json::read`].
pub fn read_lenient(text: &[u8], limits: &Limits) -> Result<Value, CallError> {
    json::read(text, limits).or_else(|error| read(text, limits).map_err(|_| error))
}

fn malformed(at: usize, reason: &str) -> CallError {
    CallError::new(ErrorKind::Malformed, format!("not JSON: {reason} at byte {at}"))
}

/// A recursive parser. The nesting of its text was checked before.
struct Parser<'a> {
    text: &'a str,
    /// The number of bytes read.
    at: usize,
}

impl<'a> Parser<'a> {
    /// The next byte that is not white space, without reading it.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    /// Reads the next byte if it is `expected`, after any white space.
    fn accepts(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, expected: u8) -> Result<(), CallError> {
        if self.accepts(expected) {
            return Ok(());
        }
        Err(malformed(self.at, &format!("`{}` is missing", char::from(expected))))
    }

    fn value(&mut self) -> Result<Value, CallError> {
        match self.peek() {
            Some(b'{') => self.map(),
            Some(b'[') => self.list(),
            Some(b'"') => self.string().map(Value::from),
            Some(_) => self.literal(),
            None => Err(malformed(self.at, "a value is missing")),
        }
    }

    fn map(&mut self) -> Result<Value, CallError> {
        self.expect(b'{')?;
        let mut members = Vec::new();
        while !self.accepts(b'}') {
            if !members.is_empty() {
                self.expect(b',')?;
            }
            self.peek();
            let name = self.string()?;
            self.expect(b':')?;
            members.push((name, self.value()?));
        }
        Ok(Value::map(members))
    }

    fn list(&mut self) -> Result<Value, CallError> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        while !self.accepts(b']') {
            if !items.is_empty() {
                self.expect(b',')?;
            }
            items.push(self.value()?);
        }
        Ok(Value::list(items))
    }

    /// Reads a string, which begins at the next byte.
    fn string(&mut self) -> Result<Text, CallError> {
        let (start, rest) = (self.at, &self.text[self.at..]);
        if !rest.starts_with('"') {
            return Err(malformed(start, "a string is missing"));
        }
        let literal =
            json::string_literal(rest).ok_or_else(|| malformed(start, "a string without an end"))?;
        self.at += literal.len();
        serde_json::from_str(literal).map_err(|error| malformed(start, &error.to_string()))
    }

    /// Reads a number, a constant or a Boolean.
    fn literal(&mut self) -> Result<Value, CallError> {
        let rest = &self.text[self.at..];
        let end = rest.find([',', ']', '}', ':', '"', '[', '{', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        let (start, literal) = (self.at, &rest[..end]);
        self.at += end;
        match literal {
            "NaN" => Ok(Value::Float(f64::NAN)),
            "Infinity" => Ok(Value::Float(f64::INFINITY)),
            "-Infinity" => Ok(Value::Float(f64::NEG_INFINITY)),
            other => json::read(other.as_bytes(), &Limits::default())
                .map_err(|_| malformed(start, "neither a number nor a constant")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategies::json_values;
    use proptest::prelude::*;

    fn read_str(text: &str) -> Result<Value, ErrorKind> {
        read(text.as_bytes(), &Limits::default()).map_err(|error| error.kind)
    }

    #[test]
    fn reads_the_constants_that_python_writes() {
        let Ok(Value::List(items)) = read_str(r#" [NaN, Infinity,-Infinity, "NaN", 1] "#) else {
            panic!("a list")
        };
        let [Value::Float(nan), Value::Float(inf), Value::Float(negative), rest @ ..] = &items[..] else {
            panic!("{items:?}")
        };
        assert!(nan.is_nan());
        assert_eq!((*inf, *negative), (f64::INFINITY, f64::NEG_INFINITY));
        assert_eq!(rest, ["NaN".into(), Value::Int(1)]);
        assert_eq!(
            read_str(r#"{"a\"}": Infinity, "b": {"a": []}, "b": 18446744073709551616}"#),
            Ok(Value::map(vec![
                ("a\"}".into(), Value::Float(f64::INFINITY)),
                ("b".into(), Value::BigInt("18446744073709551616".into())),
            ]))
        );
    }

    #[test]
    fn refuses_everything_else_that_is_not_json() {
        for text in [
            "",
            " ",
            "nan",
            "+Infinity",
            "- Infinity",
            "NaN1",
            "NaN NaN",
            "[NaN",
            "[NaN,]",
            "[,NaN]",
            "{\"a\":NaN,}",
            "{NaN:1}",
            "{\"a\" NaN}",
            "\"\\ud800\"",
            "\"\\",
            "\"\n\"",
            "1e400",
            "01",
            "\u{feff}1",
            "[1 2]",
        ] {
            assert_eq!(read_str(text), Err(ErrorKind::Malformed), "{text}");
        }
        assert_eq!(read(b"\"\xff\"", &Limits::default()).unwrap_err().kind, ErrorKind::Malformed);
        let deep = "[".repeat(65) + "NaN" + &"]".repeat(65);
        assert_eq!(read_str(&deep), Err(ErrorKind::TooLarge));
    }

    proptest! {
        #[test]
        fn reads_json_as_the_usual_parser_does(value in json_values()) {
            let mut text = Vec::new();
            json::write(&mut text, &value).unwrap();
            prop_assert_eq!(read(&text, &Limits::default()).unwrap(), value);
        }

        #[test]
        fn text_that_the_usual_parser_refuses_is_refused_without_a_constant(text in "[\\[\\]{}\",:0-9a-z\\\\ eE+.-]{0,20}") {
            prop_assert_eq!(read_str(&text).ok(), json::read(text.as_bytes(), &Limits::default()).ok());
        }

        #[test]
        fn any_bytes_are_parsed_or_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, &Limits::default());
        }
    }
}
