//! What our records say an account should be.

use std::collections::{BTreeMap, BTreeSet};

use signpost_model::license::{Grant, Product};
use signpost_model::{GroupId, User};

use crate::mapping::{Mapping, RenderProblem, Values};

/// Products an account should have, each with the service plans that are off.
pub type Licenses = BTreeMap<String, BTreeSet<String>>;

/// The desired side of one user who has the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredAccount {
    pub values: Values,
    pub licenses: Licenses,
    /// Products that groups of the tenant give, by way of their members.
    pub inherited: Licenses,
    /// Whether sign-in is meant to be allowed.
    pub enabled: bool,
}

impl DesiredAccount {
    /// What this user's account should be.
    pub fn of(
        user: &User,
        groups: &[GroupId],
        mapping: &Mapping,
        domain: &str,
        grants: &[Grant],
    ) -> Result<Self, RenderProblem> {
        Ok(Self {
            values: mapping.render(user, domain)?,
            licenses: merge_grants(grants, groups, false),
            inherited: merge_grants(grants, groups, true),
            enabled: user.enabled,
        })
    }
}

/// The licenses that grants give to a member of these groups, directly or by a group of the tenant. Several grants of one product are
/// one license: a service plan is on when any of them leaves it on.
pub fn merge_grants(grants: &[Grant], groups: &[GroupId], by_group: bool) -> Licenses {
    let mut licenses = Licenses::new();
    for grant in grants.iter().filter(|grant| grant.by_group == by_group) {
        if grant.group_id.is_some_and(|group| !groups.contains(&group)) {
            continue;
        }
        let off: BTreeSet<String> = grant.disabled_plans.iter().cloned().collect();
        licenses
            .entry(grant.sku_id.clone())
            .and_modify(|known| known.retain(|plan| off.contains(plan)))
            .or_insert(off);
    }
    licenses
}

/// Leaves out plans that the product does not have: Microsoft refuses the whole call for them.
pub(crate) fn known_plans(disabled: &BTreeSet<String>, product: &Product) -> Vec<String> {
    let is_known = |id: &&String| product.service_plans.iter().any(|plan| plan.id == **id);
    disabled.iter().filter(is_known).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use signpost_model::{ApplicationId, GrantId};

    fn grant(number: u128, group: Option<u128>, off: &[&str]) -> Grant {
        Grant {
            id: GrantId::from_number(number),
            application_id: ApplicationId::from_number(1),
            sku_id: "e3".to_owned(),
            group_id: group.map(GroupId::from_number),
            by_group: false,
            disabled_plans: off.iter().map(|&plan| plan.to_owned()).collect(),
        }
    }

    #[test]
    fn a_plan_is_on_when_any_grant_leaves_it_on() {
        let grants = [
            grant(1, None, &["mail", "files"]),
            grant(2, Some(7), &["files", "chat"]),
        ];
        let everyone = merge_grants(&grants, &[], false);
        assert_eq!(everyone["e3"].iter().collect::<Vec<_>>(), ["files", "mail"]);
        let member = merge_grants(&grants, &[GroupId::from_number(7)], false);
        assert_eq!(member["e3"].iter().collect::<Vec<_>>(), ["files"]);
    }

    #[test]
    fn a_grant_for_a_group_is_for_its_members_only() {
        assert!(
            merge_grants(&[grant(1, Some(7), &[])], &[GroupId::from_number(8)], false).is_empty()
        );
    }
}
