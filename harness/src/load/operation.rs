//! Operations: methods of the calculator, with generated arguments and the expected results, and the names of those of one's own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use calculator::document::document;
use calculator::{Call, Client, Method, Value};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dependent::Steps;
use super::own_name::OwnName;
use super::prepared::PreparedCall;
use super::stream::{self, StreamLength};
use crate::stacks::{Stack, hint, nearest, parse_size};

/// Maximum payload of an `echo`.
const MAX_PAYLOAD_BYTES: u64 = 1 << 20;
/// Payload of an `echo` without a size.
const DEFAULT_PAYLOAD_BYTES: u64 = 1 << 10;
/// Number of different calls that a caller makes before it repeats them.
const DISTINCT_CALLS: usize = 128;

/// The quantiles of the sizes of the messages that OpenStack's services send, in bytes: the quartiles, the 90th percentile and
/// the maximum. Of the first quarter only the upper end is known.
const NOVA_SIZES: [(f64, f64); 5] =
    [(0.25, 2_000.0), (0.5, NOVA_MEDIAN_BYTES), (0.75, 4_500.0), (0.9, 6_500.0), (1.0, 11_300.0)];
const NOVA_MEDIAN_BYTES: f64 = 2_400.0;
/// What stands for a size where the sizes are those of OpenStack's services.
const NOVA: &str = "nova";

/// The name of an operation whose result is a stream, before its length.
pub const STREAM: &str = "stream";

/// A method of the calculator and, for `echo`, the payload; several calls that depend on each other; a call with a stream; or an
/// operation of one's own, which a scenario defines. Written `add`, `echo:1KiB`, or `echo:nova` for documents whose sizes are
/// distributed as those of the messages of OpenStack's services; `dependent`; `stream:1000`; or `get_user`, or `mix` for all
/// operations of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Operation(Subject);

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// A method of the calculator.
    Calculator(Method, Payload),
    /// Calls of the calculator, of which some need the results of others.
    Dependent(Steps),
    /// A call whose result is a stream of this many items.
    Stream(StreamLength),
    /// An operation of one's own, or all of a scenario.
    Own(OwnName),
}

/// The payload of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Payload {
    /// The arguments of the method, a few bytes.
    Arguments,
    /// A document of this many bytes.
    Bytes(u64),
    /// Documents with the sizes of [`NOVA_SIZES`].
    Nova,
}

/// Why a text is not an [`Operation`].
#[derive(Debug, thiserror::Error)]
pub enum OperationParseError {
    /// There is no operation of that name.
    #[error(
        "unknown operation `{0}`{suggestion}; the operations are add, multiply, subtract, divide, hello, echo, echo:SIZE, for \
         example echo:10KiB, echo:nova, dependent, and stream:ITEMS, for example stream:1000",
        suggestion = hint(nearest(.0.split(':').next().unwrap_or_default(), names()))
    )]
    Unknown(String),
    /// What follows `echo:` is not a size.
    #[error(
        "`{0}` is not a size; write bytes as 100B, and multiples of 1024 as 10KiB or 1MiB, for example echo:10KiB, or echo:nova \
         for the sizes of OpenStack's messages"
    )]
    Size(String),
    /// The size is out of range.
    #[error("echo takes 1B to 1MiB, not {0}")]
    SizeRange(String),
    /// What follows `dependent:` is not a way to make its calls.
    #[error("`{0}` is not an operation; write dependent, dependent:concurrent or dependent:batched")]
    Steps(String),
    /// What follows `stream:` is not a number of items.
    #[error(
        "`{0}` is not a stream; write the number of its items, from 1 to 100,000, for example stream:1000"
    )]
    Items(String),
    /// Another operation than `echo` with a size.
    #[error("`{0}` has no payload; only echo has, for example echo:10KiB")]
    NoPayload(String),
}

/// The names of operations, without what may follow them.
fn names() -> impl Iterator<Item = &'static str> {
    Method::ALL.iter().map(|method| method.name()).chain([Steps::Sequential.name(), STREAM])
}

impl Operation {
    /// `add`: the operation of the floors and of the wire ledger.
    pub const ADD: Operation = Operation(Subject::Calculator(Method::Add, Payload::Arguments));

    /// The operation that is written `text`. A name that is not one of the calculator's is that of an operation of one's own,
    /// whether or not a scenario defines it.
    ///
    /// # Errors
    /// [`OperationParseError`].
    pub fn named(text: &str) -> Result<Self, OperationParseError> {
        match text.parse() {
            Err(error @ OperationParseError::Unknown(_)) => {
                OwnName::new(text).map(Self::own).map_err(|_| error)
            }
            parsed => parsed,
        }
    }

