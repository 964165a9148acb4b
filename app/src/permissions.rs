//! The application permissions Signpost asks of a tenant, what each is for, and what is too much.

/// A permission that Signpost uses.
#[derive(Debug, PartialEq, Eq)]
pub struct Need {
    /// The permission to ask for.
    pub name: &'static str,
    /// What it is used for, in plain words.
    pub purpose: &'static str,
    /// Wider permissions that cover it.
    covered_by: &'static [&'static str],
    pub weight: Weight,
}

/// Whether the sync works without a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Without it accounts are not kept.
    Required,
    /// Without it one check or comfort is missing.
    Optional,
}

const fn required(
    name: &'static str,
    covered_by: &'static [&'static str],
    purpose: &'static str,
) -> Need {
    Need {
        name,
        purpose,
        covered_by,
        weight: Weight::Required,
    }
}

const fn optional(
    name: &'static str,
    covered_by: &'static [&'static str],
    purpose: &'static str,
) -> Need {
    Need {
        name,
        purpose,
        covered_by,
        weight: Weight::Optional,
    }
}

const DIRECTORY: &[&str] = &["Directory.Read.All", "Directory.ReadWrite.All"];

/// Every permission that Signpost uses, the least that suffices.
pub static NEEDS: &[Need] = &[
    required(
        "User.ReadWrite.All",
        &[],
        "Read, create, update, block and delete accounts",
    ),
    required(
        "LicenseAssignment.ReadWrite.All",
        &["Directory.ReadWrite.All"],
        "Read products, give and take licenses",
    ),
    required(
        "User.RevokeSessions.All",
        &["Directory.ReadWrite.All"],
        "End sessions when sign-in is blocked",
    ),
    required(
        "Organization.Read.All",
        DIRECTORY,
        "Read the tenant's name and its products",
    ),
    required(
        "Domain.Read.All",
        &["Domain.ReadWrite.All", "Directory.Read.All"],
        "Read which domains are verified",
    ),
    required(
        "RoleManagement.Read.Directory",
        DIRECTORY,
        "Recognise administrators, so that they are never touched",
    ),
    optional(
        "Application.Read.All",
        &[
            "Application.ReadWrite.OwnedBy",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
        "Say when the secret ends, before it does",
    ),
    optional(
        "Group.Read.All",
        &[
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
        "Read groups of the tenant",
    ),
    optional(
        "GroupMember.ReadWrite.All",
        &["Group.ReadWrite.All", "Directory.ReadWrite.All"],
        "Keep memberships of the tenant's groups",
    ),
    optional(
        "Group.ReadWrite.All",
        &["Directory.ReadWrite.All"],
        "Push groups: create them, change them, delete them",
    ),
    optional(
        "Policy.Read.All",
        &[],
        "Check security defaults and sign-in policies",
    ),
    optional(
        "AuditLog.Read.All",
        &[],
        "Check who has registered sign-in methods",
    ),
];

/// What the granted permissions mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    pub granted: Vec<&'static Need>,
    pub missing: Vec<&'static Need>,
    /// Optional ones that are not granted.
    pub absent: Vec<&'static Need>,
    /// Granted, and used for nothing here.
    pub excess: Vec<String>,
}

impl Judgement {
    /// Of the permissions in a token.
    pub fn of(granted: &[String]) -> Self {
        let has = |name: &str| granted.iter().any(|known| known == name);
        let mut judgement = Self::default();
        let mut used: Vec<&str> = Vec::new();
        for need in NEEDS {
            let cover = need.covered_by.iter().find(|name| has(name));
            if has(need.name) {
                used.push(need.name);
            } else if let Some(cover) = cover {
                used.push(cover);
            } else {
                match need.weight {
                    Weight::Required => judgement.missing.push(need),
                    Weight::Optional => judgement.absent.push(need),
                }
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

    /// As in `6 of 6 permissions granted`.
    pub fn sentence(&self) -> String {
        let required = self
            .granted
            .iter()
            .filter(|need| need.weight == Weight::Required)
            .count();
        format!(
            "{required} of {} permissions granted",
            required + self.missing.len()
        )
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
        let judged = Judgement::of(&names(&["User.ReadWrite.All", "Directory.ReadWrite.All"]));
        let missing: Vec<_> = judged.missing.iter().map(|need| need.name).collect();
        assert_eq!(missing, ["Domain.Read.All"]);
        assert!(judged.excess.is_empty());
    }

    #[test]
    fn what_nothing_here_uses_is_excess() {
        let all: Vec<String> = NEEDS.iter().map(|need| need.name.to_owned()).collect();
        let more = [&all[..], &names(&["Directory.ReadWrite.All", "Mail.Send"])].concat();
        let judged = Judgement::of(&more);
        assert_eq!(judged.missing, Vec::<&Need>::new());
        assert_eq!(judged.excess, ["Directory.ReadWrite.All", "Mail.Send"]);
        assert_eq!(judged.sentence(), "6 of 6 permissions granted");
    }
}
