//! The planner: every decision a sync makes, and nothing but decisions.
//!
//! It is pure and total: data never makes it fail, it blocks. One [`Planner`] plans one run;
//! users are handed in one at a time, so that a plan of any size needs little memory. What users
//! share (seats, user names) is given away in the order in which they come, so **hand them in by
//! ascending user id**: ids sort by when a user came into the directory, so whoever was there
//! first gets the last seat, whatever order the store or the source happens to have.

mod guard;
mod leave;
mod licenses;
mod profile;
mod restore;
mod seats;
mod stay;

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};
use signpost_model::license::Grant;
use signpost_model::plan::{Blocker, Disposition, Reason, UserPlan};
use signpost_model::provisioning::{Decision, LastOutcome};
use signpost_model::run::{Tally, WaitsFor};
use signpost_model::text::fold;
use signpost_model::{KnownAccount, PlanInput, Policy, Timestamp};

use crate::facts::TenantFacts;
use crate::ledger::Ledger;
use crate::mapping::Mapping;
use crate::matching::Lookup;
use seats::Seats;

pub use leave::LeavingDates;
pub(crate) use profile::{same, value_of};

/// Everything a plan is made from, apart from the users.
#[derive(Debug)]
pub struct Context<'a> {
    pub facts: &'a TenantFacts,
    pub policy: &'a Policy,
    pub mapping: &'a Mapping,
    pub grants: &'a [Grant],
    pub now: Timestamp,
    /// How many accounts are linked: the limit on removals is a share of them.
    pub linked: i64,
}

/// Plans one run, user by user.
#[derive(Debug)]
pub struct Planner<'a> {
    context: Context<'a>,
    seats: Seats,
    /// User names that this plan gives and accounts that it adopts, hashed: a first sync of any
    /// size fits.
    claims: HashSet<u64>,
    tally: Tally,
    choices: i64,
    hash: Sha256,
}

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSummary {
    pub tally: Tally,
    /// Why the run has to wait for a person, if it has.
    pub waits_for: Option<WaitsFor>,
    /// SHA-256 over every decision in order: binds an approval to what was shown.
    pub hash: String,
    /// Seats the plan gives away, by product.
    pub seats: BTreeMap<String, i64>,
}

impl<'a> Planner<'a> {
    /// A planner for one run.
    pub fn new(context: Context<'a>) -> Self {
        Self {
            seats: Seats::of(&context.facts.products),
            claims: HashSet::new(),
            tally: Tally::default(),
            choices: 0,
            hash: Sha256::new(),
            context,
        }
    }

    /// The same planner, which keeps seats for those who wait for one (how many, by product) before
    /// it gives any to newcomers.
    #[must_use]
    pub fn with_waiting(mut self, waiting: BTreeMap<String, i64>) -> Self {
        self.seats.waiting = waiting;
        self
    }

    /// The same planner, which gives these products instead of others that have no seats left.
    #[must_use]
    pub fn with_fallbacks(mut self, fallbacks: BTreeMap<String, Vec<String>>) -> Self {
        self.seats.fallbacks = fallbacks;
        self
    }

    /// What accounts to look up before this user is planned; `None`: nothing beyond the link.
    pub fn lookup(&self, input: &PlanInput) -> Option<Lookup> {
        if !has_access(input) || input.decision == Some(Decision::LeaveOut) {
            return None;
        }
        let domain = &self.context.facts.domain;
        let name = self
            .context
            .mapping
            .user_principal_name(&input.user, domain);
        let name = name.map(|name| fold(&name));
        let chosen = match &input.decision {
            Some(Decision::Link(object_id)) => Some(object_id.clone()),
            _ => None,
        };
        if let (Some(link), Some(account)) = (&input.link, &input.account) {
            let is_same = chosen
                .as_ref()
                .is_none_or(|chosen| *chosen == link.object_id);
            if is_same {
                let current = fold(&account.observation.user_principal_name);
                let wanted = name.filter(|name| *name != current)?;
                return Some(Lookup {
                    user_principal_name: Some(wanted),
                    ..Lookup::default()
                });
            }
        }
        let mail = fold(&input.user.profile.mail);
        Some(Lookup {
            immutable_id: Some(input.user.source_anchor.as_str().to_owned()),
            user_principal_name: name,
            mail: (!mail.is_empty()).then_some(mail),
            object_id: chosen,
        })
    }

    /// Plans one user; `candidates` are the accounts that the user's [`Planner::lookup`] found.
    pub fn user(&mut self, input: &PlanInput, candidates: &[KnownAccount]) -> UserPlan {
        for sku_id in waits_for(input) {
            self.seats.come(&sku_id);
        }
        let plan = self.decide(input, candidates);
        self.count(&plan);
        plan
    }

    /// From how many accounts the plan takes something, so far.
    pub fn removals(&self) -> i64 {
        self.tally.removals
    }

    /// Counts, limits and hash of everything that was planned.
    pub fn finish(self) -> PlanSummary {
        self.finish_after(0)
    }

    /// The same, when earlier runs took something from so many accounts unasked: a limit that
    /// every small run passes alone would be none.
    pub fn finish_after(self, earlier: i64) -> PlanSummary {
        self.finish_with(earlier, 0)
    }

