//! zerorpc: MessagePack over ZeroMQ, both ends.

#![forbid(unsafe_code)]
