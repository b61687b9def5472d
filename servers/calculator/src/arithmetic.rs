//! The arithmetic of the calculator: pure functions of two numbers.

use crate::{CallError, ErrorKind, Value};

/// A number that the calculator computes with.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

/// Two operands, converted to the kind of the result.
enum Operands {
    Ints(i64, i64),
    Floats(f64, f64),
}

fn number(value: &Value) -> Result<Number, CallError> {
    match value {
        Value::Int(v) => Ok(Number::Int(*v)),
        Value::Float(v) => Ok(Number::Float(*v)),
        Value::BigInt(_) => Err(overflow()),
        other => Err(CallError::new(
            ErrorKind::InvalidArguments,
            format!("unsupported operand: expected a number, not {}", other.kind()),
        )),
    }
}

// A double cannot represent every i64. The conversion rounds to the nearest, as in Python.
#[allow(clippy::cast_precision_loss)]
fn operands(x: &Value, y: &Value) -> Result<Operands, CallError> {
    Ok(match (number(x)?, number(y)?) {
        (Number::Int(x), Number::Int(y)) => Operands::Ints(x, y),
        (Number::Int(x), Number::Float(y)) => Operands::Floats(x as f64, y),
        (Number::Float(x), Number::Int(y)) => Operands::Floats(x, y as f64),
        (Number::Float(x), Number::Float(y)) => Operands::Floats(x, y),
    })
}

fn overflow() -> CallError {
    CallError::new(ErrorKind::Overflow, "integer result exceeds 64 bits")
}

fn int(result: Option<i64>) -> Result<Value, CallError> {
    result.map(Value::Int).ok_or_else(overflow)
}

pub(crate) fn add(x: &Value, y: &Value) -> Result<Value, CallError> {
    match operands(x, y)? {
        Operands::Ints(x, y) => int(x.checked_add(y)),
        Operands::Floats(x, y) => Ok(Value::Float(x + y)),
    }
}

pub(crate) fn multiply(x: &Value, y: &Value) -> Result<Value, CallError> {
    match operands(x, y)? {
        Operands::Ints(x, y) => int(x.checked_mul(y)),
        Operands::Floats(x, y) => Ok(Value::Float(x * y)),
    }
}

pub(crate) fn subtract(x: &Value, y: &Value) -> Result<Value, CallError> {
    match operands(x, y)? {
        // abs_diff itself cannot overflow, but its result may exceed i64.
        Operands::Ints(x, y) => int(i64::try_from(x.abs_diff(y)).ok()),
        Operands::Floats(x, y) => Ok(Value::Float((x - y).abs())),
    }
}

pub(crate) fn divide(x: &Value, y: &Value) -> Result<Value, CallError> {
    let zero = |message| Err(CallError::new(ErrorKind::ZeroDivision, message));
    match operands(x, y)? {
        Operands::Ints(_, 0) => zero("integer division or modulo by zero"),
        Operands::Ints(x, y) => int(x.checked_div(y).map(|quotient| {
            // Rust rounds toward zero, the calculator toward −∞. div_euclid differs for negative divisors.
            if x % y != 0 && (x < 0) != (y < 0) { quotient - 1 } else { quotient }
        })),
        Operands::Floats(_, 0.0) => zero("float division by zero"),
        Operands::Floats(x, y) => Ok(Value::Float(x / y)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(op: fn(&Value, &Value) -> Result<Value, CallError>, x: i64, y: i64) -> Result<i64, ErrorKind> {
        match op(&Value::Int(x), &Value::Int(y)) {
            Ok(Value::Int(v)) => Ok(v),
            Ok(other) => panic!("two ints gave {other:?}"),
            Err(error) => Err(error.kind),
        }
    }

    #[test]
    fn integer_division_rounds_down() {
        for (x, y, quotient) in [(2, 3, 0), (7, 2, 3), (-7, 2, -4), (7, -2, -4), (-7, -2, 3), (-8, 2, -4)] {
            assert_eq!(ints(divide, x, y), Ok(quotient), "{x} / {y}");
        }
        assert_eq!(ints(divide, i64::MIN, -1), Err(ErrorKind::Overflow));
        assert_eq!(ints(divide, 1, 0), Err(ErrorKind::ZeroDivision));
    }

    #[test]
    fn integers_overflow_instead_of_wrapping() {
        assert_eq!(ints(add, i64::MAX, 1), Err(ErrorKind::Overflow));
        assert_eq!(ints(multiply, i64::MAX, 2), Err(ErrorKind::Overflow));
        assert_eq!(ints(subtract, i64::MIN, 0), Err(ErrorKind::Overflow));
        assert_eq!(ints(subtract, i64::MIN, -1), Ok(i64::MAX));
        assert_eq!(
            add(&Value::BigInt("9223372036854775808".into()), &Value::Int(1)).unwrap_err().kind,
            ErrorKind::Overflow
        );
    }

    #[test]
    fn a_float_on_either_side_makes_the_result_a_float() {
        assert_eq!(add(&Value::Int(2), &Value::Float(3.0)).unwrap(), Value::Float(5.0));
        assert_eq!(divide(&Value::Int(7), &Value::Float(2.0)).unwrap(), Value::Float(3.5));
        assert_eq!(subtract(&Value::Float(1.5), &Value::Int(2)).unwrap(), Value::Float(0.5));
        assert_eq!(multiply(&Value::Float(f64::MAX), &Value::Int(2)).unwrap(), Value::Float(f64::INFINITY));
        for zero in [0.0, -0.0] {
            let error = divide(&Value::Float(0.0), &Value::Float(zero)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::ZeroDivision);
        }
    }

    #[test]
    fn rejects_operands_that_are_not_numbers() {
        for other in [Value::Bool(true), Value::from("1"), Value::Null, Value::list([]), Value::from(vec![1])]
        {
            assert_eq!(add(&other, &Value::Int(1)).unwrap_err().kind, ErrorKind::InvalidArguments);
            assert_eq!(add(&Value::Int(1), &other).unwrap_err().kind, ErrorKind::InvalidArguments);
        }
    }
}
