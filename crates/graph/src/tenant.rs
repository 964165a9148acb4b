//! What a tenant is and has: organization, domains, products, groups, roles.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::account::{AssignedLicense, ReferenceChange, Removed, null_as_default};
use crate::change::Change;
use crate::ids::{ObjectId, PlanId, SkuId};
use crate::secret::SecretText;

/// The tenant itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// The tenant's id.
    pub id: Uuid,
    /// The tenant's name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Two-letter country code.
    #[serde(default)]
    pub country_letter_code: Option<String>,
    /// `AAD` for an ordinary tenant.
    #[serde(default)]
    pub tenant_type: Option<String>,
    /// Whether another directory is synchronised into it.
    #[serde(default)]
    pub on_premises_sync_enabled: Option<bool>,
}

/// A domain of the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    /// The domain's name.
    #[serde(rename = "id")]
    pub name: String,
    /// Who checks passwords.
    pub authentication_type: AuthenticationType,
    /// Whether new users get it without being asked.
    #[serde(default)]
    pub is_default: bool,
    /// Whether it is the `onmicrosoft.com` domain the tenant was born with.
    #[serde(default)]
    pub is_initial: bool,
    /// Whether it has no parent domain in the tenant.
    #[serde(default)]
    pub is_root: bool,
    /// Whether ownership is proven.
    #[serde(default)]
    pub is_verified: bool,
}

/// Who checks the passwords of a domain's users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum AuthenticationType {
    /// Microsoft.
    Managed,
    /// An identity provider.
    Federated,
}

/// A product the tenant has bought.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribedSku {
    /// The product.
    pub sku_id: SkuId,
    /// Its part number, such as `ENTERPRISEPACK`.
    pub sku_part_number: String,
    /// State of the subscription.
    #[serde(default, deserialize_with = "null_as_default")]
    pub capability_status: CapabilityStatus,
    /// Whom it can be given to.
    #[serde(default, deserialize_with = "null_as_default")]
    pub applies_to: AppliesTo,
    /// Seats in use.
    #[serde(default, deserialize_with = "null_as_default")]
    pub consumed_units: i64,
    /// Seats bought.
    #[serde(default, deserialize_with = "null_as_default")]
    pub prepaid_units: PrepaidUnits,
    /// What is in it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub service_plans: Vec<ServicePlan>,
}

impl SubscribedSku {
    /// Seats left; below zero when more are used than bought.
    pub fn free_seats(&self) -> i64 {
        self.prepaid_units.enabled + self.prepaid_units.warning - self.consumed_units
    }

    /// Whether it can be assigned to users at all.
    pub fn is_assignable(&self) -> bool {
        let usable = [CapabilityStatus::Enabled, CapabilityStatus::Warning];
        self.applies_to == AppliesTo::User && usable.contains(&self.capability_status)
    }
}

/// State of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum CapabilityStatus {
    /// In order.
    Enabled,
    /// Expired, in grace.
    Warning,
    /// Cancelled.
    Suspended,
    /// Gone.
    Deleted,
    /// Cancelled by the customer.
    LockedOut,
    /// A state this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Whom a product or a plan can be given to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum AppliesTo {
    /// Users, one by one.
    User,
    /// The whole tenant.
    Company,
    /// Something this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Seats by state of the subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PrepaidUnits {
    /// Usable.
    pub enabled: i64,
    /// Expired, in grace; still usable.
    pub warning: i64,
    /// Cancelled.
    pub suspended: i64,
    /// Cancelled by the customer.
    pub locked_out: i64,
}

/// A service inside a product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePlan {
    /// The plan.
    pub service_plan_id: PlanId,
    /// Its name, such as `EXCHANGE_S_ENTERPRISE`.
    #[serde(default)]
    pub service_plan_name: Option<String>,
    /// Whom it can be given to; plans of the whole tenant cannot be switched off.
    #[serde(default, deserialize_with = "null_as_default")]
    pub applies_to: AppliesTo,
    /// `Success`, `Disabled`, `PendingInput` and so on.
    #[serde(default)]
    pub provisioning_status: Option<String>,
}

/// A license of one user with the state of its plans.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseDetail {
    /// The product.
    pub sku_id: SkuId,
    /// Its part number.
    #[serde(default)]
    pub sku_part_number: Option<String>,
    /// Its plans.
    #[serde(default, deserialize_with = "null_as_default")]
    pub service_plans: Vec<ServicePlan>,
}

/// The application's own registration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// ObjectId of the registration, which is not the client id.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Its name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its secrets.
    #[serde(
        rename = "passwordCredentials",
        default,
        deserialize_with = "null_as_default"
    )]
    pub secrets: Vec<RegisteredSecret>,
    /// Its certificates.
    #[serde(
        rename = "keyCredentials",
        default,
        deserialize_with = "null_as_default"
    )]
    pub certificates: Vec<RegisteredCertificate>,
}

