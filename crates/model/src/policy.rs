//! The Actions of an application: what may happen to accounts, within which limits, and when.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::plan::{LinkMethod, TargetAttribute};
use crate::run::UnknownWord;

/// What Signpost may do to accounts of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    pub create_accounts: bool,
    pub update_profiles: bool,
    pub assign_licenses: bool,
    pub block_sign_in: bool,
    pub end_sessions: bool,
    pub remove_licenses: bool,
    pub delete_accounts: bool,
    /// Days between the removal from assignment and the removal of licenses.
    pub days_before_license_removal: u16,
    /// Days between the removal from assignment and the deletion.
    pub days_before_deletion: u16,
    /// Since when accounts are deleted: the days of whoever left before begin here.
    pub deletes_since: Option<Timestamp>,
    pub limits: Limits,
    /// Accounts (user principal names, folded) that are never touched.
    pub protected: Vec<String>,
    /// What becomes of attributes that others change in the tenant.
    pub drift: DriftPolicy,
    /// Which matches a person has to look at before an account is adopted.
    pub adoption: AdoptionRule,
}

/// Which matches a person has to look at before an account is adopted. An account that carries the
/// user's own ImmutableId is certain and never asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdoptionRule {
    /// None: whoever fits by user name or mail is adopted.
    #[default]
    Automatic,
    /// Those by mail address.
    AskProbable,
    /// Those by user name too.
    AskAlways,
}

impl AdoptionRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::AskProbable, Self::AskAlways];

    /// Whether a match by this method waits for a person.
    pub const fn asks(self, method: LinkMethod) -> bool {
        match method {
            LinkMethod::Mail => !matches!(self, Self::Automatic),
            LinkMethod::UserPrincipalName => matches!(self, Self::AskAlways),
            LinkMethod::ImmutableId | LinkMethod::Manual | LinkMethod::Created => false,
        }
    }

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Automatic => "Adopt exact and probable matches",
            Self::AskProbable => "Adopt exact matches, ask about probable ones",
            Self::AskAlways => "Ask about every match",
        }
    }

    /// The word in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::AskProbable => "ask_probable",
            Self::AskAlways => "ask_always",
        }
    }
}

impl FromStr for AdoptionRule {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.key() == text)
            .ok_or(UnknownWord)
    }
}

/// What becomes of attributes that others change in the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftRule {
    /// The directory's value is written again.
    #[default]
    Revert,
    /// The tenant's value stays until a person has decided.
    Ask,
    /// The tenant's value stays until the directory says something new.
    Accept,
}

impl DriftRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Revert, Self::Ask, Self::Accept];

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Revert => "Revert: write the directory’s value again",
            Self::Ask => "Ask: leave it until somebody decides",
            Self::Accept => "Accept: keep it until the directory changes",
        }
    }

    /// The word in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Revert => "revert",
            Self::Ask => "ask",
            Self::Accept => "accept",
        }
    }
}

impl FromStr for DriftRule {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.key() == text)
            .ok_or(UnknownWord)
    }
}

/// A rule for all attributes, and those that have another one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DriftPolicy {
    pub rule: DriftRule,
    pub attributes: BTreeMap<TargetAttribute, DriftRule>,
    /// Of memberships in pushed groups; `None`: as all others.
    pub memberships: Option<DriftRule>,
}

impl DriftPolicy {
    /// The rule of an attribute.
    pub fn of(&self, attribute: TargetAttribute) -> DriftRule {
        self.attributes
            .get(&attribute)
            .copied()
            .unwrap_or(self.rule)
    }

    /// The rule of memberships in pushed groups.
    pub fn of_memberships(&self) -> DriftRule {
        self.memberships.unwrap_or(self.rule)
    }
}

/// More removals than this in one run wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Never ask below this many accounts.
    pub floor: u32,
    /// Always ask above this many accounts.
    pub ceiling: u32,
    /// Between the two: this share of the linked accounts, in percent.
    pub percent: u8,
}

impl Default for Policy {
    /// Creates, updates and licenses; blocks leavers; deletes nobody.
    fn default() -> Self {
        Self {
            create_accounts: true,
            update_profiles: true,
            assign_licenses: true,
            block_sign_in: true,
            end_sessions: true,
            remove_licenses: false,
            delete_accounts: false,
            days_before_license_removal: 0,
            days_before_deletion: 30,
            deletes_since: None,
            limits: Limits::default(),
            protected: Vec::new(),
            drift: DriftPolicy::default(),
            adoption: AdoptionRule::default(),
        }
    }
}

impl Default for Limits {
    /// Entra Connect stops at 500 deletes; 5 % catches a half-read source in a small tenant,
    /// and below 5 people the daily leavers would ask every time.
    fn default() -> Self {
        Self {
            floor: 5,
            ceiling: 500,
            percent: 5,
        }
    }
}

impl Limits {
    /// The most accounts a run may take sign-in, licenses or existence from unasked.
    pub fn allowed(&self, linked: i64) -> i64 {
        let share = linked.saturating_mul(i64::from(self.percent)) / 100;
        i64::from(self.floor).max(i64::from(self.ceiling).min(share))
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn the_default_limit_is_five_percent_between_five_and_five_hundred() {
        let limits = Limits::default();
        assert_eq!(limits.allowed(0), 5);
        assert_eq!(limits.allowed(1_000), 50);
        assert_eq!(limits.allowed(100_000), 500);
    }
}
