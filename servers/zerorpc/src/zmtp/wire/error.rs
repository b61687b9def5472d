//! Violations of ZMTP.

/// A violation of ZMTP, or a part of it that is not supported. Each of these errors ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first bytes are not a ZMTP signature.
    #[error("the peer does not speak ZMTP")]
    Signature,
    /// A major version before 3.
    #[error("the peer speaks ZMTP {0}; 3.0 or later is needed")]
    Version(u8),
    /// A security mechanism other than NULL.
    #[error("the peer asks for a security mechanism; only NULL is supported")]
    Mechanism,
    /// Flags of a frame that ZMTP does not define, or a command with the MORE flag.
    #[error("a frame with the flags {0:#04x}")]
    Flags(u8),
    /// A command above the limit.
    #[error("a command of {0} bytes")]
    CommandTooLong(u64),
    /// A command whose body cannot be decoded.
    #[error("a malformed command")]
    Command,
    /// Another command, or a message, where the handshake expects READY.
    #[error("the peer did not send READY")]
    NotReady,
    /// The peer sent ERROR, with this reason.
    #[error("the peer refuses the connection: {0}")]
    Refused(String),
    /// A socket type that is not compatible with the local one.
    #[error("the peer is a {peer}, which cannot talk to a {local}")]
    SocketType {
        /// The local type.
        local: &'static str,
        /// The type that the peer named. It need not exist.
        peer: String,
    },
}
