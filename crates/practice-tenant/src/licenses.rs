//! Subscriptions and the licenses of users: seats, refusals, group licensing (`graph.md` 5).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::{Answer, Outcome, Refusal};
use crate::clock::{Millis, instant};
use crate::fields::{DEFAULT, Field};
use crate::request::Call;
use crate::tenant::{GroupNo, LicenseWork, Tenant, UserNo};
use crate::user::{User, UserView};

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

/// One assignment of a product to a user, direct or through a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct License {
    pub(crate) sku: SkuNo,
    pub(crate) disabled: Vec<Uuid>,
    pub(crate) by_group: Option<GroupNo>,
    pub(crate) error: Option<Fault>,
    pub(crate) updated: Millis,
}

/// Why an inherited license is not in force; the names are Graph's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    CountViolation,
    MutuallyExclusiveViolation,
    DependencyViolation,
    Other,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::CountViolation => "CountViolation",
            Self::MutuallyExclusiveViolation => "MutuallyExclusiveViolation",
            Self::DependencyViolation => "DependencyViolation",
            Self::Other => "Other",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssignedLicense {
    pub(crate) disabled_plans: Vec<Uuid>,
    pub(crate) sku_id: Uuid,
}

/// Direct and inherited licenses together; a plan is off only when every assignment switches it off.
pub(crate) fn assigned_licenses(tenant: &Tenant, user: &User) -> Vec<AssignedLicense> {
    let mut all: Vec<AssignedLicense> = Vec::new();
    for license in user
        .licenses
        .iter()
        .filter(|license| license.error.is_none())
    {
        let sku_id = tenant.skus[license.sku as usize].id;
        match all.iter_mut().find(|known| known.sku_id == sku_id) {
            Some(known) => known
                .disabled_plans
                .retain(|plan| license.disabled.contains(plan)),
            None => all.push(AssignedLicense {
                disabled_plans: license.disabled.clone(),
                sku_id,
            }),
        }
    }
    all
}

pub(crate) fn license_states(tenant: &Tenant, user: &User) -> Vec<Value> {
    let state = |license: &License| {
        json!({
            "skuId": tenant.skus[license.sku as usize].id, "disabledPlans": license.disabled,
            "assignedByGroup": license.by_group.map(|group| tenant.group(group).id),
            "state": if license.error.is_some() { "Error" } else { "Active" },
            "error": license.error.map_or("None", Fault::name), "lastUpdatedDateTime": instant(license.updated),
        })
    };
    user.licenses.iter().map(state).collect()
}

pub(crate) fn assigned_plans(tenant: &Tenant, user: &User) -> Vec<Value> {
    let mut plans = Vec::new();
    for license in user
        .licenses
        .iter()
        .filter(|license| license.error.is_none())
    {
        for plan in &tenant.skus[license.sku as usize].plans {
            let status = if license.disabled.contains(&plan.id) {
                "Deleted"
            } else {
                "Enabled"
            };
            plans.push(json!({"assignedDateTime": instant(license.updated), "capabilityStatus": status, "service": service(&plan.name), "servicePlanId": plan.id}));
        }
    }
    plans
}

/// The service behind a plan, roughly as Microsoft names it.
fn service(plan: &str) -> &'static str {
    match plan {
        name if name.contains("EXCHANGE") => "exchange",
        name if name.contains("SHAREPOINT") || name.contains("ONEDRIVE") => "SharePoint",
        name if name.contains("TEAMS") => "TeamspaceAPI",
        name if name.starts_with("MCO") => "MicrosoftCommunicationsOnline",
        name if name.contains("INTUNE") => "SCO",
        name if name.contains("AAD") => "AADPremiumService",
        _ => "MicrosoftOffice",
    }
}

/// The products in force, one bit each.
fn active(licenses: &[License]) -> u64 {
    licenses
        .iter()
        .filter(|license| license.error.is_none())
        .fold(0, |bits, license| bits | 1 << license.sku)
}

fn each(bits: u64) -> impl Iterator<Item = SkuNo> {
    (0..64).filter(move |sku| bits & (1 << sku) != 0)
}

