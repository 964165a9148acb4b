//! What is known of Microsoft's rules between service plans, so that a refusal is foreseen.
//!
//! Only rules that can be told from plan names are here; for all others Microsoft has the last
//! word, and its refusal becomes the action's outcome.

use std::collections::BTreeSet;

/// Of each row a user can have one plan at a time.
const EXCLUSIVE: [&[&str]; 3] = [
    &[
        "EXCHANGE_S_DESKLESS",
        "EXCHANGE_S_ESSENTIALS",
        "EXCHANGE_S_STANDARD",
        "EXCHANGE_S_ENTERPRISE",
    ],
    &[
        "SHAREPOINTDESKLESS",
        "SHAREPOINTSTANDARD",
        "SHAREPOINTENTERPRISE",
    ],
    &["MCOLITE", "MCOIMP", "MCOSTANDARD"],
];

/// A plan, and the plans of which it needs one.
const DEPENDING: [(&str, &[&str], &str); 4] = [
    (
        "EXCHANGE_S_ARCHIVE_ADDON",
        &["EXCHANGE_S_STANDARD", "EXCHANGE_S_ENTERPRISE"],
        "Exchange Online",
    ),
    (
        "BPOS_S_DlpAddOn",
        &["EXCHANGE_S_STANDARD", "EXCHANGE_S_ENTERPRISE"],
        "Exchange Online",
    ),
    (
        "SHAREPOINTWAC",
        &["SHAREPOINTSTANDARD", "SHAREPOINTENTERPRISE"],
        "SharePoint",
    ),
    (
        "MCOEV",
        &["MCOSTANDARD"],
        "Skype for Business Online (Plan 2)",
    ),
];

/// A license as the rules see it: which one, and the technical names of its plans that are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License<'a> {
    pub product: &'a str,
    pub plans: BTreeSet<&'a str>,
}

/// Why a license cannot be given beside others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection<'a> {
    /// This other product has a plan that excludes one of the license's.
    Excludes { other: &'a str },
    /// A plan of the license needs this.
    Needs { what: &'static str },
}

/// What Microsoft would object to giving `new` to somebody who then also has `others`.
pub fn objection<'a>(new: &License<'a>, others: &[License<'a>]) -> Option<Objection<'a>> {
    for row in EXCLUSIVE {
        let plan_of = |license: &License<'_>| {
            let on = |plan: &&&str| license.plans.iter().any(|known| base(known) == **plan);
            row.iter().find(on).copied()
        };
        let Some(ours) = plan_of(new) else { continue };
        let clash = |other: &&License<'_>| plan_of(other).is_some_and(|theirs| theirs != ours);
        if let Some(other) = others.iter().find(clash) {
            return Some(Objection::Excludes {
                other: other.product,
            });
        }
    }
    for (plan, needs, what) in DEPENDING {
        let mut all = others.iter().chain([new]);
        let has = |license: &License<'_>, wanted: &str| {
            license.plans.iter().any(|known| base(known) == wanted)
        };
        if has(new, plan) && !all.any(|license| needs.iter().any(|need| has(license, need))) {
            return Some(Objection::Needs { what });
        }
    }
    None
}

/// Plans for schools and governments follow the rules of the plan they are a variant of.
fn base(plan: &str) -> &str {
    plan.trim_end_matches("_EDU").trim_end_matches("_GOV")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn license<'a>(product: &'a str, plans: &[&'a str]) -> License<'a> {
        License {
            product,
            plans: plans.iter().copied().collect(),
        }
    }

    #[test]
    fn two_plans_of_one_family_exclude_each_other_and_the_same_plan_twice_does_not() {
        let e1 = license("E1", &["SHAREPOINTSTANDARD_EDU"]);
        let e3 = license("E3", &["SHAREPOINTENTERPRISE", "SHAREPOINTWAC"]);
        assert_eq!(
            objection(&e3, std::slice::from_ref(&e1)),
            Some(Objection::Excludes { other: "E1" })
        );
        assert_eq!(objection(&e3, std::slice::from_ref(&e3)), None);
    }

    #[test]
    fn a_plan_needs_another_from_any_license() {
        let phone = license("Phone", &["MCOEV"]);
        assert!(matches!(
            objection(&phone, &[]),
            Some(Objection::Needs { .. })
        ));
        assert_eq!(objection(&phone, &[license("E3", &["MCOSTANDARD"])]), None);
    }
}
