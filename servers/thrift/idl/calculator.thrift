// The calculator. The reference server and client in Python read these definitions.

// A value of any type. Exactly one field is set.
union Value {
  // No value; always true.
  1: bool nothing
  2: bool boolean
  3: i64 integer
  4: double number
  5: string text
  6: binary octets
  7: list<Value> items
  // In the order of the value.
  8: map<string, Value> members
}

enum ErrorKind {
  ZERO_DIVISION = 1
  OVERFLOW = 2
  NOT_REPRESENTABLE = 3
  UNKNOWN_METHOD = 4
  INVALID_ARGUMENTS = 5
  MALFORMED = 6
  UNSUPPORTED_VERSION = 7
  TOO_LARGE = 8
  TIMEOUT = 9
  UNDELIVERABLE = 10
  INTERNAL = 11
}

exception CallFailed {
  1: ErrorKind kind
  2: string message
}

// A field that is not set is an argument that is missing.
service Calculator {
  // Return x + y.
  Value add(1: Value x, 2: Value y) throws (1: CallFailed failed)
  // Return x / y; two integers give the quotient rounded down.
  Value divide(1: Value x, 2: Value y) throws (1: CallFailed failed)
  // Return the argument.
  Value echo(1: Value value) throws (1: CallFailed failed)
  // Return a greeting.
  Value hello(1: Value name) throws (1: CallFailed failed)
  // Return x times y.
  Value multiply(1: Value x, 2: Value y) throws (1: CallFailed failed)
  // Return the absolute value of x - y.
  Value subtract(1: Value x, 2: Value y) throws (1: CallFailed failed)
}
