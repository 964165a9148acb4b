//! Keeps a tenant as the records say: desired → plan (pure) → apply (through narrow traits).

pub mod apply;
pub mod desired;
pub mod effects;
pub mod facts;
pub mod group_apply;
pub mod group_planner;
pub mod ledger;
pub mod license_rules;
pub mod mapping;
pub mod matching;
pub mod observe;
pub mod observe_groups;
pub mod plan;
pub mod planner;
pub mod readiness;
pub mod tenant;
pub mod translate;

pub use desired::DesiredAccount;
pub use effects::{AccountRecord, Resolved};
pub use facts::TenantFacts;
pub use ledger::{Ledger, LedgerChange};
pub use mapping::Mapping;
pub use matching::Lookup;
pub use plan::{Plan, plan};
pub use planner::{Context, PlanSummary, Planner};
