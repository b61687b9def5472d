//! Content negotiation: the format of a request's body, and that of its response (RFC 9110, section 12.5.1).

use http::header;
use http_layer::Fields;

use crate::wire::{JSON, XML};

/// The formats of calls and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

/// The weights (`q`) that a client gives to the formats, from 0 (not acceptable) to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FormatWeights {
    pub(crate) json: f32,
    xml: f32,
}

impl FormatWeights {
    const ANY_FORMAT: FormatWeights = FormatWeights { json: 1.0, xml: 1.0 };

    /// Reads the weights from the field `accept`. Without that field, anything is acceptable.
    pub(crate) fn from_fields(fields: &impl Fields) -> Self {
        let mut values = fields.values(header::ACCEPT);
        match (values.next(), values.next()) {
            (None, _) => return FormatWeights::ANY_FORMAT,
            // A shortcut for the values that most clients send; the rest of this function would give the same result.
            (Some(b"*/*"), None) => return FormatWeights::ANY_FORMAT,
            _ => {}
        }
        let ranges: Vec<(String, f32)> = fields
            .values(header::ACCEPT)
            .filter_map(|value| str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .filter_map(parse_range)
            .collect();
        FormatWeights {
            json: weight(&ranges, &["application/json", "application/problem+json"]),
            xml: weight(&ranges, &["application/xml", "text/xml", "application/problem+xml"]),
        }
    }

    /// The format of the response: JSON, unless the client prefers XML. `None` if it accepts neither.
    pub(crate) fn format(self) -> Option<Format> {
        match self {
            FormatWeights { json, xml } if xml > json => Some(Format::Xml),
            FormatWeights { json, .. } if json > 0.0 => Some(Format::Json),
            _ => None,
        }
    }
}

/// Parses a media range and its weight.
fn parse_range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let mut weights =
        parts.filter_map(|part| part.split_once('=')).filter(|(name, _)| name.eq_ignore_ascii_case("q"));
    let weight = weights.next().map_or(1.0, |(_, weight)| weight.parse().unwrap_or(0.0));
    (!name.is_empty()).then_some((name, weight))
}

/// The weight of a format with several names: that of the most specific range that matches one of them.
fn weight(ranges: &[(String, f32)], names: &[&str]) -> f32 {
    let highest = |matches: &dyn Fn(&str) -> bool| {
        ranges.iter().filter(|(range, _)| matches(range)).map(|(_, weight)| *weight).reduce(f32::max)
    };
    let has_same_type = |range: &str| {
        range
            .strip_suffix("/*")
            .is_some_and(|r#type| names.iter().any(|name| name.split('/').next() == Some(r#type)))
    };
    highest(&|range| names.contains(&range))
        .or_else(|| highest(&has_same_type))
        .or_else(|| highest(&|range| range == "*/*"))
        .unwrap_or(0.0)
}

/// The format of a body with this `content-type`; without one, JSON is assumed. `None` for any other type.
pub(crate) fn format_of_body(content_type: Option<&[u8]>) -> Option<Format> {
    let Some(value) = content_type else { return Some(Format::Json) };
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
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
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn the_response_has_the_format_with_the_highest_weight() {
        let format = |accept: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            FormatWeights::from_fields(&headers).format()
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
        assert_eq!(FormatWeights::from_fields(&HeaderMap::new()).format(), Some(Format::Json));
    }

    #[test]
    fn recognises_the_format_of_a_body() {
        let format = |value: &'static str| format_of_body(Some(value.as_bytes()));
        assert_eq!(format("application/json; charset=utf-8"), Some(Format::Json));
        assert_eq!(format("Text/XML"), Some(Format::Xml));
        assert_eq!(format("text/plain"), None);
        assert_eq!(format_of_body(None), Some(Format::Json));
    }
}
