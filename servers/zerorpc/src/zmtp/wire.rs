//! ZMTP 3.1 with the NULL mechanism: greeting, commands and frames. Pure functions.
//!
//! Protocol: <https://rfc.zeromq.org/spec/37/>. Peers of ZMTP 3.0 (<https://rfc.zeromq.org/spec/23/>) are accepted too.

mod command;
mod error;
mod frame;
mod greeting;
mod socket_type;

pub use command::{Command, write_pong, write_ready, write_subscribe_all};
pub use error::WireError;
pub use frame::{
    DELIMITER, FrameHeader, HEAD_LEN, MAX_FRAMES, MessageLimits, ScanResult, read_frame_header, scan,
    split_message, write_frames, write_message,
};
pub use greeting::{GREETING_LEN, greeting, read_greeting};
pub use socket_type::SocketType;
