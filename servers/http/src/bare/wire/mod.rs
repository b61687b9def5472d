//! The messages of HTTP/1.1 as bytes (RFC 9112), without I/O: heads, the framing of bodies, the chunked coding.
//!
//! The crate `httparse`, which hyper uses, too, parses start lines and fields. Which bytes belong to a message is decided
//! here, and stricter than the RFC demands, since two programs that frame the same bytes differently can be used against
//! each other (request smuggling). The differences from hyper:
//!
//! | message | here | hyper |
//! |:--|:--|:--|
//! | both `content-length` and `transfer-encoding` | refused, status 400 | the length is ignored |
//! | a transfer coding other than `chunked` alone | refused, status 501 | accepted if `chunked` comes last |
//! | `content-length: 5, 5` in a response | refused | one length of 5 |
//! | a head of more than 64 KiB | refused, status 431 | from 408 KiB on; status 414 for its URI |
//! | a control character in the extension of a chunk | refused | only a line feed is |
//! | a line feed alone in the trailer section | refused | mostly refused |
//! | `connection` with bytes beyond ASCII | its options count | the field is ignored |
//! | an interim response | skipped, 16 at the most | skipped, any number |

mod body;
mod chunked;
mod error;
mod field_list;
mod framing;
mod head;
mod inbox;

pub use body::{BodyReader, Progress};
pub use chunked::ChunkedDecoder;
pub use error::{BodyFault, HeadError};
pub use field_list::{FieldList, FieldSpace, MAX_FIELDS, MAX_HEAD_BYTES, field_space};
pub use framing::{Framing, Persistence};
pub use head::{RequestLine, ResponseLine, may_be_complete, parse_request, parse_response};
pub use inbox::Inbox;