/// Replaces a user's licenses and counts the seats.
fn set_licenses(tenant: &mut Tenant, no: UserNo, licenses: Vec<License>) {
    let before = active(&tenant.user(no).licenses);
    let after = active(&licenses);
    for sku in each(before & !after) {
        tenant.skus[sku as usize].consumed -= 1;
    }
    for sku in each(after & !before) {
        tenant.skus[sku as usize].consumed += 1;
    }
    tenant.users[no as usize].licenses = licenses;
}

/// A deleted user keeps no license.
pub(crate) fn release_all(tenant: &mut Tenant, no: UserNo) {
    set_licenses(tenant, no, Vec::new());
}

/// Gives a license without asking for anything; for the tenant's default content.
pub(crate) fn grant(tenant: &mut Tenant, no: UserNo, part_number: &str, now: Millis) {
    let found = tenant
        .skus
        .iter()
        .position(|sku| sku.part_number == part_number);
    let Some(sku) = found.and_then(|at| SkuNo::try_from(at).ok()) else {
        return;
    };
    let mut licenses = tenant.user(no).licenses.clone();
    licenses.push(License {
        sku,
        disabled: Vec::new(),
        by_group: None,
        error: None,
        updated: now,
    });
    set_licenses(tenant, no, licenses);
    tenant.touch(no, LICENSE_FIELDS, now);
}

const LICENSE_FIELDS: &[Field] = &[
    Field::AssignedLicenses,
    Field::LicenseAssignmentStates,
    Field::AssignedPlans,
];

/// Plans of which a user may have one at a time.
const EXCLUSIVE: &[&[&str]] = &[
    &[
        "EXCHANGE_S_STANDARD",
        "EXCHANGE_S_ENTERPRISE",
        "EXCHANGE_S_DESKLESS",
    ],
    &[
        "SHAREPOINTSTANDARD",
        "SHAREPOINTENTERPRISE",
        "SHAREPOINTDESKLESS",
    ],
];

/// Plans that need one of others.
const DEPENDING: &[(&str, &[&str])] = &[
    (
        "EXCHANGE_S_ARCHIVE_ADDON",
        &["EXCHANGE_S_STANDARD", "EXCHANGE_S_ENTERPRISE"],
    ),
    (
        "BPOS_S_DlpAddOn",
        &["EXCHANGE_S_STANDARD", "EXCHANGE_S_ENTERPRISE"],
    ),
    (
        "SHAREPOINTWAC",
        &["SHAREPOINTSTANDARD", "SHAREPOINTENTERPRISE"],
    ),
];

/// What Microsoft would refuse about a set of licenses.
enum Objection {
    Exclusive(Uuid, Uuid),
    Depends(Uuid, Vec<Uuid>),
}

impl Objection {
    fn fault(&self) -> Fault {
        match self {
            Self::Exclusive(..) => Fault::MutuallyExclusiveViolation,
            Self::Depends(..) => Fault::DependencyViolation,
        }
    }

    fn refusal(&self) -> Refusal {
        let message = match self {
            Self::Exclusive(a, b) => format!(
                "License assignment failed because service plans {a}, {b} are mutually exclusive."
            ),
            Self::Depends(plan, on) => {
                let on: Vec<String> = on.iter().map(Uuid::to_string).collect();
                format!(
                    "License assignment failed because service plan {plan} depends on the service plan(s) {}",
                    on.join(", ")
                )
            }
        };
        let mut refusal = Refusal::bad_request(message);
        let code = self.fault().name();
        refusal.details.push(crate::answer::Detail {
            code,
            target: "licenses".to_owned(),
        });
        refusal
    }
}

fn objection(tenant: &Tenant, licenses: &[License]) -> Option<Objection> {
    let on: BTreeSet<(&str, Uuid)> = licenses
        .iter()
        .filter(|license| license.error.is_none())
        .flat_map(|license| {
            tenant.skus[license.sku as usize]
                .plans
                .iter()
                .filter(|plan| !license.disabled.contains(&plan.id))
        })
        .map(|plan| (plan.name.as_str(), plan.id))
        .collect();
    let id_of = |name: &str| {
        on.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, id)| *id)
    };
    for set in EXCLUSIVE {
        let mut present = set.iter().filter_map(|name| id_of(name));
        if let (Some(a), Some(b)) = (present.next(), present.next()) {
            return Some(Objection::Exclusive(a, b));
        }
    }
    let any_id = |name: &str| {
        tenant
            .skus
            .iter()
            .flat_map(|sku| &sku.plans)
            .find(|plan| plan.name == name)
            .map(|plan| plan.id)
    };
    DEPENDING.iter().find_map(|(plan, needs)| {
        let id = id_of(plan)?;
        let is_met = needs.iter().any(|name| id_of(name).is_some());
        (!is_met)
            .then(|| Objection::Depends(id, needs.iter().filter_map(|name| any_id(name)).collect()))
    })
}

