//! The beginning: whose sign-in is it, and where does it happen?

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asked, Protocol, Purpose, REALM, Wishes, configuration, pages, request, text};
use crate::domains::Federation;
use crate::practice::PracticeTenant;
use crate::server::json_response;
use crate::tenant::Tenant;

/// What a person types on the start page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    pub(super) username: String,
    /// Check boxes: there or not.
    multi_factor: Option<String>,
    fresh: Option<String>,
    /// `redirect` for that binding; Microsoft documents `post`.
    binding: Option<String>,
}

/// Why nobody is sent to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stay {
    NotAName,
    UnknownDomain(String),
    Managed(String),
    /// Federated without a configuration that can be read: the trap of `federation.md` 3.4.
    Unreadable(String),
    /// Microsoft would sign its requests, and nobody has its key.
    WantsSignedRequests(String),
}

/// `POST /_practice/sign-in`.
pub(crate) async fn start(
    State(practice): State<Arc<PracticeTenant>>,
    Form(wanted): Form<Wanted>,
) -> Response {
    let user_name = wanted.username.trim().to_owned();
    let (domain, settings) = match discover(&practice.tenant(), &user_name) {
        Ok(found) => found,
        Err(stay) => return pages::stay(&user_name, &stay),
    };
    let address = text(&settings, "passiveSignInUri")
        .unwrap_or_default()
        .to_owned();
    let protocol = Protocol::of(&settings);
    let is_ours = text(&settings, "federatedIdpMfaBehavior") == Some("rejectMfaByFederatedIdp");
    let wishes = Wishes {
        // A tenant that rejects the provider's second factor never asks for it.
        multi_factor: wanted.multi_factor.is_some() && !is_ours,
        fresh: wanted.fresh.is_some(),
    };
    let (asked, request_id) = {
        let mut sign_ins = practice.sign_ins();
        let state = sign_ins.state();
        let asked = Asked {
            id: format!("_{}", sign_ins.guid()),
            context: match protocol {
                Protocol::Saml => state,
                Protocol::WsFed => format!("LoginOptions=3&estsredirect=2&estsrequest={state}"),
            },
            protocol,
            purpose: Purpose::SignIn,
            user_name,
            domain,
            at: practice.clock.now_ms(),
            wishes,
            is_answered: false,
        };
        sign_ins.ask(asked.clone());
        (asked, sign_ins.guid())
    };
    match protocol {
        Protocol::WsFed => {
            let prompt = text(&settings, "promptLoginBehavior");
            found(&request::wsfed(&address, &asked, &request_id, prompt))
        }
        Protocol::Saml if wanted.binding.as_deref() == Some("redirect") => {
            match request::redirect(&address, &request::authn(&asked), &asked.context) {
                Ok(url) => found(&url),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        Protocol::Saml => {
            let message = request::encoded(&request::authn(&asked));
            let fields = [
                ("SAMLRequest", message.as_str()),
                ("RelayState", asked.context.as_str()),
            ];
            let name = text(&settings, "displayName").unwrap_or("the identity provider");
            pages::hand_over(name, &address, &fields)
        }
    }
}

/// 303, since what follows is a GET.
pub(super) fn found(url: &str) -> Response {
    Redirect::to(url).into_response()
}

/// Home-realm discovery: the federated domain of a user principal name, and its settings.
///
/// Only the domain counts: whether the account exists is found out when the provider has answered.
pub(super) fn discover(
    tenant: &Tenant,
    user_name: &str,
) -> Result<(String, Map<String, Value>), Stay> {
    let (local, name) = user_name.rsplit_once('@').ok_or(Stay::NotAName)?;
    if local.is_empty() || name.is_empty() || user_name.len() > 320 {
        return Err(Stay::NotAName);
    }
    let domain = tenant
        .domain_of(user_name)
        .filter(|domain| domain.verified)
        .ok_or_else(|| Stay::UnknownDomain(name.to_owned()))?;
    let root = tenant.root_of(domain);
    match (&root.federation, configuration(root)) {
        (None, _) => Err(Stay::Managed(domain.name.clone())),
        (Some(Federation::Unreadable), _) | (_, None) => Err(Stay::Unreadable(root.name.clone())),
        (_, Some(settings))
            if settings.get("isSignedAuthenticationRequestRequired")
                == Some(&Value::Bool(true)) =>
        {
            Err(Stay::WantsSignedRequests(root.name.clone()))
        }
        (_, Some(settings)) => Ok((root.name.clone(), settings.clone())),
    }
}

/// `GET /common/userrealm/{name}`: what the script tells an administrator to look at.
pub(crate) fn user_realm(practice: &PracticeTenant, user_name: &str) -> Response {
    let tenant = practice.tenant();
    let name = user_name.rsplit_once('@').map_or("", |(_, name)| name);
    let body = match discover(&tenant, user_name) {
        Ok((domain, settings)) => {
            let address = text(&settings, "passiveSignInUri").unwrap_or_default();
            let (protocol, url) = match Protocol::of(&settings) {
                Protocol::Saml => ("SAMLP", address.to_owned()),
                Protocol::WsFed => (
                    "WSTrust",
                    request::with_query(
                        address,
                        &[
                            ("username", user_name),
                            ("wa", "wsignin1.0"),
                            ("wtrealm", REALM),
                            ("wctx", ""),
                        ],
                    ),
                ),
            };
            json!({
                "Login": user_name, "NameSpaceType": "Federated", "DomainName": domain, "FederationBrandName": text(&settings, "displayName"),
                "federation_protocol": protocol, "AuthURL": url, "CloudInstanceName": "practice",
            })
        }
        Err(Stay::Managed(domain)) => {
            json!({"Login": user_name, "NameSpaceType": "Managed", "DomainName": domain, "CloudInstanceName": "practice"})
        }
        Err(Stay::Unreadable(_) | Stay::WantsSignedRequests(_)) => {
            json!({"Login": user_name, "NameSpaceType": "Federated", "DomainName": name, "CloudInstanceName": "practice"})
        }
        Err(Stay::NotAName | Stay::UnknownDomain(_)) => {
            json!({"Login": user_name, "NameSpaceType": "Unknown"})
        }
    };
    json_response(StatusCode::OK, &body)
}
