//! What Signpost does itself in the tenant: each time a plan that somebody looks at first, and
//! whose old values are remembered.

use leptos::prelude::*;
use signpost_model::readiness::{CheckKey, CheckState};
use signpost_model::run::{RunMode, Trigger};
use signpost_model::{ApplicationId, Role, TenantRequest};
use signpost_store::runs::{self, NewRun};

use super::acts::posted_application;
use super::{Shown, time};
use crate::components::{
    Button, Card, CheckBox, Column, DataTable, Form, Look, Narrow, Notice as Note, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, Refusal, respond};
use crate::portal::{Portal, portal};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Permissions of which one lets security defaults be switched.
const SWITCH_DEFAULTS: [&str; 2] = [
    "Policy.ReadWrite.SecurityDefaults",
    "Policy.ReadWrite.ConditionalAccess",
];

/// The permission that lets per-user MFA be switched.
const SWITCH_MFA: &str = "Policy.ReadWrite.AuthenticationMethod";

fn has(shown: &Shown, permission: &str) -> bool {
    shown.granted.iter().any(|granted| granted == permission)
}

fn state_of(shown: &Shown, key: CheckKey) -> Option<CheckState> {
    let known = shown.checks.iter().find(|known| known.check.key == key)?;
    Some(known.check.state)
}

/// The switch of security defaults, where the tenant lets Signpost turn it.
#[component]
pub(super) fn DefaultsPart(shown: Shown) -> impl IntoView {
    if !shown.may {
        return ().into_any();
    }
    let id = shown.id;
    let state = state_of(&shown, CheckKey::SecurityDefaults);
    let may = SWITCH_DEFAULTS
        .iter()
        .any(|permission| has(&shown, permission));
    if !may {
        return view! {
            <p class="card__body hint">
                "Signpost can turn them off itself, as a plan that you look at first: tick Switch security defaults under "
                <a href=urls::application_registration(id)>"Features and permissions"</a>
                " and grant Policy.ReadWrite.SecurityDefaults."
            </p>
        }
        .into_any();
    }
    let (to, words) = match state {
        Some(CheckState::Attention) => ("off", "Plan to turn security defaults off"),
        Some(CheckState::Passed) => ("on", "Plan to turn security defaults on"),
        _ => return ().into_any(),
    };
    let alone = shown
        .checks
        .iter()
        .find(|known| known.check.key == CheckKey::SecurityDefaults)
        .is_some_and(|known| {
            known
                .check
                .notes
                .iter()
                .any(|note| note.contains("a password is enough"))
        });
    let warning = (to == "off" && alone).then(|| {
        view! {
            <Note tone=Tone::Warn title="Nothing else asks for a second factor yet.">
                "Require one on the Sign-on page and federate the domain, or turn on a Conditional Access policy right after."
            </Note>
        }
    });
    view! {
        <div class="card__body stack">
            {warning}
            <Form action="/api/readiness/security-defaults">
                <input type="hidden" name="application" value=id.to_string() />
                <input type="hidden" name="to" value=to />
                <Button>{words}</Button>
            </Form>
            <p class="hint">"You see the plan first. The old value is remembered and can be put back."</p>
        </div>
    }
    .into_any()
}

/// Per-user MFA off for those who would be asked twice.
#[component]
pub(super) fn MfaPart(shown: Shown) -> impl IntoView {
    let Some(tally) = shown
        .reading
        .as_ref()
        .filter(|reading| reading.phase.is_over())
        .map(|reading| reading.tally)
    else {
        return ().into_any();
    };
    if !shown.may || tally.asked + tally.administrators_asked == 0 {
        return ().into_any();
    }
    let id = shown.id;
    if !has(&shown, SWITCH_MFA) {
        return view! {
            <p class="hint">
                "Signpost can turn it off itself, as a plan that you look at first: tick Switch per-user MFA under "
                <a href=urls::application_registration(id)>"Features and permissions"</a>
                " and grant Policy.ReadWrite.AuthenticationMethod."
            </p>
        }
        .into_any();
    }
    let administrators = (tally.administrators_asked > 0).then(|| {
        view! {
            <CheckBox
                name="administrators"
                label="Administrators, too"
                hint="They may not sign in through Signpost: without it a stolen password is enough.".to_owned()
            />
        }
    });
    view! {
        <Form action="/api/readiness/per-user-mfa" class="stack stack--tight">
            <input type="hidden" name="application" value=id.to_string() />
            {administrators}
            <div class="row"><Button>"Plan to turn per-user MFA off"</Button></div>
        </Form>
    }
    .into_any()
}