    /// The operation of one's own with this name.
    #[must_use]
    pub fn own(name: OwnName) -> Self {
        Operation(Subject::Own(name))
    }

    /// The name of an operation of one's own; `None` for one of the calculator.
    #[must_use]
    pub fn own_name(self) -> Option<OwnName> {
        match self.0 {
            Subject::Own(name) => Some(name),
            Subject::Calculator(..) | Subject::Dependent(_) | Subject::Stream(_) => None,
        }
    }

    /// The method of the calculator; `None` for several, for a stream, and for an operation of one's own.
    #[must_use]
    pub fn method(self) -> Option<Method> {
        match self.0 {
            Subject::Calculator(method, _) => Some(method),
            Subject::Dependent(_) | Subject::Stream(_) | Subject::Own(_) => None,
        }
    }

    /// The methods of the calculator with one result that are called, each once; none for an operation of one's own.
    #[must_use]
    pub fn methods(self) -> Vec<Method> {
        match self.0 {
            Subject::Calculator(method, _) => vec![method],
            Subject::Dependent(_) => Steps::methods(),
            Subject::Stream(_) | Subject::Own(_) => vec![],
        }
    }

    /// How the calls are made that depend on each other; `None` for an operation that is one call.
    #[must_use]
    pub fn steps(self) -> Option<Steps> {
        match self.0 {
            Subject::Dependent(steps) => Some(steps),
            Subject::Calculator(..) | Subject::Stream(_) | Subject::Own(_) => None,
        }
    }

    /// The length of the stream that the result is; `None` for other results.
    #[must_use]
    pub fn stream(self) -> Option<StreamLength> {
        match self.0 {
            Subject::Stream(length) => Some(length),
            Subject::Calculator(..) | Subject::Dependent(_) | Subject::Own(_) => None,
        }
    }

    /// Whether it is one request and one answer, each of which is a message.
    #[must_use]
    pub fn has_one_answer(self) -> bool {
        match self.0 {
            Subject::Calculator(..) | Subject::Own(_) => true,
            Subject::Dependent(_) | Subject::Stream(_) => false,
        }
    }

    /// The client that makes its calls over `client`: that one itself for an operation that is one call with one result.
    #[must_use]
    pub fn client(self, client: Arc<dyn Client>) -> Arc<dyn Client> {
        match self.0 {
            Subject::Dependent(steps) => steps.over(client),
            Subject::Stream(_) => stream::over(client),
            Subject::Calculator(..) | Subject::Own(_) => client,
        }
    }

    /// Whether clients of `stack` can make its calls, and the server may have it. One of one's own may be at any server but a
    /// floor's.
    #[must_use]
    pub fn may_be_called_on(self, stack: &Stack) -> bool {
        match self.0 {
            Subject::Calculator(method, _) => stack.has(method),
            Subject::Dependent(Steps::Sequential) => true,
            Subject::Dependent(Steps::Concurrent) => stack.multiplexes,
            Subject::Dependent(Steps::Batched) => stack.has_batches(),
            Subject::Stream(_) => stack.has_streams(),
            Subject::Own(_) => stack.has_server() && !stack.protocol.is_floor(),
        }
    }

    /// An `echo` with a payload of `bytes`, regardless of the method of `self`.
    ///
    /// # Errors
    /// When `bytes` is 0 or more than 1 MiB, and for an operation of one's own.
    pub fn with_payload(self, bytes: u64) -> Result<Self, OperationParseError> {
        if self.method().is_none() {
            Err(OperationParseError::NoPayload(self.to_string()))
        } else if (1..=MAX_PAYLOAD_BYTES).contains(&bytes) {
            Ok(Operation(Subject::Calculator(Method::Echo, Payload::Bytes(bytes))))
        } else {
            Err(OperationParseError::SizeRange(format!("{bytes}B")))
        }
    }

    /// The size of the payload in bytes; `None` if it is that of the arguments, or not one size.
    #[must_use]
    pub fn payload_bytes(self) -> Option<u64> {
        match self.0 {
            Subject::Calculator(_, Payload::Bytes(bytes)) => Some(bytes),
            Subject::Calculator(_, Payload::Arguments | Payload::Nova)
            | Subject::Dependent(_)
            | Subject::Stream(_)
            | Subject::Own(_) => None,
        }
    }

    /// The operation with the one size that stands for all of its sizes: their median.
    #[must_use]
    pub fn typical(self) -> Self {
        match self.0 {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Subject::Calculator(method, Payload::Nova) => {
                Operation(Subject::Calculator(method, Payload::Bytes(NOVA_MEDIAN_BYTES as u64)))
            }
            _ => self,
        }
    }

