//! What the tests of several transports share.

use std::time::Duration;

use calculator::conformance::{self, Profile};
use calculator::{Call, Client, Deadline};

/// Asserts that every row of the conformance table holds for `client`.
pub(crate) async fn assert_conformance(client: &dyn Client) {
    let mut deadline = Deadline::new(Duration::from_secs(60));
    let outcomes = conformance::run(client, Profile::default(), &mut deadline).await;
    assert_eq!(outcomes.len(), conformance::vectors(Profile::default()).len());
    for outcome in outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
}

pub(crate) fn two_and_three() -> Call {
    Call::positional("add", [2.into(), 3.into()])
}
