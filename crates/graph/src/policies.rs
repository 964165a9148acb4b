//! Policies of the tenant, what users have registered, and the application's own secrets.

use futures::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::account::null_as_default;
use crate::client::{Client, decode};
use crate::error::Error;
use crate::ids::ObjectId;
use crate::page::Pages;
use crate::request::{Request, with_query};
use crate::route;
use crate::secret::SecretText;

/// What administrators may do by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationPolicy {
    /// Whether administrators may reset their own password. Users have a switch of their own,
    /// which Graph does not show.
    #[serde(rename = "allowedToUseSSPR", default)]
    pub administrators_reset_passwords: Option<bool>,
}

/// How sign-in methods are registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationMethodsPolicy {
    /// What nudges users to register.
    #[serde(default, deserialize_with = "null_as_default")]
    pub registration_enforcement: RegistrationEnforcement,
}

/// What nudges users to register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistrationEnforcement {
    /// The campaign that asks users to set up Microsoft's app.
    #[serde(
        rename = "authenticationMethodsRegistrationCampaign",
        deserialize_with = "null_as_default"
    )]
    pub campaign: RegistrationCampaign,
}

/// The campaign that asks users to set up Microsoft's app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RegistrationCampaign {
    /// `default` (Microsoft decides), `enabled` or `disabled`.
    pub state: Option<String>,
}

/// A rule about who may sign in how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionalAccessPolicy {
    /// Its id.
    #[serde(default)]
    pub id: Option<String>,
    /// Its name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Whether it holds.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: ConditionalAccessState,
    /// What it demands.
    #[serde(default, deserialize_with = "null_as_default")]
    pub grant_controls: GrantControls,
}

impl ConditionalAccessPolicy {
    /// Whether it demands a second factor.
    pub fn asks_for_mfa(&self) -> bool {
        let listed = self
            .grant_controls
            .built_in_controls
            .iter()
            .any(|control| control == "mfa");
        listed || self.grant_controls.authentication_strength.is_some()
    }
}

/// Whether a conditional access policy holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConditionalAccessState {
    /// It holds.
    Enabled,
    /// It does not.
    Disabled,
    /// It only reports what it would have done.
    EnabledForReportingButNotEnforced,
    /// Something this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What a conditional access policy demands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantControls {
    /// `mfa`, `block`, `compliantDevice` and so on.
    #[serde(deserialize_with = "null_as_default")]
    pub built_in_controls: Vec<String>,
    /// A named strength of sign-in; asks for more than a password.
    pub authentication_strength: Option<serde_json::Value>,
}

/// What a user has registered for signing in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationDetails {
    /// The user's ObjectId.
    pub id: ObjectId,
    /// The user's name for signing in.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// Whether they hold a directory role.
    #[serde(default)]
    pub is_admin: Option<bool>,
    /// Whether a second factor is registered at Microsoft.
    #[serde(default)]
    pub is_mfa_registered: Option<bool>,
    /// Whether they may reset their password by themselves.
    #[serde(default)]
    pub is_sspr_enabled: Option<bool>,
}

/// Whether Microsoft asks a single user for a second factor at every sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PerUserMfa {
    /// It does not.
    Disabled,
    /// From the next sign-in on.
    Enabled,
    /// It does.
    Enforced,
    /// A state this client does not know.
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Requirements {
    per_user_mfa_state: PerUserMfa,
}

/// A secret that was just made: the only time its value is seen.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Its id.
    pub key_id: Uuid,
    /// Its value.
    pub value: SecretText,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSecret {
    key_id: Uuid,
    secret_text: String,
    #[serde(rename = "endDateTime", default)]
    ends_at: Option<Timestamp>,
}

const LARGEST_PAGE: &str = "999";

/// Policies.
impl Client {
    /// What administrators may do by themselves.
    pub async fn authorization_policy(&self) -> Result<AuthorizationPolicy, Error> {
        let path = "/policies/authorizationPolicy";
        self.read(&Request::new(&route::AUTHORIZATION_POLICY, path))
            .await
    }

    /// How sign-in methods are registered.
    pub async fn authentication_methods_policy(
        &self,
    ) -> Result<AuthenticationMethodsPolicy, Error> {
        let path = "/policies/authenticationMethodsPolicy";
        self.read(&Request::new(&route::METHODS_POLICY, path)).await
    }

    /// Every conditional access policy.
    pub async fn conditional_access_policies(&self) -> Result<Vec<ConditionalAccessPolicy>, Error> {
        let path = "/identity/conditionalAccess/policies";
        self.list(Request::new(&route::CONDITIONAL_ACCESS, path))
            .await
    }

    /// What each user has registered, page by page.
    pub fn registration_details(&self) -> Pages<RegistrationDetails> {
        let path = with_query(REGISTRATION, &[("$top", LARGEST_PAGE)]);
        self.pages(Request::new(&route::REGISTRATION_DETAILS, path))
    }

