//! Between our words and Graph's: accounts in, changes out, errors into outcomes.
//!
//! The only place where both vocabularies meet. What Graph sends is brought into one canonical
//! form, so that an account that did not change reads equal, whoever wrote it.

mod account;
mod failure;
mod group;
mod write;

pub use account::{merge, observation};
pub use failure::{failure_of, is_fatal, run_failure};
pub use group::{merge_group, tenant_group};
pub use write::{Untranslatable, change};
pub(crate) use write::{graph_id, is_patch, license};

use signpost_graph as graph;
use signpost_model::connection::FoundDomain;
use signpost_model::license::{Product, Seats, ServicePlan};
use signpost_model::plan::ObjectId;

/// An object id in our words.
pub fn object_id(id: graph::ObjectId) -> ObjectId {
    ObjectId::new(&id.to_string())
}

/// A domain of the tenant.
pub fn domain(domain: graph::Domain) -> FoundDomain {
    FoundDomain {
        verified: domain.is_verified,
        federated: domain.authentication_type == graph::AuthenticationType::Federated,
        default: domain.is_default,
        initial: domain.is_initial,
        name: domain.name.to_lowercase(),
    }
}

/// Published names of products and service plans, by id.
pub trait LicenseNames: Sync {
    /// The product's name.
    fn product(&self, sku_id: &str) -> Option<String>;
    /// The service plan's name.
    fn plan(&self, plan_id: &str) -> Option<String>;
}

/// No names: part numbers and technical names are shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl LicenseNames for NoNames {
    fn product(&self, _sku_id: &str) -> Option<String> {
        None
    }

    fn plan(&self, _plan_id: &str) -> Option<String> {
        None
    }
}

/// A product of the tenant.
pub fn product(sku: &graph::SubscribedSku, names: &dyn LicenseNames) -> Product {
    let sku_id = sku.sku_id.to_string();
    let plan = |plan: &graph::ServicePlan| {
        let id = plan.service_plan_id.to_string();
        let name = plan.service_plan_name.clone().unwrap_or_else(|| id.clone());
        ServicePlan {
            friendly_name: names.plan(&id).unwrap_or_else(|| name.clone()),
            for_users: plan.applies_to == graph::AppliesTo::User,
            name,
            id,
        }
    };
    Product {
        name: names
            .product(&sku_id)
            .unwrap_or_else(|| sku.sku_part_number.clone()),
        part_number: sku.sku_part_number.clone(),
        assignable: sku.is_assignable(),
        seats: Seats {
            total: sku.prepaid_units.enabled + sku.prepaid_units.warning,
            used: sku.consumed_units,
        },
        service_plans: sku.service_plans.iter().map(plan).collect(),
        sku_id,
    }
}
