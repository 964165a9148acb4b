//! Changes to a tenant itself: planned from what was asked and what was read, then carried out.
//!
//! A change is made only while the tenant is as its plan says, is read back afterwards, and counts
//! as done when the tenant shows it: Microsoft Graph says yes to changes it does not keep, and
//! answers can get lost. Changes of the same subject run in order, others side by side.

mod engine;
pub mod federation;
mod graph_federation;
mod graph_settings;
mod own_credential;
mod plan;

use std::future::Future;

use signpost_model::TenantAction;
use signpost_model::run::Outcome;

pub use crate::apply::{Answer, Ended, ReadFailure, Signal, Surroundings, Why};
pub use engine::apply;
pub use graph_federation::read_domain;
pub use graph_settings::{GraphSettings, per_user_mfa};
pub use own_credential::{InUse, OwnCredential};
pub use plan::{
    AskedAccount, ListedCertificate, ListedCredential, ListedSecret, PutBack, TenantPlan,
    WaitingCertificate, hash, put_back, renew_secret, set_security_defaults, turn_off_per_user_mfa,
    use_certificate,
};

/// The most changes that are under way side by side.
pub const SIDE_BY_SIDE: usize = 20;

/// A change of a stored plan that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place in the plan.
    pub sequence: i64,
    pub action: TenantAction,
    /// It was sent by a worker that died: nobody knows whether it happened.
    pub sent: bool,
}

/// Where the tenant stands between the two sides of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As the plan was made from.
    Before,
    /// As the change leaves it.
    After,
    /// Neither: somebody else changed it.
    Other,
}

/// The tenant, as narrow as these changes need it.
pub trait TenantSettings: Send + Sync {
    /// Reads where each of these changes stands; an answer for each.
    fn standings(
        &self,
        actions: Vec<(usize, TenantAction)>,
    ) -> impl Future<Output = Vec<(usize, Result<Standing, ReadFailure>)>> + Send;

    /// Makes these changes, each on a subject of its own; an answer for each.
    fn write(
        &self,
        actions: Vec<(usize, TenantAction)>,
    ) -> impl Future<Output = Vec<(usize, Answer)>> + Send;
}

/// Our records of the run. An error ends the apply at once, without another write.
pub trait TenantJournal: Send + Sync {
    /// What the records' store can fail with.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The next changes after a place that have no outcome, in order; fewer than `limit` mean that
    /// there are no more.
    fn next(
        &self,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Step>, Self::Error>> + Send;

    /// Notes that these changes are being sent, with the values that they replace.
    fn mark_sent(
        &self,
        sequences: &[i64],
    ) -> impl Future<Output = Result<Signal, Self::Error>> + Send;

    /// Notes what became of changes.
    fn record(
        &self,
        outcomes: &[(i64, Outcome)],
    ) -> impl Future<Output = Result<Signal, Self::Error>> + Send;
}