/// What `assignLicense` asks for.
pub(crate) struct Wish {
    pub(crate) add: Vec<(SkuNo, Vec<Uuid>)>,
    pub(crate) remove: Vec<SkuNo>,
}

impl Wish {
    pub(crate) fn parse(
        tenant: &Tenant,
        body: &serde_json::Map<String, Value>,
    ) -> Result<Self, Refusal> {
        let array = |name: &str| {
            let found = body.get(name).and_then(Value::as_array);
            found.ok_or_else(|| Refusal::bad_request(format!("One or more parameters of the operation 'assignLicense' are missing from the request payload. The missing parameters are: {name}.")))
        };
        let (adds, removes) = (array("addLicenses")?, array("removeLicenses")?);
        let mut wish = Self {
            add: Vec::new(),
            remove: Vec::new(),
        };
        for one in adds {
            let sku = find_sku(tenant, one.get("skuId").and_then(Value::as_str))?;
            let disabled = one
                .get("disabledPlans")
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            let mut plans = Vec::new();
            for plan in disabled {
                let id = plan.as_str().and_then(|text| Uuid::parse_str(text).ok());
                let known = id.filter(|id| {
                    tenant.skus[sku as usize]
                        .plans
                        .iter()
                        .any(|plan| plan.id == *id)
                });
                plans.push(known.ok_or_else(|| {
                    Refusal::bad_request(format!(
                        "Service plan {plan} does not belong to the subscription {}.",
                        tenant.skus[sku as usize].id
                    ))
                })?);
            }
            plans.sort_unstable();
            plans.dedup();
            if !tenant.skus[sku as usize].for_users {
                return Err(Refusal::bad_request(format!(
                    "License {} cannot be assigned to a user.",
                    tenant.skus[sku as usize].id
                )));
            }
            wish.add.push((sku, plans));
        }
        for one in removes {
            wish.remove.push(find_sku(tenant, one.as_str())?);
        }
        if wish.add.iter().any(|(sku, _)| wish.remove.contains(sku)) {
            return Err(Refusal::bad_request(
                "A license cannot be added and removed in the same request.",
            ));
        }
        Ok(wish)
    }
}

fn find_sku(tenant: &Tenant, id: Option<&str>) -> Result<SkuNo, Refusal> {
    let parsed = id.and_then(|text| Uuid::parse_str(text).ok());
    let found = parsed
        .and_then(|id| tenant.skus.iter().position(|sku| sku.id == id))
        .and_then(|at| SkuNo::try_from(at).ok());
    found.ok_or_else(|| {
        Refusal::bad_request(format!(
            "License {} does not correspond to a valid company License.",
            id.unwrap_or("null")
        ))
    })
}

/// `POST /users/{id}/assignLicense`.
pub(crate) fn assign(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let wish = Wish::parse(tenant, call.object()?)?;
    let user = tenant.user(no);
    if !wish.add.is_empty()
        && user
            .text(Field::UsageLocation)
            .is_none_or(|place| ["CU", "IR", "KP", "SY"].contains(&place))
    {
        return Err(Refusal::bad_request(
            "License assignment cannot be done for user with invalid usage location.",
        ));
    }
    let mut licenses = user.licenses.clone();
    for sku in &wish.remove {
        let held = licenses
            .iter()
            .position(|license| license.sku == *sku && license.by_group.is_none());
        match held {
            Some(at) => drop(licenses.remove(at)),
            None if licenses.iter().any(|license| license.sku == *sku) => {
                return Err(Refusal::bad_request(
                    "User license is inherited from a group membership and it cannot be removed directly from the user.",
                ));
            }
            None => {
                return Err(Refusal::bad_request(
                    "User does not have a corresponding license.",
                ));
            }
        }
    }
    for (sku, disabled) in wish.add {
        match licenses
            .iter_mut()
            .find(|license| license.sku == sku && license.by_group.is_none())
        {
            Some(held) if held.disabled == disabled => {}
            Some(held) => {
                held.disabled = disabled;
                held.updated = call.now;
            }
            None => licenses.push(License {
                sku,
                disabled,
                by_group: None,
                error: None,
                updated: call.now,
            }),
        }
    }
    if let Some(objection) = objection(tenant, &licenses) {
        return Err(objection.refusal());
    }
    for sku in each(active(&licenses) & !active(&user.licenses)) {
        if tenant.skus[sku as usize].free() <= 0 {
            let mut refusal = Refusal::bad_request(format!(
                "Subscription with SKU {} does not have any available licenses.",
                tenant.skus[sku as usize].id
            ));
            refusal.details.push(crate::answer::Detail {
                code: "CountViolation",
                target: "licenses".to_owned(),
            });
            return Err(refusal);
        }
    }
    let changed = licenses != user.licenses;
    if changed {
        tenant.keep_stale(no, call.now);
        set_licenses(tenant, no, licenses);
        tenant.touch(no, LICENSE_FIELDS, call.now);
    }
    Ok(user_answer(tenant, no, call).effect(changed.into()))
}

