//! Users who have the application: find or create their account, and bring it to what our
//! records say. Each step is small and in a fixed order, the order in which actions run.

use signpost_model::plan::{
    Action, Blocker, Disposition, LinkMethod, ManagerRef, NewValue, PlannedAction, Reason,
    TargetAttribute, UserPlan,
};
use signpost_model::provisioning::ManagerInput;
use signpost_model::text::{check_user_name, fold};
use signpost_model::{KnownAccount, PlanInput};

use super::licenses::{self, Holder};
use super::profile::{self, Differences, Rules};
use super::{Block as _, Planner, empty, guard, leave, waits_for};
use crate::desired::DesiredAccount;
use crate::ledger::{Hold, Ledger};
use crate::matching::{Match, candidate, find};

/// The account a user turns out to have.
#[derive(Clone, Copy)]
struct Target<'a> {
    account: &'a KnownAccount,
    method: LinkMethod,
    /// Not linked before: the account keeps what it has.
    first_contact: bool,
    ledger: &'a Ledger,
}

/// Plans a user who has the application.
pub(super) fn plan(
    planner: &mut Planner<'_>,
    input: &PlanInput,
    candidates: &[KnownAccount],
) -> UserPlan {
    let mut plan = empty(input);
    let context = &planner.context;
    let desired = DesiredAccount::of(
        &input.user,
        &input.groups,
        context.mapping,
        &context.facts.domain,
        context.grants,
    );
    let desired = match desired {
        Ok(desired) => desired,
        Err(problem) => {
            plan.block(Blocker::MappingFailed {
                attribute: problem.attribute,
                why: problem.why,
            });
            return plan;
        }
    };
    let name = (desired.values.get(&TargetAttribute::UserPrincipalName))
        .map(|name| fold(name))
        .unwrap_or_default();
    plan.desired_name = Some(name.clone());
    let ledger = Ledger::read(&input.owned);
    let nothing = Ledger::default();
    match find(input, candidates, &name, &ledger) {
        Match::Blocked(blocker) => plan.block(blocker),
        Match::Nobody => create(planner, input, &desired, &mut plan),
        Match::Linked(account, method) => {
            let target = Target {
                account,
                method,
                first_contact: false,
                ledger: &ledger,
            };
            update(planner, input, (&desired, target, candidates), &mut plan);
        }
        Match::Found(account, method) if planner.context.policy.adoption.asks(method) => {
            plan.block(Blocker::NeedsReview {
                candidate: candidate(account, method),
            });
        }
        Match::Found(account, method) => {
            let target = Target {
                account,
                method,
                first_contact: true,
                ledger: &nothing,
            };
            update(planner, input, (&desired, target, candidates), &mut plan);
        }
    }
    plan
}

fn create(
    planner: &mut Planner<'_>,
    input: &PlanInput,
    desired: &DesiredAccount,
    plan: &mut UserPlan,
) {
    plan.object_id = None;
    if !planner.context.policy.create_accounts {
        return plan.block(Blocker::CreationSwitchedOff);
    }
    if !desired.enabled {
        return plan.block(Blocker::UserDisabled);
    }
    let name = desired_name(desired);
    if let Some(blocker) = planner.name_problem(name) {
        return plan.block(blocker);
    }
    plan.disposition = Disposition::Create;
    plan.actions.push(PlannedAction {
        action: Action::CreateAccount {
            immutable_id: input.user.source_anchor.as_str().to_owned(),
            enabled: true,
            values: desired.values.clone().into_iter().collect(),
        },
        reason: Reason::Assigned,
    });
    let ledger = Ledger {
        created: true,
        ..Ledger::default()
    };
    let holder = Holder {
        seen: None,
        ledger: &ledger,
        has_usage_location: desired.values.contains_key(&TargetAttribute::UsageLocation),
        is_held: false,
        waits_for: &waits_for(input),
    };
    add_licenses(planner, desired, &holder, plan);
    add_manager(planner, input, None, plan);
}

