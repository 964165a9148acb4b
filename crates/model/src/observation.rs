//! What the tenant was last seen to hold; stale by nature.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{ObjectId, TargetAttribute};

/// One account as the tenant last showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observation {
    pub object_id: ObjectId,
    pub user_principal_name: String,
    /// `onPremisesImmutableId`.
    pub immutable_id: Option<String>,
    pub mail: Option<String>,
    /// Whether sign-in is allowed.
    pub enabled: bool,
    /// A guest of the tenant, not a member.
    pub guest: bool,
    /// Whether another directory manages the account.
    pub synchronised: bool,
    /// Whether it lies in Microsoft's deleted items.
    pub deleted: bool,
    /// Every attribute that is set, in one order so that equal accounts read equal.
    pub values: BTreeMap<TargetAttribute, String>,
    pub licenses: Vec<ObservedLicense>,
    /// The manager's account; only known where it was asked for or set by us.
    pub manager: Option<ObjectId>,
}

impl Default for Observation {
    fn default() -> Self {
        Self {
            object_id: ObjectId::new(""),
            user_principal_name: String::new(),
            immutable_id: None,
            mail: None,
            enabled: true,
            guest: false,
            synchronised: false,
            deleted: false,
            values: BTreeMap::new(),
            licenses: Vec::new(),
            manager: None,
        }
    }
}

impl Observation {
    /// The name people know the account by; the user principal name when there is none.
    pub fn display_name(&self) -> &str {
        self.values
            .get(&TargetAttribute::DisplayName)
            .map_or(self.user_principal_name.as_str(), String::as_str)
    }
}

/// A license that an account holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedLicense {
    pub sku_id: String,
    /// Sorted.
    #[serde(default)]
    pub disabled_plans: Vec<String>,
    /// The tenant's group that gives it; `None` when it is assigned directly.
    #[serde(default)]
    pub from_group: Option<ObjectId>,
}

/// An account beside what our own records say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAccount {
    pub observation: Observation,
    /// The user it is linked with, if any.
    pub linked_with: Option<crate::UserId>,
    /// Whether it holds a directory role.
    pub administrator: bool,
}
