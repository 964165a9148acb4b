//! What a person sees of Microsoft's sign-in.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Map, Value};

use super::claims::Claims;
use super::shown::outcome;
use super::start::{Stay, Wanted};
use super::{Asked, Purpose, SignInResult, configuration, text as setting};
use crate::clock::{Millis, instant};
use crate::domains::Federation;
use crate::html::Column::Text;
use crate::html::{Html, badge, text};
use crate::practice::PracticeTenant;
use crate::tenant::Tenant;

type Practice = State<Arc<PracticeTenant>>;

/// Results on the start page.
const SHOWN: usize = 20;

pub(crate) async fn script() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, include_str!("../../data/submit.js")).into_response()
}

/// `GET /_practice/sign-in`.
pub(crate) async fn start(State(practice): Practice, Query(wanted): Query<Wanted>) -> Response {
    let mut page = Html::page("Sign in · Practice tenant");
    let tenant = practice.tenant();
    for settings in tenant.domains.iter().filter_map(configuration) {
        for name in ["passiveSignInUri", "signOutUri"] {
            page.form_targets
                .extend(setting(settings, name).and_then(origin));
        }
    }
    open(
        &mut page,
        "Sign in to Microsoft 365",
        "Microsoft’s sign-in page, played by the practice tenant: it finds out where a person signs in, sends them there, and judges what comes back.",
    );
    let _ = write!(
        page.body,
        "<section aria-labelledby=\"who\"><h2 id=\"who\">Who signs in?</h2>\
         <form action=\"/_practice/sign-in\" method=\"post\" aria-label=\"Sign in\">\
         <div class=\"wide\"><label for=\"username\">User principal name</label>\
         <input id=\"username\" name=\"username\" type=\"text\" inputmode=\"email\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"320\" required value=\"{}\"></div>\
         <fieldset><legend>What Microsoft asks for</legend>\
         <label class=\"check\"><input type=\"checkbox\" name=\"multi_factor\"> Ask for a second factor</label>\
         <label class=\"check\"><input type=\"checkbox\" name=\"fresh\"> Ask for a fresh sign-in</label></fieldset>\
         <div><label for=\"binding\">SAML 2.0 request goes by</label><select id=\"binding\" name=\"binding\">\
         <option value=\"post\">POST, as Microsoft documents</option><option value=\"redirect\">Redirect</option></select></div>\
         <button type=\"submit\">Next</button>\
         <button type=\"submit\" class=\"quiet\" formaction=\"/_practice/sign-out\">Sign out instead</button></form></section>",
        text(&wanted.username)
    );
    domains(&mut page, &tenant);
    drop(tenant);
    results(&mut page, &practice);
    page.body.push_str("</main>");
    page.answer(StatusCode::OK)
}

fn open(page: &mut Html, heading: &str, lead: &str) {
    let _ = write!(
        page.body,
        "<header><a class=\"skip\" href=\"#main\">Skip to content</a>\
         <nav aria-label=\"Breadcrumb\"><ul><li><a href=\"/_practice/\">Practice tenant</a></li><li><a href=\"/_practice/sign-in\">Sign in</a></li></ul></nav>\
         <h1>{}</h1><p>{}</p></header><main id=\"main\">",
        text(heading),
        text(lead)
    );
}

/// The federation settings of every domain that has some, in Graph's names.
pub(crate) fn domains(page: &mut Html, tenant: &Tenant) {
    page.body
        .push_str("<section aria-labelledby=\"federation\"><h2 id=\"federation\">Federation</h2>");
    let federated = tenant
        .domains
        .iter()
        .filter_map(|domain| Some((domain, domain.federation.as_ref()?)));
    let mut is_empty = true;
    for (domain, federation) in federated {
        is_empty = false;
        let _ = write!(page.body, "<h3>{}</h3>", text(&domain.name));
        match federation {
            Federation::Configured(settings) => page.definitions(settings_of(settings)),
            Federation::Unreadable => page.body.push_str(
                "<p>Federated, and its configuration cannot be read: it was created without a valid signing certificate. \
                 Nobody of this domain can sign in. Update-MgDomain with AuthenticationType Managed is the way out.</p>",
            ),
        }
    }
    if is_empty {
        page.body.push_str(
            "<p>No domain is federated. People sign in with a password that Microsoft keeps.</p>",
        );
    }
    page.body.push_str("</section>");
}

fn settings_of(settings: &Map<String, Value>) -> impl Iterator<Item = (&'static str, String)> {
    const NAMES: [&str; 13] = [
        "id",
        "displayName",
        "issuerUri",
        "preferredAuthenticationProtocol",
        "passiveSignInUri",
        "signOutUri",
        "activeSignInUri",
        "metadataExchangeUri",
        "passwordResetUri",
        "federatedIdpMfaBehavior",
        "promptLoginBehavior",
        "signingCertificate",
        "nextSigningCertificate",
    ];
    NAMES.into_iter().filter_map(|name| {
        let value = setting(settings, name)?;
        let shown = if name.ends_with("Certificate") {
            describe_certificate(value)
        } else {
            value.to_owned()
        };
        Some((name, shown))
    })
}

