//! Subscriptions: products, seats, service plans (`graph.md` 5.1).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::{Answer, Outcome, Refusal};
use crate::clock::{Millis, instant};
use crate::licenses::assigned_licenses;
use crate::request::Call;
use crate::tenant::Tenant;

/// One subscribed product.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sku {
    pub(crate) id: Uuid,
    pub(crate) part_number: String,
    pub(crate) product_name: String,
    pub(crate) plans: Vec<Plan>,
    pub(crate) for_users: bool,
    pub(crate) status: String,
    pub(crate) enabled: i64,
    pub(crate) warning: i64,
    pub(crate) suspended: i64,
    pub(crate) locked_out: i64,
    pub(crate) consumed: i64,
    pub(crate) subscription_id: Uuid,
    pub(crate) next_lifecycle: Millis,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) id: Uuid,
    pub(crate) name: String,
}

impl Sku {
    pub(crate) fn free(&self) -> i64 {
        self.enabled + self.warning - self.consumed
    }
}

/// Place in `Tenant::skus`.
pub(crate) type SkuNo = u8;

/// `GET /users/{id}/licenseDetails`.
pub(crate) fn details(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let user = tenant.seen(no, call.now);
    let details: Vec<Value> = assigned_licenses(tenant, user)
        .into_iter()
        .filter_map(|license| {
            let sku = tenant.skus.iter().find(|sku| sku.id == license.sku_id)?;
            Some(json!({
                "id": format!("{}_{}", user.id.simple(), sku.id.simple()), "skuId": sku.id, "skuPartNumber": sku.part_number,
                "servicePlans": service_plans(sku, &license.disabled_plans),
            }))
        })
        .collect();
    let context = call.context(&format!("users('{}')/licenseDetails", user.id));
    Ok(Answer::ok(
        &json!({"@odata.context": context, "value": details}),
    ))
}

fn service_plans(sku: &Sku, disabled: &[Uuid]) -> Vec<Value> {
    let plan = |plan: &Plan| {
        let status = if disabled.contains(&plan.id) {
            "Disabled"
        } else {
            "Success"
        };
        let applies_to = if sku.for_users { "User" } else { "Company" };
        json!({"servicePlanId": plan.id, "servicePlanName": plan.name, "provisioningStatus": status, "appliesTo": applies_to})
    };
    sku.plans.iter().map(plan).collect()
}

fn sku_json(tenant: &Tenant, sku: &Sku) -> Value {
    json!({
        "accountName": tenant.name, "accountId": tenant.id, "appliesTo": if sku.for_users { "User" } else { "Company" },
        "capabilityStatus": sku.status, "consumedUnits": sku.consumed, "id": format!("{}_{}", tenant.id, sku.id), "skuId": sku.id,
        "skuPartNumber": sku.part_number, "subscriptionIds": [sku.subscription_id],
        "prepaidUnits": {"enabled": sku.enabled, "suspended": sku.suspended, "warning": sku.warning, "lockedOut": sku.locked_out},
        "servicePlans": service_plans(sku, &[]),
    })
}

/// `GET /subscribedSkus`.
pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if let Some((name, _)) = call
        .query
        .0
        .iter()
        .find(|(name, _)| name.starts_with('$') && !name.eq_ignore_ascii_case("$select"))
    {
        return Err(Refusal::bad_request(format!(
            "The query option '{name}' is not supported for subscribedSkus."
        )));
    }
    let all = tenant
        .skus
        .iter()
        .map(|sku| crate::objects::select(sku_json(tenant, sku), call))
        .collect();
    Ok(crate::objects::list(call, "subscribedSkus", all))
}

/// `GET /subscribedSkus/{id}`.
pub(crate) fn read(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let found = tenant
        .skus
        .iter()
        .find(|sku| format!("{}_{}", tenant.id, sku.id) == call.param(0));
    let sku = found.ok_or_else(|| Refusal::not_found(call.param(0)))?;
    Ok(crate::objects::one(
        call,
        "subscribedSkus/$entity",
        sku_json(tenant, sku),
    ))
}

/// `GET /directory/subscriptions`.
pub(crate) fn list_subscriptions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let subscription = |sku: &Sku| {
        json!({
            "id": sku.subscription_id, "commerceSubscriptionId": sku.subscription_id, "createdDateTime": instant(tenant.created), "isTrial": false,
            "nextLifecycleDateTime": instant(sku.next_lifecycle), "ownerId": null, "ownerTenantId": null, "ownerType": null, "skuId": sku.id,
            "skuPartNumber": sku.part_number, "status": sku.status, "totalLicenses": sku.enabled + sku.warning + sku.suspended + sku.locked_out,
            "serviceStatus": service_plans(sku, &[]),
        })
    };
    let all = tenant
        .skus
        .iter()
        .map(|sku| crate::objects::select(subscription(sku), call))
        .collect();
    Ok(crate::objects::list(call, "directory/subscriptions", all))
}