    /// The same, when the run also takes memberships from so many other accounts.
    pub fn finish_with(self, earlier: i64, also: i64) -> PlanSummary {
        let allowed = self.context.policy.limits.allowed(self.context.linked);
        let removals = self.tally.removals.saturating_add(also);
        let waits_for = if removals > 0 && removals.saturating_add(earlier) > allowed {
            Some(WaitsFor::Limit {
                removals,
                earlier,
                allowed,
            })
        } else if self.choices > 0 {
            Some(WaitsFor::Choices {
                users: self.choices,
            })
        } else {
            None
        };
        PlanSummary {
            tally: self.tally,
            waits_for,
            hash: hex(&self.hash.finalize()),
            seats: self.seats.into_planned(),
        }
    }

    fn decide(&mut self, input: &PlanInput, candidates: &[KnownAccount]) -> UserPlan {
        if let Some(wish) = &input.wishes.restore
            && let (Some(link), Some(account)) = (&input.link, &input.account)
            && link.object_id == wish.object_id
        {
            return restore::plan(self, input, (account, link.method), wish);
        }
        if input.decision == Some(Decision::LeaveOut) {
            return UserPlan {
                disposition: Disposition::LeftOut,
                ..empty(input)
            };
        }
        if has_access(input) {
            stay::plan(self, input, candidates)
        } else {
            self.leave(input)
        }
    }

    fn leave(&self, input: &PlanInput) -> UserPlan {
        let Context {
            policy, facts, now, ..
        } = self.context;
        let removed_at = input.provisioning.removed_at.unwrap_or(now);
        let mut plan = UserPlan {
            disposition: Disposition::Left,
            removed_at: Some(removed_at),
            ..empty(input)
        };
        let (Some(link), Some(account)) = (&input.link, &input.account) else {
            return plan;
        };
        plan.object_id = Some(link.object_id.clone());
        let ledger = Ledger::read(&input.owned);
        if let Some(blocker) = guard::guard(account, link.method, &ledger, policy, facts) {
            plan.block(blocker);
            return plan;
        }
        let reason = if input.user.deleted_at.is_some() {
            Reason::UserDeleted
        } else {
            Reason::RemovedFromAssignment
        };
        let seen = &account.observation;
        let dates = LeavingDates::of(policy, removed_at, input.wishes.hold(now));
        let step = leave::plan(seen, &ledger, policy, facts, (dates, reason, now));
        if !step.actions.is_empty() || step.due_at.is_some() {
            plan.disposition = Disposition::Leaving;
        }
        plan.actions = step.actions;
        plan.due_at = step.due_at;
        plan
    }

    fn count(&mut self, plan: &UserPlan) {
        self.tally.users += 1;
        match plan.disposition {
            Disposition::InSync => self.tally.in_sync += 1,
            Disposition::Blocked => self.tally.blocked += 1,
            _ => {}
        }
        self.tally.actions += i64::try_from(plan.actions.len()).unwrap_or(i64::MAX);
        self.tally.removals += i64::from(plan.takes_something());
        self.choices += i64::from(plan.needs_choice());
        let is_quiet = plan.actions.is_empty()
            && plan.blockers.is_empty()
            && plan.link.is_none()
            && plan.owned.is_empty();
        if !is_quiet {
            // A plan is maps and lists of text, which always have a JSON form.
            self.hash
                .update(serde_json::to_vec(plan).unwrap_or_default());
            self.hash.update(b"\n");
        }
    }

    /// Claims what only one user can have; `false` when an earlier user of the plan has it.
    fn claim(&mut self, what: &str) -> bool {
        let digest = Sha256::digest(what.as_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        self.claims.insert(u64::from_be_bytes(bytes))
    }
}

/// Whether the user is meant to have an account.
fn has_access(input: &PlanInput) -> bool {
    input.in_scope && input.user.deleted_at.is_none()
}

/// A plan in which nothing happens yet.
fn empty(input: &PlanInput) -> UserPlan {
    UserPlan {
        user_id: input.user.id,
        display_name: input.user.profile.display_name.clone(),
        disposition: Disposition::InSync,
        object_id: input.link.as_ref().map(|link| link.object_id.clone()),
        link: None,
        owned: Vec::new(),
        actions: Vec::new(),
        blockers: Vec::new(),
        kept: Vec::new(),
        drifts: Vec::new(),
        removed_at: None,
        due_at: None,
        desired_name: None,
    }
}

/// Products for a seat of which the user has waited since an earlier plan.
fn waits_for(input: &PlanInput) -> Vec<String> {
    let Some(LastOutcome::Blocked(blockers)) = &input.provisioning.last_outcome else {
        return Vec::new();
    };
    (blockers.iter())
        .filter_map(|blocker| match blocker {
            Blocker::NoSeats { sku_id, .. } => Some(sku_id.clone()),
            _ => None,
        })
        .collect()
}

/// Leaves a user alone, with the reason.
trait Block {
    fn block(&mut self, blocker: Blocker);
}

impl Block for UserPlan {
    fn block(&mut self, blocker: Blocker) {
        self.disposition = Disposition::Blocked;
        self.actions.clear();
        self.link = None;
        self.owned.clear();
        self.kept.clear();
        self.drifts.clear();
        self.blockers.push(blocker);
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    (bytes.iter())
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
