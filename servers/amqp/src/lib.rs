//! RPC over RabbitMQ in the manner of oslo.messaging, both ends.

#![forbid(unsafe_code)]
