//! The headers and trailers of gRPC.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use calculator::CallError;
use http::{HeaderMap, HeaderValue, header};
use tonic::Code;

use crate::status;

/// The content-type of requests and responses.
pub(crate) const GRPC: &str = "application/grpc";

/// The header with the details of a status.
pub(crate) const DETAILS: &str = "grpc-status-details-bin";

/// Base64 with or without `=` at the end, as gRPC's specification demands of readers.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether the content-type is that of gRPC with Protocol Buffers.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let rest = value.as_bytes().strip_prefix(GRPC.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b";") || rest.starts_with(b"+proto"))
}

/// Removes the details of a status if they are not Base64.
pub(crate) fn remove_unreadable_details(headers: &mut HeaderMap) {
    if headers.get(DETAILS).is_some_and(|details| BASE64.decode(details.as_bytes()).is_err()) {
        headers.remove(DETAILS);
    }
}

/// Reads the status of a call in headers or trailers: success or the error; `None` if there is none. What is not readable
/// of an error is left out.
#[must_use]
pub fn read_status(headers: &HeaderMap) -> Option<Result<(), CallError>> {
    let code = Code::from_bytes(headers.get("grpc-status")?.as_bytes());
    if code == Code::Ok {
        return Some(Ok(()));
    }
    let bytes = |name| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    let message = percent_encoding::percent_decode(bytes("grpc-message")).decode_utf8_lossy();
    let details = BASE64.decode(bytes(DETAILS)).unwrap_or_default();
    Some(Err(status::to_error(code, &message, &details)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::ErrorKind;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_status_is_read_as_far_as_it_is_readable() {
        assert_eq!(read_status(&headers(&[])), None);
        assert_eq!(read_status(&headers(&[("grpc-status", "0"), ("grpc-message", "x")])), Some(Ok(())));
        let zero_division = status::to_status(&CallError::new(ErrorKind::ZeroDivision, "no"));
        let (padded, unpadded) = {
            let text = base64::engine::general_purpose::STANDARD.encode(zero_division.details());
            let unpadded = text.trim_end_matches('=').to_owned();
            assert_ne!(text, unpadded, "the test needs padding");
            (text, unpadded)
        };
        for details in [padded, unpadded] {
            let mut map = headers(&[("grpc-status", "3"), ("grpc-message", "%C3%BC %zz%")]);
            map.insert("grpc-status-details-bin", details.parse().unwrap());
            let error = read_status(&map).unwrap().unwrap_err();
            assert_eq!((error.kind, error.message.as_str()), (ErrorKind::ZeroDivision, "ü %zz%"));
        }
        for (code, details, kind) in [
            ("3", "!!!", ErrorKind::InvalidArguments),
            ("12", "AAAA", ErrorKind::UnknownMethod),
            ("99", "", ErrorKind::Internal),
            ("-1", "", ErrorKind::Internal),
            ("", "", ErrorKind::Internal),
        ] {
            let map = headers(&[("grpc-status", code), ("grpc-status-details-bin", details)]);
            assert_eq!(read_status(&map).unwrap().unwrap_err().kind, kind, "{code}");
        }
    }

    #[test]
    fn the_content_type_may_name_protocol_buffers() {
        for (value, is) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(&headers(&[("content-type", value)])), is, "{value}");
        }
        assert!(!is_grpc(&headers(&[])));
    }
}
