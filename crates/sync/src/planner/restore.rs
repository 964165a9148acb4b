//! Bringing back what an account held before: asked for by an operator, and nothing beyond it.

use signpost_model::plan::{
    Action, Disposition, LinkMethod, ManagerRef, PlannedAction, Reason, TargetAttribute, UserPlan,
};
use signpost_model::provisioning::RestoreWish;
use signpost_model::{KnownAccount, PlanInput};

use super::licenses::{self, Holder};
use super::{Block as _, Planner, empty, guard, profile};
use crate::desired::Licenses;
use crate::ledger::Ledger;

/// Plans what the wish asks for. The user is planned by the records again right afterwards.
pub(super) fn plan(
    planner: &mut Planner<'_>,
    input: &PlanInput,
    (account, method): (&KnownAccount, LinkMethod),
    wish: &RestoreWish,
) -> UserPlan {
    let mut plan = empty(input);
    plan.removed_at = input.provisioning.removed_at;
    plan.desired_name
        .clone_from(&input.provisioning.desired_name);
    let (policy, facts) = (planner.context.policy, planner.context.facts);
    let ledger = Ledger::read(&input.owned);
    if let Some(blocker) = guard::guard(account, method, &ledger, policy, facts) {
        plan.block(blocker);
        return plan;
    }
    let seen = &account.observation;
    let mut push = |action| {
        plan.actions.push(PlannedAction {
            action,
            reason: Reason::Restored,
        });
    };
    if seen.deleted {
        push(Action::Restore);
    }
    if wish.enabled && !seen.enabled {
        push(Action::Enable);
    }
    for group in &wish.groups {
        if !ledger.groups.contains(group) {
            push(Action::AddToGroup {
                group_object_id: group.clone(),
                name: group.to_string(),
            });
        }
    }
    if let Some(manager) = &wish.manager
        && seen.manager != manager.object_id
        && manager.object_id.is_some()
    {
        push(Action::SetManager {
            before: seen.manager.clone(),
            after: Some(ManagerRef {
                user_id: manager.user_id,
                display_name: manager.display_name.clone(),
            }),
        });
    }
    let holder = Holder {
        seen: (!seen.deleted).then_some(seen),
        ledger: &ledger,
        has_usage_location: profile::value_of(seen, TargetAttribute::UsageLocation).is_some(),
        is_held: true,
        waits_for: &[],
    };
    let wanted = (&wanted(wish), &Licenses::new());
    let step = licenses::plan(wanted, &holder, facts, &mut planner.seats);
    let mut added = step.actions;
    for planned in &mut added {
        planned.reason = Reason::Restored;
    }
    plan.actions.extend(added);
    plan.blockers.extend(step.blockers);
    plan.actions.sort_by_key(|planned| planned.action.kind());
    plan.disposition = Disposition::Return;
    plan.due_at = Some(planner.context.now);
    plan
}

fn wanted(wish: &RestoreWish) -> Licenses {
    wish.licenses
        .iter()
        .filter(|held| held.from_group.is_none())
        .map(|held| {
            let disabled = held.disabled_plans.iter().cloned().collect();
            (held.sku_id.clone(), disabled)
        })
        .collect()
}