/// Values that Signpost changed in the tenant, with what they were.
#[component]
pub(super) fn KeptCard(shown: Shown) -> impl IntoView {
    if shown.kept.is_empty() {
        return ().into_any();
    }
    let rows = shown
        .kept
        .iter()
        .map(|kept| {
            view! {
                <tr>
                    <th scope="row">{kept.subject.name.clone()}</th>
                    <td data-label="Was">{words(&kept.before)}</td>
                    <td data-label="Now">{words(&kept.after)}</td>
                    <td data-label="Changed">{time(kept.taken_at)}</td>
                </tr>
            }
        })
        .collect_view();
    let columns = ["What", "Was", "Now", "Changed"].map(Column::new);
    let id = shown.id;
    let back = shown.may.then(|| {
        view! {
            <Form action="/api/readiness/put-back">
                <input type="hidden" name="application" value=id.to_string() />
                <Button look=Look::Primary>"Plan to put old values back"</Button>
            </Form>
        }
    });
    view! {
        <Card
            id="kept"
            title="Changed by Signpost"
            hint="What Signpost replaced in the tenant, and what it was. Reverting the domain puts it back, too.".to_owned()
        >
            <DataTable caption="Remembered values" columns=columns.to_vec() narrow=Narrow::Stacks>
                {rows}
            </DataTable>
            <div class="card__body">{back}</div>
        </Card>
    }
    .into_any()
}

fn words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Bool(true) => "On".to_owned(),
        serde_json::Value::Bool(false) => "Off".to_owned(),
        serde_json::Value::String(word) => word
            .parse::<signpost_model::readiness::PerUserMfa>()
            .map_or_else(|_| word.clone(), |state| state.label().to_owned()),
        serde_json::Value::Null => "Nothing".to_owned(),
        other => other.to_string(),
    }
}

/// Queues the plan and goes to its page, where it waits for the person.
async fn plan(
    portal: &Portal,
    id: ApplicationId,
    request: TenantRequest,
) -> Result<Answer, Refusal> {
    let new = NewRun::of_tenant(id, request, Trigger::Operator, RunMode::Preview);
    let (random, author, now) = (portal.random.as_ref(), visit().author(), portal.clock.now());
    let mut tx = portal.store.write().await?;
    let queued = runs::queue(&mut tx, random, &new, &author, now).await?;
    let run = queued.run().id;
    tx.commit().await?;
    portal.worker.notify_one();
    let text = "The plan is being made. Nothing changes before you apply it.";
    Ok(Answer::to(urls::run(run)).notice(Notice::success(text)))
}

/// Plans to turn security defaults on or off.
#[server(prefix = "/api", endpoint = "readiness/security-defaults")]
pub async fn plan_security_defaults() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let enabled = match posted.first("to") {
            "on" => true,
            "off" => false,
            _ => return Err(PortalError::BadRequest.into()),
        };
        plan(&portal, id, TenantRequest::SetSecurityDefaults { enabled }).await
    })
    .await
}

/// Plans to turn per-user MFA off.
#[server(prefix = "/api", endpoint = "readiness/per-user-mfa")]
pub async fn plan_per_user_mfa() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let administrators = posted.has("administrators");
        plan(
            &portal,
            id,
            TenantRequest::TurnOffPerUserMfa { administrators },
        )
        .await
    })
    .await
}

/// Plans to put every remembered value back.
#[server(prefix = "/api", endpoint = "readiness/put-back")]
pub async fn plan_put_back() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        plan(&portal, id, TenantRequest::PutBack).await
    })
    .await
}

/// Plans to upload the certificate that waits and to use it.
#[server(prefix = "/api", endpoint = "readiness/certificate/upload")]
pub async fn plan_certificate() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        plan(&portal, id, TenantRequest::UseCertificate).await
    })
    .await
}

/// Plans to give the registration another secret.
#[server(prefix = "/api", endpoint = "readiness/renew-secret")]
pub async fn plan_renewal() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        plan(&portal, id, TenantRequest::RenewSecret).await
    })
    .await
}
