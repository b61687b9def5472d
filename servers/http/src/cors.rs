//! Cross-origin resource sharing (CORS): calls from web pages of other origins.

use std::time::Duration;

use http::uri::Uri;
use http::{HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// How long a browser may remember the answer to a preflight request.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3_600);

/// The origins of web pages that may call a server from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// None: responses have no CORS headers.
    #[default]
    None,
    /// Any origin, `*`.
    Any,
    /// These.
    List(Vec<HeaderValue>),
}

/// A text is neither an origin nor `*`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected * or an origin, SCHEME://HOST[:PORT] without a path, for example http://localhost:3000")]
pub struct OriginParseError;

impl AllowedOrigins {
    /// Parses origins as browsers send them, `SCHEME://HOST[:PORT]`; `*` among them allows any.
    ///
    /// # Errors
    /// [`OriginParseError`] for the first text that is neither.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginParseError> {
        let mut origins = Vec::new();
        let mut any = false;
        for text in texts {
            match text {
                "*" => any = true,
                origin => origins.push(parse_origin(origin)?),
            }
        }
        Ok(match (any, origins.is_empty()) {
            (true, _) => AllowedOrigins::Any,
            (false, true) => AllowedOrigins::None,
            (false, false) => AllowedOrigins::List(origins),
        })
    }

    /// The layer that answers preflight requests and adds the CORS headers to responses; `None` if no origin is allowed.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        let origins = match self {
            AllowedOrigins::None => return None,
            AllowedOrigins::Any => AllowOrigin::any(),
            AllowedOrigins::List(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .max_age(PREFLIGHT_MAX_AGE);
        Some(layer)
    }
}

fn parse_origin(text: &str) -> Result<HeaderValue, OriginParseError> {
    let uri: Uri = text.parse().map_err(|_| OriginParseError)?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), authority) else { return Err(OriginParseError) };
    // Browsers send scheme and host in lower case, and compare bytes.
    let origin = format!("{scheme}://{authority}").to_ascii_lowercase();
    if !text.eq_ignore_ascii_case(&origin) {
        return Err(OriginParseError);
    }
    HeaderValue::try_from(origin).map_err(|_| OriginParseError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_a_scheme_and_a_host_and_no_path() {
        let list = |origins: &[&'static str]| {
            AllowedOrigins::List(origins.iter().map(|origin| HeaderValue::from_static(origin)).collect())
        };
        assert_eq!(AllowedOrigins::parse([]), Ok(AllowedOrigins::None));
        assert_eq!(AllowedOrigins::parse(["http://a", "*"]), Ok(AllowedOrigins::Any));
        assert_eq!(
            AllowedOrigins::parse(["http://localhost:3000", "HTTPS://Example.org", "http://[::1]:8"]),
            Ok(list(&["http://localhost:3000", "https://example.org", "http://[::1]:8"]))
        );
        for text in [
            "",
            "localhost",
            "localhost:3000",
            "http://",
            "http://a/",
            "http://a/b",
            "http://u@a",
            "null",
            "a\nb",
        ] {
            assert_eq!(AllowedOrigins::parse([text]), Err(OriginParseError), "{text}");
        }
    }
}
