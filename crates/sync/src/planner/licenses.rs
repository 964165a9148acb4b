//! Licenses: what to give, what to take back, and who waits for what.

use std::collections::BTreeSet;

use signpost_model::license::Product;
use signpost_model::plan::{Action, Blocker, PlannedAction, PlannedLicense, Reason};
use signpost_model::{Observation, ObservedLicense};

use super::seats::Seats;
use crate::desired::{Licenses, known_plans};
use crate::facts::TenantFacts;
use crate::ledger::Ledger;
use crate::license_rules::{License, Objection, objection};

/// What the license step decided for one user.
#[derive(Debug, Default)]
pub(super) struct LicenseStep {
    pub(super) actions: Vec<PlannedAction>,
    pub(super) blockers: Vec<Blocker>,
}

/// The account's side of the step.
#[derive(Debug)]
pub(super) struct Holder<'a> {
    /// `None`: the account does not exist yet, or comes back from the deleted items.
    pub(super) seen: Option<&'a Observation>,
    pub(super) ledger: &'a Ledger,
    /// The usage location the account will have when the step runs.
    pub(super) has_usage_location: bool,
    /// Nothing is taken from the account for now.
    pub(super) is_held: bool,
    /// Products for a seat of which the user has waited.
    pub(super) waits_for: &'a [String],
}

impl Holder<'_> {
    /// The directly assigned plans-off of a product, sorted; `None` when not directly assigned.
    fn direct(&self, sku_id: &str) -> Option<&[String]> {
        let mut held = self.seen?.licenses.iter();
        held.find(|held| held.sku_id == sku_id && held.from_group.is_none())
            .map(|held| held.disabled_plans.as_slice())
    }

    fn has_waited_for(&self, sku_id: &str) -> bool {
        self.waits_for.iter().any(|waited| waited == sku_id)
    }

    fn holds(&self, sku_id: &str) -> bool {
        self.seen
            .is_some_and(|seen| seen.licenses.iter().any(|held| held.sku_id == sku_id))
    }

    /// Whether a group of the tenant gives the product.
    fn inherits(&self, sku_id: &str) -> bool {
        let is_it = |held: &ObservedLicense| held.sku_id == sku_id && held.from_group.is_some();
        self.seen
            .is_some_and(|seen| seen.licenses.iter().any(is_it))
    }

    /// Whether all that gives the product is a group from which this run takes it.
    fn loses(&self, sku_id: &str, facts: &TenantFacts) -> bool {
        let is_lost = |held: &ObservedLicense| {
            let from = held.from_group.clone();
            from.is_some_and(|group| facts.withdrawn.contains(&(group, sku_id.to_owned())))
        };
        self.seen.is_some_and(|seen| {
            let mut held = seen.licenses.iter().filter(|held| held.sku_id == sku_id);
            held.all(is_lost)
        })
    }
}

/// Gives what is granted and takes back what Signpost gave and nobody grants any more. A license
/// that is of others, or comes from a group of the tenant, is never touched.
///
/// What a pushed group is to give (`inherited`) is never given directly: here its seats are
/// reserved, and what Microsoft would object to is foreseen. What Signpost once gave directly goes
/// only when the group's license has come.
pub(super) fn plan(
    (desired, inherited): (&Licenses, &Licenses),
    holder: &Holder<'_>,
    facts: &TenantFacts,
    seats: &mut Seats,
) -> LicenseStep {
    let mut step = LicenseStep::default();
    let desired = &with_fallbacks(desired, holder, seats);
    let given_up = given_up((desired, inherited), holder, facts);
    let mut others = kept_licenses(holder, facts, &given_up);
    let mut add = Vec::new();
    for (sku_id, disabled) in desired {
        let product = facts.product(sku_id);
        let disabled = match product {
            Some(product) => known_plans(disabled, product),
            None => disabled.iter().cloned().collect(),
        };
        let is_replacement = match holder.direct(sku_id) {
            Some(held) if held == disabled => continue,
            Some(_) if !holder.ledger.licenses.contains_key(sku_id) => continue,
            Some(_) => true,
            // The seat stays the same one when the group's license goes afterwards.
            None if holder.holds(sku_id) && holder.loses(sku_id, facts) => true,
            None if holder.holds(sku_id) => continue,
            None => false,
        };
        let license = PlannedLicense {
            sku_id: sku_id.clone(),
            name: product.map_or_else(|| sku_id.clone(), |product| product.name.clone()),
            disabled_plans: disabled,
        };
        let planned = product.map(|product| enabled_plans(product, &license.disabled_plans));
        let waits_for = objection_to(&license, planned.as_ref(), &others, holder)
            .or_else(|| no_seat(&license, is_replacement, holder, seats));
        if let Some(blocker) = waits_for {
            if !step.blockers.contains(&blocker) {
                step.blockers.push(blocker);
            }
            continue;
        }
        if !is_replacement {
            seats.take(sku_id);
        }
        others.extend(planned);
        add.push(license);
    }
    for (sku_id, disabled) in inherited {
        if desired.contains_key(sku_id) || holder.holds(sku_id) {
            continue;
        }
        let Some(product) = facts.product(sku_id) else {
            continue;
        };
        let license = PlannedLicense {
            sku_id: sku_id.clone(),
            name: product.name.clone(),
            disabled_plans: known_plans(disabled, product),
        };
        let planned = enabled_plans(product, &license.disabled_plans);
        // Microsoft takes the tenant's country for whoever has none.
        let located = Holder {
            has_usage_location: true,
            ..*holder
        };
        let waits_for = objection_to(&license, Some(&planned), &others, &located)
            .or_else(|| no_seat(&license, false, holder, seats));
        match waits_for {
            Some(blocker) => step.blockers.push(blocker),
            None => seats.take(sku_id),
        }
        others.push(planned);
    }
    // A swap gives the old license up only together with the new one: nobody is left without.
    let remove = if step.blockers.is_empty() {
        given_up
    } else {
        Vec::new()
    };
    step.actions.extend(action(add, remove));
    step
}

