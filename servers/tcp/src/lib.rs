//! The floor: a fixed binary request and reply on a raw socket, both ends.

#![forbid(unsafe_code)]
