//! Operators: people who run the portal, and what each role may do.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{OperatorId, Timestamp};

/// What an operator may do. Ordered: a later role may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads only.
    Auditor,
    /// Everything about applications and users.
    Administrator,
    /// Everything, operators included.
    Owner,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Self; 3] = [Self::Auditor, Self::Administrator, Self::Owner];

    /// Whether this role includes what `needed` may do.
    pub fn includes(self, needed: Self) -> bool {
        self >= needed
    }

    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auditor => "Auditor",
            Self::Administrator => "Administrator",
            Self::Owner => "Owner",
        }
    }

    /// The word in the database and in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
            Self::Owner => "owner",
        }
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role: use owner, administrator or auditor")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.key() == text)
            .ok_or(InvalidRole)
    }
}

/// Someone who may sign in to the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    pub id: OperatorId,
    pub email: String,
    pub name: String,
    pub role: Role,
    /// Whether a second factor is enrolled and confirmed.
    pub has_second_factor: bool,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// When they last signed in.
    pub signed_in_at: Option<Timestamp>,
    /// Counts changes; a form made from an older version is refused.
    pub version: i64,
}
