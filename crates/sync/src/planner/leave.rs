//! Users who lost the application: block, end sessions, take licenses back, delete when the
//! days are over. Each step only if the Actions say so, and only what is ours to take.

use signpost_model::plan::{Action, PlannedAction, Reason};
use signpost_model::{Observation, Policy, Timestamp};

use super::licenses::{Holder, owned};
use crate::facts::TenantFacts;
use crate::ledger::{Block, Ledger};

/// When each step of leaving is due; a step that is switched off has no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeavingDates {
    pub block_at: Option<Timestamp>,
    pub licenses_at: Option<Timestamp>,
    pub delete_at: Option<Timestamp>,
}

impl LeavingDates {
    /// The dates of somebody who lost the application at `removed_at`. Nothing happens before
    /// `held_until`; the days before deletion begin when deleting was switched on, so that nobody
    /// who left long ago is deleted at once.
    pub fn of(policy: &Policy, removed_at: Timestamp, held_until: Option<Timestamp>) -> Self {
        let held = |at: Timestamp| held_until.map_or(at, |until| at.max(until));
        let after = |from: Timestamp, days: u16| held(from.plus_days(i64::from(days)));
        let counted_from = policy
            .deletes_since
            .map_or(removed_at, |since| since.max(removed_at));
        Self {
            block_at: policy.block_sign_in.then(|| held(removed_at)),
            licenses_at: policy
                .remove_licenses
                .then(|| after(removed_at, policy.days_before_license_removal)),
            delete_at: policy
                .delete_accounts
                .then(|| after(counted_from, policy.days_before_deletion)),
        }
    }

    /// The first date after `now`.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        [self.block_at, self.licenses_at, self.delete_at]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
    }
}

/// What is left to do for somebody who left.
#[derive(Debug, Default)]
pub(super) struct LeaveStep {
    pub(super) actions: Vec<PlannedAction>,
    /// When the next step is due, while one is still to come.
    pub(super) due_at: Option<Timestamp>,
}

/// Plans the steps of leaving that are due.
pub(super) fn plan(
    seen: &Observation,
    ledger: &Ledger,
    policy: &Policy,
    facts: &TenantFacts,
    (dates, reason, now): (LeavingDates, Reason, Timestamp),
) -> LeaveStep {
    let mut step = LeaveStep::default();
    if seen.deleted {
        return step;
    }
    let is_due = |at: Option<Timestamp>| at.is_some_and(|at| now >= at);
    if is_due(dates.delete_at) {
        // One write does it all: a deleted account has no sign-in, no sessions and no seat.
        step.actions.push(PlannedAction {
            action: Action::Delete,
            reason: Reason::GracePeriodOver,
        });
        return step;
    }
    if is_due(dates.block_at) {
        step.actions = block(seen, ledger, policy, reason);
    }
    let holder = Holder {
        seen: Some(seen),
        ledger,
        has_usage_location: true,
        is_held: false,
        waits_for: &[],
    };
    let licenses = owned(&holder, facts);
    if is_due(dates.licenses_at) && !licenses.is_empty() {
        step.actions.push(PlannedAction {
            action: Action::RemoveLicenses { licenses },
            reason,
        });
    }
    step.due_at = dates.next(now);
    step
}

/// Blocks the sign-in, and ends the sessions of whoever Signpost blocks or has blocked: a run
/// that stopped between the two is finished by the next.
pub(super) fn block(
    seen: &Observation,
    ledger: &Ledger,
    policy: &Policy,
    reason: Reason,
) -> Vec<PlannedAction> {
    let mut actions = Vec::new();
    let blocks = policy.block_sign_in && seen.enabled;
    if blocks {
        let action = Action::BlockSignIn;
        actions.push(PlannedAction { action, reason });
    }
    let is_owed = blocks || (!seen.enabled && ledger.block == Some(Block::SignIn));
    if policy.end_sessions && is_owed {
        let action = Action::RevokeSessions;
        actions.push(PlannedAction { action, reason });
    }
    actions
}
