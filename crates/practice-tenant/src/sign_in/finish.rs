//! `/login.srf`: the browser brings what the provider has answered.

use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, header};

use super::judge::{self, Answer};
use super::refusal::{Code, Refused};
use super::{Protocol, Purpose, SignInResult, sign_out};
use crate::practice::PracticeTenant;

/// The most fields of a posted form.
const MAX_FIELDS: usize = 20;

/// `POST /login.srf`: judges, keeps the result, and shows it on a page of its own, so that loading
/// it again hands nothing in twice.
pub(crate) fn finish(
    practice: &PracticeTenant,
    headers: &HeaderMap,
    body: &[u8],
    base: &str,
) -> Response {
    let now = practice.clock.now_ms();
    let tenant = practice.tenant();
    let mut sign_ins = practice.sign_ins();
    let result = match read(headers, body, base) {
        Ok(answer) if sign_out::is_answer(&answer) => {
            sign_out::judge(&tenant, &mut sign_ins, &answer, now)
        }
        Ok(answer) => judge::sign_in(&tenant, &mut sign_ins, &answer, now),
        Err(refused) => SignInResult {
            id: 0,
            at: now,
            asked: None,
            claims: None,
            account: None,
            purpose: Purpose::SignIn,
            refusals: vec![refused],
        },
    };
    let id = sign_ins.record(result);
    Redirect::to(&format!("/_practice/sign-ins/{id}")).into_response()
}

/// `GET /login.srf`: nobody comes here without an answer in hand.
pub(crate) fn describe() -> Response {
    Redirect::to("/_practice/sign-in").into_response()
}

fn read(headers: &HeaderMap, body: &[u8], base: &str) -> Result<Answer, Refused> {
    let wrong = |because: &str| Refused::new(Code::SamlToken, because);
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(wrong("What was posted is not a form."));
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(body)
        .take(MAX_FIELDS)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let once = |name: &str| {
        let mut found = fields.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(wrong("A field of the form is there twice.")),
            (first, _) => Ok(first.map(|(_, value)| value.clone())),
        }
    };
    let addresses = addresses(headers, base);
    match (once("SAMLResponse")?, once("wresult")?) {
        (Some(encoded), None) => Ok(Answer {
            protocol: Protocol::Saml,
            message: decode(&encoded)?,
            context: once("RelayState")?,
            addresses,
        }),
        (None, Some(message)) if once("wa")?.as_deref() == Some("wsignin1.0") => Ok(Answer {
            protocol: Protocol::WsFed,
            message,
            context: once("wctx")?,
            addresses,
        }),
        (None, Some(_)) => Err(Refused::new(
            Code::WsFedMessage,
            "The field wa is not wsignin1.0.",
        )),
        (Some(_), Some(_)) => Err(wrong("The form holds an answer in both protocols at once.")),
        (None, None) => Err(wrong("The form holds neither SAMLResponse nor wresult.")),
    }
}

fn decode(encoded: &str) -> Result<String, Refused> {
    use base64::Engine as _;
    let compact: String = encoded.split_ascii_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(compact)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Refused::new(Code::SamlToken, "SAMLResponse is not text in base64."))
}

/// Where this was handed in: the tenant's own address, and the name that the browser knows it by.
fn addresses(headers: &HeaderMap, base: &str) -> Vec<String> {
    let mut addresses = vec![format!("{base}/login.srf")];
    let scheme = base.split_once("://").map_or("http", |(scheme, _)| scheme);
    if let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    {
        addresses.push(format!("{scheme}://{host}/login.srf"));
    }
    addresses
}
