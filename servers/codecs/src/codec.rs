//! What a format does with an exchange.

use std::fmt::Display;
use std::hint::black_box;
use std::marker::PhantomData;

/// The codec of a format, with a call and its result to encode, and the bytes that they are encoded as.
pub trait Codec {
    /// Encodes the call and the result, each into a new buffer, so many times.
    fn encode(&self, times: u64);

    /// Decodes the call and the result so many times.
    fn decode(&self, times: u64);

    /// The length of the encoded call and of the encoded result, in bytes.
    fn sizes(&self) -> [usize; 2];
}

/// Why an exchange cannot be measured in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The library returned an error.
    #[error("{0}")]
    Failed(String),
    /// What was decoded is not what was encoded.
    #[error("the decoded message differs from the encoded one")]
    Changed,
}

impl CodecError {
    /// The error of a library.
    pub(crate) fn failed(error: impl Display) -> Self {
        CodecError::Failed(error.to_string())
    }
}

/// How a format writes messages of the type `T`.
pub(crate) trait Notation<T> {
    /// Encodes `message` into a new buffer.
    fn encode(message: &T) -> Result<Vec<u8>, CodecError>;

    /// Decodes a whole message.
    fn decode(bytes: &[u8]) -> Result<T, CodecError>;
}

/// A call of the type `Q` and a result of the type `R` in the notation `N`.
struct Prepared<N, Q, R> {
    call: Q,
    result: R,
    encoded: [Vec<u8>; 2],
    notation: PhantomData<N>,
}

/// The codec of `call` and `result` in the notation `N`.
///
/// # Errors
/// [`CodecError`] if they cannot be encoded, or are not the same when they are decoded.
pub(crate) fn prepared<N, Q, R>(call: Q, result: R) -> Result<Box<dyn Codec>, CodecError>
where
    N: Notation<Q> + Notation<R> + 'static,
    Q: PartialEq + 'static,
    R: PartialEq + 'static,
{
    let encoded = [N::encode(&call)?, N::encode(&result)?];
    let again: (Q, R) = (N::decode(&encoded[0])?, N::decode(&encoded[1])?);
    if again != (call, result) {
        return Err(CodecError::Changed);
    }
    let (call, result) = again;
    Ok(Box::new(Prepared { call, result, encoded, notation: PhantomData::<N> }))
}

impl<N, Q, R> Codec for Prepared<N, Q, R>
where
    N: Notation<Q> + Notation<R>,
{
    fn encode(&self, times: u64) {
        for _ in 0..times {
            let _ = black_box(N::encode(black_box(&self.call)));
            let _ = black_box(N::encode(black_box(&self.result)));
        }
    }

    fn decode(&self, times: u64) {
        let [call, result] = &self.encoded;
        for _ in 0..times {
            let _: Result<Q, _> = black_box(N::decode(black_box(call)));
            let _: Result<R, _> = black_box(N::decode(black_box(result)));
        }
    }

    fn sizes(&self) -> [usize; 2] {
        self.encoded.each_ref().map(Vec::len)
    }
}
