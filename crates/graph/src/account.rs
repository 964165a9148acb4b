//! User objects as the tenant holds them, whole and as changes.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::change::Change;
use crate::ids::{ObjectId, PlanId, SkuId};

macro_rules! account {
    ($($(#[$doc:meta])* $field:ident: $kind:ty = $name:literal,)*) => {
        /// A user object with the properties this client selects. What Graph does not have is `None`.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        pub struct Account {
            /// ObjectId.
            pub id: ObjectId,
            $($(#[$doc])* #[serde(rename = $name, default)] pub $field: Option<$kind>,)*
            /// Business phone numbers; Graph keeps at most one.
            #[serde(rename = "businessPhones", default, deserialize_with = "null_as_default")]
            pub business_phones: Vec<String>,
            /// Every license the account has, given directly or by a group.
            #[serde(rename = "assignedLicenses", default, deserialize_with = "null_as_default")]
            pub assigned_licenses: Vec<AssignedLicense>,
            /// Where each license comes from, and whether it works.
            #[serde(rename = "licenseAssignmentStates", default, deserialize_with = "null_as_default")]
            pub license_states: Vec<LicenseState>,
            /// The manager, when the read asked for it and there is one.
            #[serde(default)]
            pub manager: Option<Reference>,
        }

        /// One entry of a delta: what is not mentioned has not changed.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        pub struct AccountChange {
            /// ObjectId.
            pub id: ObjectId,
            /// Present when the account is gone.
            #[serde(rename = "@removed", default)]
            pub removed: Option<Removed>,
            $($(#[$doc])* #[serde(rename = $name, default)] pub $field: Change<$kind>,)*
            /// Business phone numbers.
            #[serde(rename = "businessPhones", default)]
            pub business_phones: Change<Vec<String>>,
            /// Every license the account has.
            #[serde(rename = "assignedLicenses", default)]
            pub assigned_licenses: Change<Vec<AssignedLicense>>,
            /// Where each license comes from.
            #[serde(rename = "licenseAssignmentStates", default)]
            pub license_states: Change<Vec<LicenseState>>,
            /// Changes of the manager, in order; the last one holds.
            #[serde(rename = "manager@delta", default)]
            pub manager: Vec<ReferenceChange>,
        }

        impl AccountChange {
            /// Brings `account` to the state after this entry. Applying it twice changes nothing.
            pub fn apply_to(self, account: &mut Account) {
                $(self.$field.apply_to(&mut account.$field);)*
                replace(self.business_phones, &mut account.business_phones);
                replace(self.assigned_licenses, &mut account.assigned_licenses);
                replace(self.license_states, &mut account.license_states);
                for change in self.manager {
                    let reference = Reference { id: change.id };
                    account.manager = change.removed.is_none().then_some(reference);
                }
            }
        }

        impl Account {
            /// An account of which nothing but the id is known.
            pub fn bare(id: ObjectId) -> Self {
                Self {
                    id,
                    $($field: None,)*
                    business_phones: Vec::new(),
                    assigned_licenses: Vec::new(),
                    license_states: Vec::new(),
                    manager: None,
                }
            }
        }

        /// The properties of [`Account`] as `$select` wants them.
        pub(crate) const SELECT: &str =
            concat!("id", $(",", $name,)* ",businessPhones,assignedLicenses,licenseAssignmentStates");
    };
}

account! {
    /// UserPrincipalName: the sign-in name.
    user_principal_name: String = "userPrincipalName",
    /// Whether sign-in is allowed.
    account_enabled: bool = "accountEnabled",
    /// Whether the account is synchronised from another directory, and read-only here.
    synchronised: bool = "onPremisesSyncEnabled",
    /// ImmutableId: the join key to the identity provider.
    immutable_id: String = "onPremisesImmutableId",
    /// `Member` or `Guest`.
    user_type: String = "userType",
    /// Display name.
    display_name: String = "displayName",
    /// Given name.
    given_name: String = "givenName",
    /// Surname.
    surname: String = "surname",
    /// Primary mail address.
    mail: String = "mail",
    /// Mail alias.
    mail_nickname: String = "mailNickname",
    /// Two-letter country code that licensing goes by.
    usage_location: String = "usageLocation",
    /// Job title.
    job_title: String = "jobTitle",
    /// Department.
    department: String = "department",
    /// Company name.
    company_name: String = "companyName",
    /// Office.
    office_location: String = "officeLocation",
    /// Mobile phone number.
    mobile_phone: String = "mobilePhone",
    /// Street.
    street_address: String = "streetAddress",
    /// City.
    city: String = "city",
    /// State or province.
    state: String = "state",
    /// Postal code.
    postal_code: String = "postalCode",
    /// Country or region.
    country: String = "country",
    /// Language, such as `tr-TR`.
    preferred_language: String = "preferredLanguage",
    /// Employee id.
    employee_id: String = "employeeId",
    /// When the account was created.
    created_at: Timestamp = "createdDateTime",
    /// When the account was deleted; only on deleted accounts.
    deleted_at: Timestamp = "deletedDateTime",
}

impl Account {
    /// Object id of the manager.
    pub fn manager_id(&self) -> Option<ObjectId> {
        self.manager.as_ref().map(|manager| manager.id)
    }
}

impl AccountChange {
    /// Whether the account is gone, to the deleted items or for ever.
    pub fn is_removal(&self) -> bool {
        self.removed.is_some()
    }
}

/// Another object, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Reference {
    /// ObjectId.
    pub id: ObjectId,
}

/// An object that entered or left a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct ReferenceChange {
    /// ObjectId.
    pub id: ObjectId,
    /// Present when it left.
    #[serde(rename = "@removed", default)]
    pub removed: Option<Removed>,
}

/// That an object or a relation is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Removed {
    /// How far.
    pub reason: RemovedReason,
}

/// How far an object is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RemovedReason {
    /// In the deleted items, and can be restored.
    Changed,
    /// For ever.
    Deleted,
}

