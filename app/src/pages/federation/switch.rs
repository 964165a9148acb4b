//! Federating the domain, bringing it up to date, taking it back: each asks for a plan.

use leptos::prelude::*;
use signpost_model::federation::{
    FederationState, LEAST_CONFIRM_MINUTES, MOST_CONFIRM_MINUTES, RevertCause,
    USUAL_CONFIRM_MINUTES,
};
use signpost_model::run::RunMode;
use signpost_model::{ApplicationId, Role, TenantRequest};
use signpost_store::federations;

use crate::components::{
    Button, Card, CardKind, Form, Icon, LinkButton, Look, Notice as Note, TextField, TextKind, Tone,
};
use crate::error::PortalError;
use crate::federation::{SetUp, setup_of};
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::pages::applications::id_of_form;
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// What Signpost needs to do it by itself.
#[component]
fn NotGranted(id: ApplicationId) -> impl IntoView {
    view! {
        <Note tone=Tone::Info title="Signpost may not do this in the tenant.">
            "Grant the application permission " <code>"Domain-InternalFederation.ReadWrite.All"</code>
            " and select Update Settings on Provisioning, or use the "
            <a href=urls::application_powershell(id)>"PowerShell script"</a>
            ": it does the same with an administrator's own rights."
        </Note>
    }
    .into_any()
}

/// The way to federate.
#[component]
pub(super) fn FederateCard(set_up: SetUp, ready: bool, granted: bool, may: bool) -> impl IntoView {
    let id = set_up.application.id;
    let domain = set_up
        .connection
        .as_ref()
        .map(|connection| connection.settings.domain.clone())
        .unwrap_or_default();
    let form = visit().form_state();
    let body = if granted {
        view! { <FederateForm id=id domain=domain.clone() form=form ready=ready may=may /> }
            .into_any()
    } else {
        view! { <NotGranted id=id /> }.into_any()
    };
    let hint =
        format!("Everyone with an @{domain} name signs in at the identity provider from then on.");
    let script = view! {
        <LinkButton href=urls::application_powershell(id) look=Look::Quiet icon=Icon::Terminal>
            "Show PowerShell Script"
        </LinkButton>
        <LinkButton href=urls::application_identity_provider(id) look=Look::Quiet>
            "Identity provider"
        </LinkButton>
    };
    view! {
        <Card id="federate" title="Federate" hint=hint actions=move || script>
            <div class="card__body stack">
                <ul class="checklist__findings stack stack--tight">
                    <li>"It can take up to two hours until it holds everywhere, and a day until it has settled."</li>
                    <li>"Passwords at Microsoft are not used any more; forgotten ones are reset at the identity provider."</li>
                    <li>"Programs that send passwords themselves, and Windows sign-in with a password on Entra-joined computers, stop working for these people."</li>
                    <li>"Conditional Access goes on as it is."</li>
                </ul>
                {body}
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn FederateForm(
    id: ApplicationId,
    domain: String,
    form: FormState,
    ready: bool,
    may: bool,
) -> impl IntoView {
    if !may {
        return ().into_any();
    }
    let locked = (!ready).then(|| "Locked until every check lets it through.".to_owned());
    view! {
        <Form action="/api/federation/federate" class="stack">
            <input type="hidden" name="application" value=id.to_string() />
            <div class="fields">
                <TextField
                    name="tester"
                    label="Test person"
                    kind=TextKind::Email
                    value=form.value("tester", "")
                    hint=format!("Somebody @{domain} who signs in first, before the federation is confirmed.")
                    error=form.error("tester")
                    required=true
                />
                <TextField
                    name="minutes"
                    label="Minutes to confirm"
                    kind=TextKind::Number
                    value=form.value("minutes", &USUAL_CONFIRM_MINUTES.to_string())
                    hint=format!("From {LEAST_CONFIRM_MINUTES} to {MOST_CONFIRM_MINUTES}. Then the domain is taken back by itself.")
                    error=form.error("minutes")
                    required=true
                />
            </div>
            <div class="row">
                <Button look=Look::Primary icon=Icon::Waypoints disabled_because=locked>
                    "Plan federation"
                </Button>
            </div>
        </Form>
    }
    .into_any()
}

/// The way to bring the federation up to date.
#[component]
pub(super) fn UpdateCard(id: ApplicationId, granted: bool, may: bool) -> impl IntoView {
    let body = match (granted, may) {
        (false, _) => view! { <NotGranted id=id /> }.into_any(),
        (true, false) => ().into_any(),
        (true, true) => view! {
            <Form action="/api/federation/update">
                <input type="hidden" name="application" value=id.to_string() />
                <Button icon=Icon::RefreshCw>"Plan update"</Button>
            </Form>
        }
        .into_any(),
    };
    view! {
        <Card
            id="update"
            title="Update"
            hint="Tells Microsoft what changed here since: certificates, addresses, who asks for the second factor. Only what differs is sent.".to_owned()
        >
            <div class="card__body stack">{body}</div>
        </Card>
    }
    .into_any()
}

/// The way back.
#[component]
pub(super) fn RevertCard(id: ApplicationId, granted: bool, may: bool) -> impl IntoView {
    let body = match (granted, may) {
        (false, _) => view! { <NotGranted id=id /> }.into_any(),
        (true, false) => ().into_any(),
        (true, true) => view! {
            <Form action="/api/federation/revert">
                <input type="hidden" name="application" value=id.to_string() />
                <Button look=Look::Danger icon=Icon::Undo2>"Revert"</Button>
            </Form>
        }
        .into_any(),
    };
    view! {
        <Card
            id="revert"
            title="Revert"
            hint="Microsoft signs these people in again. One step.".to_owned()
            kind=CardKind::Danger
        >
            <div class="card__body stack">
                <p>
                    "People need a password that Microsoft knows: the one they had before, or a new one that an administrator sets or that they reset themselves. Passwords and factors at the identity provider stay, and are of no use for Microsoft 365. ImmutableIds stay as well. It can take up to two hours."
                </p>
                {body}
            </div>
        </Card>
    }
    .into_any()
}

/// Asks for the plan that federates the domain.
#[server(prefix = "/api", endpoint = "federation/federate")]
pub async fn federate_domain() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_federation(id);
        let set_up = SetUp::load(&portal, id).await?;
        let (tester, confirm_minutes) = typed(&posted, &set_up, &back)?;
        let settings = set_up.settings().ok_or(PortalError::NotFound)?;
        let request = TenantRequest::Federate {
            setup: setup_of(settings),
            metadata: settings.values().metadata_uri.clone().unwrap_or_default(),
            tester,
            confirm_minutes,
        };
        let author = visit().author();
        super::queue(&portal, id, request, RunMode::Preview, &author).await
    })
    .await
}

