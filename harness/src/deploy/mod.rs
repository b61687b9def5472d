//! Where servers and brokers run.
