//! Signing out: Microsoft sends the browser to the provider, which ends its own session.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::judge::{Answer, find_domain};
use super::refusal::{Code, Refused};
use super::start::{discover, found};
use super::xml::{At, parse};
use super::{Asked, Protocol, Purpose, SignInResult, SignIns, Wishes, pages, request, saml};
use super::{signature, text};
use crate::clock::Millis;
use crate::practice::PracticeTenant;
use crate::tenant::Tenant;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    username: String,
}

/// `POST /_practice/sign-out`.
pub(crate) async fn start(
    State(practice): State<Arc<PracticeTenant>>,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Response {
    let user_name = wanted.username.trim().to_owned();
    let (domain, settings) = match discover(&practice.tenant(), &user_name) {
        Ok(found) => found,
        Err(stay) => return pages::stay(&user_name, &stay),
    };
    let Some(address) = text(&settings, "signOutUri") else {
        return pages::no_sign_out(&domain);
    };
    let protocol = Protocol::of(&settings);
    if protocol == Protocol::WsFed {
        let home = format!("{}/_practice/signed-out", practice.base(&headers));
        let query = [("wa", "wsignout1.0"), ("wreply", home.as_str())];
        return found(&request::with_query(address, &query));
    }
    let mut sign_ins = practice.sign_ins();
    let asked = Asked {
        id: format!("_{}", sign_ins.guid()),
        context: sign_ins.state(),
        protocol,
        purpose: Purpose::SignOut,
        user_name,
        domain,
        at: practice.clock.now_ms(),
        wishes: Wishes::default(),
        is_answered: false,
    };
    let last = sign_ins.last_claims_of(&asked.user_name);
    let name = last.map_or("", |claims| claims.name());
    let session_index = last.and_then(|claims| claims.session_index.as_deref());
    let message = request::logout(&asked, name, session_index);
    let url = request::redirect(address, &message, &asked.context);
    sign_ins.ask(asked);
    url.map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |url| found(&url),
    )
}

/// Whether a posted answer is one to a sign-out.
pub(super) fn is_answer(answer: &Answer) -> bool {
    answer.protocol == Protocol::Saml
        && parse(&answer.message).is_ok_and(|tree| {
            At::root(&tree).is_some_and(|root| root.is(saml::PROTOCOL, "LogoutResponse"))
        })
}

/// Judges a `LogoutResponse`.
pub(super) fn judge(
    tenant: &Tenant,
    sign_ins: &mut SignIns,
    answer: &Answer,
    now: Millis,
) -> SignInResult {
    let outcome = check(tenant, sign_ins, answer);
    let (asked, refusals) = match outcome {
        Ok(asked) => (Some(asked), Vec::new()),
        Err(refused) => (None, vec![refused]),
    };
    SignInResult {
        id: 0,
        at: now,
        asked,
        claims: None,
        account: None,
        purpose: Purpose::SignOut,
        refusals,
    }
}

fn check(tenant: &Tenant, sign_ins: &mut SignIns, answer: &Answer) -> Result<Asked, Refused> {
    let wrong = |because: &str| Refused::new(Code::SignOut, because);
    let tree = parse(&answer.message)?;
    let root = At::root(&tree).ok_or_else(|| wrong("The message is empty."))?;
    let id = root.attribute("InResponseTo").unwrap_or_default();
    let asked = sign_ins
        .take_asked(|asked| asked.purpose == Purpose::SignOut && asked.id == id)
        .ok_or_else(|| wrong("InResponseTo is the id of no sign-out request."))?;
    if asked.is_answered {
        return Err(wrong("This sign-out was answered before."));
    }
    if answer.context.as_deref() != Some(asked.context.as_str()) {
        return Err(wrong("RelayState did not come back byte for byte."));
    }
    let destination = root.attribute("Destination").unwrap_or_default();
    if !answer.addresses.iter().any(|own| own == destination) {
        return Err(wrong("Destination is another address."));
    }
    let (domain, settings) = find_domain(tenant, &saml::issuer(root)?)?;
    if domain.name != asked.domain {
        return Err(wrong("The issuer of another domain answers."));
    }
    signature::check(&tree, &answer.message, root, "ID", settings)?;
    saml::check_status(root)?;
    Ok(asked)
}
