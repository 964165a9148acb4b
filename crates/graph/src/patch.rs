//! What a change carries: users and groups to create, and what is set, cleared or kept of them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::change::Change;
use crate::ids::{PlanId, SkuId};
use crate::secret::SecretText;

/// A user to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// UserPrincipalName.
    pub user_principal_name: String,
    /// Display name.
    pub display_name: String,
    /// Mail alias.
    pub mail_nickname: String,
    /// Whether sign-in is allowed.
    pub account_enabled: bool,
    /// First password. Federated users need one too, and never use it.
    pub password: SecretText,
    /// Whether the first sign-in demands another password.
    pub change_password: bool,
    /// ImmutableId; required in a federated domain.
    pub immutable_id: Option<String>,
    /// Two-letter country code, needed for licenses.
    pub usage_location: Option<String>,
    /// Everything else; `Clear` means nothing here.
    pub profile: Profile,
}

/// Changes of a user. What cannot be cleared is an `Option`: set, or not mentioned.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountPatch {
    /// Whether sign-in is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_enabled: Option<bool>,
    /// UserPrincipalName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_principal_name: Option<String>,
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Mail alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_nickname: Option<String>,
    /// Two-letter country code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_location: Option<String>,
    /// ImmutableId; cannot change while the user is in a federated domain.
    #[serde(
        rename = "onPremisesImmutableId",
        skip_serializing_if = "Change::is_keep"
    )]
    pub immutable_id: Change<String>,
    /// A new password; refused for federated users.
    #[serde(skip)]
    pub password: Option<SecretText>,
    /// Everything else.
    #[serde(flatten)]
    pub profile: Profile,
}

/// The properties that describe a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Given name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub given_name: Change<String>,
    /// Surname.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub surname: Change<String>,
    /// Job title.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub job_title: Change<String>,
    /// Department.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub department: Change<String>,
    /// Company name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub company_name: Change<String>,
    /// Office.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub office_location: Change<String>,
    /// Mobile phone number.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub mobile_phone: Change<String>,
    /// Street.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub street_address: Change<String>,
    /// City.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub city: Change<String>,
    /// State or province.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub state: Change<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub postal_code: Change<String>,
    /// Country or region.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub country: Change<String>,
    /// Language, such as `tr-TR`.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub preferred_language: Change<String>,
    /// Employee id.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub employee_id: Change<String>,
    /// Business phone numbers, at most one; empty clears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_phones: Option<Vec<String>>,
}

/// A license to give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseGrant {
    /// The product.
    pub sku_id: SkuId,
    /// Its service plans to switch off.
    pub disabled_plans: Vec<PlanId>,
}

/// A security group to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    /// Its name.
    pub display_name: String,
    /// Mail alias; required also without mail.
    pub mail_nickname: String,
    /// What it is for.
    pub description: Option<String>,
}

/// Changes of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupPatch {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
}

impl NewUser {
    pub(crate) fn to_json(&self) -> Value {
        let mut body = to_json(&self.profile);
        if let Value::Object(properties) = &mut body {
            // A new account has nothing that could be cleared.
            properties.retain(|_, value| !value.is_null());
        }
        body["accountEnabled"] = json!(self.account_enabled);
        body["displayName"] = json!(self.display_name);
        body["mailNickname"] = json!(self.mail_nickname);
        body["userPrincipalName"] = json!(self.user_principal_name);
        body["passwordProfile"] = json!({
            "password": self.password.expose(),
            "forceChangePasswordNextSignIn": self.change_password,
        });
        if let Some(immutable_id) = &self.immutable_id {
            body["onPremisesImmutableId"] = json!(immutable_id);
        }
        if let Some(usage_location) = &self.usage_location {
            body["usageLocation"] = json!(usage_location);
        }
        body
    }
}

impl AccountPatch {
    /// Whether it mentions nothing, so that sending it would be a write without a difference.
    pub fn is_empty(&self) -> bool {
        self.to_json().as_object().is_some_and(Map::is_empty)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut body = to_json(self);
        if let Some(password) = &self.password {
            body["passwordProfile"] = json!({ "password": password.expose() });
        }
        body
    }
}

impl NewGroup {
    pub(crate) fn to_json(&self) -> Value {
        let mut body = json!({
            "displayName": self.display_name,
            "mailNickname": self.mail_nickname,
            "mailEnabled": false,
            "securityEnabled": true,
            "groupTypes": [],
        });
        if let Some(description) = &self.description {
            body["description"] = json!(description);
        }
        body
    }
}

/// None of the types given here can fail: they have text keys and plain values.
pub(crate) fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_else(|_| json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_sends_what_is_set_clears_with_null_and_leaves_out_the_rest() {
        let patch = AccountPatch {
            account_enabled: Some(false),
            immutable_id: Change::Clear,
            profile: Profile {
                job_title: Change::Set("Clerk".to_owned()),
                business_phones: Some(Vec::new()),
                ..Profile::default()
            },
            ..AccountPatch::default()
        };
        assert_eq!(
            patch.to_json(),
            json!({"accountEnabled": false, "onPremisesImmutableId": null, "jobTitle": "Clerk",
                "businessPhones": []})
        );
        assert!(AccountPatch::default().is_empty());
    }

    #[test]
    fn new_user_carries_its_key_and_no_nulls() {
        let user = NewUser {
            user_principal_name: "ada.kaya@contoso.com".to_owned(),
            display_name: "Ada Kaya".to_owned(),
            mail_nickname: "ada.kaya".to_owned(),
            account_enabled: true,
            password: SecretText::new("Planted-Secret-1"),
            change_password: false,
            immutable_id: Some("b2f0c5d19a7e4c3d8e6f".to_owned()),
            usage_location: Some("TR".to_owned()),
            profile: Profile {
                surname: Change::Clear,
                ..Profile::default()
            },
        };
        assert!(!format!("{user:?}").contains("Planted"));
        assert_eq!(
            user.to_json(),
            json!({"accountEnabled": true, "displayName": "Ada Kaya", "mailNickname": "ada.kaya",
                "userPrincipalName": "ada.kaya@contoso.com", "usageLocation": "TR",
                "onPremisesImmutableId": "b2f0c5d19a7e4c3d8e6f",
                "passwordProfile": {"password": "Planted-Secret-1",
                    "forceChangePasswordNextSignIn": false}})
        );
    }
}
