//! Federation of a domain as Graph holds it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    /// The protocol of browsers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub preferred_authentication_protocol: Option<FederationProtocol>,
    /// Base64 DER of the certificate that signs. Without it Graph breaks the domain (500, yet
    /// federated), so [`crate::Write::CreateFederation`] takes it apart from the rest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signing_certificate: Option<String>,
    /// Base64 DER of the certificate that will sign next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_signing_certificate: Option<String>,
    /// Whose multi-factor authentication counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub federated_idp_mfa_behavior: Option<FederatedMfa>,
    /// What happens to a demand for a fresh sign-in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt_login_behavior: Option<PromptLogin>,
    /// Whether Microsoft signs its requests.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub is_signed_authentication_request_required: Option<bool>,
    /// Where users reset their password.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub password_reset_uri: Option<String>,
}

/// How browsers and the identity provider talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FederationProtocol {
    /// WS-Federation.
    WsFed,
    /// SAML 2.0.
    Saml,
    /// One this client does not know.
    #[serde(other)]
    UnknownFutureValue,
}

/// Whose multi-factor authentication counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FederatedMfa {
    /// The identity provider's, if it did it; else Microsoft asks.
    AcceptIfMfaDoneByFederatedIdp,
    /// The identity provider's; Microsoft sends the user back for it.
    EnforceMfaByFederatedIdp,
    /// Microsoft's, always.
    RejectMfaByFederatedIdp,
    /// A rule this client does not know.
    #[serde(other)]
    UnknownFutureValue,
}

/// What Microsoft makes of a demand for a fresh sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PromptLogin {
    /// Asks the identity provider for a fresh password sign-in.
    TranslateToFreshPasswordAuthentication,
    /// Hands the demand on as it is.
    NativeSupport,
    /// Only ends the session.
    Disabled,
    /// A behaviour this client does not know.
    #[serde(other)]
    UnknownFutureValue,
}
