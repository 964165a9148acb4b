//! Users who lost the application: block, end sessions, take licenses back, delete when the
//! days are over. Each step only if the Actions say so, and only what is ours to take.

use signpost_model::plan::{Action, PlannedAction, Reason};
use signpost_model::{Observation, Policy, Timestamp};

use super::licenses::{Holder, owned};
use crate::facts::TenantFacts;
use crate::ledger::{Block, Ledger};

/// What is left to do for somebody who left.
#[derive(Debug, Default)]
pub(super) struct LeaveStep {
    pub(super) actions: Vec<PlannedAction>,
    /// When the account will be deleted, while that day is still to come.
    pub(super) due_at: Option<Timestamp>,
}

/// Plans the steps of leaving that are due.
pub(super) fn plan(
    seen: &Observation,
    ledger: &Ledger,
    policy: &Policy,
    facts: &TenantFacts,
    (removed_at, reason, now): (Timestamp, Reason, Timestamp),
) -> LeaveStep {
    let mut step = LeaveStep::default();
    if seen.deleted {
        return step;
    }
    let delete_at = removed_at.plus_days(i64::from(policy.days_before_deletion));
    if policy.delete_accounts && now >= delete_at {
        // One write does it all: a deleted account has no sign-in, no sessions and no seat.
        step.actions.push(PlannedAction {
            action: Action::Delete,
            reason: Reason::GracePeriodOver,
        });
        return step;
    }
    step.due_at = policy.delete_accounts.then_some(delete_at);
    step.actions = block(seen, ledger, policy, reason);
    let holder = Holder {
        seen: Some(seen),
        ledger,
        has_usage_location: true,
    };
    let licenses = owned(&holder, facts);
    if policy.remove_licenses && !licenses.is_empty() {
        step.actions.push(PlannedAction {
            action: Action::RemoveLicenses { licenses },
            reason,
        });
    }
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
