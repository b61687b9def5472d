//! What the three HTTP protocols share: listener, limits, keep-alive, clients.

#![forbid(unsafe_code)]
