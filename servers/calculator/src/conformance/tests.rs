use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::compare::Difference;
use super::*;
use crate::strategies::json_values;
use crate::{Calculator, CallFuture, Client, Deadline, Service, is_unprintable};

struct Direct<F>(F);

impl<F: Fn(&Call) -> Result<Value, CallError> + Send + Sync> Client for Direct<F> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { (self.0)(call) })
    }
}

fn calculate(call: &Call) -> Result<Value, CallError> {
    Calculator.call(&call.method, call.params.clone())
}

async fn outcomes(
    profile: Profile,
    answer: impl Fn(&Call) -> Result<Value, CallError> + Send + Sync,
) -> Vec<Outcome> {
    run(&Direct(answer), profile, &mut Deadline::new(Duration::from_secs(5))).await
}

fn count(outcomes: &[Outcome], status: RowStatus) -> usize {
    outcomes.iter().filter(|outcome| outcome.status() == status).count()
}

fn lost() -> CallError {
    CallError::new(ErrorKind::Timeout, "no reply within 5s")
}

#[tokio::test]
async fn the_calculator_passes_every_row() {
    let outcomes = outcomes(Profile::default(), calculate).await;
    for outcome in &outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
    assert_eq!(outcomes.iter().filter(|o| o.vector.level == Level::Core).count(), 18);
    assert_eq!(outcomes.len(), 27);
}

#[tokio::test]
async fn a_float_instead_of_an_integer_passes_only_where_numbers_are_compared_by_value() {
    let five = |_: &Call| Ok(Value::Float(5.0));
    let exact = outcomes(Profile::default(), five).await;
    assert!(exact[0].failed() && exact[1].passed());
    assert_eq!((exact[0].answer(), exact[0].expected()), ("5.0".to_owned(), "5".to_owned()));
    let any = outcomes(Profile { numbers: Numbers::Any, ..Profile::default() }, five).await;
    assert!(any[0].passed() && any[1].passed() && any[2].failed());
}

#[tokio::test]
async fn a_row_without_an_answer_fails_and_the_next_rows_are_sent() {
    let calls = AtomicUsize::new(0);
    let outcomes = outcomes(Profile::default(), |call| {
        if calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { calculate(call) } else { Err(lost()) }
    })
    .await;
    assert_eq!(count(&outcomes, RowStatus::NotSent), 0);
    assert!(outcomes[0].passed() && outcomes[1].failed() && outcomes[2].passed());
    assert!(!Expected::AnyError.matches(&Err(lost()), Numbers::Exact));
    // A row for an error and the strict row about its kind make one call.
    assert_eq!(calls.into_inner(), 21);
}

#[tokio::test]
async fn a_server_that_stops_answering_does_not_take_the_time_of_every_row() {
    let calls = AtomicUsize::new(0);
    let silent = outcomes(Profile::default(), |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        Err(lost())
    })
    .await;
    assert_eq!(calls.into_inner(), MAX_UNANSWERED_AT_START);
    assert_eq!(count(&silent, RowStatus::Failed), MAX_UNANSWERED_AT_START);
    assert_eq!(silent.len(), 27);

    let calls = AtomicUsize::new(0);
    let dies = outcomes(Profile::default(), |call| match calls.fetch_add(1, Ordering::Relaxed) {
        0..5 => calculate(call),
        _ => Err(lost()),
    })
    .await;
    assert_eq!(calls.into_inner(), 5 + MAX_UNANSWERED);
    assert_eq!(count(&dies, RowStatus::Passed), 5);
}

