//! A service with some functions of Python's module `time`.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::{Timestamp, Zoned};

use crate::{CallError, ErrorKind, MethodInfo, Params, Service, Value};

/// The maximum length of a format in bytes. A directive of a few characters may expand to hundreds.
const MAX_FORMAT_BYTES: usize = 1_024;

/// The maximum duration of `sleep`, which occupies one of the calls in flight.
const MAX_SLEEP: Duration = Duration::from_secs(3_600);

/// The most useful functions that `zerorpc --server --bind tcp://127.0.0.1:1234 time` serves: `strftime`, `gmtime`,
/// `time` and `sleep`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time;

const METHODS: &[MethodInfo] = &[
    MethodInfo {
        name: "gmtime",
        params: &["seconds"],
        doc: "Return the UTC time at `seconds` since the epoch, by default now, as nine integers.",
    },
    MethodInfo { name: "sleep", params: &["seconds"], doc: "Wait for a number of seconds." },
    MethodInfo {
        name: "strftime",
        params: &["format", "tuple"],
        doc: "Format a time, by default the current local time.",
    },
    MethodInfo { name: "time", params: &[], doc: "Return the seconds since the epoch." },
];

impl Service for Time {
    fn name(&self) -> &'static str {
        "time"
    }

    fn methods(&self) -> &[MethodInfo] {
        METHODS
    }

    fn wait(&self, method: &str, params: &Params) -> Duration {
        // An invalid duration is reported when the call is executed.
        let mut values = params.values();
        match (method, values.next(), values.next()) {
            ("sleep", Some(seconds), None) => duration(seconds).unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    fn call(&self, method: &str, params: Params) -> Result<Value, CallError> {
        match method {
            "gmtime" => {
                let at = if params.is_empty() {
                    Timestamp::now()
                } else {
                    let [seconds] = params.bind(method, ["seconds"])?;
                    timestamp(&seconds)?
                };
                Ok(broken_down(at))
            }
            "sleep" => {
                let [seconds] = params.bind(method, ["seconds"])?;
                duration(&seconds).map(|_| Value::Null)
            }
            "strftime" if params.len() == 2 => {
                let [format, tuple] = params.bind(method, ["format", "tuple"])?;
                strftime(&format, BrokenDownTime::from(civil(&tuple)?))
            }
            "strftime" => {
                let [format] = params.bind(method, ["format"])?;
                strftime(&format, BrokenDownTime::from(&Zoned::now()))
            }
            "time" => {
                let [] = params.bind(method, [])?;
                Ok(Value::Float(Timestamp::now().as_duration().as_secs_f64()))
            }
            _ => Err(CallError::unknown_method(method)),
        }
    }
}

fn invalid(message: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::InvalidArguments, message.to_string())
}

fn seconds(value: &Value) -> Result<f64, CallError> {
    match value {
        // The loss of precision beyond 2⁵³ does not matter, since no calendar reaches that far.
        #[allow(clippy::cast_precision_loss)]
        Value::Int(seconds) => Ok(*seconds as f64),
        Value::Float(seconds) => Ok(*seconds),
        other => Err(invalid(format_args!("the seconds must be a number, not {}", other.kind()))),
    }
}

fn duration(value: &Value) -> Result<Duration, CallError> {
    let duration = Duration::try_from_secs_f64(seconds(value)?).map_err(invalid)?;
    if duration > MAX_SLEEP {
        return Err(invalid(format_args!("the maximum sleep is {} s", MAX_SLEEP.as_secs())));
    }
    Ok(duration)
}

fn timestamp(value: &Value) -> Result<Timestamp, CallError> {
    let whole = jiff::SignedDuration::try_from_secs_f64(seconds(value)?.floor()).map_err(invalid)?;
    Timestamp::from_duration(whole).map_err(invalid)
}

/// A time in the form of Python's `struct_time`: year, month, day, hour, minute, second, weekday (Monday is 0), day of the
/// year (from 1), and 0 for no daylight saving time.
fn broken_down(at: Timestamp) -> Value {
    let time = at.to_zoned(jiff::tz::TimeZone::UTC);
    let fields: [i64; 9] = [
        time.year().into(),
        time.month().into(),
        time.day().into(),
        time.hour().into(),
        time.minute().into(),
        time.second().into(),
        time.weekday().to_monday_zero_offset().into(),
        time.day_of_year().into(),
        0,
    ];
    Value::List(fields.into_iter().map(Value::Int).collect())
}