fn typed(posted: &Posted, set_up: &SetUp, back: &str) -> Result<(String, i64), Refusal> {
    let domain = set_up
        .connection
        .as_ref()
        .map(|connection| connection.settings.domain.to_lowercase())
        .unwrap_or_default();
    let mut errors = FormErrors::new();
    let tester = posted.first("tester").trim().to_owned();
    let of_domain = tester.to_lowercase();
    let of_domain = of_domain.rsplit_once('@');
    if !of_domain.is_some_and(|(local, of)| !local.is_empty() && of == domain) {
        errors.add(
            "tester",
            format!("Enter the user name of somebody @{domain}"),
        );
    }
    let minutes = posted.first("minutes").trim().parse::<i64>().ok();
    let minutes =
        minutes.filter(|minutes| (LEAST_CONFIRM_MINUTES..=MOST_CONFIRM_MINUTES).contains(minutes));
    if minutes.is_none() {
        errors.add(
            "minutes",
            format!(
                "Enter a number of minutes from {LEAST_CONFIRM_MINUTES} to {MOST_CONFIRM_MINUTES}"
            ),
        );
    }
    errors.check(back)?;
    Ok((tester, minutes.unwrap_or(USUAL_CONFIRM_MINUTES)))
}

/// Asks for the plan that brings the federation up to date.
#[server(prefix = "/api", endpoint = "federation/update")]
pub async fn update_federation() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = id_of_form(&Posted::current())?;
        let set_up = SetUp::load(&portal, id).await?;
        let settings = set_up.settings().ok_or(PortalError::NotFound)?;
        let request = TenantRequest::UpdateFederation {
            setup: setup_of(settings),
        };
        let author = visit().author();
        super::queue(&portal, id, request, RunMode::Preview, &author).await
    })
    .await
}

/// Takes the domain back, at once.
#[server(prefix = "/api", endpoint = "federation/revert")]
pub async fn revert_federation() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = id_of_form(&Posted::current())?;
        let set_up = SetUp::load(&portal, id).await?;
        let known = federations::find(&mut *portal.store.read().await?, id).await?;
        let known = known.filter(|known| known.state != FederationState::Reverted);
        let issuer = match (known, set_up.settings()) {
            (Some(known), _) => known.issuer,
            (None, Some(settings)) => settings.values().issuer_uri.clone(),
            (None, None) => {
                let text = "There is no federation to revert.";
                return Ok(Answer::to(urls::application_federation(id)).notice(Notice::error(text)));
            }
        };
        let request = TenantRequest::RevertFederation {
            because: RevertCause::Asked,
            issuer,
        };
        let author = visit().author();
        super::queue(&portal, id, request, RunMode::Sync, &author).await
    })
    .await
}