fn user_answer(tenant: &Tenant, no: UserNo, call: &Call<'_>) -> Answer {
    let context = call.context("users/$entity");
    Answer::ok(&UserView {
        tenant,
        user: tenant.user(no),
        fields: DEFAULT,
        context: Some(&context),
        typed: false,
        manager: None,
        now: call.now,
    })
}

/// `POST /users/{id}/reprocessLicenseAssignment`.
pub(crate) fn reprocess(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let changed = inherit(tenant, no, call.now);
    let fault = tenant
        .user(no)
        .licenses
        .iter()
        .find_map(|license| Some((license.sku, license.error?)));
    if let Some((sku, fault)) = fault {
        let id = tenant.skus[sku as usize].id;
        let refusal = match fault {
            Fault::CountViolation => Refusal::bad_request(format!(
                "Subscription with SKU {id} does not have any available licenses."
            )),
            _ => Refusal::bad_request(format!(
                "License assignment of {id} failed: {}.",
                fault.name()
            )),
        };
        return Err(refusal);
    }
    Ok(user_answer(tenant, no, call).effect(changed.into()))
}

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
pub(crate) fn list_skus(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
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
pub(crate) fn read_sku(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
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

/// Has the background process look at a user's group licenses again.
pub(crate) fn queue_user(tenant: &mut Tenant, user: UserNo, now: Millis) {
    let holds = tenant
        .user(user)
        .licenses
        .iter()
        .any(|license| license.by_group.is_some());
    let may = tenant
        .user(user)
        .groups
        .iter()
        .any(|group| !tenant.group(*group).licenses.is_empty());
    if holds || may {
        let due = now + tenant.replication_delay;
        tenant.index.license_work.push_back(LicenseWork {
            due,
            user,
            completes: None,
        });
    }
}

/// `POST /groups/{id}/assignLicense`: accepted now, carried out in the background.
pub(crate) fn assign_group(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let wish = Wish::parse(tenant, call.object()?)?;
    let mut licenses = tenant.group(no).licenses.clone();
    for sku in &wish.remove {
        let at = licenses.iter().position(|(held, _)| held == sku);
        licenses.remove(
            at.ok_or_else(|| Refusal::bad_request("Group does not have a corresponding license."))?,
        );
    }
    for (sku, disabled) in wish.add {
        licenses.retain(|(held, _)| *held != sku);
        licenses.push((sku, disabled));
    }
    let changed = licenses != tenant.group(no).licenses;
    tenant.groups[no as usize].licenses = licenses;
    if changed {
        tenant.touch_group(no, call.now);
        tenant.groups[no as usize].processing = Some("QueuedForProcessing".to_owned());
        let due = call.now + tenant.replication_delay;
        let members: Vec<UserNo> = tenant.group(no).user_members().collect();
        let last = members.len().wrapping_sub(1);
        for (at, user) in members.iter().enumerate() {
            let completes = (at == last).then_some(no);
            tenant.index.license_work.push_back(LicenseWork {
                due,
                user: *user,
                completes,
            });
        }
        if members.is_empty() {
            tenant.groups[no as usize].processing = Some("ProcessingComplete".to_owned());
        }
    }
    let context = call.context("groups/$entity");
    let view = crate::groups::GroupView {
        tenant,
        group: tenant.group(no),
        names: None,
        context: Some(&context),
        typed: false,
    };
    Ok(Answer::json(202, &view).effect(changed.into()))
}

/// The background process: carries out group licensing that is due.
pub(crate) fn settle(tenant: &mut Tenant, now: Millis) {
    while let Some(work) = tenant
        .index
        .license_work
        .front()
        .copied()
        .filter(|work| work.due <= now)
    {
        tenant.index.license_work.pop_front();
        if tenant.user(work.user).is_live() {
            inherit(tenant, work.user, now);
        }
        if let Some(group) = work.completes {
            tenant.groups[group as usize].processing = Some("ProcessingComplete".to_owned());
        }
    }
}

/// Brings a user's inherited licenses in line with its groups.
fn inherit(tenant: &mut Tenant, no: UserNo, now: Millis) -> bool {
    let user = tenant.user(no);
    let mut licenses: Vec<License> = user
        .licenses
        .iter()
        .filter(|license| license.by_group.is_none())
        .cloned()
        .collect();
    let held = active(&user.licenses);
    for group_no in user
        .groups
        .iter()
        .copied()
        .filter(|group| tenant.group(*group).is_live())
    {
        let wanted = tenant
            .group(group_no)
            .licenses
            .iter()
            .map(|(sku, disabled)| {
                let same = |license: &&License| {
                    license.by_group == Some(group_no)
                        && license.sku == *sku
                        && license.error.is_none()
                        && license.disabled == *disabled
                };
                let updated = user
                    .licenses
                    .iter()
                    .find(same)
                    .map_or(now, |license| license.updated);
                License {
                    sku: *sku,
                    disabled: disabled.clone(),
                    by_group: Some(group_no),
                    error: None,
                    updated,
                }
            });
        let mut inherited: Vec<License> = wanted.collect();
        let mut together = licenses.clone();
        together.extend(inherited.iter().cloned());
        let lacking = each(active(&together) & !held & !active(&licenses))
            .find(|sku| tenant.skus[*sku as usize].free() <= 0);
        let fault = lacking
            .map(|_| Fault::CountViolation)
            .or_else(|| objection(tenant, &together).map(|found| found.fault()));
        if let Some(fault) = fault {
            for license in &mut inherited {
                let is_cause = lacking.is_none_or(|sku| sku == license.sku);
                license.error = Some(if is_cause { fault } else { Fault::Other });
            }
        }
        licenses.extend(inherited);
    }
    let same = |a: &License, b: &License| {
        (a.sku, &a.disabled, a.by_group, a.error) == (b.sku, &b.disabled, b.by_group, b.error)
    };
    let before = &user.licenses;
    if before.len() == licenses.len() && before.iter().zip(&licenses).all(|(a, b)| same(a, b)) {
        return false;
    }
    set_licenses(tenant, no, licenses);
    tenant.touch(no, LICENSE_FIELDS, now);
    true
}

/// Sets a user's direct licenses as somebody else would, without counting free seats.
pub(crate) fn replace_direct(
    tenant: &mut Tenant,
    no: UserNo,
    given: &Value,
    now: Millis,
) -> Result<(), String> {
    let mut licenses: Vec<License> = tenant
        .user(no)
        .licenses
        .iter()
        .filter(|license| license.by_group.is_some())
        .cloned()
        .collect();
    for one in given.as_array().into_iter().flatten() {
        let text = |name: &str| one.get(name).and_then(Value::as_str);
        let is_meant = |sku: &Sku| {
            text("skuId").is_some_and(|id| sku.id.to_string() == id)
                || text("skuPartNumber") == Some(sku.part_number.as_str())
        };
        let sku = tenant
            .skus
            .iter()
            .position(is_meant)
            .and_then(|at| SkuNo::try_from(at).ok());
        let sku = sku.ok_or_else(|| format!("there is no subscription {one}"))?;
        let disabled = one
            .get("disabledPlans")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|plan| Uuid::parse_str(plan.as_str()?).ok());
        licenses.push(License {
            sku,
            disabled: disabled.collect(),
            by_group: None,
            error: None,
            updated: now,
        });
    }
    set_licenses(tenant, no, licenses);
    tenant.touch(no, LICENSE_FIELDS, now);
    Ok(())
}
