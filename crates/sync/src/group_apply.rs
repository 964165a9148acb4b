//! Carries out what a plan decided about pushed groups.
//!
//! Two writes on one group at a time give conflicts, so a group has at most one call under way.
//! Writes on twenty groups go side by side in one batch; where fewer groups have work, a batch
//! carries several writes of one group, each behind the one before. What was sent without an answer
//! is read back before anything is repeated.

mod chain;
mod engine;
mod graph_groups;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;

use signpost_model::group_push::{GroupAction, TenantGroup};
use signpost_model::plan::{ObjectId, PlannedLicense};
use signpost_model::run::Outcome;
use signpost_model::{GroupId, UserId};

use crate::apply::{Answer, Ended, ReadFailure, Signal, Surroundings};
pub use graph_groups::GraphGroups;

/// A group that has something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChain {
    pub group_id: GroupId,
    /// The tenant's group as last seen; `None` until it is created.
    pub group: Option<TenantGroup>,
}

/// One action on a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStep {
    /// Its place in the plan.
    pub sequence: i64,
    pub action: GroupAction,
    /// It was sent by a worker that died: nobody knows whether it happened.
    pub sent: bool,
}

/// The outcome of one action, and what follows from it: to be stored in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRecorded {
    pub sequence: i64,
    pub group_id: GroupId,
    pub outcome: Outcome,
    pub effects: Vec<GroupEffect>,
}

/// What an action on a group changes in our records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEffect {
    /// The pushed group is this group of the tenant, which Signpost made.
    Created(TenantGroup),
    /// The tenant's group is like this now.
    Changed(TenantGroup),
    /// These accounts are in the group; `ours`: because Signpost put them there.
    Entered {
        group: ObjectId,
        accounts: Vec<ObjectId>,
        ours: bool,
    },
    /// These accounts are not in the group.
    Left {
        group: ObjectId,
        accounts: Vec<ObjectId>,
    },
    /// The group gives these, and no longer gives those.
    Licensed {
        group: ObjectId,
        gained: Vec<PlannedLicense>,
        lost: Vec<String>,
    },
    /// The tenant's group is gone.
    Deleted(ObjectId),
}

/// Our records of the run, as far as they are about groups.
pub trait GroupJournal: Send + Sync {
    /// What the records' store can fail with.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The next groups after a place that have actions without an outcome; fewer than `limit` mean
    /// that there are no more.
    fn next_groups(
        &self,
        after: Option<GroupId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<GroupChain>, Self::Error>> + Send;

    /// The next actions of a group after a place that have no outcome, in order.
    fn next_steps(
        &self,
        group: GroupId,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<GroupStep>, Self::Error>> + Send;

    /// The accounts of these users, of those that have one.
    fn accounts_of(
        &self,
        users: &[UserId],
    ) -> impl Future<Output = Result<HashMap<UserId, ObjectId>, Self::Error>> + Send;

    /// Notes that these actions are being sent.
    fn mark_sent(
        &self,
        sequences: &[i64],
    ) -> impl Future<Output = Result<Signal, Self::Error>> + Send;

    /// Notes what became of actions, with everything that follows from it.
    fn record(
        &self,
        recorded: &[GroupRecorded],
    ) -> impl Future<Output = Result<Signal, Self::Error>> + Send;
}

/// One write on a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupWrite {
    Create {
        name: String,
        description: String,
        mail_nickname: String,
    },
    Update {
        group: ObjectId,
        name: Option<String>,
        /// Empty clears it.
        description: Option<String>,
    },
    Add {
        group: ObjectId,
        accounts: Vec<ObjectId>,
    },
    Remove {
        group: ObjectId,
        account: ObjectId,
    },
    License {
        group: ObjectId,
        add: Vec<PlannedLicense>,
        remove: Vec<PlannedLicense>,
    },
    Delete {
        group: ObjectId,
    },
}

/// How the writes of one batch relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Each is about another group.
    Any,
    /// Each begins when the one before has ended.
    Kept,
}

/// The tenant's groups, as narrow as an apply needs them.
pub trait GroupTenant: Send + Sync {
    /// Makes changes, at most [`crate::apply::BATCH`]; an answer for each.
    fn write(
        &self,
        work: Vec<(usize, GroupWrite)>,
        order: Order,
    ) -> impl Future<Output = Vec<(usize, Answer)>> + Send;

    /// Reads a group; `None`: it is not there.
    fn group(
        &self,
        id: &ObjectId,
    ) -> impl Future<Output = Result<Option<TenantGroup>, ReadFailure>> + Send;

    /// Finds a group by the mail alias that was sent with its create.
    fn find(
        &self,
        mail_nickname: &str,
    ) -> impl Future<Output = Result<Option<TenantGroup>, ReadFailure>> + Send;

    /// Reads who is in a group.
    fn members(
        &self,
        id: &ObjectId,
    ) -> impl Future<Output = Result<BTreeSet<ObjectId>, ReadFailure>> + Send;
}

/// Carries out what the journal's plan still has to do to groups.
pub async fn apply_groups<T: GroupTenant, J: GroupJournal>(
    tenant: &T,
    journal: &J,
    surroundings: Surroundings<'_>,
) -> Result<Ended, J::Error> {
    engine::Engine::new(tenant, journal, surroundings)
        .run()
        .await
}