fn strftime(format: &Value, time: BrokenDownTime) -> Result<Value, CallError> {
    let Value::Str(format) = format else { return Err(invalid("the format must be a string")) };
    if format.len() > MAX_FORMAT_BYTES {
        return Err(invalid(format_args!("the format is longer than {MAX_FORMAT_BYTES} bytes")));
    }
    time.to_string(format).map(Value::from).map_err(invalid)
}

/// Parses the result of [`broken_down`]. Only the first six of the nine integers are used, since the others follow from
/// them.
fn civil(tuple: &Value) -> Result<DateTime, CallError> {
    let fields: &[Value] = match tuple {
        Value::List(fields) if fields.len() == 9 => fields,
        _ => return Err(invalid("the time must be a list of nine integers")),
    };
    let field = |index: usize| match fields.get(index) {
        Some(Value::Int(v)) => i16::try_from(*v).map_err(invalid),
        _ => Err(invalid("the time must be a list of nine integers")),
    };
    let small = |index: usize| field(index).and_then(|v| i8::try_from(v).map_err(invalid));
    DateTime::new(field(0)?, small(1)?, small(2)?, small(3)?, small(4)?, small(5)?, 0).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Call;

    fn call(method: &'static str, values: &[Value]) -> Result<Value, ErrorKind> {
        let call = Call::positional(method, values.iter().cloned());
        Time.call(&call.method, call.params).map_err(|error| error.kind)
    }

    #[test]
    fn times_are_broken_down_and_formatted_as_in_python() {
        let tuple = call("gmtime", &[Value::Int(1_000_000_000)]).unwrap();
        assert_eq!(format!("{tuple:?}"), "[2001, 9, 9, 1, 46, 40, 6, 252, 0]");
        assert_eq!(
            format!("{:?}", call("gmtime", &[Value::Float(-0.5)]).unwrap()),
            "[1969, 12, 31, 23, 59, 59, 2, 365, 0]"
        );
        assert_eq!(
            call("strftime", &["%Y/%m/%d %H:%M:%S %j %a".into(), tuple]),
            Ok("2001/09/09 01:46:40 252 Sun".into())
        );
        let Ok(Value::Str(today)) = call("strftime", &["%Y/%m/%d".into()]) else {
            panic!("a date is a string")
        };
        assert!(today.len() == 10 && today.starts_with("20"), "{today}");
        let Ok(Value::Float(now)) = call("time", &[]) else { panic!("a time is a float") };
        assert!(now > 1.7e9);
        assert_eq!(call("sleep", &[Value::Float(0.001)]), Ok(Value::Null));
    }

    #[test]
    fn only_a_valid_sleep_waits() {
        let wait = |method: &str, value: Value| Time.wait(method, &Params::Positional(vec![value]));
        assert_eq!(wait("sleep", Value::Int(2)), Duration::from_secs(2));
        assert_eq!(wait("sleep", Value::Float(0.5)), Duration::from_millis(500));
        for (method, value) in [("sleep", Value::Int(-1)), ("sleep", Value::Null), ("gmtime", Value::Int(2))]
        {
            assert_eq!(wait(method, value), Duration::ZERO);
        }
        assert_eq!(wait("sleep", Value::Float(f64::NAN)), Duration::ZERO);
    }

    #[test]
    fn rejects_invalid_arguments() {
        let nine = |first: i64| Value::List(std::iter::once(first).chain([1; 8]).map(Value::Int).collect());
        for (method, values) in [
            ("sleep", vec![Value::Int(-1)]),
            ("sleep", vec![Value::Float(f64::INFINITY)]),
            ("sleep", vec![Value::Int(1 << 40)]),
            ("sleep", vec!["1".into()]),
            ("sleep", vec![]),
            ("time", vec![Value::Null]),
            ("gmtime", vec![Value::Float(f64::NAN)]),
            ("gmtime", vec![Value::Int(i64::MAX)]),
            ("strftime", vec![]),
            ("strftime", vec![Value::Int(5)]),
            ("strftime", vec!["%!".into()]),
            ("strftime", vec!["x".repeat(2_000).into()]),
            ("strftime", vec!["%Y".into(), nine(100_000)]),
            ("strftime", vec!["%Y".into(), Value::list([])]),
        ] {
            assert_eq!(call(method, &values), Err(ErrorKind::InvalidArguments), "{method} {values:?}");
        }
        assert_eq!(call("nosuch", &[]), Err(ErrorKind::UnknownMethod));
    }
}
