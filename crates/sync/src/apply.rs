//! Carries out a stored plan: nothing is left to decide, only to do, exactly once.
//!
//! The engine knows the tenant and our records through two narrow traits. Actions of one account
//! run in order, accounts run side by side, packed into batches of 20. Before a change is sent
//! the journal notes it as sent, afterwards as done together with everything that follows from
//! it; what was sent without an answer is unknown, and is read back before anything is repeated,
//! because Microsoft Graph has no idempotency key.

mod chain;
pub(crate) mod delays;
mod engine;
pub(crate) mod graph_tenant;
mod remaining;
mod unanswered;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use signpost_graph::Clock;
use signpost_model::plan::{Action, LinkMethod, ObjectId};
use signpost_model::provisioning::Owned;
use signpost_model::run::{ActionFailure, Outcome, RunFailure};
use signpost_model::{Observation, Random, UserId};

use crate::ledger::LedgerChange;
pub use graph_tenant::GraphTenant;
pub(crate) use graph_tenant::{judge, not_graphs, read_failure};
pub use unanswered::settle_unanswered;

/// The most changes one batch carries: Graph's own limit.
pub const BATCH: usize = 20;

/// What a plan still has to do to one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub user_id: UserId,
    /// The account; `None` until it is created.
    pub object_id: Option<ObjectId>,
    /// The account as our records show it, so that what a change leaves behind can be predicted.
    pub observation: Option<Observation>,
    /// The account's ledger.
    pub owned: Vec<Owned>,
    /// What has no outcome yet, in order.
    pub steps: Vec<Step>,
}

/// One action of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place in the plan.
    pub sequence: i64,
    pub action: Action,
    /// It was sent by a worker that died: nobody knows whether it happened.
    pub sent: bool,
}

/// The outcome of one action, and what follows from it: to be stored in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub sequence: i64,
    pub outcome: Outcome,
    /// On the last of several actions that were one call.
    pub effects: Option<Effects>,
    /// It failed because nobody could say what became of it: it may have happened all the same.
    pub unanswered: bool,
}

/// What an outcome changes in our records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    pub user_id: UserId,
    pub object_id: ObjectId,
    /// The user is this account from now on.
    pub link: Option<LinkMethod>,
    pub ledger: LedgerChange,
    /// What the account holds now, as far as we know.
    pub observation: Option<Observation>,
}

/// What the journal says to each of our writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    GoOn,
    /// Somebody asked the run to stop.
    Stop,
}

/// Our records of the run: the stored plan, and what becomes of it. An error of the journal ends
/// the apply at once, without another write: the lease may be lost.
pub trait Journal: Send + Sync {
    /// What the records' store can fail with.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The next accounts after a place in the plan that have actions without an outcome, in the
    /// order of the plan, each with all of those actions; at most `limit` accounts. Fewer mean
    /// that there are no more.
    fn next_chains(
        &self,
        after: Option<i64>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Chain>, Self::Error>> + Send;

    /// The accounts of these users, of those that have one.
    fn accounts_of(
        &self,
        users: &[UserId],
    ) -> impl Future<Output = Result<HashMap<UserId, ObjectId>, Self::Error>> + Send;

    /// Notes that these actions are being sent. At most one batch at a time.
    fn mark_sent(
        &self,
        sequences: &[i64],
    ) -> impl Future<Output = Result<Signal, Self::Error>> + Send;

    /// Notes what became of actions, with everything that follows from it.
    fn record(
        &self,
        recorded: &[Recorded],
    ) -> impl Future<Output = Result<Signal, Self::Error>> + Send;
}

/// One write: a single action of an account, or neighbours that change its own properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub object_id: Option<ObjectId>,
    /// The manager's account, for an action that sets one.
    pub manager: Option<ObjectId>,
    pub actions: Vec<Action>,
}

/// What the tenant said to one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done {
        request_id: Option<String>,
        /// The account that was created.
        object_id: Option<ObjectId>,
    },
    /// It was not done.
    Refused { why: Why, failure: ActionFailure },
    /// Nobody knows.
    Unknown(ActionFailure),
}

/// Why a write was not done: what to do next depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The same write would be refused again.
    Final,
    /// The object is not there, or not yet on the replica that answered.
    Missing,
    /// Another object has a value that has to be unique; perhaps our own lost create.
    Taken,
    /// It is so already.
    NothingLeft,
    /// Not now, after this many tries.
    Busy {
        retry_after: Option<Duration>,
        tries: u32,
    },
    /// The rest of the run is pointless.
    Fatal(RunFailure),
}

/// Why an account could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFailure {
    pub failure: ActionFailure,
    /// Set when the rest of the run is pointless.
    pub fatal: Option<Box<RunFailure>>,
}

/// The tenant, as narrow as an apply needs it.
pub trait Tenant: Send + Sync {
    /// Makes changes of different accounts, at most [`BATCH`]; an answer for each.
    fn write(&self, work: Vec<(usize, Work)>) -> impl Future<Output = Vec<(usize, Answer)>> + Send;

    /// Reads accounts back by object id; `None`: it is not there.
    fn accounts(
        &self,
        ids: Vec<(usize, ObjectId)>,
    ) -> impl Future<Output = Vec<(usize, Result<Option<Observation>, ReadFailure>)>> + Send;

    /// Finds accounts by the ImmutableId that was sent with their create.
    fn accounts_by_immutable_id(
        &self,
        ids: Vec<(usize, String)>,
    ) -> impl Future<Output = Vec<(usize, Result<Option<Observation>, ReadFailure>)>> + Send;
}

/// How an apply ended. Actions without an outcome were not carried out: ending the run in the
/// records skips them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every action has its outcome.
    Done,
    /// Somebody asked the run to stop.
    Cancelled,
    /// The rest of the run is pointless.
    Failed(RunFailure),
}

/// Time and chance of an apply.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub clock: &'a dyn Clock,
    pub random: &'a dyn Random,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Carries out what the journal's plan still has to do.
pub async fn apply<T: Tenant, J: Journal>(
    tenant: &T,
    journal: &J,
    surroundings: Surroundings<'_>,
) -> Result<Ended, J::Error> {
    engine::Engine::new(tenant, journal, surroundings)
        .run()
        .await
}
