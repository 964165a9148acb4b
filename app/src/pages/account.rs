//! The signed-in operator's own page: name, password, second factor, sessions, looks.

mod looks;
mod password;
mod second_factor;
mod sessions;

use leptos::prelude::*;
use signpost_model::{Operator, Role};
use signpost_store::factors;
use signpost_store::operators::{self, OperatorForm};
use signpost_store::sessions as stored_sessions;

use crate::access::{READ, Route};
use crate::components::{
    Badge, Button, Card, ErrorSummary, Form, LinkButton, Look, PageHeader, TextField, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Refusal, respond, session};
use crate::portal::portal;
use crate::root::page;
use crate::session::public_key;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

pub use looks::save_looks;
pub use password::{ChangePassword, change_password};
pub use second_factor::{
    RecoveryCodes, RemoveSecondFactor, SecondFactor, begin_second_factor, confirm_second_factor,
    remove_second_factor, replace_recovery_codes,
};
pub(crate) use sessions::browser_name;
pub use sessions::{end_other_sessions, end_session};

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/account", READ),
    ("GET", "/account/password", READ),
    ("GET", "/account/second-factor", READ),
    ("GET", "/account/second-factor/remove", READ),
    ("GET", "/account/recovery-codes", READ),
    ("POST", "/api/account/name", READ),
    ("POST", "/api/account/password", READ),
    ("POST", "/api/account/second-factor/begin", READ),
    ("POST", "/api/account/second-factor/confirm", READ),
    ("POST", "/api/account/second-factor/remove", READ),
    ("POST", "/api/account/recovery-codes", READ),
    ("POST", "/api/account/sessions/end", READ),
    ("POST", "/api/account/sessions/end-others", READ),
    ("POST", "/api/account/looks", READ),
];

/// The page.
#[component]
pub fn Account() -> impl IntoView {
    page(async {
        let operator = require(Role::Auditor)?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let now = portal.clock.now();
        let live = stored_sessions::list(&mut read, operator.id, now).await?;
        let codes = factors::count_recovery_codes(&mut read, operator.id).await?;
        drop(read);
        let own = public_key(&session()?).await;
        let visit = visit();
        let form = visit.form_state();
        Ok(view! {
            <Page title="Your account" section=Section::Settings>
                <PageHeader title="Your account" />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <NameCard form=form operator=operator.clone() />
                <SignInCard operator=operator codes=codes />
                <sessions::SessionsCard live=live own=own />
                <looks::LooksCard theme=visit.theme shortcuts=visit.shortcuts />
            </Page>
        }
        .into_any())
    })
}

#[component]
fn NameCard(form: FormState, operator: Operator) -> impl IntoView {
    let facts = format!("{} · {}", operator.email, operator.role.label());
    view! {
        <Card id="you" title="You" hint=facts>
            <Form action="/api/account/name" class="card__body stack">
                <input type="hidden" name="version" value=operator.version.to_string() />
                <TextField
                    name="name"
                    label="Your name"
                    autocomplete="name"
                    value=form.value("name", &operator.name)
                    error=form.error("name")
                    required=true
                />
                <div class="row">
                    <Button look=Look::Primary>"Save name"</Button>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
fn SignInCard(operator: Operator, codes: i64) -> impl IntoView {
    let factor = if operator.has_second_factor {
        view! {
            <p>
                <Badge tone=Tone::Ok>"On"</Badge>
                {format!(" Signing in asks for a code of your app. Recovery codes left: {codes}.")}
            </p>
            <div class="row">
                <LinkButton href=urls::ACCOUNT_RECOVERY_CODES>"New recovery codes"</LinkButton>
                <LinkButton href=urls::ACCOUNT_REMOVE_SECOND_FACTOR>"Turn off second factor"</LinkButton>
            </div>
        }
        .into_any()
    } else {
        view! {
            <p>
                <Badge tone=Tone::Warn>"Off"</Badge>
                " A password alone protects your account."
            </p>
            <div class="row">
                <LinkButton href=urls::ACCOUNT_SECOND_FACTOR>"Set up second factor"</LinkButton>
            </div>
        }
        .into_any()
    };
    view! {
        <Card id="sign-in" title="Signing in">
            <div class="card__body stack">
                <h3>"Password"</h3>
                <div class="row">
                    <LinkButton href=urls::ACCOUNT_PASSWORD>"Change password"</LinkButton>
                </div>
                <h3>"Second factor"</h3>
                {factor}
            </div>
        </Card>
    }
    .into_any()
}

/// What a form says when somebody else saved first.
pub(crate) const CHANGED_MEANWHILE: &str =
    "Somebody else changed this meanwhile. Your entries are still here; compare and save again.";

/// Changes one's own name.
#[server(prefix = "/api", endpoint = "account/name")]
pub async fn change_name(
    #[server(default)] name: String,
    #[server(default)] version: i64,
) -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let portal = portal()?;
        let mut errors = FormErrors::new();
        super::setup::check_name(&mut errors, &name);
        errors.check(urls::ACCOUNT)?;
        let form = OperatorForm {
            email: operator.email,
            name: name.trim().to_owned(),
            role: operator.role,
        };
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        match operators::update(&mut tx, operator.id, version, &form, &visit().author(), now).await
        {
            Err(signpost_store::Error::Stale(_)) => {
                return Err(FormErrors::summary(CHANGED_MEANWHILE).refuse(urls::ACCOUNT));
            }
            other => other?,
        }
        tx.commit().await?;
        Ok(Answer::to(urls::ACCOUNT).notice(Notice::success("Your name was saved.")))
    })
    .await
}

/// Whether it is one's own password; counted as a try to sign in is.
async fn check_own_password(
    portal: &crate::portal::Portal,
    operator: &Operator,
    password: String,
    page: &str,
) -> Result<(), Refusal> {
    use signpost_model::Secret;

    use crate::throttling;

    let now = portal.clock.now();
    let mut tx = portal.store.write().await?;
    let hash = operators::find_password_hash(&mut tx, operator.id).await?;
    let may_try = throttling::begin_proof(&mut tx, operator.id, now).await?;
    tx.commit().await?;
    if !may_try {
        let text = "Too many tries. Wait a few minutes, then try again.";
        return Err(FormErrors::summary(text).refuse(page));
    }
    let password = Secret::new(password);
    if !portal.passwords.verify(&password, hash.as_deref()).await? {
        let text = "This is not your current password";
        return Err(FormErrors::field("current_password", text).refuse(page));
    }
    let mut tx = portal.store.write().await?;
    throttling::end_proof(&mut tx, operator.id).await?;
    tx.commit().await?;
    Ok(())
}
