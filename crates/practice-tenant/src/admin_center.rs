//! The admin center for people: what an administrator clicks in Entra, as far as Signpost asks for
//! it. Permissions and the certificate of the registration, security defaults, a Conditional
//! Access policy, and per-user MFA of one account.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{RawForm, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::control_writes::read_certificate;
use crate::html::Column::Text;
use crate::html::{Html, badge, text};
use crate::permissions::PERMISSIONS;
use crate::practice::PracticeTenant;
use crate::registrations::Certificate;
use crate::tenant::Tenant;
use crate::user::MfaState;

type Practice = State<Arc<PracticeTenant>>;

/// The policy that the page turns on and off.
const POLICY: &str = "Require multifactor authentication for all users";

/// `GET /_practice/admin`.
pub(crate) async fn show(State(practice): Practice) -> Response {
    let mut page = Html::page("Admin center · Practice tenant");
    page.body.push_str(
        "<header><a class=\"skip\" href=\"#main\">Skip to content</a>\
         <nav aria-label=\"Breadcrumb\"><ul><li><a href=\"/_practice/\">Practice tenant</a></li></ul></nav>\
         <h1>Admin center</h1><p>What an administrator clicks in the Entra admin center, as far as Signpost asks for it.</p></header><main id=\"main\">",
    );
    let tenant = practice.tenant();
    permissions(&mut page, &tenant);
    certificates(&mut page, &tenant);
    policies(&mut page, &tenant);
    per_user_mfa(&mut page, &tenant);
    drop(tenant);
    page.body.push_str("</main>");
    page.answer(StatusCode::OK)
}

/// The registration that Signpost is connected with unless told otherwise.
fn permissions(page: &mut Html, tenant: &Tenant) {
    let Some(registration) = tenant.registrations.first() else {
        return;
    };
    let _ = write!(
        page.body,
        "<section aria-labelledby=\"permissions\"><h2 id=\"permissions\">API permissions of {}</h2>\
         <p>Application permissions of Microsoft Graph. Saving grants admin consent to what is ticked, and takes back the rest.</p>\
         <form class=\"stacked\" action=\"/_practice/admin\" method=\"post\"><input type=\"hidden\" name=\"what\" value=\"permissions\">\
         <fieldset><legend>Granted</legend>",
        text(&registration.name)
    );
    for (name, _) in PERMISSIONS {
        let granted = registration.permissions.iter().any(|known| known == name);
        let checked = if granted { " checked" } else { "" };
        let _ = write!(
            page.body,
            "<label class=\"check\"><input type=\"checkbox\" name=\"permission\" value=\"{name}\"{checked}> {name}</label>"
        );
    }
    page.body.push_str(
        "</fieldset><button type=\"submit\">Grant admin consent</button></form></section>",
    );
}

fn certificates(page: &mut Html, tenant: &Tenant) {
    let held = tenant
        .registrations
        .first()
        .map_or(0, |registration| registration.certificates.len());
    let _ = write!(
        page.body,
        "<section aria-labelledby=\"certificates\"><h2 id=\"certificates\">Certificates</h2><p>{held} uploaded.</p>\
         <form class=\"stacked\" action=\"/_practice/admin\" method=\"post\"><input type=\"hidden\" name=\"what\" value=\"certificate\">\
         <div class=\"wide\"><label for=\"certificate\">Certificate, as the text of the file</label>\
         <textarea id=\"certificate\" name=\"certificate\" rows=\"6\" spellcheck=\"false\" required></textarea></div>\
         <button type=\"submit\">Upload certificate</button></form></section>"
    );
}

fn policies(page: &mut Html, tenant: &Tenant) {
    let defaults = tenant.policies.security_defaults();
    let asks = tenant.policies.has_enabled(POLICY);
    page.body.push_str(
        "<section aria-labelledby=\"policies\"><h2 id=\"policies\">Sign-in policies</h2>",
    );
    page.open_table(
        "policies",
        "What asks everybody for a second factor",
        &[Text("Policy"), Text("State"), Text("Change")],
    );
    for (what, name, on) in [
        ("security-defaults", "Security defaults", defaults),
        ("conditional-access", POLICY, asks),
    ] {
        let state = if on {
            badge("badge--ok", "On")
        } else {
            badge("", "Off")
        };
        let (verb, to) = if on {
            ("Turn off", "off")
        } else {
            ("Turn on", "on")
        };
        let _ = write!(
            page.body,
            "<tr><th scope=\"row\">{name}</th><td>{state}</td><td>\
             <form action=\"/_practice/admin\" method=\"post\"><input type=\"hidden\" name=\"what\" value=\"{what}\">\
             <input type=\"hidden\" name=\"to\" value=\"{to}\"><button type=\"submit\">{verb}: {name}</button></form></td></tr>"
        );
    }
    page.close_table();
    page.body.push_str("</section>");
}