/// A license an account or a group has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedLicense {
    /// The product.
    pub sku_id: SkuId,
    /// Its service plans that are switched off.
    #[serde(default, deserialize_with = "null_as_default")]
    pub disabled_plans: Vec<PlanId>,
}

/// Where a license comes from and whether it works.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseState {
    /// The product.
    pub sku_id: SkuId,
    /// Its service plans that are switched off.
    #[serde(default, deserialize_with = "null_as_default")]
    pub disabled_plans: Vec<PlanId>,
    /// The group it comes from; `None` when it was given directly.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub assigned_by_group: Option<ObjectId>,
    /// How it stands.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: AssignmentState,
    /// What is wrong with it.
    #[serde(default)]
    pub error: LicenseFault,
}

/// How a license of an account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum AssignmentState {
    /// Works.
    Active,
    /// Works, though something about it does not.
    ActiveWithError,
    /// Switched off.
    Disabled,
    /// Does not work.
    Error,
    /// A state this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Why a license does not work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<String>")]
pub enum LicenseFault {
    /// Nothing is wrong.
    #[default]
    None,
    /// No seat was left.
    NoSeats,
    /// Two service plans exclude each other.
    ConflictingPlans,
    /// A service plan needs another one.
    MissingPlan,
    /// The product is not offered in the usage location.
    UsageLocation,
    /// A proxy address is taken.
    AddressTaken,
    /// Something Microsoft has not told.
    Other(String),
}

impl From<Option<String>> for LicenseFault {
    fn from(text: Option<String>) -> Self {
        match text.as_deref() {
            None | Some("" | "None") => Self::None,
            Some("CountViolation") => Self::NoSeats,
            Some("MutuallyExclusiveViolation") => Self::ConflictingPlans,
            Some("DependencyViolation") => Self::MissingPlan,
            Some("ProhibitedInUsageLocationViolation") => Self::UsageLocation,
            Some("UniquenessViolation") => Self::AddressTaken,
            Some(other) => Self::Other(other.to_owned()),
        }
    }
}

