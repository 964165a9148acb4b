//! The time in which a new federation has to be confirmed: what is left of it, the test sign-in,
//! and the answer.

use leptos::prelude::*;
use signpost_model::federation::{Federation, ProviderKind};
use signpost_model::{ApplicationId, Cloud, Role, Timestamp};
use signpost_store::federations;

use super::banners::left;
use crate::components::{
    Button, Card, Check, CheckBox, Checklist, Form, Icon, LinkButton, Look, Notice as Note,
    Precision, Status, Tone, moment,
};
use crate::error::PortalError;
use crate::federation::SetUp;
use crate::forms::{Answer, FormErrors, Posted, respond};
use crate::pages::applications::id_of_form;
use crate::portal::{Portal, portal};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The card.
#[component]
pub(super) fn ConfirmCard(
    id: ApplicationId,
    federation: Federation,
    now: Timestamp,
    may: bool,
    set_up: SetUp,
) -> impl IntoView {
    let domain = federation.domain.clone();
    let until = federation.confirm_until.to_jiff();
    let until = until
        .map(|at| moment(at, Precision::Second))
        .unwrap_or_default();
    let countdown = if federation.is_overdue(now) {
        let trouble = federation.trouble.clone().map(|why| format!(" {why}"));
        view! {
            <Note tone=Tone::Bad title="The time is over: the domain is taken back now.">
                "Signpost tries until it has succeeded."
                {trouble}
                " With an administrator's own rights the "
                <a href=urls::application_powershell(id)>"Revert script"</a>
                " does the same."
            </Note>
        }
        .into_any()
    } else {
        let title = format!("{} left.", left(federation.confirm_until, now));
        view! {
            <Note tone=Tone::Warn title=title>
                {format!("Unless somebody confirms by {until}, {domain} is taken back by itself, also when Signpost is restarted meanwhile.")}
            </Note>
        }
        .into_any()
    };
    let refresh = view! {
        <LinkButton href=urls::application_federation(id) icon=Icon::RefreshCw>
            "Refresh"
        </LinkButton>
    };
    let title = format!("Confirm that {domain} signs in");
    let answer = (may && !federation.is_overdue(now)).then(|| {
        view! { <AnswerForm id=id federation=federation.clone() set_up=set_up.clone() /> }
    });
    let revert = may.then(|| {
        view! {
            <Form action="/api/federation/revert">
                <input type="hidden" name="application" value=id.to_string() />
                <Button look=Look::Danger icon=Icon::Undo2>"Revert now"</Button>
            </Form>
        }
    });
    view! {
        <Card id="confirm" title=title actions=move || refresh>
            <div class="card__body stack">
                {countdown}
                <TestSignIn federation=federation set_up=set_up />
                {answer}
                {revert}
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn TestSignIn(federation: Federation, set_up: SetUp) -> impl IntoView {
    let tester = federation.tester.clone();
    let own = set_up.provider() == ProviderKind::Own;
    let (status, said) = match (federation.tested_at(), &federation.signed_in) {
        (Some(at), _) => {
            let at = at.to_jiff().map(|at| moment(at, Precision::Second));
            let at = at.unwrap_or_default();
            (
                Status::PASSED,
                format!(
                    "{tester} got a token from Signpost at {at}. Look that Microsoft let them in."
                ),
            )
        }
        (None, Some((name, at))) => {
            let at = at.to_jiff().map(|at| moment(at, Precision::Second));
            let at = at.unwrap_or_default();
            (
                Status::ATTENTION,
                format!("{name} got a token from Signpost at {at}, {tester} none yet."),
            )
        }
        (None, None) if own => (
            Status::UNKNOWN,
            format!(
                "{tester} has not come to Signpost yet. Microsoft can take some minutes until it sends people here."
            ),
        ),
        (None, None) => (
            Status::UNKNOWN,
            "Signpost does not see who signs in at another identity provider: look yourself."
                .to_owned(),
        ),
    };
    let page = start_page(&set_up, &tester);
    view! {
        <Checklist label="Test sign-in">
            <Check
                status=status
                title=format!("Sign in as {tester}")
                detail=said
            >
                <LinkButton href=page>"Open Microsoft's sign-in"</LinkButton>
            </Check>
        </Checklist>
        <p class="text-2">
            "Use a private window, and stay signed in as administrator here. Do not confirm before the person has arrived in Microsoft 365."
        </p>
    }
    .into_any()
}

/// Where a person of the domain begins.
fn start_page(set_up: &SetUp, tester: &str) -> String {
    let cloud = set_up
        .connection
        .as_ref()
        .map_or(Cloud::Microsoft365, |connection| connection.settings.cloud);
    let root = match cloud {
        Cloud::Microsoft365 => "https://login.microsoftonline.com",
        Cloud::GccHigh | Cloud::Dod => "https://login.microsoftonline.us",
        Cloud::China => "https://login.partner.microsoftonline.cn",
        Cloud::Practice => {
            let practice = portal().ok().and_then(|portal| practice_page(&portal));
            return practice.unwrap_or_default();
        }
    };
    let domain = tester.rsplit_once('@').map_or("", |(_, domain)| domain);
    let start = format!("{root}/");
    urls::with_query(&start, &[("whr", domain), ("login_hint", tester)])
}

fn practice_page(portal: &Portal) -> Option<String> {
    let practice = portal.settings.practice.as_ref()?;
    Some(format!("{}sign-in", practice.page))
}

#[component]
fn AnswerForm(id: ApplicationId, federation: Federation, set_up: SetUp) -> impl IntoView {
    let form = visit().form_state();
    let tested = federation.tested_at().is_some();
    let anyway = (!tested).then(|| {
        let label = match set_up.provider() {
            ProviderKind::Own => "Confirm although the test sign-in was not seen",
            ProviderKind::External => "The person has arrived in Microsoft 365",
        };
        view! {
            <CheckBox
                name="anyway"
                label=label
                checked=form.checked("anyway", false)
                error=form.error("anyway")
            />
        }
    });
    view! {
        <Form action="/api/federation/confirm" class="stack">
            <input type="hidden" name="application" value=id.to_string() />
            <input type="hidden" name="run" value=federation.run_id.to_string() />
            {anyway}
            <div class="row">
                <Button look=Look::Primary icon=Icon::Check>"Confirm federation"</Button>
            </div>
        </Form>
    }
    .into_any()
}

/// Keeps the domain federated.
#[server(prefix = "/api", endpoint = "federation/confirm")]
pub async fn confirm_federation(#[server(default)] run: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_federation(id);
        let run = run.parse().map_err(|_| PortalError::NotFound)?;
        let (author, now) = (visit().author(), portal.clock.now());
        let mut tx = portal.store.write().await?;
        let known = federations::find(&mut tx, id).await?;
        let known = known.ok_or(PortalError::NotFound)?;
        if known.confirmed_at.is_some() && known.run_id == run {
            // The second of two clicks.
            return Ok(Answer::to(back));
        }
        if known.tested_at().is_none() && !posted.has("anyway") {
            let text = format!("Sign in as {} first, or tick this.", known.tester);
            return Err(FormErrors::field("anyway", text).refuse(back));
        }
        let confirmed = federations::confirm(&mut tx, id, run, &author, now).await?;
        tx.commit().await?;
        let notice = if confirmed {
            Notice::success(format!("{} stays federated.", known.domain))
        } else {
            Notice::error("It was too late: the domain is taken back.")
        };
        Ok(Answer::to(back).notice(notice))
    })
    .await
}
