//! Results as JSON, for tests.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::claims::Claims;
use super::{Asked, Purpose, SignInResult};
use crate::clock::{Millis, instant};
use crate::control::ok;
use crate::practice::PracticeTenant;

/// `GET /_practice/sign-ins`, newest first.
pub(crate) async fn list(State(practice): State<Arc<PracticeTenant>>) -> Response {
    let sign_ins = practice.sign_ins();
    let all: Vec<Value> = sign_ins.results.iter().rev().map(result).collect();
    let waiting = sign_ins
        .asked
        .iter()
        .filter(|asked| !asked.is_answered)
        .count();
    ok(&json!({"sign_ins": all, "waiting": waiting}))
}

pub(super) fn outcome(result: &SignInResult) -> &'static str {
    match (result.refusals.is_empty(), result.purpose) {
        (false, _) => "refused",
        (true, Purpose::SignIn) => "signed_in",
        (true, Purpose::SignOut) => "signed_out",
    }
}

fn result(result: &SignInResult) -> Value {
    let refusals: Vec<Value> = result
        .refusals
        .iter()
        .map(|one| json!({"code": one.code.number(), "message": one.code.message(), "because": one.because}))
        .collect();
    json!({
        "id": result.id, "at": instant(result.at), "outcome": outcome(result),
        "account": result.account.as_ref().map(|(id, name)| json!({"id": id, "userPrincipalName": name})),
        "code": result.refusals.first().map(|one| one.code.number()), "refusals": refusals,
        "asked": result.asked.as_ref().map(asked), "claims": result.claims.as_ref().map(claims),
    })
}

fn asked(asked: &Asked) -> Value {
    json!({
        "id": asked.id, "protocol": asked.protocol.key(), "domain": asked.domain, "username": asked.user_name, "at": instant(asked.at),
        "multi_factor": asked.wishes.multi_factor, "fresh": asked.wishes.fresh,
    })
}

fn claims(claims: &Claims) -> Value {
    let at = |at: Option<Millis>| at.map(instant);
    json!({
        "assertion_id": claims.assertion_id, "issuer": claims.issuer, "audience": claims.audiences.first(), "name_id": claims.name(),
        "user_name": claims.user_name(), "methods": claims.methods, "multi_factor": claims.is_multi_factor(),
        "session_index": claims.session_index, "authenticated_at": at(claims.authenticated_at), "issued_at": at(claims.issued_at),
        "not_before": at(claims.not_before), "not_on_or_after": at(claims.not_on_or_after),
    })
}
