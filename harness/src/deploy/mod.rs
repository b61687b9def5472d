//! Where servers and brokers run.

pub mod rabbitmq;