fn replace<T>(change: Change<Vec<T>>, slot: &mut Vec<T>) {
    match change {
        Change::Keep => {}
        Change::Set(values) => *slot = values,
        Change::Clear => slot.clear(),
    }
}

/// Graph writes what is absent as `null`, as an empty collection, or not at all.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ObjectId>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(id) => id.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "8c1e0000-0000-4000-8000-000000000001";
    const BOSS: &str = "8c1e0000-0000-4000-8000-000000000002";
    const E3: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";

    #[test]
    fn account_is_read_from_what_graph_sends() {
        let account: Account = serde_json::from_value(serde_json::json!({
            "@odata.type": "#microsoft.graph.user", "id": ADA, "displayName": "Ada Kaya",
            "accountEnabled": true, "onPremisesSyncEnabled": null, "businessPhones": [],
            "createdDateTime": "2026-09-01T08:15:30Z",
            "assignedLicenses": [{"skuId": E3, "disabledPlans": []}],
            "licenseAssignmentStates": [{"skuId": E3, "disabledPlans": [], "assignedByGroup": null,
                "state": "Active", "error": "None", "lastUpdatedDateTime": "2026-09-01T08:15:30Z"}],
            "manager": {"@odata.type": "#microsoft.graph.user", "id": BOSS},
        }))
        .unwrap();
        assert_eq!(account.display_name.as_deref(), Some("Ada Kaya"));
        assert_eq!(
            (account.account_enabled, account.synchronised),
            (Some(true), None)
        );
        assert_eq!(account.assigned_licenses[0].sku_id.to_string(), E3);
        assert_eq!(account.license_states[0].error, LicenseFault::None);
        assert_eq!(account.manager_id().unwrap().to_string(), BOSS);
    }

    #[test]
    fn account_without_an_id_or_with_a_wrong_type_is_refused() {
        assert!(serde_json::from_str::<Account>(r#"{"displayName":"Ada"}"#).is_err());
        let wrong = format!(r#"{{"id":"{ADA}","accountEnabled":"yes"}}"#);
        assert!(serde_json::from_str::<Account>(&wrong).is_err());
    }

    #[test]
    fn delta_entry_changes_only_what_it_mentions_and_twice_is_once() {
        let mut account = Account::bare(ADA.parse().unwrap());
        account.city = Some("İzmir".to_owned());
        account.department = Some("Sales".to_owned());
        let entry: AccountChange = serde_json::from_value(serde_json::json!({
            "id": ADA, "department": null, "displayName": "Ada Kaya",
            "manager@delta": [{"@odata.type": "#microsoft.graph.user", "id": BOSS}],
        }))
        .unwrap();
        entry.clone().apply_to(&mut account);
        assert_eq!(account.city.as_deref(), Some("İzmir"));
        assert_eq!(account.department, None);
        assert_eq!(account.manager_id().unwrap().to_string(), BOSS);
        let once = account.clone();
        entry.apply_to(&mut account);
        assert_eq!(account, once);
    }

    #[test]
    fn removal_says_how_far_the_account_is_gone() {
        let entry: AccountChange = serde_json::from_value(
            serde_json::json!({"id": ADA, "@removed": {"reason": "changed"}}),
        )
        .unwrap();
        assert_eq!(entry.removed.unwrap().reason, RemovedReason::Changed);
    }

    #[test]
    fn unknown_license_error_is_kept_as_an_error() {
        let fault = |text: &str| LicenseFault::from(Some(text.to_owned()));
        assert_eq!(fault("CountViolation"), LicenseFault::NoSeats);
        assert_eq!(fault("Other"), LicenseFault::Other("Other".to_owned()));
        assert_eq!(fault(""), LicenseFault::None);
    }
}
