//! A call: a method and its arguments, as native values.

use std::borrow::Cow;
use std::{iter, slice, vec};

use crate::value::keep_last_of_each_name;
use crate::{CallError, ErrorKind, Text, Value};

/// The methods of the calculator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// x + y
    Add,
    /// x · y
    Multiply,
    /// |x − y|
    Subtract,
    /// The quotient, rounded down if both arguments are integers.
    Divide,
    /// `hello, {name}`
    Hello,
    /// Its argument, unchanged; not part of the original calculator, but needed for scenarios with payloads.
    Echo,
}

impl Method {
    /// All methods. The first five are those of the original calculator.
    pub const ALL: [Method; 6] =
        [Method::Add, Method::Multiply, Method::Subtract, Method::Divide, Method::Hello, Method::Echo];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Add => "add",
            Method::Multiply => "multiply",
            Method::Subtract => "subtract",
            Method::Divide => "divide",
            Method::Hello => "hello",
            Method::Echo => "echo",
        }
    }

    /// The method with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The names of the parameters, in positional order.
    #[must_use]
    pub fn params(self) -> &'static [&'static str] {
        match self {
            Method::Add | Method::Multiply | Method::Subtract | Method::Divide => &["x", "y"],
            Method::Hello => &["name"],
            Method::Echo => &["value"],
        }
    }

    /// One line of help, for introspection.
    #[must_use]
    pub fn doc(self) -> &'static str {
        match self {
            Method::Add => "Return x + y.",
            Method::Multiply => "Return x times y.",
            Method::Subtract => "Return the absolute value of x - y.",
            Method::Divide => "Return x / y; two integers give the quotient rounded down.",
            Method::Hello => "Return a greeting.",
            Method::Echo => "Return the argument.",
        }
    }
}

/// The arguments of a call: all by position, or all by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Params {
    /// By position.
    Positional(Vec<Value>),
    /// By name, in the order of the message.
    Named(Vec<(Text, Value)>),
}

impl Params {
    /// Creates named arguments. The last argument with a name wins.
    #[must_use]
    pub fn named(mut members: Vec<(Text, Value)>) -> Self {
        keep_last_of_each_name(&mut members);
        Params::Named(members)
    }

    /// The number of arguments.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Params::Positional(values) => values.len(),
            Params::Named(members) => members.len(),
        }
    }

    /// Whether there are no arguments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the argument at `index`, for protocols that send all arguments by name: its own name, or else the name
    /// of the parameter of `method` at that position, or else `argN`, counted from 1, so that a call with too many
    /// arguments can still be sent, and the server can reject it.
    #[must_use]
    pub fn name_at(&self, method: &str, index: usize) -> Cow<'_, str> {
        match self {
            Params::Named(members) if index < members.len() => Cow::Borrowed(&members[index].0),
            _ => match Method::from_name(method).and_then(|method| method.params().get(index)) {
                Some(name) => Cow::Borrowed(name),
                None => Cow::Owned(format!("arg{}", index + 1)),
            },
        }
    }

    /// The values of the arguments, in the order of the call.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let (positional, named) = match self {
            Params::Positional(values) => (values.as_slice(), &[][..]),
            Params::Named(members) => (&[][..], members.as_slice()),
        };
        positional.iter().chain(named.iter().map(|(_, value)| value))
    }

    /// The positional arguments, for protocols without named arguments.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArguments`] if the arguments are named.
    pub fn as_positional(&self) -> Result<&[Value], CallError> {
        match self {
            Params::Positional(values) => Ok(values),
            Params::Named(_) => Err(CallError::new(
                ErrorKind::InvalidArguments,
                "this protocol has no named arguments; give them by position",
            )),
        }
    }

    /// Creates the arguments with these numbers, counted from 0 in the order of the parameters `names`, each of which has one at
    /// most. Arguments without a gap before them are positional.
    #[must_use]
    pub fn from_numbered(mut found: Vec<(usize, Value)>, names: &[&'static str]) -> Self {
        found.sort_unstable_by_key(|(number, _)| *number);
        let is_positional = found.iter().enumerate().all(|(i, (number, _))| i == *number);
        if is_positional {
            return Params::Positional(found.into_iter().map(|(_, value)| value).collect());
        }
        let named = |(number, value)| Some((Text::from(*names.get::<usize>(number)?), value));
        Params::Named(found.into_iter().filter_map(named).collect())
    }

    /// Assigns the arguments to the parameters `names` of `method`, and returns them in that order.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArguments`] for the first missing, unexpected or surplus argument.
    pub fn bind<const N: usize>(self, method: &str, names: [&str; N]) -> Result<[Value; N], CallError> {
        let invalid = |message: String| CallError::new(ErrorKind::InvalidArguments, message);
        let values = match self {
            Params::Positional(values) => values,
            Params::Named(mut members) => {
                if let Some((name, _)) = members.iter().find(|(name, _)| !names.contains(&name.as_str())) {
                    return Err(invalid(format!("{method}() got an unexpected argument '{name}'")));
                }
                let mut values = Vec::with_capacity(N);
                for name in names {
                    let Some(at) = members.iter().position(|(given, _)| given == name) else {
                        return Err(invalid(format!("{method}() is missing the argument '{name}'")));
                    };
                    values.push(members.swap_remove(at).1);
                }
                values
            }
        };
        values.try_into().map_err(|values: Vec<Value>| {
            invalid(format!("{method}() takes {N} argument(s) but {} were given", values.len()))
        })
    }
}

/// A call, which any [`Client`](crate::Client) can send.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The name of the method, which need not be one of the calculator.
    pub method: Cow<'static, str>,
    /// The arguments.
    pub params: Params,
}