#[tokio::test]
async fn each_row_without_an_answer_is_followed_by_a_new_connection() {
    let connections = AtomicUsize::new(0);
    let connect = async || {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        // The third attempt fails.
        if number == 2 {
            return Err(CallError::new(ErrorKind::Undeliverable, "refused"));
        }
        let calls = AtomicUsize::new(0);
        Ok(Box::new(Direct(move |call: &Call| match (number, calls.fetch_add(1, Ordering::Relaxed)) {
            (0 | 1, 2..) => Err(lost()),
            _ => calculate(call),
        })))
    };
    let mut deadline = Deadline::new(Duration::from_secs(5));
    let outcomes = run_reconnecting(connect, Profile::default(), &mut deadline).await.unwrap();
    // Each of the first two connections answers two calls and not the third; then one fails.
    let failed: Vec<_> = (0..outcomes.len()).filter(|index| outcomes[*index].failed()).collect();
    assert_eq!(failed, [2, 5, 6]);
    assert_eq!(connections.into_inner(), 4);
}

#[tokio::test]
async fn a_server_that_gives_no_answer_at_all_is_an_error() {
    let mut deadline = Deadline::new(Duration::from_secs(5));
    let silent = async || Ok(Box::new(Direct(|_: &Call| Err(lost()))));
    let error = run_reconnecting(silent, Profile::default(), &mut deadline).await.unwrap_err();
    assert_eq!(error, lost());
    let refused = async || Err::<Box<Direct<fn(&Call) -> Result<Value, CallError>>>, _>(lost());
    assert!(run_reconnecting(refused, Profile::default(), &mut deadline).await.is_err());
}

#[tokio::test]
async fn a_row_that_the_protocol_cannot_carry_is_not_sent_and_not_a_pass() {
    let narrow = Profile { integer_width: IntegerWidth::Bits32, ..Profile::default() };
    let outcomes = outcomes(narrow, |call| {
        assert!(!call.params.values().any(|value| *value == Value::Int(i64::MAX)));
        calculate(call)
    })
    .await;
    let not_sent: Vec<_> = outcomes.iter().filter(|o| o.status() == RowStatus::NotSent).collect();
    assert_eq!(not_sent.len(), 1);
    assert!(not_sent.iter().all(|o| !o.passed() && o.answer().starts_with("not sent: the protocol")));
}

#[tokio::test]
async fn a_peer_with_one_type_of_numbers_passes_where_numbers_are_compared_by_value() {
    /// The calculator as a language without integers would write it.
    fn one_type(call: &Call) -> Result<Value, CallError> {
        let as_float = |value: &Value| match value {
            #[allow(clippy::cast_precision_loss)]
            Value::Int(v) => Value::Float(*v as f64),
            other => other.clone(),
        };
        let call = Call::positional(call.method.clone(), call.params.values().map(as_float));
        match calculate(&call)? {
            Value::Float(quotient) if call.method == "divide" => Ok(Value::Float(quotient.floor())),
            other => Ok(other),
        }
    }
    let core = |outcomes: Vec<Outcome>| {
        outcomes.into_iter().filter(|o| o.vector.level == Level::Core && o.failed()).count()
    };
    let any = Profile { numbers: Numbers::Any, ..Profile::default() };
    assert_eq!(core(outcomes(any, one_type).await), 0);
    assert!(core(outcomes(Profile::default(), one_type).await) > 0);
}

fn difference(found: &Value, expected: &Value) -> (String, String, String) {
    let Difference { path, found, expected } = Difference::between(found, expected, Numbers::Exact);
    (path, found, expected)
}

#[test]
fn the_first_difference_has_a_path() {
    let list = |items: &[Value]| Value::list(items);
    let map = |name: &str, value: Value| Value::map(vec![(name.into(), value)]);
    let long = |end: &str| Value::from(format!("{}{end}", "a".repeat(100)));
    for (found, expected, path, shown) in [
        (Value::Int(1), Value::Int(2), "", "1/2"),
        (list(&[1.into(), map("a", 2.into())]), list(&[1.into(), map("a", 3.into())]), "[1].a", "2/3"),
        (list(&[1.into()]), list(&[1.into(), 2.into()]), "", "1 items/2 items"),
        (map("a", 1.into()), map("b", 1.into()), "", "the member \"a\"/the member \"b\""),
        (map("a", Value::Null), map("a", list(&[])), ".a", "null/[]"),
        (long("x"), long("y"), " from character 92 on", "\"aaaaaaaax\"/\"aaaaaaaay\""),
        (Value::from("ax"), Value::from("ay"), "", "\"ax\"/\"ay\""),
    ] {
        let (at, was, wanted) = difference(&found, &expected);
        assert_eq!((at.as_str(), format!("{was}/{wanted}").as_str()), (path, shown));
    }
}

