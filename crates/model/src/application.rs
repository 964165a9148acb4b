//! Applications, and who has them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::rule::Rule;
use crate::{ApplicationId, AssignmentId, GroupId, Timestamp, UserId};

/// Something users get access to; for now always Microsoft 365.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    pub id: ApplicationId,
    pub name: String,
    pub access: AccessType,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// Who gets the application ("User Access Type").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "rule")]
pub enum AccessType {
    /// Everyone in the directory, now and later.
    AllUsers,
    /// Only users and groups that are assigned.
    Assigned,
    /// Whoever matches a rule.
    Rule(Rule),
}

impl AccessType {
    /// The words on the page.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::AllUsers => "All users",
            Self::Assigned => "Assigned users and groups",
            Self::Rule(_) => "Users that match a rule",
        }
    }
}

/// A user or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    User(UserId),
    Group(GroupId),
}

impl Principal {
    /// The kind in the database and in forms.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
        }
    }

    /// The id without its kind.
    pub fn id(self) -> String {
        match self {
            Self::User(id) => id.to_string(),
            Self::Group(id) => id.to_string(),
        }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind(), self.id())
    }
}

impl FromStr for Principal {
    type Err = crate::id::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("user", id)) => id.parse().map(Self::User),
            Some(("group", id)) => id.parse().map(Self::Group),
            _ => Err(crate::id::InvalidId),
        }
    }
}

/// A user or group has an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub id: AssignmentId,
    pub application_id: ApplicationId,
    pub principal: Principal,
    pub created_at: Timestamp,
    /// The name of the operator who assigned it.
    pub created_by: String,
}