impl Call {
    /// Creates a call with positional arguments.
    pub fn positional(method: impl Into<Cow<'static, str>>, values: impl IntoIterator<Item = Value>) -> Self {
        Call { method: method.into(), params: Params::Positional(values.into_iter().collect()) }
    }

    /// Creates a call with named arguments.
    pub fn named(
        method: impl Into<Cow<'static, str>>,
        members: impl IntoIterator<Item = (Text, Value)>,
    ) -> Self {
        Call { method: method.into(), params: Params::named(members.into_iter().collect()) }
    }

    /// The arguments with the numbers of their parameters, counted from 0, in this order: for protocols that send numbers
    /// instead of names. Of a method that is not the calculator's, any number of arguments has numbers.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArguments`] for more arguments than the method has parameters, for a name that is not that of a
    /// parameter, and for names where the parameters are not known.
    pub fn numbered_arguments(&self) -> Result<NumberedArguments<'_>, CallError> {
        let name = &self.method;
        let invalid = |message: String| Err(CallError::new(ErrorKind::InvalidArguments, message));
        match (&self.params, Method::from_name(name)) {
            (Params::Positional(values), Some(method)) if values.len() > method.params().len() => {
                let (takes, given) = (method.params().len(), values.len());
                invalid(format!("{name}() takes {takes} argument(s) but {given} were given"))
            }
            (Params::Positional(values), _) => Ok(NumberedArguments::Positional(values.iter().enumerate())),
            (Params::Named(members), Some(method)) => {
                let mut numbered = Vec::with_capacity(members.len());
                for (given, value) in members {
                    let Some(number) = method.params().iter().position(|parameter| parameter == given) else {
                        return invalid(format!("{name}() got an unexpected argument '{given}'"));
                    };
                    numbered.push((number, value));
                }
                numbered.sort_unstable_by_key(|(number, _)| *number);
                Ok(NumberedArguments::Named(numbered.into_iter()))
            }
            (Params::Named(_), None) => {
                invalid(format!("the parameters of {name} are not known; give the arguments by position"))
            }
        }
    }
}

/// The arguments of a call, with the numbers of their parameters.
#[derive(Clone, Debug)]
pub enum NumberedArguments<'a> {
    /// By position.
    Positional(iter::Enumerate<slice::Iter<'a, Value>>),
    /// By name.
    Named(vec::IntoIter<(usize, &'a Value)>),
}

impl<'a> Iterator for NumberedArguments<'a> {
    type Item = (usize, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            NumberedArguments::Positional(values) => values.next(),
            NumberedArguments::Named(values) => values.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_orders_named_arguments_and_reports_invalid_ones() {
        let named = |names: &[&str]| {
            Params::named(names.iter().zip(1..).map(|(n, v)| ((*n).into(), Value::Int(v))).collect())
        };
        assert_eq!(named(&["y", "x"]).bind("add", ["x", "y"]).unwrap(), [Value::Int(2), Value::Int(1)]);
        for (params, word) in [
            (named(&["x"]), "'y'"),
            (named(&["x", "y", "z"]), "'z'"),
            (Params::Positional(vec![Value::Null; 3]), "3 were given"),
        ] {
            let error = params.bind("add", ["x", "y"]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArguments);
            assert!(error.message.contains(word), "{}", error.message);
        }
    }

    #[test]
    fn arguments_have_the_numbers_of_their_parameters() {
        let (x, y) = (Value::Int(7), Value::Int(2));
        let numbers = |call: &Call| -> Result<Vec<(usize, Value)>, ErrorKind> {
            let numbered = call.numbered_arguments().map_err(|error| error.kind)?;
            Ok(numbered.map(|(number, value)| (number, value.clone())).collect())
        };
        let both = vec![(0, x.clone()), (1, y.clone())];
        let named = Call::named("divide", [("y".into(), y.clone()), ("x".into(), x.clone())]);
        assert_eq!(numbers(&named), Ok(both.clone()));
        assert_eq!(numbers(&Call::positional("divide", [x.clone(), y.clone()])), Ok(both.clone()));
        let third = Call::positional("nosuch", [x.clone(), y.clone(), Value::Null]);
        assert_eq!(numbers(&third).unwrap()[2], (2, Value::Null));
        for refused in [
            Call::positional("add", [x.clone(), y.clone(), Value::Null]),
            Call::named("add", [("x".into(), x.clone()), ("z".into(), y.clone())]),
            Call::named("nosuch", [("x".into(), x.clone())]),
        ] {
            assert_eq!(numbers(&refused), Err(ErrorKind::InvalidArguments), "{refused:?}");
        }

        let names = ["x", "y"];
        let reversed = both.into_iter().rev().collect();
        assert_eq!(Params::from_numbered(reversed, &names), Params::Positional(vec![x, y.clone()]));
        // A gap shows that the first argument is missing.
        let second = Params::from_numbered(vec![(1, y.clone())], &names);
        assert_eq!(second, Params::Named(vec![("y".into(), y)]));
        assert_eq!(Params::from_numbered(vec![], &names), Params::Positional(vec![]));
    }

    #[test]
    fn positional_arguments_get_the_names_of_the_parameters() {
        let call = Call::positional("add", [Value::Int(1), Value::Int(2), Value::Int(3)]);
        let names: Vec<_> = (0..3).map(|i| call.params.name_at(&call.method, i).into_owned()).collect();
        assert_eq!(names, ["x", "y", "arg3"]);
        assert_eq!(call.params.name_at("nosuch", 0), "arg1");
    }
}
