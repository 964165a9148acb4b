//! Accounts as Graph sends them, as observations.

use std::collections::BTreeMap;

use signpost_graph::{Account, AccountChange, AssignmentState, RemovedReason};
use signpost_model::plan::TargetAttribute;
use signpost_model::{Observation, ObservedLicense};

use super::object_id;
use crate::effects::sort_licenses;

/// A whole account. `deletedDateTime` says whether it lies in the deleted items.
pub fn observation(account: &Account) -> Observation {
    let mut seen = Observation {
        object_id: object_id(account.id),
        user_principal_name: account.user_principal_name.clone().unwrap_or_default(),
        immutable_id: account.immutable_id.clone().filter(|id| !id.is_empty()),
        mail: account.mail.clone().filter(|mail| !mail.is_empty()),
        enabled: account.account_enabled.unwrap_or(true),
        guest: account.user_type.as_deref() == Some("Guest"),
        synchronised: account.synchronised.unwrap_or(false),
        deleted: account.deleted_at.is_some(),
        values: values(account),
        licenses: licenses(account),
        manager: account.manager_id().map(object_id),
    };
    if seen.deleted {
        restore_name(&mut seen);
    }
    seen
}

/// What a delta entry makes of an account. `None`: it is gone for good. An account that was not
/// known yet and is deleted shows nothing but its id, which tells nobody anything: `None` too.
pub fn merge(change: AccountChange, before: Option<&Observation>) -> Option<Observation> {
    match change.removed.map(|removed| removed.reason) {
        Some(RemovedReason::Deleted) => return None,
        Some(RemovedReason::Changed) => {
            return before.map(|before| Observation {
                deleted: true,
                ..before.clone()
            });
        }
        None => {}
    }
    let states_known = !change.license_states.is_keep();
    let assigned_known = !change.assigned_licenses.is_keep();
    let bare = Account::bare(change.id);
    let mut account = match before {
        Some(before) => graph_form(before, bare),
        None => bare,
    };
    change.apply_to(&mut account);
    let mut seen = observation(&account);
    seen.deleted = false;
    if let Some(before) = before {
        if !states_known && !assigned_known {
            seen.licenses.clone_from(&before.licenses);
        } else if !states_known {
            keep_sources(&mut seen.licenses, &before.licenses);
        }
    }
    Some(seen)
}

/// A known account in Graph's form, licenses apart.
fn graph_form(seen: &Observation, bare: Account) -> Account {
    let value = |attribute| seen.values.get(&attribute).cloned();
    let manager = seen
        .manager
        .as_ref()
        .and_then(|id| id.as_str().parse().ok());
    Account {
        user_principal_name: Some(seen.user_principal_name.clone()),
        account_enabled: Some(seen.enabled),
        synchronised: Some(seen.synchronised),
        immutable_id: seen.immutable_id.clone(),
        user_type: seen.guest.then(|| "Guest".to_owned()),
        mail: seen.mail.clone(),
        manager: manager.map(|id| signpost_graph::Reference { id }),
        display_name: value(TargetAttribute::DisplayName),
        given_name: value(TargetAttribute::GivenName),
        surname: value(TargetAttribute::Surname),
        mail_nickname: value(TargetAttribute::MailNickname),
        usage_location: value(TargetAttribute::UsageLocation),
        job_title: value(TargetAttribute::JobTitle),
        department: value(TargetAttribute::Department),
        company_name: value(TargetAttribute::CompanyName),
        office_location: value(TargetAttribute::OfficeLocation),
        mobile_phone: value(TargetAttribute::MobilePhone),
        street_address: value(TargetAttribute::StreetAddress),
        city: value(TargetAttribute::City),
        state: value(TargetAttribute::State),
        postal_code: value(TargetAttribute::PostalCode),
        country: value(TargetAttribute::Country),
        preferred_language: value(TargetAttribute::PreferredLanguage),
        employee_id: value(TargetAttribute::EmployeeId),
        business_phones: value(TargetAttribute::BusinessPhones).into_iter().collect(),
        ..bare
    }
}

fn values(account: &Account) -> BTreeMap<TargetAttribute, String> {
    let phone = account.business_phones.first().cloned();
    let pairs = [
        (TargetAttribute::MailNickname, &account.mail_nickname),
        (TargetAttribute::DisplayName, &account.display_name),
        (TargetAttribute::GivenName, &account.given_name),
        (TargetAttribute::Surname, &account.surname),
        (TargetAttribute::JobTitle, &account.job_title),
        (TargetAttribute::Department, &account.department),
        (TargetAttribute::CompanyName, &account.company_name),
        (TargetAttribute::OfficeLocation, &account.office_location),
        (TargetAttribute::MobilePhone, &account.mobile_phone),
        (TargetAttribute::BusinessPhones, &phone),
        (TargetAttribute::StreetAddress, &account.street_address),
        (TargetAttribute::City, &account.city),
        (TargetAttribute::State, &account.state),
        (TargetAttribute::PostalCode, &account.postal_code),
        (TargetAttribute::Country, &account.country),
        (TargetAttribute::UsageLocation, &account.usage_location),
        (
            TargetAttribute::PreferredLanguage,
            &account.preferred_language,
        ),
        (TargetAttribute::EmployeeId, &account.employee_id),
    ];
    (pairs.into_iter())
        .filter_map(|(attribute, value)| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            Some((attribute, value.to_owned()))
        })
        .collect()
}

