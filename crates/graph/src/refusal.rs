//! What Graph refused, read from its codes and texts into a closed list.
//!
//! Microsoft promises only `code`, which is `Request_BadRequest` for nearly everything, so the
//! texts are what there is. An unknown text is `Other`, never an error.

use serde::Deserialize;

/// Why Graph refused a request, as far as its answer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another object already has this value.
    ValueTaken {
        /// The property, when the answer names it.
        property: Option<String>,
    },
    /// A required property is missing.
    ValueRequired {
        /// The property, when the answer names it.
        property: Option<String>,
    },
    /// The user name's domain is not a verified domain of the tenant.
    UnverifiedDomain,
    /// No password was sent.
    PasswordMissing,
    /// The password does not meet the tenant's rules.
    WeakPassword,
    /// A user of a federated domain needs an ImmutableId.
    ImmutableIdRequired,
    /// The account is synchronised from another directory and cannot be changed here.
    SynchronisedAccount,
    /// The account has no usage location, or one that the product does not serve.
    UsageLocation,
    /// No seat is left.
    NoSeats,
    /// Two service plans exclude each other.
    ConflictingPlans,
    /// A service plan needs another one.
    MissingPlan,
    /// The license comes from a group and cannot be removed from the account.
    InheritedLicense,
    /// The account does not have the license that was to be removed.
    LicenseNotHeld,
    /// The tenant does not have the product, or the product not the plan.
    UnknownLicense,
    /// The product cannot be assigned to users.
    LicenseNotForUsers,
    /// At least one of the members is already in the group.
    AlreadyMember,
    /// The object is not a member of the group.
    NotMember,
    /// The tenant, or one of its collections, is full.
    QuotaExceeded,
    /// Anything else; the message is for people.
    Other,
}

/// One entry of `error.details`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Code of the detail.
    pub code: String,
    /// The property it is about.
    pub target: Option<String>,
    /// Text for people.
    pub message: String,
}

const TEXTS: &[(&str, Refusal)] = &[
    (
        "domain portion of the userprincipalname",
        Refusal::UnverifiedDomain,
    ),
    ("a password must be specified", Refusal::PasswordMissing),
    ("password complexity", Refusal::WeakPassword),
    ("password does not comply", Refusal::WeakPassword),
    (
        "sourceanchor is a required property",
        Refusal::ImmutableIdRequired,
    ),
    (
        "originated within an external service",
        Refusal::SynchronisedAccount,
    ),
    ("on-premises mastered", Refusal::SynchronisedAccount),
    ("invalid usage location", Refusal::UsageLocation),
    ("does not have any available licenses", Refusal::NoSeats),
    ("mutually exclusive", Refusal::ConflictingPlans),
    ("depends on the service plan", Refusal::MissingPlan),
    (
        "inherited from a group membership",
        Refusal::InheritedLicense,
    ),
    (
        "does not have a corresponding license",
        Refusal::LicenseNotHeld,
    ),
    (
        "does not correspond to a valid company license",
        Refusal::UnknownLicense,
    ),
    ("cannot be assigned to a user", Refusal::LicenseNotForUsers),
    (
        "added object references already exist",
        Refusal::AlreadyMember,
    ),
    ("removed object references do not exist", Refusal::NotMember),
    ("exceed the maximum quota", Refusal::QuotaExceeded),
];

impl Refusal {
    pub(crate) fn recognise(code: &str, message: &str, details: &[Detail]) -> Self {
        if code == "Directory_QuotaExceeded" {
            return Self::QuotaExceeded;
        }
        let text = message.to_ascii_lowercase();
        if let Some((_, refusal)) = TEXTS.iter().find(|(part, _)| text.contains(part)) {
            return refusal.clone();
        }
        let conflict = details.iter().find(|d| d.code == "ObjectConflict");
        if conflict.is_some()
            || code == "Request_MultipleObjectsWithSameKeyValue"
            || text.contains("another object with the same value")
        {
            let property = conflict
                .and_then(|d| d.target.clone())
                .or_else(|| word_after(message, "property "));
            return Self::ValueTaken { property };
        }
        if text.contains("a value is required for property") {
            return Self::ValueRequired {
                property: word_after(message, "property "),
            };
        }
        Self::Other
    }
}

fn word_after(text: &str, marker: &str) -> Option<String> {
    let (_, rest) = text.split_once(marker)?;
    let word: String = rest
        .trim_start_matches('\'')
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '.')
        .collect();
    let word = word.trim_end_matches('.');
    (!word.is_empty()).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_user_name_is_named_by_detail_or_by_text() {
        let message =
            "Another object with the same value for property userPrincipalName already exists.";
        let taken = Refusal::ValueTaken {
            property: Some("userPrincipalName".to_owned()),
        };
        assert_eq!(
            Refusal::recognise("Request_BadRequest", message, &[]),
            taken
        );
        let detail = Detail {
            code: "ObjectConflict".to_owned(),
            target: Some("userPrincipalName".to_owned()),
            message: String::new(),
        };
        assert_eq!(
            Refusal::recognise("Request_BadRequest", "reworded", &[detail]),
            taken
        );
    }

    #[test]
    fn each_documented_license_refusal_has_its_own_name() {
        let cases = [
            (
                "License assignment cannot be done for user with invalid usage location.",
                Refusal::UsageLocation,
            ),
            (
                "Subscription with SKU 6fd2 does not have any available licenses.",
                Refusal::NoSeats,
            ),
            (
                "License assignment failed because service plans a, b are mutually exclusive.",
                Refusal::ConflictingPlans,
            ),
            (
                "License assignment failed because service plan a depends on the service plan(s) b",
                Refusal::MissingPlan,
            ),
            (
                "User license is inherited from a group membership and it cannot be removed directly from the user.",
                Refusal::InheritedLicense,
            ),
            (
                "License {x} cannot be assigned to a user.",
                Refusal::LicenseNotForUsers,
            ),
            (
                "One or more added object references already exist for the following modified properties: 'members'.",
                Refusal::AlreadyMember,
            ),
            (
                "Unable to perform operation as '121' would exceed the maximum quota count '100' for forward-link 'members'.",
                Refusal::QuotaExceeded,
            ),
            ("A brand new text", Refusal::Other),
        ];
        for (message, refusal) in cases {
            assert_eq!(
                Refusal::recognise("Request_BadRequest", message, &[]),
                refusal
            );
        }
    }

    #[test]
    fn missing_property_is_named() {
        assert_eq!(
            Refusal::recognise(
                "Request_BadRequest",
                "A value is required for property 'mailNickname' of resource 'User'.",
                &[]
            ),
            Refusal::ValueRequired {
                property: Some("mailNickname".to_owned())
            }
        );
    }
}
