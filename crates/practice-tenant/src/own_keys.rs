//! Certificates in a registration: added and removed by proof of possession, or as a whole list.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use uuid::Uuid;

use crate::answer::{Answer, Effect, Outcome, Refusal};
use crate::applications::{certificate_json, find, writable};
use crate::clock::{Millis, parse_instant};
use crate::registrations::{Certificate, Registration};
use crate::request::Call;
use crate::tenant::Tenant;
use crate::tokens::signed_by;

/// Whom a proof of possession has to be for.
const DIRECTORY: &str = "00000002-0000-0000-c000-000000000000";
const PROOF_SECONDS: i64 = 600;

/// `POST /applications/{id}/addKey`: no permission, but proof of a key that is known already.
pub(crate) fn add_key(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let key_id = tenant.mint();
    let body = call.object()?;
    let registration = proven(tenant, call)?;
    let wish = body.get("keyCredential").cloned().unwrap_or_default();
    let certificate = read_key(&wish, key_id)?;
    let shown = certificate_json(&certificate);
    registration.certificates.push(certificate);
    Ok(crate::objects::one(call, "microsoft.graph.keyCredential", shown).effect(Effect::Changed))
}

/// `POST /applications/{id}/removeKey`: the same proof.
pub(crate) fn remove_key(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let wanted = key_id_of(&Value::Object(call.object()?.clone()));
    let registration = proven(tenant, call)?;
    let at = registration
        .certificates
        .iter()
        .position(|known| Some(known.key_id) == wanted)
        .ok_or_else(|| Refusal::bad_request("No key credential found with keyId."))?;
    registration.certificates.remove(at);
    Ok(Answer::no_content(Effect::Changed))
}

/// `PATCH /applications/{id}`, as far as its certificates: what is not in the list is gone.
pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let minted = tenant.mint();
    let registration = writable(tenant, call)?;
    let body = call.object()?;
    if let Some(name) = body.keys().find(|name| *name != "keyCredentials") {
        return Err(Refusal::bad_request(format!(
            "The practice tenant does not change the property '{name}'."
        )));
    }
    let wishes = body.get("keyCredentials").and_then(Value::as_array);
    let wishes = wishes.ok_or_else(|| Refusal::bad_request("keyCredentials is not a list."))?;
    let mut list = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let known = key_id_of(wish).and_then(|id| {
            let mut all = registration.certificates.iter();
            all.find(|known| known.key_id == id).cloned()
        });
        match known {
            Some(known) if same_key(wish, &known) => list.push(known),
            Some(known) => {
                return Err(Refusal::bad_request(format!(
                    "Update to existing credential with KeyId '{}' is not allowed.",
                    known.key_id
                )));
            }
            None => list.push(read_key(wish, minted)?),
        }
    }
    registration.certificates = list;
    Ok(Answer::no_content(Effect::Changed))
}

/// The application's own registration, when the body proves that it holds one of its keys.
fn proven<'a>(tenant: &'a mut Tenant, call: &Call<'_>) -> Result<&'a mut Registration, Refusal> {
    let found = find(tenant, call.param(0), |known| known.object_id)?;
    let id = found.object_id;
    let refused = |why: &str| {
        Refusal::new(
            401,
            "Authentication_MissingOrMalformed",
            format!("Access Token missing or malformed. {why}"),
        )
    };
    if found.app_id != call.access.app_id {
        return Err(Refusal::denied());
    }
    let proof = call.object()?.get("proof").and_then(Value::as_str);
    let (claims, certificate) = signed_by(proof.unwrap_or_default(), found).map_err(&refused)?;
    let names = |claim: &str, wanted: &str| {
        let said = claims[claim].as_str().unwrap_or_default();
        said.eq_ignore_ascii_case(wanted)
    };
    if !names("aud", DIRECTORY) || !names("iss", &id.to_string()) {
        return Err(refused("The proof is for somebody else."));
    }
    let (from, to) = (claims["nbf"].as_i64(), claims["exp"].as_i64());
    let now = call.now.div_euclid(1000);
    let holds = from
        .zip(to)
        .is_some_and(|(from, to)| to - from <= PROOF_SECONDS && from < now + 300 && to > now - 300);
    if !holds || certificate.end <= call.now {
        return Err(refused("The proof or its certificate is not valid now."));
    }
    tenant
        .registrations
        .iter_mut()
        .find(|known| known.object_id == id)
        .ok_or_else(|| Refusal::not_found(call.param(0)))
}

fn key_id_of(wish: &Value) -> Option<Uuid> {
    wish["keyId"]
        .as_str()
        .and_then(|text| Uuid::parse_str(text).ok())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let decoded = STANDARD.decode(text);
    decoded.or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
}

/// An existing key is named by its id; its content may be left out, and must not differ.
fn same_key(wish: &Value, known: &Certificate) -> bool {
    wish["key"]
        .as_str()
        .is_none_or(|key| decode(key).is_some_and(|der| der == known.der))
}

fn read_key(wish: &Value, key_id: Uuid) -> Result<Certificate, Refusal> {
    let invalid = || Refusal::bad_request("Key credential is invalid.");
    if wish["type"] != "AsymmetricX509Cert" || wish["usage"] != "Verify" {
        return Err(invalid());
    }
    let der = wish["key"].as_str().and_then(decode).ok_or_else(invalid)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| invalid())?;
    let validity = parsed.validity();
    let (first, last) = (
        validity.not_before.timestamp() * 1000,
        validity.not_after.timestamp() * 1000,
    );
    let time = |name: &str, otherwise: Millis| match wish[name].as_str() {
        Some(text) => parse_instant(text).ok_or_else(invalid),
        None => Ok(otherwise),
    };
    let (start, end) = (time("startDateTime", first)?, time("endDateTime", last)?);
    if end > last || start < first {
        return Err(Refusal::bad_request("Key credential end date is invalid."));
    }
    Ok(Certificate {
        key_id,
        name: wish["displayName"].as_str().unwrap_or_default().to_owned(),
        der,
        start,
        end,
    })
}
