//! Subscriptions and the licenses of users: seats, refusals, group licensing (`graph.md` 5).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::{Answer, Outcome, Refusal};
use crate::clock::{Millis, instant};
use crate::fields::{DEFAULT, Field};
use crate::group_licenses;
use crate::request::Call;
use crate::skus::{Sku, SkuNo};
use crate::tenant::{GroupNo, Tenant, UserNo};
use crate::user::{User, UserView};

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
pub(crate) fn active(licenses: &[License]) -> u64 {
    licenses
        .iter()
        .filter(|license| license.error.is_none())
        .fold(0, |bits, license| bits | 1 << license.sku)
}

pub(crate) fn each(bits: u64) -> impl Iterator<Item = SkuNo> {
    (0..64).filter(move |sku| bits & (1 << sku) != 0)
}

/// Replaces a user's licenses and counts the seats.
pub(crate) fn set_licenses(tenant: &mut Tenant, no: UserNo, licenses: Vec<License>) {
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

pub(crate) const LICENSE_FIELDS: &[Field] = &[
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
pub(crate) enum Objection {
    Exclusive(Uuid, Uuid),
    Depends(Uuid, Vec<Uuid>),
}

impl Objection {
    pub(crate) fn fault(&self) -> Fault {
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

pub(crate) fn objection(tenant: &Tenant, licenses: &[License]) -> Option<Objection> {
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
    let changed = group_licenses::inherit(tenant, no, call.now);
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