/// The states tell where a license comes from; without them every license counts as direct.
fn licenses(account: &Account) -> Vec<ObservedLicense> {
    let mut licenses: Vec<_> = if account.license_states.is_empty() {
        (account.assigned_licenses.iter())
            .map(|held| license(held.sku_id, &held.disabled_plans, None))
            .collect()
    } else {
        (account.license_states.iter())
            .filter(|held| held.state != AssignmentState::Error)
            .map(|held| license(held.sku_id, &held.disabled_plans, held.assigned_by_group))
            .collect()
    };
    sort_licenses(&mut licenses);
    licenses
}

fn license(
    sku_id: signpost_graph::SkuId,
    disabled_plans: &[signpost_graph::PlanId],
    from_group: Option<signpost_graph::ObjectId>,
) -> ObservedLicense {
    let mut disabled: Vec<_> = disabled_plans.iter().map(ToString::to_string).collect();
    disabled.sort();
    ObservedLicense {
        sku_id: sku_id.to_string(),
        disabled_plans: disabled,
        from_group: from_group.map(object_id),
    }
}

/// Takes over where a license came from, for entries that list licenses without their source.
fn keep_sources(licenses: &mut Vec<ObservedLicense>, before: &[ObservedLicense]) {
    let inherited: Vec<_> = (before.iter())
        .filter(|old| old.from_group.is_some())
        .filter(|old| licenses.iter().any(|new| new.sku_id == old.sku_id))
        .cloned()
        .collect();
    let was_direct = |sku_id: &str| {
        before
            .iter()
            .any(|old| old.sku_id == sku_id && old.from_group.is_none())
    };
    licenses.retain(|new| {
        was_direct(&new.sku_id) || !inherited.iter().any(|old| old.sku_id == new.sku_id)
    });
    licenses.extend(inherited);
    sort_licenses(licenses);
}

/// Microsoft puts the object id before the user name of a deleted account.
fn restore_name(seen: &mut Observation) {
    let prefix: String = (seen.object_id.as_str().chars())
        .filter(|c| *c != '-')
        .collect();
    if let Some(name) = seen.user_principal_name.strip_prefix(&prefix)
        && !name.starts_with('@')
    {
        seen.user_principal_name = name.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ADA: &str = "8c1e0000-0000-4000-8000-000000000001";
    const E3: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";
    const GROUP: &str = "8c1e0000-0000-4000-8000-0000000000ff";

    fn ada() -> Account {
        serde_json::from_value(json!({
            "id": ADA, "userPrincipalName": "ada@contoso.com", "accountEnabled": true,
            "displayName": "Ada", "city": "Porto", "businessPhones": ["+351 1"],
            "assignedLicenses": [{"skuId": E3, "disabledPlans": []}],
            "licenseAssignmentStates": [
                {"skuId": E3, "disabledPlans": [], "assignedByGroup": GROUP, "state": "Active", "error": "None"},
                {"skuId": E3, "disabledPlans": [], "assignedByGroup": null, "state": "Error", "error": "CountViolation"},
            ],
        }))
        .unwrap()
    }

    fn change(value: serde_json::Value) -> AccountChange {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_license_counts_with_its_source_and_only_when_it_works() {
        let seen = observation(&ada());
        assert_eq!(seen.licenses.len(), 1);
        assert_eq!(
            seen.licenses[0].from_group.as_ref().unwrap().as_str(),
            GROUP
        );
    }

    #[test]
    fn a_delta_entry_changes_only_what_it_mentions() {
        let before = observation(&ada());
        let entry = json!({"id": ADA, "city": null, "department": "Sales"});
        let seen = merge(change(entry.clone()), Some(&before)).unwrap();
        assert!(!seen.values.contains_key(&TargetAttribute::City));
        assert_eq!(seen.values[&TargetAttribute::Department], "Sales");
        assert_eq!(seen.values[&TargetAttribute::BusinessPhones], "+351 1");
        assert_eq!(seen.licenses, before.licenses);
        assert_eq!(merge(change(entry), Some(&seen)).unwrap(), seen);
    }

    #[test]
    fn deletion_comes_in_two_steps() {
        let before = observation(&ada());
        let gone = |reason: &str| change(json!({"id": ADA, "@removed": {"reason": reason}}));
        assert!(merge(gone("changed"), Some(&before)).unwrap().deleted);
        assert_eq!(merge(gone("deleted"), Some(&before)), None);
        assert_eq!(merge(gone("changed"), None), None);
    }

    #[test]
    fn licenses_without_their_source_keep_the_one_that_was_known() {
        let before = observation(&ada());
        let entry = json!({"id": ADA, "assignedLicenses": [{"skuId": E3, "disabledPlans": []}]});
        let seen = merge(change(entry), Some(&before)).unwrap();
        assert_eq!(seen.licenses, before.licenses);
    }

    #[test]
    fn a_deleted_account_is_found_by_the_name_it_had() {
        let mut account = ada();
        account.deleted_at = "2026-09-01T08:15:30Z".parse().ok();
        let bare: String = ADA.chars().filter(|c| *c != '-').collect();
        account.user_principal_name = Some(format!("{bare}ada@contoso.com"));
        let seen = observation(&account);
        assert!(seen.deleted);
        assert_eq!(seen.user_principal_name, "ada@contoso.com");
    }
}