fn per_user_mfa(page: &mut Html, tenant: &Tenant) {
    let asked = tenant
        .users
        .iter()
        .filter(|user| user.is_live() && user.mfa != MfaState::Disabled)
        .count();
    let _ = write!(
        page.body,
        "<section aria-labelledby=\"mfa\"><h2 id=\"mfa\">Per-user MFA</h2><p>{asked} accounts are enabled or enforced.</p>\
         <form class=\"stacked\" action=\"/_practice/admin\" method=\"post\"><input type=\"hidden\" name=\"what\" value=\"mfa\">\
         <div class=\"wide\"><label for=\"account\">User principal name</label>\
         <input id=\"account\" name=\"account\" type=\"text\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"320\" required></div>\
         <div><label for=\"state\">State</label><select id=\"state\" name=\"state\">\
         <option value=\"enforced\">Enforced</option><option value=\"enabled\">Enabled</option><option value=\"disabled\">Disabled</option></select></div>\
         <button type=\"submit\">Set per-user MFA</button></form></section>"
    );
}

/// `POST /_practice/admin`.
pub(crate) async fn act(
    State(practice): Practice,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Response {
    if headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
    {
        return refuse("Another site’s page may not change the practice tenant.");
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let first = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let now = practice.clock.now_ms();
    let mut tenant = practice.tenant();
    let (done, part) = match first("what") {
        "permissions" => {
            let granted = fields
                .iter()
                .filter(|(key, value)| {
                    key == "permission" && PERMISSIONS.iter().any(|(name, _)| name == value)
                })
                .map(|(_, value)| value.clone())
                .collect();
            if let Some(registration) = tenant.registrations.first_mut() {
                registration.permissions = granted;
            }
            (Ok(()), "permissions")
        }
        "certificate" => (upload(&mut tenant, first("certificate")), "certificates"),
        "security-defaults" => {
            let on = first("to") == "on";
            (tenant.policies.set_security_defaults(on), "policies")
        }
        "conditional-access" => {
            let on = first("to") == "on";
            let id = tenant.mint();
            let policy = on.then(|| policy(id, now));
            (tenant.policies.replace(POLICY, policy), "policies")
        }
        "mfa" => (
            set_mfa(&mut tenant, first("account"), first("state")),
            "mfa",
        ),
        _ => (Err("There is no such thing to change.".to_owned()), ""),
    };
    drop(tenant);
    match done {
        Ok(()) => {
            practice.mark_changed();
            Redirect::to(&format!("/_practice/admin#{part}")).into_response()
        }
        Err(why) => refuse(&why),
    }
}

fn policy(id: Uuid, now: i64) -> Value {
    json!({
        "id": id, "displayName": POLICY, "state": "enabled", "createdDateTime": crate::clock::instant(now), "modifiedDateTime": null,
        "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"]},
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"], "customAuthenticationFactors": [], "termsOfUse": []}, "sessionControls": null,
    })
}

fn upload(tenant: &mut Tenant, pem: &str) -> Result<(), String> {
    let (der, start, end) = read_certificate(pem)?;
    let key_id = tenant.mint();
    let registration = tenant
        .registrations
        .first_mut()
        .ok_or("There is no registration.")?;
    registration.certificates.push(Certificate {
        key_id,
        name: "Uploaded".to_owned(),
        der,
        start,
        end,
    });
    Ok(())
}

fn set_mfa(tenant: &mut Tenant, account: &str, state: &str) -> Result<(), String> {
    let no = tenant
        .index
        .upns
        .get(account.trim().to_lowercase().as_str())
        .copied()
        .ok_or_else(|| format!("There is no account {account}."))?;
    tenant.users[no as usize].mfa = match state {
        "enforced" => MfaState::Enforced,
        "enabled" => MfaState::Enabled,
        "disabled" => MfaState::Disabled,
        _ => return Err("There is no such state.".to_owned()),
    };
    Ok(())
}

fn refuse(why: &str) -> Response {
    let mut page = Html::page("Not changed · Practice tenant");
    let _ = write!(
        page.body,
        "<main id=\"main\"><h1>Nothing was changed</h1><p role=\"alert\">{}</p><p><a href=\"/_practice/admin\">Back to the admin center</a></p></main>",
        text(why)
    );
    page.answer(StatusCode::BAD_REQUEST)
}