    /// The calls of one caller with their expected results. Deterministic for a seed. None for an operation of one's own: its
    /// definition prepares them.
    #[must_use]
    pub fn prepare(self, seed: u64) -> Vec<PreparedCall> {
        let (method, payload) = match self.0 {
            Subject::Calculator(method, payload) => (method, payload),
            Subject::Dependent(steps) => return vec![PreparedCall::dependent(steps)],
            Subject::Stream(length) => return vec![PreparedCall::stream(length)],
            Subject::Own(_) => return vec![],
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let sizes = match payload {
            Payload::Arguments => vec![0; DISTINCT_CALLS],
            Payload::Bytes(bytes) => vec![bytes],
            Payload::Nova => nova_sizes(&mut rng),
        };
        sizes.into_iter().map(|bytes| PreparedCall::new(random_call(method, &mut rng, bytes))).collect()
    }

    /// One call of the calculator with its expected result, to count its bytes: add(2, 3) for `add`, so that every run counts the
    /// same, and of calls with several sizes one with their median.
    #[must_use]
    pub fn example(self, seed: u64) -> Option<PreparedCall> {
        if self == Operation::ADD {
            return Some(PreparedCall::new(Call::positional("add", [Value::Int(2), Value::Int(3)])));
        }
        self.typical().prepare(seed).into_iter().next()
    }
}

/// A call of `method`, for `echo` with a document of `bytes`.
fn random_call(method: Method, rng: &mut ChaCha8Rng, bytes: u64) -> Call {
    // Products stay below 2³¹: XML-RPC's integers have 32 bits.
    let number = |rng: &mut ChaCha8Rng| Value::Int(rng.random_range(1..=40_000));
    let arguments = match method {
        Method::Add | Method::Multiply | Method::Subtract | Method::Divide => {
            vec![number(rng), number(rng)]
        }
        Method::Hello => vec![Value::from(format!("caller {:05}", rng.random_range(0..100_000)))],
        Method::Echo => {
            vec![document(rng.random(), usize::try_from(bytes).unwrap_or(usize::MAX))]
        }
    };
    Call::positional(method.name(), arguments)
}

/// The sizes of the calls of a caller, distributed as [`NOVA_SIZES`]: one from each of as many equal parts of the distribution,
/// in a random order, so that the sizes of every caller have the same quantiles.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn nova_sizes(rng: &mut ChaCha8Rng) -> Vec<u64> {
    let mut sizes: Vec<u64> = (0..DISTINCT_CALLS)
        .map(|part| nova_size((part as f64 + rng.random::<f64>()) / DISTINCT_CALLS as f64) as u64)
        .collect();
    sizes.shuffle(rng);
    sizes
}

/// The `q`-quantile of the sizes, linear between the known ones. The smallest known one stands for all below it.
fn nova_size(q: f64) -> f64 {
    let between = |pair: &[(f64, f64)]| {
        let [(low, from), (high, to)] = *pair else { return None };
        (low..=high).contains(&q).then(|| from + (to - from) * (q - low) / (high - low))
    };
    NOVA_SIZES.windows(2).find_map(between).unwrap_or(NOVA_SIZES[0].1)
}

impl FromStr for Operation {
    type Err = OperationParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(steps) = Steps::ALL.into_iter().find(|steps| steps.name() == text) {
            return Ok(Operation(Subject::Dependent(steps)));
        }
        let (name, size) = text.split_once(':').map_or((text, None), |(name, size)| (name, Some(size)));
        if name == Steps::Sequential.name() {
            return Err(OperationParseError::Steps(text.to_owned()));
        }
        if name == STREAM {
            let length = size.map_or(Ok(StreamLength::default()), str::parse);
            let length = length.map_err(|()| OperationParseError::Items(text.to_owned()))?;
            return Ok(Operation(Subject::Stream(length)));
        }
        let method = Method::from_name(name).ok_or_else(|| OperationParseError::Unknown(name.to_owned()))?;
        let operation = Operation(Subject::Calculator(method, Payload::Arguments));
        match (method, size) {
            (Method::Echo, None) => operation.with_payload(DEFAULT_PAYLOAD_BYTES),
            (Method::Echo, Some(NOVA)) => Ok(Operation(Subject::Calculator(method, Payload::Nova))),
            (Method::Echo, Some(size)) => {
                let bytes = parse_size(size).ok_or_else(|| OperationParseError::Size(size.to_owned()))?;
                operation.with_payload(bytes)
            }
            (_, None) => Ok(operation),
            (_, Some(_)) => Err(OperationParseError::NoPayload(name.to_owned())),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, payload) = match self.0 {
            Subject::Calculator(method, payload) => (method, payload),
            Subject::Dependent(steps) => return f.write_str(steps.name()),
            Subject::Stream(length) => return write!(f, "{STREAM}:{length}"),
            Subject::Own(name) => return name.fmt(f),
        };
        f.write_str(method.name())?;
        match payload {
            Payload::Arguments => Ok(()),
            Payload::Nova => write!(f, ":{NOVA}"),
            Payload::Bytes(bytes) if bytes % (1 << 20) == 0 => write!(f, ":{}MiB", bytes >> 20),
            Payload::Bytes(bytes) if bytes % (1 << 10) == 0 => write!(f, ":{}KiB", bytes >> 10),
            Payload::Bytes(bytes) => write!(f, ":{bytes}B"),
        }
    }
}