    /// Whether the registration details can be read at all: one entry, no more.
    pub async fn try_registration_details(&self) -> Result<(), Error> {
        let path = with_query(REGISTRATION, &[("$top", "1")]);
        let request = Request::new(&route::REGISTRATION_DETAILS, path);
        self.first_page::<RegistrationDetails>(request).await
    }

    /// Whether groups can be read at all: one of them, no more.
    pub async fn try_groups(&self) -> Result<(), Error> {
        let path = with_query("/groups", &[("$select", "id"), ("$top", "1")]);
        self.first_page::<IdOnly>(Request::new(&route::GROUPS, path))
            .await
    }

    async fn first_page<T>(&self, request: Request) -> Result<(), Error>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let mut pages = self.pages::<T>(request);
        pages.next().await.transpose().map(|_| ())
    }

    /// How far this machine's clock is behind Microsoft's, in milliseconds, by the date of an
    /// answer; `None` when the answer has none.
    pub async fn clock_offset_ms(&self) -> Result<Option<i64>, Error> {
        let path = with_query("/organization", &[("$select", "id")]);
        let request = Request::new(&route::ORGANIZATION, path);
        let (answer, _) = self.send(&request).await?;
        let now = self.sender().clock.now_ms();
        // The header counts whole seconds: take the middle of the one it names.
        Ok(answer.headers.date_ms.map(|date| date + 500 - now))
    }
}

#[derive(Deserialize)]
struct IdOnly {
    #[serde(rename = "id")]
    _id: ObjectId,
}

const REGISTRATION: &str = "/reports/authenticationMethods/userRegistrationDetails";

/// Per-user multi-factor authentication, which only the beta version of Graph knows.
impl Client {
    /// Of one user; `None` when there is no such user.
    pub async fn per_user_mfa(&self, user: ObjectId) -> Result<Option<PerUserMfa>, Error> {
        let read = self.read::<Requirements>(&requirements(user)).await;
        let found = crate::error::absent_as_none(read)?;
        Ok(found.map(|found| found.per_user_mfa_state))
    }

    /// Of several users, twenty to a call, each judged alone.
    pub async fn per_user_mfa_of(
        &self,
        users: Vec<ObjectId>,
    ) -> Vec<(ObjectId, Result<PerUserMfa, Error>)> {
        let parts = users.into_iter().map(|id| (id, requirements(id))).collect();
        let answers: Vec<(_, Result<Requirements, _>)> = self.batch_read(parts).await;
        answers
            .into_iter()
            .map(|(id, answer)| (id, answer.map(|found| found.per_user_mfa_state)))
            .collect()
    }
}

fn requirements(user: ObjectId) -> Request {
    let path = format!("/users/{user}/authentication/requirements");
    Request::new(&route::MFA_REQUIREMENTS, path).beta()
}

/// The application's own secrets.
impl Client {
    /// Makes another secret for the registration with this ObjectId. After an unknown outcome
    /// there may be a secret whose value nobody knows: look for its name and remove it.
    pub async fn add_password(
        &self,
        application: Uuid,
        name: &str,
        ends_at: Timestamp,
    ) -> Result<NewSecret, Error> {
        let path = format!("/applications/{application}/addPassword");
        let request = Request::new(&route::ADD_PASSWORD, path).body(json!({
            "passwordCredential": { "displayName": name, "endDateTime": ends_at },
        }));
        let (answer, call) = self.send(&request).await?;
        let made: RawSecret = decode(&answer, call)?;
        Ok(NewSecret {
            key_id: made.key_id,
            value: SecretText::new(made.secret_text),
            ends_at: made.ends_at,
        })
    }

    /// Removes a secret of the registration with this ObjectId.
    pub async fn remove_password(&self, application: Uuid, key_id: Uuid) -> Result<(), Error> {
        let path = format!("/applications/{application}/removePassword");
        let request = Request::new(&route::REMOVE_PASSWORD, path).body(json!({ "keyId": key_id }));
        self.send(&request).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(body: serde_json::Value) -> ConditionalAccessPolicy {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_policy_asks_for_a_second_factor_by_control_or_by_strength() {
        let by_control =
            policy(json!({"state": "enabled", "grantControls": {"builtInControls": ["mfa"]}}));
        assert!(by_control.asks_for_mfa());
        assert_eq!(by_control.state, ConditionalAccessState::Enabled);
        let by_strength = policy(json!({"grantControls": {"builtInControls": null,
            "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000002"}}}));
        assert!(by_strength.asks_for_mfa());
        assert!(!policy(json!({"state": "soon", "grantControls": null})).asks_for_mfa());
    }

    #[test]
    fn a_state_that_is_not_known_is_never_disabled() {
        let read = |word: &str| {
            let body = json!({ "perUserMfaState": word });
            serde_json::from_value::<Requirements>(body)
                .unwrap()
                .per_user_mfa_state
        };
        assert_eq!(read("disabled"), PerUserMfa::Disabled);
        assert_eq!(read("unknownFutureValue"), PerUserMfa::Unknown);
        assert!(serde_json::from_value::<Requirements>(json!({})).is_err());
    }
}
