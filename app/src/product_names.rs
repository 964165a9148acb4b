//! Published names of products and their services, by the ids that Graph gives.
//!
//! From Microsoft's table "Product names and service plan identifiers for licensing", state of
//! 29 July 2026. Not every product of a tenant is in it: then the part number has to do.

use std::collections::HashMap;
use std::sync::LazyLock;

use signpost_graph::{AppliesTo, SubscribedSku};
use signpost_model::license::{Product, Seats, ServicePlan};

type Names = HashMap<&'static str, &'static str>;

static PRODUCTS: LazyLock<Names> = LazyLock::new(|| read(include_str!("../data/products.tsv")));
static PLANS: LazyLock<Names> = LazyLock::new(|| read(include_str!("../data/service_plans.tsv")));

fn read(table: &'static str) -> Names {
    table
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect()
}

/// The published name of a product.
pub fn product_name(sku_id: &str) -> Option<&'static str> {
    PRODUCTS.get(sku_id.to_ascii_lowercase().as_str()).copied()
}

/// The published name of a service plan.
pub fn plan_name(plan_id: &str) -> Option<&'static str> {
    PLANS.get(plan_id.to_ascii_lowercase().as_str()).copied()
}

/// A product as Graph tells of it, in our words.
pub fn product_of(sku: &SubscribedSku) -> Product {
    let sku_id = sku.sku_id.to_string();
    let part_number = sku.sku_part_number.clone();
    let name = product_name(&sku_id).unwrap_or(&part_number).to_owned();
    let service_plans = sku.service_plans.iter().map(|plan| {
        let id = plan.service_plan_id.to_string();
        let name = plan.service_plan_name.clone().unwrap_or_default();
        let friendly_name = plan_name(&id).unwrap_or(&name).to_owned();
        ServicePlan {
            friendly_name,
            name,
            for_users: plan.applies_to == AppliesTo::User,
            id,
        }
    });
    Product {
        service_plans: service_plans.collect(),
        seats: Seats {
            total: sku.prepaid_units.enabled + sku.prepaid_units.warning,
            used: sku.consumed_units,
        },
        assignable: sku.is_assignable(),
        sku_id,
        part_number,
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_plans_have_their_published_names() {
        let name = product_name("05E9A617-0261-4CEE-BB44-138D3EF5D965");
        assert_eq!(name, Some("Microsoft 365 E3"));
        let exchange = plan_name("efb87545-963c-4e0d-99df-69c6916d9eb0");
        assert!(exchange.is_some_and(|name| name.to_lowercase().starts_with("exchange online")));
        assert_eq!(product_name("00000000-0000-0000-0000-000000000000"), None);
    }
}