impl Registration {
    /// When `secret` ends. Entra shows only the first characters of a value: if they fit several
    /// secrets, the earliest end counts.
    pub fn secret_ends_at(&self, secret: &SecretText) -> Option<Timestamp> {
        let fits = |hint: &str| !hint.is_empty() && secret.expose().starts_with(hint);
        let own = self
            .secrets
            .iter()
            .filter(|s| s.hint.as_deref().is_some_and(fits));
        own.filter_map(|s| s.ends_at).min()
    }
}

/// A secret as the registration lists it: never the value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredSecret {
    /// Its id.
    #[serde(default)]
    pub key_id: Option<Uuid>,
    /// Its description.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The first characters of the value, by which one's own is recognised.
    #[serde(default)]
    pub hint: Option<String>,
    /// When it ends.
    #[serde(rename = "endDateTime", default)]
    pub ends_at: Option<Timestamp>,
}

/// A certificate as the registration lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredCertificate {
    /// Its id.
    #[serde(default)]
    pub key_id: Option<Uuid>,
    /// Its description.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its thumbprint, unless whoever uploaded it chose something else.
    #[serde(default)]
    pub custom_key_identifier: Option<String>,
    /// When it ends.
    #[serde(rename = "endDateTime", default)]
    pub ends_at: Option<Timestamp>,
}

impl RegisteredCertificate {
    /// Whether it is the certificate with this SHA-1 thumbprint (hexadecimal). Microsoft writes
    /// the thumbprint in hexadecimal or in base64, and leaves it out on some ways of uploading:
    /// then the name has to tell.
    pub fn has_thumbprint(&self, thumbprint: &str) -> bool {
        let bytes: Vec<u8> = thumbprint
            .as_bytes()
            .chunks(2)
            .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        if bytes.len() != 20 {
            return false;
        }
        let fits = |text: &str| {
            let text = text.trim_end_matches('=');
            text.eq_ignore_ascii_case(thumbprint)
                || text == STANDARD_NO_PAD.encode(&bytes)
                || text == URL_SAFE_NO_PAD.encode(&bytes)
        };
        let named = |name: &str| {
            name.to_ascii_uppercase()
                .contains(&thumbprint.to_ascii_uppercase())
        };
        match self.custom_key_identifier.as_deref() {
            Some(identifier) => fits(identifier),
            None => self.display_name.as_deref().is_some_and(named),
        }
    }
}

/// An activated directory role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryRole {
    /// ObjectId.
    pub id: ObjectId,
    /// Its name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The same in every tenant.
    #[serde(default)]
    pub role_template_id: Option<Uuid>,
}

/// Somebody who holds a directory role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleHolder {
    /// The role.
    pub role: DirectoryRole,
    /// Who holds it.
    pub holder: Member,
}

/// A member of a group or a role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// ObjectId.
    pub id: ObjectId,
    /// What kind of object it is.
    #[serde(rename = "@odata.type", default)]
    pub kind: MemberKind,
}

/// What kind of object a member is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum MemberKind {
    /// A user.
    #[serde(rename = "#microsoft.graph.user")]
    User,
    /// A group.
    #[serde(rename = "#microsoft.graph.group")]
    Group,
    /// A device, a contact, a service principal.
    #[default]
    #[serde(other)]
    Other,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// ObjectId.
    pub id: ObjectId,
    /// Its name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Mail alias.
    #[serde(default)]
    pub mail_nickname: Option<String>,
    /// Whether it has a mailbox or is a distribution list.
    #[serde(default)]
    pub mail_enabled: Option<bool>,
    /// Whether it can be used for access.
    #[serde(default)]
    pub security_enabled: Option<bool>,
    /// `Unified`, `DynamicMembership`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub group_types: Vec<String>,
    /// Whether it is synchronised from another directory.
    #[serde(default)]
    pub on_premises_sync_enabled: Option<bool>,
    /// Whether members may get directory roles through it.
    #[serde(default)]
    pub is_assignable_to_role: Option<bool>,
    /// Licenses its members inherit.
    #[serde(default, deserialize_with = "null_as_default")]
    pub assigned_licenses: Vec<AssignedLicense>,
}

impl Group {
    /// Whether a rule decides who is in it, so that memberships cannot be written.
    pub fn is_dynamic(&self) -> bool {
        self.group_types
            .iter()
            .any(|kind| kind == "DynamicMembership")
    }
}

/// The properties of [`Group`] as `$select` wants them.
pub(crate) const GROUP_SELECT: &str = "id,displayName,description,mailNickname,mailEnabled,\
    securityEnabled,groupTypes,onPremisesSyncEnabled,isAssignableToRole,assignedLicenses";

