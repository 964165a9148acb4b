//! "Users that match a rule": a flat condition list over a user's attributes.
//!
//! Total and without I/O, so that a rule written by one person can never do more than choose.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::directory::{Attribute, Profile, User};
use crate::text::fold;

/// The most conditions a rule may have.
pub const MAX_CONDITIONS: usize = 20;

/// Chooses users by their attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub combine: Combine,
    pub conditions: Vec<Condition>,
}

/// How conditions are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    All,
    Any,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub attribute: Attribute,
    pub comparison: Comparison,
    /// Compared without regard to case and width; unused by `IsSet` and `IsEmpty`.
    #[serde(default)]
    pub value: String,
}

/// How an attribute is compared with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    Is,
    IsNot,
    Contains,
    StartsWith,
    EndsWith,
    IsSet,
    IsEmpty,
}

impl Comparison {
    /// Every comparison, in the order of the form.
    pub const ALL: [Self; 7] = [
        Self::Is,
        Self::IsNot,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::IsSet,
        Self::IsEmpty,
    ];

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Is => "is",
            Self::IsNot => "is not",
            Self::Contains => "contains",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
            Self::IsSet => "is set",
            Self::IsEmpty => "is empty",
        }
    }

    /// The word in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Is => "is",
            Self::IsNot => "is_not",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::IsSet => "is_set",
            Self::IsEmpty => "is_empty",
        }
    }

    /// Whether the comparison needs a value.
    pub const fn takes_value(self) -> bool {
        !matches!(self, Self::IsSet | Self::IsEmpty)
    }
}

/// Why a rule cannot be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleProblem {
    #[error("Add at least one condition")]
    Empty,
    #[error("A rule can have up to 20 conditions")]
    TooMany,
    #[error("Condition {0} needs a value")]
    ValueMissing(usize),
    #[error("The value of condition {0} is longer than 256 characters")]
    ValueTooLong(usize),
}

impl Rule {
    /// Checks the rule before it is saved.
    pub fn check(&self) -> Result<(), RuleProblem> {
        if self.conditions.is_empty() {
            return Err(RuleProblem::Empty);
        }
        if self.conditions.len() > MAX_CONDITIONS {
            return Err(RuleProblem::TooMany);
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            if condition.comparison.takes_value() && condition.value.trim().is_empty() {
                return Err(RuleProblem::ValueMissing(index + 1));
            }
            if condition.value.chars().count() > 256 {
                return Err(RuleProblem::ValueTooLong(index + 1));
            }
        }
        Ok(())
    }

    /// Whether the rule chooses this user.
    pub fn matches(&self, user: &User) -> bool {
        self.matches_profile(&user.profile)
    }

    /// The attributes that the rule looks at, each once.
    pub fn attributes(&self) -> BTreeSet<Attribute> {
        self.conditions
            .iter()
            .map(|condition| condition.attribute)
            .collect()
    }

    /// Whether the rule chooses a user with these attributes. A rule without conditions chooses
    /// nobody.
    pub fn matches_profile(&self, profile: &Profile) -> bool {
        if self.conditions.is_empty() {
            return false;
        }
        match self.combine {
            Combine::All => self
                .conditions
                .iter()
                .all(|condition| condition.holds(profile)),
            Combine::Any => self
                .conditions
                .iter()
                .any(|condition| condition.holds(profile)),
        }
    }

    /// The rule as one sentence ("Department is Sales and City is set").
    pub fn sentence(&self) -> String {
        let parts: Vec<_> = self.conditions.iter().map(Condition::sentence).collect();
        parts.join(match self.combine {
            Combine::All => " and ",
            Combine::Any => " or ",
        })
    }
}

impl Condition {
    fn holds(&self, profile: &Profile) -> bool {
        let actual = fold(profile.value(self.attribute));
        let value = fold(&self.value);
        match self.comparison {
            Comparison::Is => actual == value,
            Comparison::IsNot => actual != value,
            Comparison::Contains => actual.contains(&value),
            Comparison::StartsWith => actual.starts_with(&value),
            Comparison::EndsWith => actual.ends_with(&value),
            Comparison::IsSet => !actual.is_empty(),
            Comparison::IsEmpty => actual.is_empty(),
        }
    }

    fn sentence(&self) -> String {
        let (label, comparison) = (self.attribute.label(), self.comparison.label());
        if self.comparison.takes_value() {
            format!("{label} {comparison} “{}”", self.value.trim())
        } else {
            format!("{label} {comparison}")
        }
    }
}
