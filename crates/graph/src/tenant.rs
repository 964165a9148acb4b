//! What a tenant is and has: organization, domains, products, groups, roles, federation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::account::{AssignedLicense, ReferenceChange, Removed, null_as_empty};
use crate::change::Change;
use crate::ids::{ObjectId, PlanId, SkuId};

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
    /// `Enabled`, `Warning`, `Suspended`, `Deleted` or `LockedOut`.
    #[serde(default)]
    pub capability_status: Option<String>,
    /// `User` or `Company`.
    #[serde(default)]
    pub applies_to: Option<String>,
    /// Seats in use.
    #[serde(default)]
    pub consumed_units: i64,
    /// Seats bought.
    #[serde(default)]
    pub prepaid_units: PrepaidUnits,
    /// What is in it.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub service_plans: Vec<ServicePlan>,
}

impl SubscribedSku {
    /// Seats left; below zero when more are used than bought.
    pub fn free_seats(&self) -> i64 {
        self.prepaid_units.enabled + self.prepaid_units.warning - self.consumed_units
    }

    /// Whether it can be assigned to users at all.
    pub fn is_assignable(&self) -> bool {
        self.applies_to.as_deref() == Some("User")
            && matches!(
                self.capability_status.as_deref(),
                Some("Enabled" | "Warning")
            )
    }
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
    /// `User` or `Company`.
    #[serde(default)]
    pub applies_to: Option<String>,
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
    #[serde(default, deserialize_with = "null_as_empty")]
    pub service_plans: Vec<ServicePlan>,
}

/// The application's own registration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Its name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its secrets.
    #[serde(
        rename = "passwordCredentials",
        default,
        deserialize_with = "null_as_empty"
    )]
    pub secrets: Vec<RegisteredSecret>,
    /// Its certificates.
    #[serde(rename = "keyCredentials", default, deserialize_with = "null_as_empty")]
    pub certificates: Vec<RegisteredCertificate>,
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
    /// When it ends.
    #[serde(rename = "endDateTime", default)]
    pub ends_at: Option<Timestamp>,
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
    #[serde(default, deserialize_with = "null_as_empty")]
    pub group_types: Vec<String>,
    /// Whether it is synchronised from another directory.
    #[serde(default)]
    pub on_premises_sync_enabled: Option<bool>,
    /// Whether members may get directory roles through it.
    #[serde(default)]
    pub is_assignable_to_role: Option<bool>,
    /// Licenses its members inherit.
    #[serde(default, deserialize_with = "null_as_empty")]
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
    /// Members that came or left.
    #[serde(rename = "members@delta", default)]
    pub members: Vec<ReferenceChange>,
}

/// How a federated domain signs its users in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederationConfiguration {
    /// Made by the server.
    #[serde(skip_serializing, default)]
    pub id: Option<Uuid>,
    /// Shown name of the identity provider.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub display_name: Option<String>,
    /// Equal to the issuer of the assertions, and unique in the tenant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issuer_uri: Option<String>,
    /// Where browsers sign in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passive_sign_in_uri: Option<String>,
    /// Where rich clients sign in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub active_sign_in_uri: Option<String>,
    /// Where browsers sign out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sign_out_uri: Option<String>,
    /// WS-Trust metadata.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metadata_exchange_uri: Option<String>,
    /// `wsFed` or `saml`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub preferred_authentication_protocol: Option<String>,
    /// Base64 DER of the certificate that signs. Without it Graph breaks the domain (500, yet
    /// federated), so [`crate::Write::CreateFederation`] takes it apart from the rest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signing_certificate: Option<String>,
    /// Base64 DER of the certificate that will sign next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_signing_certificate: Option<String>,
    /// Whose multi-factor authentication counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub federated_idp_mfa_behavior: Option<String>,
    /// What happens to a demand for a fresh sign-in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt_login_behavior: Option<String>,
    /// Whether Microsoft signs its requests.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub is_signed_authentication_request_required: Option<bool>,
    /// Where users reset their password.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub password_reset_uri: Option<String>,
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
    fn member_of_unknown_kind_is_other() {
        let member: Member = serde_json::from_str(
            r##"{"@odata.type":"#microsoft.graph.device","id":"8c1e0000-0000-4000-8000-000000000001"}"##,
        )
        .unwrap();
        assert_eq!(member.kind, MemberKind::Other);
    }
}
