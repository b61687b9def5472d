//! Making the calls of the table.

use std::ops::Deref;
use std::time::Instant;

use super::{NotSent, Outcome, Profile, Reply, Vector, vectors};
use crate::{CallError, Client, Deadline, Value};

/// How many rows in a row may have no answer (a timeout, or a connection that failed) before the rest is not sent.
pub const MAX_UNANSWERED: usize = 8;
/// The same for the first rows, before the first answer.
pub const MAX_UNANSWERED_AT_START: usize = 3;

/// Makes every call of the table for `profile` sequentially, each with the full time of `deadline`. Rows with the same call
/// share its result. After [`MAX_UNANSWERED`] rows in a row without an answer, the rest is not sent.
pub async fn run(client: &dyn Client, profile: Profile, deadline: &mut Deadline) -> Vec<Outcome> {
    let mut table = Table::new(profile);
    let mut connect = async || Ok(client);
    for vector in vectors(profile) {
        table.make_call(vector, &mut connect, deadline).await;
    }
    table.outcomes
}

/// Like [`run`], over a client that `connect` opens, and opens again after each row without an answer: a connection that
/// failed may not recover, and one on which a reply is late could deliver that to the next call.
///
/// # Errors
/// The first error, if the server cannot be connected to or gives no answer at all.
pub async fn run_reconnecting<C>(
    mut connect: impl AsyncFnMut() -> Result<C, CallError>,
    profile: Profile,
    deadline: &mut Deadline,
) -> Result<Vec<Outcome>, CallError>
where
    C: Deref<Target: Client>,
{
    let mut table = Table::new(profile);
    table.client = Some(connect().await?);
    for vector in vectors(profile) {
        table.make_call(vector, &mut connect, deadline).await;
    }
    match table.outcomes.iter().find_map(Outcome::transport_error) {
        Some(error) if !table.has_answered => Err(error.clone()),
        _ => Ok(table.outcomes),
    }
}

/// The table while its calls are made.
struct Table<C> {
    profile: Profile,
    client: Option<C>,
    outcomes: Vec<Outcome>,
    /// Rows in a row without an answer.
    unanswered: usize,
    has_answered: bool,
}

impl<C: Deref<Target: Client>> Table<C> {
    fn new(profile: Profile) -> Self {
        Table { profile, client: None, outcomes: vec![], unanswered: 0, has_answered: false }
    }

    async fn make_call(
        &mut self,
        vector: Vector,
        connect: &mut impl AsyncFnMut() -> Result<C, CallError>,
        deadline: &mut Deadline,
    ) {
        let limit = if self.has_answered { MAX_UNANSWERED } else { MAX_UNANSWERED_AT_START };
        let reply = if !self.profile.carries(&vector.call) {
            Reply::NotSent(NotSent::NotRepresentable)
        } else if let Some(result) = result_of_same_call(&self.outcomes, &vector) {
            Reply::Result(result)
        } else if self.unanswered >= limit {
            Reply::NotSent(NotSent::NoAnswers)
        } else {
            Reply::Result(self.result(&vector, connect, deadline).await)
        };
        self.outcomes.push(Outcome { vector, reply, numbers: self.profile.numbers });
    }

    async fn result(
        &mut self,
        vector: &Vector,
        connect: &mut impl AsyncFnMut() -> Result<C, CallError>,
        deadline: &mut Deadline,
    ) -> Result<Value, CallError> {
        self.unanswered += 1;
        let client = match self.client.take() {
            Some(client) => client,
            None => connect().await?,
        };
        let result = deadline.within(Instant::now(), client.call(&vector.call)).await;
        if !result.as_ref().is_err_and(|error| error.kind.is_transport()) {
            self.client = Some(client);
            self.unanswered = 0;
            self.has_answered = true;
        }
        result
    }
}

/// The result of the row before `vector`, if both make the same call: a core row and the strict row about its kind of error.
fn result_of_same_call(outcomes: &[Outcome], vector: &Vector) -> Option<Result<Value, CallError>> {
    let last = outcomes.last().filter(|last| last.vector.call == vector.call)?;
    match &last.reply {
        Reply::Result(result) => Some(result.clone()),
        Reply::NotSent(_) => None,
    }
}