/// One entry of the groups' delta: what is not mentioned has not changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupChange {
    /// ObjectId.
    pub id: ObjectId,
    /// Present when the group is gone.
    #[serde(rename = "@removed", default)]
    pub removed: Option<Removed>,
    /// Its name.
    #[serde(default)]
    pub display_name: Change<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Change<String>,
    /// Mail alias.
    #[serde(default)]
    pub mail_nickname: Change<String>,
    /// Whether it has a mailbox or is a distribution list.
    #[serde(default)]
    pub mail_enabled: Change<bool>,
    /// Whether it can be used for access.
    #[serde(default)]
    pub security_enabled: Change<bool>,
    /// `Unified`, `DynamicMembership`.
    #[serde(default)]
    pub group_types: Change<Vec<String>>,
    /// Whether it is synchronised from another directory.
    #[serde(default)]
    pub on_premises_sync_enabled: Change<bool>,
    /// Whether members may get directory roles through it.
    #[serde(default)]
    pub is_assignable_to_role: Change<bool>,
    /// Licenses its members inherit.
    #[serde(default)]
    pub assigned_licenses: Change<Vec<AssignedLicense>>,
    /// Members that came or left.
    #[serde(rename = "members@delta", default)]
    pub members: Vec<ReferenceChange>,
}

/// The tenant's security defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityDefaults {
    /// Whether they are in force.
    pub is_enabled: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_seats_count_grace_and_may_be_negative() {
        let sku: SubscribedSku = serde_json::from_value(serde_json::json!({
            "accountId": "5a1d", "accountName": "contoso", "appliesTo": "User",
            "capabilityStatus": "Enabled", "consumedUnits": 30, "id": "5a1d_6fd2",
            "prepaidUnits": {"enabled": 25, "lockedOut": 0, "suspended": 0, "warning": 2},
            "servicePlans": [{"appliesTo": "User", "provisioningStatus": "Success",
                "servicePlanId": "efb87545-963c-4e0d-99df-69c6916d9eb0",
                "servicePlanName": "EXCHANGE_S_ENTERPRISE", "servicePlanType": "Exchange"}],
            "skuId": "6fd2c87f-b296-42f0-b197-1e91e994b900", "skuPartNumber": "ENTERPRISEPACK",
        }))
        .unwrap();
        assert_eq!(sku.free_seats(), -3);
        assert!(sku.is_assignable());
    }

    #[test]
    fn secret_is_recognised_by_its_hint_and_the_earliest_end_counts() {
        let registration: Registration = serde_json::from_value(serde_json::json!({
            "displayName": "Signpost", "keyCredentials": [],
            "passwordCredentials": [
                {"keyId": "d3b07384-d9a0-4c9b-8f3e-6f1c2a3b4c5d", "hint": "Ab1",
                    "endDateTime": "2027-03-01T00:00:00Z", "secretText": null},
                {"hint": "Ab1", "endDateTime": "2027-01-01T00:00:00Z"},
                {"hint": "Zz9", "endDateTime": "2026-01-01T00:00:00Z"},
                {"hint": null, "endDateTime": "2025-01-01T00:00:00Z"},
            ],
        }))
        .unwrap();
        let ends_at = |value| registration.secret_ends_at(&SecretText::new(value));
        assert_eq!(
            ends_at("Ab1~rest"),
            Some("2027-01-01T00:00:00Z".parse().unwrap())
        );
        assert_eq!(ends_at("other"), None);
    }

    #[test]
    fn a_certificate_is_recognised_by_its_thumbprint_however_that_is_written() {
        let thumbprint = "52ED9B5038A47B9E2E2190715CC238359D4F8F73";
        let certificate = |identifier: Option<&str>, name: &str| RegisteredCertificate {
            key_id: None,
            display_name: Some(name.to_owned()),
            custom_key_identifier: identifier.map(str::to_owned),
            ends_at: None,
        };
        for identifier in [
            "52ED9B5038A47B9E2E2190715CC238359D4F8F73",
            "52ed9b5038a47b9e2e2190715cc238359d4f8f73",
            "Uu2bUDike54uIZBxXMI4NZ1Pj3M=",
        ] {
            assert!(certificate(Some(identifier), "CN=x").has_thumbprint(thumbprint));
        }
        assert!(certificate(None, &format!("Signpost {thumbprint}")).has_thumbprint(thumbprint));
        assert!(!certificate(Some("AAAA"), "CN=x").has_thumbprint(thumbprint));
        assert!(!certificate(None, "Signpost ").has_thumbprint(""));
    }

    #[test]
    fn member_of_unknown_kind_is_other() {
        let member: Member = serde_json::from_str(
            r##"{"@odata.type":"#microsoft.graph.device","id":"8c1e0000-0000-4000-8000-000000000001"}"##,
        )
        .unwrap();
        assert_eq!(member.kind, MemberKind::Other);
    }
}
