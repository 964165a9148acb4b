//! The application permissions that each feature needs, what is too much, and what is missing.

use signpost_model::readiness::Feature;

/// A permission that a feature uses.
#[derive(Debug, PartialEq, Eq)]
pub struct Need {
    /// The permission to ask for.
    pub name: &'static str,
    pub feature: Feature,
    /// What it is used for, in plain words.
    pub purpose: &'static str,
    /// Wider permissions that cover it.
    pub covered_by: &'static [&'static str],
}

const fn need(
    feature: Feature,
    name: &'static str,
    covered_by: &'static [&'static str],
    purpose: &'static str,
) -> Need {
    Need {
        name,
        feature,
        purpose,
        covered_by,
    }
}

const DIRECTORY: &[&str] = &["Directory.Read.All", "Directory.ReadWrite.All"];

/// Every permission that Signpost can use, the least that suffices, feature by feature.
pub static NEEDS: &[Need] = &[
    need(
        Feature::Sync,
        "User.ReadWrite.All",
        &[],
        "Read, create, update, block and delete accounts",
    ),
    need(
        Feature::Sync,
        "LicenseAssignment.ReadWrite.All",
        &["Directory.ReadWrite.All"],
        "Read products, give and take licenses",
    ),
    need(
        Feature::Sync,
        "User.RevokeSessions.All",
        &["Directory.ReadWrite.All"],
        "End sessions when sign-in is blocked",
    ),
    need(
        Feature::Sync,
        "Organization.Read.All",
        DIRECTORY,
        "Read the tenant's name and its products",
    ),
    need(
        Feature::Sync,
        "Domain.Read.All",
        &["Domain.ReadWrite.All", "Directory.Read.All"],
        "Read which domains are verified",
    ),
    need(
        Feature::Sync,
        "RoleManagement.Read.Directory",
        DIRECTORY,
        "Recognise administrators, so that they are never touched",
    ),
    need(
        Feature::Expiry,
        "Application.Read.All",
        &[
            "Application.ReadWrite.OwnedBy",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
        "Say when the secret ends, before it does",
    ),
    need(
        Feature::Groups,
        "Group.Read.All",
        &[
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
        "Read groups of the tenant",
    ),
    need(
        Feature::Groups,
        "GroupMember.ReadWrite.All",
        &["Group.ReadWrite.All", "Directory.ReadWrite.All"],
        "Keep memberships of the tenant's groups",
    ),
    need(
        Feature::Groups,
        "Group.ReadWrite.All",
        &["Directory.ReadWrite.All"],
        "Push groups: create them, change them, delete them",
    ),
    need(
        Feature::Checks,
        "Policy.Read.All",
        &[],
        "Check security defaults and sign-in policies",
    ),
    need(
        Feature::Checks,
        "AuditLog.Read.All",
        &[],
        "Check who has registered sign-in methods",
    ),
    need(
        Feature::SwitchSecurityDefaults,
        "Policy.ReadWrite.SecurityDefaults",
        &["Policy.ReadWrite.ConditionalAccess"],
        "Turn security defaults off and on",
    ),
    need(
        Feature::SwitchPerUserMfa,
        "Policy.ReadWrite.AuthenticationMethod",
        &[],
        "Change per-user MFA of accounts",
    ),
    need(
        Feature::Federate,
        "Domain-InternalFederation.ReadWrite.All",
        &[],
        "Hand the domain's sign-in over, and back",
    ),
    need(
        Feature::Federate,
        "Domain.ReadWrite.All",
        &[],
        "Make the domain managed again",
    ),
    need(
        Feature::Rotate,
        "Application.ReadWrite.OwnedBy",
        &["Application.ReadWrite.All"],
        "Make its own next secret and remove the old one",
    ),
];

/// What these features need, each permission once.
pub fn needs_of(features: &[Feature]) -> impl Iterator<Item = &'static Need> {
    NEEDS
        .iter()
        .filter(|need| need.feature == Feature::Sync || features.contains(&need.feature))
}

/// What the granted permissions mean for the chosen features.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Needed and granted, itself or by a wider one.
    pub granted: Vec<&'static Need>,
    pub missing: Vec<&'static Need>,
    /// Granted, and used by no chosen feature.
    pub excess: Vec<String>,
}

impl Judgement {
    /// Of the permissions in a token, for these features.
    pub fn of(granted: &[String], features: &[Feature]) -> Self {
        let has = |name: &str| granted.iter().any(|known| known == name);
        let mut judgement = Self::default();
        let mut used: Vec<&str> = Vec::new();
        for need in needs_of(features) {
            if has(need.name) {
                used.push(need.name);
            } else if let Some(cover) = need.covered_by.iter().find(|name| has(name)) {
                used.push(cover);
            } else {
                judgement.missing.push(need);
                continue;
            }
            judgement.granted.push(need);
        }
        judgement.excess = granted
            .iter()
            .filter(|name| !used.contains(&name.as_str()))
            .cloned()
            .collect();
        judgement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_wider_permission_covers_a_need_and_is_not_excess_then() {
        let granted = names(&["User.ReadWrite.All", "Directory.ReadWrite.All"]);
        let judged = Judgement::of(&granted, &[Feature::Sync]);
        let missing: Vec<_> = judged.missing.iter().map(|need| need.name).collect();
        assert_eq!(missing, ["Domain.Read.All"]);
        assert!(judged.excess.is_empty());
    }

    #[test]
    fn what_no_chosen_feature_uses_is_excess() {
        let all: Vec<String> = needs_of(Feature::USUAL)
            .map(|need| need.name.to_owned())
            .collect();
        let switch = "Policy.ReadWrite.SecurityDefaults".to_owned();
        let more = [&all[..], std::slice::from_ref(&switch)].concat();
        let judged = Judgement::of(&more, Feature::USUAL);
        assert_eq!(judged.missing, Vec::<&Need>::new());
        assert_eq!(judged.excess, [switch]);
        let with_switch = [Feature::USUAL, &[Feature::SwitchSecurityDefaults]].concat();
        assert!(Judgement::of(&more, &with_switch).excess.is_empty());
    }

    #[test]
    fn every_feature_needs_something_that_exists() {
        for feature in Feature::ALL {
            let mut needs = NEEDS.iter().filter(|need| need.feature == *feature);
            assert!(needs.next().is_some(), "{feature:?}");
        }
        for need in NEEDS {
            assert!(
                signpost_graph::app_role_id(need.name).is_some(),
                "{}",
                need.name
            );
        }
    }
}