/// Subject and end of a certificate, which people recognise it by.
fn describe_certificate(base64: &str) -> String {
    use base64::Engine as _;
    let der = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .unwrap_or_default();
    x509_parser::parse_x509_certificate(&der).map_or_else(
        |_| "not readable".to_owned(),
        |(_, certificate)| {
            let until = certificate.validity().not_after.timestamp();
            format!(
                "{}, until {}",
                certificate.subject(),
                instant(until.saturating_mul(1000))
            )
        },
    )
}

fn results(page: &mut Html, practice: &PracticeTenant) {
    page.body
        .push_str("<section aria-labelledby=\"last\"><h2 id=\"last\">Last sign-ins</h2>");
    page.open_table(
        "last",
        "What providers answered, newest first",
        &[Text("Time"), Text("Who"), Text("Protocol"), Text("Result")],
    );
    for result in practice.sign_ins().results.iter().rev().take(SHOWN) {
        let name = who(result).unwrap_or("(nobody)");
        let protocol = result
            .asked
            .as_ref()
            .map_or("", |asked| asked.protocol.label());
        let _ = write!(
            page.body,
            "<tr><td>{}</td><th scope=\"row\"><a href=\"/_practice/sign-ins/{}\">{}</a></th><td>{protocol}</td><td>{}</td></tr>",
            time(result.at),
            result.id,
            text(name),
            verdict(result)
        );
    }
    page.close_table();
    page.body.push_str("</section>");
}

fn who(result: &SignInResult) -> Option<&str> {
    let asked = result.asked.as_ref().map(|asked| asked.user_name.as_str());
    let claimed = result.claims.as_ref().map(Claims::user_name);
    let account = result.account.as_ref().map(|(_, name)| name.as_str());
    account.or(claimed).or(asked)
}

fn verdict(result: &SignInResult) -> String {
    match (outcome(result), result.refusals.first()) {
        (_, Some(first)) => badge("badge--bad", first.code.number()),
        ("signed_out", None) => badge("badge--ok", "Signed out"),
        _ => badge("badge--ok", "Signed in"),
    }
}

fn time(at: Millis) -> String {
    let at = instant(at);
    let shown = at.replace('T', " ").replace('Z', "");
    format!("<time datetime=\"{at}\">{shown}</time>")
}

/// `GET /_practice/sign-ins/{id}`: where a person lands after the provider.
pub(crate) async fn result(State(practice): Practice, Path(id): Path<u64>) -> Response {
    let found = practice.sign_ins().find_result(id).cloned();
    let Some(result) = found else {
        let mut page = Html::page("Sign-in not found · Practice tenant");
        open(
            &mut page,
            "Sign-in not found",
            "Only the last sign-ins since the practice tenant was started are kept.",
        );
        page.body.push_str("</main>");
        return page.answer(StatusCode::NOT_FOUND);
    };
    let mut page = Html::page("Sign-in · Practice tenant");
    match (&result.account, result.purpose, result.refusals.first()) {
        (_, Purpose::SignIn, Some(first)) => open(
            &mut page,
            "Microsoft would have refused this sign-in",
            &format!("{}: {}", first.code.number(), first.code.message()),
        ),
        (_, Purpose::SignOut, Some(first)) => open(
            &mut page,
            "Microsoft would have refused this sign-out",
            &format!("{}: {}", first.code.number(), first.code.message()),
        ),
        (_, Purpose::SignOut, None) => open(
            &mut page,
            "Signed out",
            "The provider has ended its session and said so.",
        ),
        (account, Purpose::SignIn, None) => {
            let name = account.as_ref().map_or("", |(_, name)| name.as_str());
            open(
                &mut page,
                &format!("Signed in as {name}"),
                "Microsoft 365 would open now.",
            );
        }
    }
    why(&mut page, &result);
    if let Some((account, name)) = &result.account {
        let _ = write!(
            page.body,
            "<p>Account: <a href=\"/_practice/account/{account}\">{}</a></p>",
            text(name)
        );
    }
    if let Some(asked) = &result.asked {
        page.body
            .push_str("<section aria-labelledby=\"asked\"><h2 id=\"asked\">What was asked</h2>");
        page.definitions(asked_rows(asked));
        page.body.push_str("</section>");
    }
    if let Some(claims) = &result.claims {
        page.body.push_str(
            "<section aria-labelledby=\"asserted\"><h2 id=\"asserted\">What the provider asserted</h2>",
        );
        page.definitions(claim_rows(claims));
        page.body.push_str("</section>");
    }
    page.body
        .push_str("<p><a href=\"/_practice/sign-in\">Back to the sign-in page</a></p></main>");
    page.answer(StatusCode::OK)
}

