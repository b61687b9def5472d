//! Service level objectives: limits that the figures of a run must keep.

use std::fmt;
use std::str::FromStr;

use calculator::parse_duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stacks::{hint, nearest};

/// A service level objective, written `get_user.p99<20ms`, `error_rate<0.1%` or `rate>=500`: perhaps the name of an operation or of a
/// measurement and a dot, a figure, a comparison and a limit. Without a name it is about every measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Slo {
    text: String,
    /// The operation or the measurement; `None` for every measurement.
    pub subject: Option<String>,
    /// What must keep the limit.
    pub figure: SloFigure,
    comparison: Comparison,
    /// The limit: nanoseconds, a share, or calls per second.
    limit: f64,
}

/// The figure of an objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SloFigure {
    /// A quantile of the response times, from 0 to 1, in nanoseconds; 1 is the longest.
    ResponseTime(f64),
    /// The calls without a correct answer, as a share of all.
    ErrorRate,
    /// Correct answers per second.
    Rate,
}

/// How a figure is compared with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// The longer ones first: `<=` begins with `<`.
const COMPARISONS: [(&str, Comparison); 4] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];
const FIGURES: [(&str, SloFigure); 8] = [
    ("p50", SloFigure::ResponseTime(0.5)),
    ("p90", SloFigure::ResponseTime(0.9)),
    ("p95", SloFigure::ResponseTime(0.95)),
    ("p99", SloFigure::ResponseTime(0.99)),
    ("p99.9", SloFigure::ResponseTime(0.999)),
    ("max", SloFigure::ResponseTime(1.0)),
    ("error_rate", SloFigure::ErrorRate),
    ("rate", SloFigure::Rate),
];

/// Why a text is not an [`Slo`].
#[derive(Debug, thiserror::Error)]
#[error("`{text}`: {reason}; for example get_user.p99<20ms, error_rate<0.1% or rate>=500")]
pub struct SloParseError {
    text: String,
    reason: String,
}

impl Slo {
    /// Whether `value` keeps the limit.
    #[must_use]
    pub fn is_kept_by(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
        }
    }
}

impl FromStr for Slo {
    type Err = SloParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |reason: String| SloParseError { text: text.to_owned(), reason };
        let found = text.find(['<', '>']);
        let Some((left, comparison, right)) = found.and_then(|at| {
            let (left, rest) = text.split_at(at);
            let (symbol, comparison) =
                COMPARISONS.into_iter().find(|(symbol, _)| rest.starts_with(symbol))?;
            Some((left.trim(), comparison, rest[symbol.len()..].trim()))
        }) else {
            return Err(refused("expected a figure, one of < <= > >=, and a limit".to_owned()));
        };
        // The whole, or what follows a dot: names may have dots, too.
        let figure = FIGURES.into_iter().find_map(|(name, figure)| {
            let subject = if left == name { None } else { Some(left.strip_suffix(name)?.strip_suffix('.')?) };
            Some((subject.map(str::to_owned), figure))
        });
        let Some((subject, figure)) = figure else {
            let names = FIGURES.map(|(name, _)| name);
            let suggestion = hint(nearest(left.rsplit('.').next().unwrap_or_default(), names));
            return Err(refused(format!(
                "unknown figure in `{left}`{suggestion}; the figures are {}",
                names.join(", ")
            )));
        };
        if subject.as_ref().is_some_and(String::is_empty) {
            return Err(refused("a name is missing before the dot".to_owned()));
        }
        let limit = limit(figure, right).map_err(refused)?;
        Ok(Slo { text: text.trim().to_owned(), subject, figure, comparison, limit })
    }
}

/// The limit of `figure` that is written `text`: nanoseconds, a share, or calls per second.
fn limit(figure: SloFigure, text: &str) -> Result<f64, String> {
    let number =
        |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let limit = match figure {
        // A bare number would be seconds elsewhere; an objective says its unit.
        SloFigure::ResponseTime(_) if number(text).is_some() => {
            return Err(format!("the limit `{text}` has no unit, such as ms"));
        }
        SloFigure::ResponseTime(_) => {
            let duration = parse_duration(text).map_err(|error| format!("the limit `{text}`: {error}"))?;
            Some(duration.as_secs_f64() * 1e9)
        }
        SloFigure::ErrorRate => match text.strip_suffix('%') {
            Some(percent) => number(percent).map(|percent| percent / 100.0),
            None => number(text),
        }
        .filter(|share| *share <= 1.0),
        SloFigure::Rate => number(text),
    };
    limit.ok_or_else(|| match figure {
        SloFigure::ErrorRate => format!("`{text}` is not a share such as 0.1%"),
        _ => format!("`{text}` is not a number of calls per second"),
    })
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Slo {
    type Error = SloParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Slo> for String {
    fn from(slo: Slo) -> Self {
        slo.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_has_a_subject_a_figure_a_comparison_and_a_limit() {
        for (text, subject, figure, kept, broken) in [
            ("get_user.p99<20ms", Some("get_user"), SloFigure::ResponseTime(0.99), 19.9e6, 20e6),
            ("p99.9 <= 1.5s", None, SloFigure::ResponseTime(0.999), 1.5e9, 1.6e9),
            ("users.get.max<1ms", Some("users.get"), SloFigure::ResponseTime(1.0), 0.0, 1e6),
            ("two words.p99.9<1ms", Some("two words"), SloFigure::ResponseTime(0.999), 0.0, 1e6),
            ("error_rate<0.1%", None, SloFigure::ErrorRate, 0.000_9, 0.001),
            ("a.error_rate<=0", Some("a"), SloFigure::ErrorRate, 0.0, 0.001),
            ("rate>=500", None, SloFigure::Rate, 500.0, 499.0),
            ("rate>500", None, SloFigure::Rate, 501.0, 500.0),
        ] {
            let slo: Slo = text.parse().unwrap();
            assert_eq!((slo.subject.as_deref(), slo.figure), (subject, figure), "{text}");
            assert!(slo.is_kept_by(kept) && !slo.is_kept_by(broken), "{text}");
            assert_eq!(slo.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_objective_is_refused() {
        for (text, expected) in [
            ("p99", "expected a figure, one of"),
            ("p99=20ms", "expected a figure, one of"),
            ("p98<20ms", "unknown figure in `p98`"),
            ("get.eror_rate<1%", "did you mean `error_rate`?"),
            (".p99<20ms", "a name is missing before"),
            ("p99<20", "has no unit"),
            ("p99<20mss", "the limit `20mss`"),
            ("error_rate<200%", "is not a share"),
            ("rate>x", "is not a number"),
            ("rate>-1", "is not a number"),
        ] {
            let error = text.parse::<Slo>().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("for example"), "{text}: {error}");
        }
    }
}