fn update(
    planner: &mut Planner<'_>,
    input: &PlanInput,
    (desired, target, candidates): (&DesiredAccount, Target<'_>, &[KnownAccount]),
    plan: &mut UserPlan,
) {
    let seen = &target.account.observation;
    let (policy, facts) = (planner.context.policy, planner.context.facts);
    plan.object_id = Some(seen.object_id.clone());
    let off_limits = guard::guard(target.account, target.method, target.ledger, policy, facts);
    if let Some(blocker) = off_limits {
        return plan.block(blocker);
    }
    if target.first_contact {
        // Two users of one plan can fit one account; the account is nobody's twice.
        if !planner.claim(&format!("account {}", seen.object_id)) {
            let candidate = candidate(target.account, target.method);
            return plan.block(Blocker::LinkedWithAnotherUser { candidate });
        }
        plan.link = Some(target.method);
    }
    if seen.deleted {
        plan.push(Action::Restore, Reason::Returned);
    }
    let mut differences = Differences {
        ledger: target.ledger.clone(),
        ..Differences::default()
    };
    if policy.update_profiles {
        let rules = Rules {
            policy: &policy.drift,
            decided: &input.wishes.drift,
        };
        differences = profile::compare(
            &desired.values,
            seen,
            target.ledger,
            target.first_contact,
            rules,
        );
        if let Some(blocker) = add_profile(
            planner,
            input,
            desired,
            (target, &differences, candidates),
            plan,
        ) {
            return plan.block(blocker);
        }
    }
    let hold = input.wishes.hold(planner.context.now);
    if hold.is_none() || desired.enabled {
        add_sign_in(planner, desired, target, plan);
    }
    plan.due_at = hold;
    let sets_location = differences
        .changes
        .iter()
        .any(|change| change.attribute == TargetAttribute::UsageLocation);
    let holder = Holder {
        seen: (!seen.deleted).then_some(seen),
        ledger: target.ledger,
        has_usage_location: sets_location
            || profile::value_of(seen, TargetAttribute::UsageLocation).is_some(),
        is_held: hold.is_some(),
        waits_for: &waits_for(input),
    };
    if desired.enabled {
        add_licenses(planner, desired, &holder, plan);
    }
    let manager = add_manager(planner, input, Some(target), plan);
    if let Some(hold) = manager {
        differences.ledger.attributes.manager = Some(hold);
    }
    plan.owned = target.ledger.change_to(&differences.ledger).gained;
    plan.kept = differences.kept;
    plan.drifts = differences.drifts;
    plan.actions.sort_by_key(|planned| planned.action.kind());
    plan.disposition = disposition(plan, input, target);
}

fn disposition(plan: &UserPlan, input: &PlanInput, target: Target<'_>) -> Disposition {
    let returns = input.provisioning.removed_at.is_some()
        || plan
            .actions
            .iter()
            .any(|planned| planned.reason == Reason::Returned);
    if target.first_contact {
        Disposition::Adopt
    } else if plan.actions.is_empty() {
        Disposition::InSync
    } else if returns {
        Disposition::Return
    } else {
        Disposition::Update
    }
}

/// ImmutableId, user name and attributes. A name that cannot be had blocks the user: half a
/// change of identity helps nobody.
fn add_profile(
    planner: &mut Planner<'_>,
    input: &PlanInput,
    desired: &DesiredAccount,
    (target, differences, candidates): (Target<'_>, &Differences, &[KnownAccount]),
    plan: &mut UserPlan,
) -> Option<Blocker> {
    let seen = &target.account.observation;
    let anchor = input.user.source_anchor.as_str();
    if seen.immutable_id.as_deref() != Some(anchor) {
        plan.push(
            Action::SetImmutableId {
                before: seen.immutable_id.clone(),
                after: anchor.to_owned(),
            },
            Reason::ImmutableIdMissing,
        );
    }
    if differences.rename {
        let name = desired_name(desired);
        let holder = candidates.iter().find(|known| {
            known.observation.object_id != seen.object_id
                && !known.observation.deleted
                && fold(&known.observation.user_principal_name) == fold(name)
        });
        if let Some(holder) = holder {
            return Some(Blocker::UserNameTaken {
                candidate: candidate(holder, LinkMethod::UserPrincipalName),
            });
        }
        if let Some(blocker) = planner.name_problem(name) {
            return Some(blocker);
        }
        plan.push(
            Action::Rename {
                before: seen.user_principal_name.clone(),
                after: name.to_owned(),
            },
            Reason::UserNameChanged,
        );
    }
    if !differences.changes.is_empty() {
        let reason = if target.first_contact {
            Reason::AdoptedAccountLacksIt
        } else {
            Reason::ProfileDiffers
        };
        let changes = differences.changes.clone();
        debug_assert!(changes.iter().all(|change| change.after != NewValue::Keep));
        plan.push(Action::UpdateProfile { changes }, reason);
    }
    None
}

/// Sign-in is given back only where Signpost took it, and taken from whoever is switched off.
fn add_sign_in(
    planner: &Planner<'_>,
    desired: &DesiredAccount,
    target: Target<'_>,
    plan: &mut UserPlan,
) {
    let seen = &target.account.observation;
    let is_ours = target.ledger.block.is_some() || seen.deleted;
    if !desired.enabled {
        let policy = planner.context.policy;
        let blocks = leave::block(seen, target.ledger, policy, Reason::UserDisabled);
        plan.actions.extend(blocks);
    } else if !seen.enabled && is_ours {
        plan.push(Action::Enable, Reason::Returned);
    }
}

fn add_licenses(
    planner: &mut Planner<'_>,
    desired: &DesiredAccount,
    holder: &Holder<'_>,
    plan: &mut UserPlan,
) {
    if !planner.context.policy.assign_licenses {
        return;
    }
    let facts = planner.context.facts;
    let wanted = (&desired.licenses, &desired.inherited);
    let step = licenses::plan(wanted, holder, facts, &mut planner.seats);
    plan.actions.extend(step.actions);
    plan.blockers.extend(step.blockers);
}

/// Sets the manager, and returns what is to be noted about it.
fn add_manager(
    planner: &Planner<'_>,
    input: &PlanInput,
    target: Option<Target<'_>>,
    plan: &mut UserPlan,
) -> Option<Hold> {
    if !planner.context.policy.update_profiles {
        return None;
    }
    let before = target.and_then(|target| target.account.observation.manager.clone());
    let hold = match target {
        Some(target) => target.ledger.manager(),
        None => Some(Hold::Kept(String::new())),
    };
    let first_contact = target.is_some_and(|target| target.first_contact);
    let is_ours = matches!(hold, Some(Hold::Ours(_)));
    // Nobody manages themselves: such a record says nothing, and changes nothing.
    let manager = input
        .manager
        .as_ref()
        .filter(|manager| manager.user_id != input.user.id);
    let Some(manager) = manager else {
        if input.user.profile.manager_id.is_some() || before.is_none() {
            return None;
        }
        if is_ours {
            let after = None;
            plan.push(Action::SetManager { before, after }, Reason::ManagerChanged);
            return None;
        }
        return (first_contact && hold.is_none()).then(|| Hold::Kept(String::new()));
    };
    let wanted = manager.user_id.to_string();
    if before.is_some() && before == manager.object_id {
        return (!is_ours).then_some(Hold::Ours(wanted));
    }
    match (&before, &hold) {
        (Some(_), Some(Hold::Kept(said))) if *said == wanted => return None,
        (Some(_), None) => return Some(Hold::Kept(wanted)),
        _ => {}
    }
    set_manager(manager, before, plan);
    None
}

fn set_manager(
    manager: &ManagerInput,
    before: Option<signpost_model::plan::ObjectId>,
    plan: &mut UserPlan,
) {
    if manager.object_id.is_none() && !manager.expected {
        return;
    }
    let after = Some(ManagerRef {
        user_id: manager.user_id,
        display_name: manager.display_name.clone(),
    });
    plan.push(Action::SetManager { before, after }, Reason::ManagerChanged);
}

fn desired_name(desired: &DesiredAccount) -> &str {
    desired
        .values
        .get(&TargetAttribute::UserPrincipalName)
        .map_or("", String::as_str)
}

impl Planner<'_> {
    /// Why an account cannot get this user name; claims it when it can.
    fn name_problem(&mut self, name: &str) -> Option<Blocker> {
        if let Err(problem) = check_user_name(name) {
            return Some(Blocker::UserNameInvalid {
                value: name.to_owned(),
                why: problem.to_string(),
            });
        }
        let domain = name.split_once('@').map_or("", |(_, domain)| domain);
        if !self.context.facts.is_verified(domain) {
            return Some(Blocker::DomainNotVerified {
                domain: domain.to_owned(),
            });
        }
        if !self.claim(&format!("name {}", fold(name))) {
            return Some(Blocker::UserNameTwice {
                value: name.to_owned(),
            });
        }
        None
    }
}

trait Push {
    fn push(&mut self, action: Action, reason: Reason);
}

impl Push for UserPlan {
    fn push(&mut self, action: Action, reason: Reason) {
        self.actions.push(PlannedAction { action, reason });
    }
}