/// Where no seat of a product is left, the first of its fallbacks that is there already or has a
/// seat. When a seat of the product appears, the two are swapped.
fn with_fallbacks(desired: &Licenses, holder: &Holder<'_>, seats: &Seats) -> Licenses {
    let serves =
        |sku_id: &str| holder.holds(sku_id) || seats.has(sku_id, holder.has_waited_for(sku_id));
    let mut served = Licenses::new();
    for (sku_id, disabled) in desired {
        let fallback = match seats.fallbacks.get(sku_id) {
            Some(fallbacks) if !serves(sku_id) => (fallbacks.iter())
                .find(|fallback| !desired.contains_key(*fallback) && serves(fallback)),
            _ => None,
        };
        match fallback {
            Some(fallback) => served.entry(fallback.clone()).or_default(),
            None => served
                .entry(sku_id.clone())
                .insert_entry(disabled.clone())
                .into_mut(),
        };
    }
    served
}

fn action(add: Vec<PlannedLicense>, remove: Vec<PlannedLicense>) -> Option<PlannedAction> {
    let (action, reason) = match (add.is_empty(), remove.is_empty()) {
        (true, true) => return None,
        (true, false) => (
            Action::RemoveLicenses { licenses: remove },
            Reason::LicenseNoLongerGranted,
        ),
        (false, _) => (
            Action::AssignLicenses { add, remove },
            Reason::LicenseGranted,
        ),
    };
    Some(PlannedAction { action, reason })
}

/// Licenses that Signpost gave, that are still there, and that nobody grants any more.
fn given_up(
    (desired, inherited): (&Licenses, &Licenses),
    holder: &Holder<'_>,
    facts: &TenantFacts,
) -> Vec<PlannedLicense> {
    if holder.is_held {
        return Vec::new();
    }
    owned(holder, facts)
        .into_iter()
        .filter(|license| !desired.contains_key(&license.sku_id))
        .filter(|license| {
            !inherited.contains_key(&license.sku_id) || holder.inherits(&license.sku_id)
        })
        .collect()
}

/// Every license that Signpost gave and that the account still holds directly.
pub(super) fn owned(holder: &Holder<'_>, facts: &TenantFacts) -> Vec<PlannedLicense> {
    let owned = holder.ledger.licenses.keys();
    owned
        .filter_map(|sku_id| {
            Some(PlannedLicense {
                sku_id: sku_id.clone(),
                name: facts
                    .product(sku_id)
                    .map_or_else(|| sku_id.clone(), |product| product.name.clone()),
                disabled_plans: holder.direct(sku_id)?.to_vec(),
            })
        })
        .collect()
}

/// What the account has and keeps, as the rules between plans see it.
fn kept_licenses<'a>(
    holder: &Holder<'a>,
    facts: &'a TenantFacts,
    given_up: &[PlannedLicense],
) -> Vec<License<'a>> {
    let held = holder.seen.map_or(&[][..], |seen| seen.licenses.as_slice());
    held.iter()
        .filter(|held| !given_up.iter().any(|gone| gone.sku_id == held.sku_id))
        .filter_map(|held| {
            let product = facts.product(&held.sku_id)?;
            Some(enabled_plans(product, &held.disabled_plans))
        })
        .collect()
}

fn enabled_plans<'a>(product: &'a Product, disabled: &[String]) -> License<'a> {
    let on = |id: &String| !disabled.contains(id);
    let plans = product.service_plans.iter().filter(|plan| on(&plan.id));
    License {
        product: &product.name,
        plans: plans
            .map(|plan| plan.name.as_str())
            .collect::<BTreeSet<_>>(),
    }
}

fn objection_to(
    license: &PlannedLicense,
    planned: Option<&License<'_>>,
    others: &[License<'_>],
    holder: &Holder<'_>,
) -> Option<Blocker> {
    if !holder.has_usage_location {
        return Some(Blocker::UsageLocationMissing);
    }
    let planned = planned?;
    let others: Vec<_> = (others.iter())
        .filter(|other| other.product != planned.product)
        .cloned()
        .collect();
    Some(match objection(planned, &others)? {
        Objection::Excludes { other } => Blocker::ExclusivePlans {
            product: license.name.clone(),
            other: other.to_owned(),
        },
        Objection::Needs { what } => Blocker::PlanDependency {
            product: license.name.clone(),
            needs: what.to_owned(),
        },
    })
}

fn no_seat(
    license: &PlannedLicense,
    is_replacement: bool,
    holder: &Holder<'_>,
    seats: &Seats,
) -> Option<Blocker> {
    let has_waited = holder.has_waited_for(&license.sku_id);
    (!is_replacement && !seats.has(&license.sku_id, has_waited)).then(|| Blocker::NoSeats {
        product: license.name.clone(),
        sku_id: license.sku_id.clone(),
    })
}
