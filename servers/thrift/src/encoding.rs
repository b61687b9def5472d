//! Thrift's protocols, as the crate `thrift` has them.

use std::cell::Cell;
use std::io::{self, Read};

use thrift::TConfiguration;
use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TCompactInputProtocol, TCompactOutputProtocol,
    TInputProtocol, TOutputProtocol,
};

/// One of Thrift's protocols: how values become bytes.
pub trait Encoding: Send + Sync + 'static {
    /// What writes to a buffer.
    type Output<'a>: TOutputProtocol;
    /// What reads the bytes of a message.
    type Input<'a>: TInputProtocol;

    /// Writes to the end of `out`, without limits.
    fn output(out: &mut Vec<u8>) -> Self::Output<'_>;

    /// Reads `bytes`, within the limits of `configuration`.
    fn input(bytes: Bytes<'_>, configuration: TConfiguration) -> Self::Input<'_>;
}

/// The binary protocol, with its version in each message.
#[derive(Clone, Copy, Debug)]
pub struct Binary;

impl Encoding for Binary {
    type Output<'a> = TBinaryOutputProtocol<&'a mut Vec<u8>>;
    type Input<'a> = TBinaryInputProtocol<Bytes<'a>>;

    fn output(out: &mut Vec<u8>) -> Self::Output<'_> {
        TBinaryOutputProtocol::with_config(out, true, TConfiguration::no_limits())
    }

    fn input(bytes: Bytes<'_>, configuration: TConfiguration) -> Self::Input<'_> {
        TBinaryInputProtocol::with_config(bytes, true, configuration)
    }
}

/// The compact protocol.
#[derive(Clone, Copy, Debug)]
pub struct Compact;

impl Encoding for Compact {
    type Output<'a> = TCompactOutputProtocol<&'a mut Vec<u8>>;
    type Input<'a> = TCompactInputProtocol<Bytes<'a>>;

    fn output(out: &mut Vec<u8>) -> Self::Output<'_> {
        TCompactOutputProtocol::with_config(out, TConfiguration::no_limits())
    }

    fn input(bytes: Bytes<'_>, configuration: TConfiguration) -> Self::Input<'_> {
        TCompactInputProtocol::with_config(bytes, configuration)
    }
}

/// Bytes that are read from the front. What is left can be seen while a protocol reads.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub(crate) &'a Cell<&'a [u8]>);

impl Bytes<'_> {
    fn with_rest<T>(self, read: impl FnOnce(&mut &[u8]) -> io::Result<T>) -> io::Result<T> {
        let mut rest = self.0.get();
        let result = read(&mut rest);
        self.0.set(rest);
        result
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with_rest(|rest| rest.read(buffer))
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.with_rest(|rest| rest.read_exact(buffer))
    }
}
