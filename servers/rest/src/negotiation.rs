//! Which of two formats a request is in, and which its answer has (RFC 9110, section 12.5.1).

use http::{HeaderMap, HeaderValue, header};

use crate::wire::{JSON, XML};

/// The formats of calls and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

/// How much a client wants each format, from 0 (not at all) to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Accepted {
    pub(crate) json: f32,
    xml: f32,
}

impl Accepted {
    const ANYTHING: Accepted = Accepted { json: 1.0, xml: 1.0 };

    /// What `accept` says; where there is none, anything.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::ACCEPT).into_iter();
        match (values.next(), values.next()) {
            (None, _) => return Accepted::ANYTHING,
            // What most clients send.
            (Some(value), None) if value == "*/*" => return Accepted::ANYTHING,
            _ => {}
        }
        let ranges: Vec<(String, f32)> = headers
            .get_all(header::ACCEPT)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(range)
            .collect();
        Accepted {
            json: weight(&ranges, &["application/json", "application/problem+json"]),
            xml: weight(&ranges, &["application/xml", "text/xml", "application/problem+xml"]),
        }
    }

    /// The format of the answer: JSON unless the client wants XML more. `None` where it wants neither.
    pub(crate) fn format(self) -> Option<Format> {
        match self {
            Accepted { json, xml } if xml > json => Some(Format::Xml),
            Accepted { json, .. } if json > 0.0 => Some(Format::Json),
            _ => None,
        }
    }
}

/// A media range with its weight.
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let mut weights =
        parts.filter_map(|part| part.split_once('=')).filter(|(name, _)| name.eq_ignore_ascii_case("q"));
    let weight = weights.next().map_or(1.0, |(_, weight)| weight.parse().unwrap_or(0.0));
    (!name.is_empty()).then_some((name, weight))
}

/// The weight of a format that goes by several names: that of the most specific range that covers one of them.
fn weight(ranges: &[(String, f32)], names: &[&str]) -> f32 {
    let best = |covers: &dyn Fn(&str) -> bool| {
        ranges.iter().filter(|(range, _)| covers(range)).map(|(_, weight)| *weight).reduce(f32::max)
    };
    let family = |range: &str| {
        range
            .strip_suffix("/*")
            .is_some_and(|family| names.iter().any(|name| name.split('/').next() == Some(family)))
    };
    best(&|range| names.contains(&range))
        .or_else(|| best(&family))
        .or_else(|| best(&|range| range == "*/*"))
        .unwrap_or(0.0)
}

/// The format of a body with that `content-type`; one that does not say what it is, is taken for JSON. `None` for
/// another type.
pub(crate) fn format_of(content_type: Option<&HeaderValue>) -> Option<Format> {
    let Some(value) = content_type else { return Some(Format::Json) };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
    if is(JSON) {
        Some(Format::Json)
    } else if is(XML) || is("text/xml") {
        Some(Format::Xml)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_format_that_is_wanted_most() {
        let format = |accept: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            Accepted::of(&headers).format()
        };
        for accept in [
            "*/*",
            "application/json",
            "application/*",
            "application/xml;q=0.9, application/json",
            "text/html, */*;q=0.1",
            "APPLICATION/JSON; charset=utf-8",
        ] {
            assert_eq!(format(accept), Some(Format::Json), "{accept}");
        }
        for accept in [
            "application/xml",
            "text/xml",
            "text/*",
            "application/json;q=0.5,application/xml",
            "*/*, application/json;q=0",
            "application/problem+xml",
        ] {
            assert_eq!(format(accept), Some(Format::Xml), "{accept}");
        }
        for accept in ["", "text/html", "image/*", "application/json;q=0", "*/*;q=0", "application/json;q=x"]
        {
            assert_eq!(format(accept), None, "{accept}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()).format(), Some(Format::Json));
    }

    #[test]
    fn a_body_is_json_or_xml_or_something_else() {
        let format = |value| format_of(Some(&HeaderValue::from_static(value)));
        assert_eq!(format("application/json; charset=utf-8"), Some(Format::Json));
        assert_eq!(format("Text/XML"), Some(Format::Xml));
        assert_eq!(format("text/plain"), None);
        assert_eq!(format_of(None), Some(Format::Json));
    }
}
