//! REST: a resource per method, JSON over HTTP, both ends.

#![forbid(unsafe_code)]