#[tokio::test]
async fn a_wrong_document_is_shown_at_its_first_difference() {
    let outcomes = outcomes(Profile::default(), |call| {
        let mut result = calculate(call)?;
        if let Value::List(records) = &mut result
            && let Value::Map(members) = &mut records[3]
        {
            members[0].1 = Value::Float(3.0);
        }
        Ok(result)
    })
    .await;
    let echo = outcomes.last().unwrap();
    assert_eq!((echo.answer(), echo.expected()), ("[3].id is 3.0".to_owned(), "3".to_owned()));
}

#[test]
fn numbers_are_equal_by_value_only_without_rounding() {
    let any = |int: i64, float: f64| Numbers::Any.are_equal(&Value::Int(int), &Value::Float(float));
    assert!(any(5, 5.0) && any(-3, -3.0) && any(0, -0.0) && any(i64::MIN, -9_223_372_036_854_775_808.0));
    assert!(!any(5, 5.5) && !any(i64::MAX, 9_223_372_036_854_775_808.0) && !any(0, f64::NAN));
    assert!(!any(9_007_199_254_740_993, 9_007_199_254_740_992.0));
    assert!(!Numbers::Exact.are_equal(&Value::Int(5), &Value::Float(5.0)));
}

#[test]
fn members_of_maps_may_be_in_any_order() {
    let record = |names: &[&str], value: Value| {
        let member =
            |name: &&str| ((*name).into(), Value::list(vec![Value::map(vec![("in".into(), value.clone())])]));
        Value::map(names.iter().map(member).collect())
    };
    let many: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    let forwards = record(&many, 1.into());
    many.reverse();
    let ordered = record(&["a", "b"], 1.into());
    for (a, b) in [(ordered.clone(), record(&["b", "a"], 1.into())), (forwards, record(&many, 1.into()))] {
        assert!(Numbers::Exact.are_equal(&a, &b) && Numbers::Any.are_equal(&a, &b));
    }
    assert!(Numbers::Any.are_equal(&ordered, &record(&["b", "a"], 1.0.into())));
    for other in [record(&["b", "a"], 1.0.into()), record(&["b"], 1.into()), record(&["b", "c"], 1.into())] {
        assert!(!Numbers::Exact.are_equal(&ordered, &other));
    }
    let expected = record(&["b", "a"], 2.into());
    assert_eq!(difference(&ordered, &expected), (".a[0].in".into(), "1".into(), "2".into()));
    let expected = record(&["c", "a"], 1.into());
    assert_eq!(
        difference(&ordered, &expected),
        (String::new(), "the member \"b\"".into(), "the member \"c\"".into())
    );
}

proptest! {
    #[test]
    fn different_values_have_a_difference_on_one_line(found in json_values(), expected in json_values()) {
        if !Numbers::Exact.are_equal(&found, &expected) {
            let (path, was, wanted) = difference(&found, &expected);
            prop_assert_ne!(&was, &wanted);
            prop_assert!(![path, was, wanted].iter().any(|text| text.contains(is_unprintable)));
        }
    }

    #[test]
    fn a_row_stays_one_line_whatever_a_peer_answers(message in any::<String>(), value in json_values()) {
        let vector = vectors(Profile::default()).remove(0);
        for result in [Ok(value.clone()), Err(CallError::new(ErrorKind::Internal, message.clone()))] {
            let outcome = Outcome { vector: vector.clone(), reply: Reply::Result(result), numbers: Numbers::Exact };
            prop_assert!(!outcome.answer().contains(is_unprintable), "{:?}", outcome.answer());
        }
    }
}