impl TryFrom<String> for Operation {
    type Error = OperationParseError;

    /// As [`Operation::named`]: a scenario or a record may be about operations of one's own.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Operation::named(&text)
    }
}

impl From<Operation> for String {
    fn from(operation: Operation) -> Self {
        operation.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_displays_and_rejects_everything_else() {
        for text in [
            "add",
            "hello",
            "echo:100B",
            "echo:1KiB",
            "echo:1MiB",
            "echo:nova",
            "dependent",
            "dependent:batched",
        ] {
            assert_eq!(text.parse::<Operation>().unwrap().to_string(), text);
        }
        assert_eq!("echo".parse::<Operation>().unwrap().to_string(), "echo:1KiB");
        for (text, expected) in [
            ("", "the operations are"),
            ("sub", "the operations are"),
            ("substract", "did you mean `subtract`?"),
            ("ehco:1KiB", "did you mean `echo`?"),
            ("add:1KiB", "only echo has"),
            ("streem:10", "did you mean `stream`?"),
            ("stream:0", "the number of its items"),
            ("dependent:1KiB", "dependent:batched"),
            ("echo:0", "1B to 1MiB"),
            ("echo:2MiB", "1B to 1MiB"),
            ("echo:10kb", "`10kb` is not a size; write bytes as 100B"),
            ("echo:", "is not a size"),
            ("echo:99999999999999999999MiB", "is not a size"),
        ] {
            let error = text.parse::<Operation>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_that_is_not_the_calculators_is_that_of_an_operation_of_ones_own() {
        let own = Operation::named("get_user").unwrap();
        assert_eq!((own.to_string().as_str(), own.method(), own.payload_bytes()), ("get_user", None, None));
        assert_eq!(own, serde_json::from_str("\"get_user\"").unwrap());
        assert_eq!(Operation::named("echo:1KiB").unwrap(), "echo:1KiB".parse().unwrap());
        assert!(own.prepare(1).is_empty() && own.example(1).is_none());
        assert!(own.with_payload(10).unwrap_err().to_string().contains("only echo has"));
        for (text, expected) in [("echo:10kb", "is not a size"), ("Get User", "the operations are")] {
            assert!(Operation::named(text).unwrap_err().to_string().contains(expected), "{text}");
        }
    }

    #[test]
    fn calls_are_determined_by_the_seed_and_every_result_is_a_value() {
        for text in ["add", "multiply", "subtract", "divide", "hello", "echo:1KiB"] {
            let operation: Operation = text.parse().unwrap();
            let (a, b) = (operation.prepare(3), operation.prepare(3));
            assert!(a.iter().zip(&b).all(|(a, b)| a.call == b.call));
            assert!(a.iter().all(|prepared| prepared.expected.value().is_some()));
            if text != "echo:1KiB" {
                assert!(operation.prepare(4).iter().zip(&a).any(|(a, b)| a.call != b.call));
            }
        }
    }

    #[test]
    fn documents_of_openstack_have_its_quantiles_whatever_the_seed() {
        let operation: Operation = "echo:nova".parse().unwrap();
        assert_eq!(operation.typical().to_string(), "echo:2400B");
        for seed in [1, 2] {
            let mut sizes: Vec<usize> =
                operation.prepare(seed).iter().map(|prepared| prepared.payload().0).collect();
            sizes.sort_unstable();
            // Every 128th part of the distribution has one size.
            for (part, bytes) in [(32, 2_000), (64, 2_400), (96, 4_500), (115, 6_500), (128, 11_300)] {
                let found = sizes[part - 1];
                // A document is up to a record larger than its size.
                assert!((bytes * 9 / 10..bytes + 250).contains(&found), "{part}: {found}");
            }
        }
    }

    #[test]
    fn every_result_fits_into_32_bits() {
        for text in ["add", "multiply", "subtract", "divide"] {
            for prepared in text.parse::<Operation>().unwrap().prepare(1) {
                let Some(Value::Int(result)) = prepared.expected.value() else {
                    panic!("two ints give an int")
                };
                assert!(i32::try_from(*result).is_ok());
            }
        }
    }
}