fn why(page: &mut Html, result: &SignInResult) {
    if result.refusals.is_empty() {
        return;
    }
    page.body
        .push_str("<section aria-labelledby=\"why\"><h2 id=\"why\">Why</h2><ul>");
    for refused in &result.refusals {
        let _ = write!(
            page.body,
            "<li>{} {}</li>",
            badge("badge--bad", refused.code.number()),
            text(&refused.because)
        );
    }
    page.body.push_str("</ul></section>");
}

fn asked_rows(asked: &Asked) -> impl Iterator<Item = (&'static str, String)> {
    let yes = |flag: bool| if flag { "Yes" } else { "No" }.to_owned();
    [
        ("Protocol", asked.protocol.label().to_owned()),
        ("User principal name", asked.user_name.clone()),
        ("Domain", asked.domain.clone()),
        ("Second factor", yes(asked.wishes.multi_factor)),
        ("Fresh sign-in", yes(asked.wishes.fresh)),
        ("Request id", asked.id.clone()),
    ]
    .into_iter()
}

fn claim_rows(claims: &Claims) -> impl Iterator<Item = (&'static str, String)> {
    let at = |at: Option<Millis>| at.map(instant).unwrap_or_default();
    [
        ("Issuer", claims.issuer.clone()),
        ("Audience", claims.audiences.join(", ")),
        ("ImmutableId", claims.name().to_owned()),
        ("User principal name", claims.user_name().to_owned()),
        ("Signed in by", claims.methods.join(", ")),
        ("Signed in at", at(claims.authenticated_at)),
        ("Token made at", at(claims.issued_at)),
        ("Token valid from", at(claims.not_before)),
        ("Token valid until", at(claims.not_on_or_after)),
        ("Token id", claims.assertion_id.clone()),
    ]
    .into_iter()
}

/// The person stays here, with the reason.
pub(super) fn stay(user_name: &str, stay: &Stay) -> Response {
    let (heading, lead) = match stay {
        Stay::NotAName => (
            "That is not a user principal name",
            "It has a name, an @ and a domain, such as alice.martins@contoso.example.".to_owned(),
        ),
        Stay::UnknownDomain(domain) => (
            "This tenant does not have the domain",
            format!("AADSTS50034: {domain} is not a verified domain of the tenant."),
        ),
        Stay::Managed(domain) => (
            "Microsoft asks for the password itself",
            format!(
                "{domain} is managed: nobody is sent to an identity provider. Federate the domain first."
            ),
        ),
        Stay::Unreadable(domain) => (
            "Nobody of this domain can sign in",
            format!(
                "{domain} is federated without a configuration: it was created without a valid signing certificate."
            ),
        ),
        Stay::WantsSignedRequests(domain) => (
            "The practice tenant cannot sign requests",
            format!(
                "{domain} has isSignedAuthenticationRequestRequired. Microsoft would sign its request with a key that nobody else has."
            ),
        ),
    };
    let mut page = Html::page("Sign in · Practice tenant");
    open(&mut page, heading, &lead);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("username", user_name);
    let _ = write!(
        page.body,
        "<p><a href=\"/_practice/sign-in?{}\">Back to the sign-in page</a></p></main>",
        text(&query.finish())
    );
    page.answer(StatusCode::OK)
}

/// A form that the browser posts to the provider, by itself or by its button.
pub(super) fn hand_over(provider: &str, address: &str, fields: &[(&str, &str)]) -> Response {
    let mut page = Html::page("Taking you to your organization's sign-in page");
    page.form_targets.extend(origin(address));
    page.script = Some("/_practice/submit.js");
    open(
        &mut page,
        "Taking you to your organization’s sign-in page",
        provider,
    );
    let _ = write!(
        page.body,
        "<form id=\"hand-over\" method=\"post\" action=\"{}\">",
        text(address)
    );
    for (name, value) in fields {
        let _ = write!(
            page.body,
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
            text(value)
        );
    }
    page.body
        .push_str("<button type=\"submit\">Continue</button></form></main>");
    page.answer(StatusCode::OK)
}

pub(super) fn no_sign_out(domain: &str) -> Response {
    let mut page = Html::page("Sign out · Practice tenant");
    open(
        &mut page,
        "Signed out at Microsoft only",
        &format!("{domain} has no signOutUri: the provider’s own session goes on."),
    );
    page.body.push_str("</main>");
    page.answer(StatusCode::OK)
}

/// `GET /_practice/signed-out`: where a provider may send people after a WS-Federation sign-out.
pub(crate) async fn signed_out() -> Response {
    let mut page = Html::page("Signed out · Practice tenant");
    open(
        &mut page,
        "Signed out",
        "The provider has ended its session and sent you back.",
    );
    page.body
        .push_str("<p><a href=\"/_practice/sign-in\">Back to the sign-in page</a></p></main>");
    page.answer(StatusCode::OK)
}

/// Scheme, host and port of an address, for the content security policy.
fn origin(address: &str) -> Option<String> {
    let uri: http::Uri = address.parse().ok()?;
    let authority = uri.authority()?;
    let is_plain = authority
        .as_str()
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
    is_plain.then(|| format!("{}://{authority}", uri.scheme_str().unwrap_or("https")))
}
