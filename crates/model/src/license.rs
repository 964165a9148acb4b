//! Products a tenant has, and which of them an application gives to whom.

use serde::{Deserialize, Serialize};

use crate::{ApplicationId, GrantId, GroupId};

/// A subscribed product of the tenant, as last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub sku_id: String,
    pub part_number: String,
    /// The product's published name; the part number when there is none.
    pub name: String,
    /// Whether it can be given to users at all (not a tenant-wide product, not suspended).
    pub assignable: bool,
    pub seats: Seats,
    pub service_plans: Vec<ServicePlan>,
}

/// Seats of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seats {
    /// Enabled plus those in their grace period.
    pub total: i64,
    pub used: i64,
}

impl Seats {
    /// Seats left; negative when more are used than were bought.
    pub const fn free(self) -> i64 {
        self.total - self.used
    }
}

/// A part of a product that can be switched off on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePlan {
    pub id: String,
    pub name: String,
    /// The published name; the technical one when there is none.
    pub friendly_name: String,
    /// Whether it can be switched off for a user.
    pub for_users: bool,
}

/// A license an application gives: to everyone who has it, or to a group's members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub application_id: ApplicationId,
    pub sku_id: String,
    /// `None`: everyone who has the application.
    pub group_id: Option<GroupId>,
    /// The tenant's group gives it to its members, instead of Signpost to each of them: for a group
    /// that the application pushes.
    pub by_group: bool,
    pub disabled_plans: Vec<String>,
}
