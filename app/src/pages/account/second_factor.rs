//! One's own second factor: setting it up, its recovery codes, taking it away.

use leptos::prelude::*;
use signpost_model::{Operator, Role, Secret};
use signpost_store::factors;
use tower_sessions::Session;

use super::check_own_password;
use crate::components::{
    Button, Card, CardKind, CopyField, Crumb, ErrorSummary, Form, LinkButton, Look, PageHeader,
    TextField, TextKind,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, respond, session};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::second_factor::{new_recovery_codes, new_seed, qr_code, recovery_hash, step_of};
use crate::session::{public_key, renew};
use crate::shell::{Notices, Page, Section};
use crate::shown_once::{self, Kind};
use crate::urls;
use crate::visit::{Notice, require, visit};

fn above() -> Vec<Crumb> {
    vec![Crumb::link("Your account", urls::ACCOUNT)]
}

/// The page that sets it up.
#[component]
pub fn SecondFactor() -> impl IntoView {
    page(async {
        let operator = require(Role::Auditor)?;
        let portal = portal()?;
        let visit = visit();
        let mut read = portal.store.read().await?;
        let seeds = factors::find_seeds(&mut read, portal.store.sealer(), operator.id).await?;
        drop(read);
        let form = visit.form_state();
        let problems = form.problems();
        let card = match (operator.has_second_factor, seeds.pending) {
            (true, _) => view! { <AlreadyOn /> }.into_any(),
            (false, None) => view! { <Beginning /> }.into_any(),
            (false, Some(seed)) => {
                let picture = qr_code(&seed, &visit.organisation.name, &operator.email);
                view! { <Enrolment seed=seed picture=picture form=form /> }.into_any()
            }
        };
        Ok(view! {
            <Page title="Second factor" section=Section::Settings above=above()>
                <PageHeader title="Second factor" />
                <Notices />
                <ErrorSummary errors=problems />
                {card}
            </Page>
        }
        .into_any())
    })
}

#[component]
fn AlreadyOn() -> impl IntoView {
    view! {
        <Card id="factor" title="The second factor is on">
            <div class="card__body stack">
                <p>"Signing in asks for your password and a code of your authenticator app."</p>
                <div class="row">
                    <LinkButton href=urls::ACCOUNT_RECOVERY_CODES>"New recovery codes"</LinkButton>
                    <LinkButton href=urls::ACCOUNT_REMOVE_SECOND_FACTOR>"Turn off second factor"</LinkButton>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn Beginning() -> impl IntoView {
    view! {
        <Card id="factor" title="Set up second factor">
            <Form action="/api/account/second-factor/begin" class="card__body stack">
                <p>
                    "With a second factor, signing in needs your password and a code that your phone shows. You need an authenticator app, such as Microsoft Authenticator, Google Authenticator or 2FAS."
                </p>
                <div class="row">
                    <Button look=Look::Primary>"Start"</Button>
                    <LinkButton href=urls::ACCOUNT look=Look::Quiet>"Cancel"</LinkButton>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
fn Enrolment(seed: Secret, picture: Option<String>, form: FormState) -> impl IntoView {
    let groups: Vec<String> = seed
        .expose()
        .as_bytes()
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    view! {
        <Card id="factor" title="1. Add Signpost to your authenticator app">
            <div class="card__body stack">
                <p>"Scan the picture with the app, or type the key into it."</p>
                {picture.map(|picture| view! {
                    <img class="qr" src=picture width="224" height="224" alt="QR code that adds Signpost to an authenticator app" />
                })}
                <CopyField name="key" label="Key" value=groups.join(" ") />
            </div>
        </Card>
        <Card id="confirmation" title="2. Confirm that it works">
            <Form action="/api/account/second-factor/confirm" class="card__body stack">
                <TextField
                    name="code"
                    label="Verification code"
                    kind=TextKind::OneTimeCode
                    autocomplete="one-time-code"
                    hint="The six digits that the app shows now.".to_owned()
                    error=form.error("code")
                    max_length=16
                    required=true
                />
                <TextField
                    name="current_password"
                    label="Current password"
                    kind=TextKind::Password
                    autocomplete="current-password"
                    error=form.error("current_password")
                    required=true
                />
                <div class="row">
                    <Button look=Look::Primary>"Turn on second factor"</Button>
                    <LinkButton href=urls::ACCOUNT look=Look::Quiet>"Cancel"</LinkButton>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

/// The recovery codes, once; afterwards the form for new ones.
#[component]
pub fn RecoveryCodes() -> impl IntoView {
    page(async {
        let operator = require(Role::Auditor)?;
        let (portal, session) = (portal()?, session()?);
        let whom = operator.id.to_string();
        let fresh = shown_once::take(&portal, &session, Kind::RecoveryCodes, &whom).await?;
        let mut read = portal.store.read().await?;
        let left = factors::count_recovery_codes(&mut read, operator.id).await?;
        drop(read);
        let form = visit().form_state();
        let problems = form.problems();
        let card = match fresh {
            Some(codes) => view! { <FreshCodes codes=codes /> }.into_any(),
            None if operator.has_second_factor => {
                view! { <NewCodes left=left form=form /> }.into_any()
            }
            None => view! { <Beginning /> }.into_any(),
        };
        Ok(view! {
            <Page title="Recovery codes" section=Section::Settings above=above()>
                <PageHeader title="Recovery codes" />
                <Notices />
                <ErrorSummary errors=problems />
                {card}
            </Page>
        }
        .into_any())
    })
}

#[component]
fn FreshCodes(codes: Secret) -> impl IntoView {
    let text = format!(
        "Recovery codes of Signpost. Each works once.\n\n{}\n",
        codes.expose()
    );
    let file = format!(
        "data:text/plain;charset=utf-8,{}",
        percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC)
    );
    view! {
        <Card
            id="codes"
            title="Keep these codes now"
            hint="They are not shown again. Each signs you in once when your phone is lost. Keep them apart from your password.".to_owned()
        >
            <div class="card__body stack">
                <pre class="mono" tabindex="0" role="region" aria-label="Recovery codes">
                    {codes.expose().to_owned()}
                </pre>
                <div class="row">
                    <LinkButton href=file download="signpost-recovery-codes.txt">"Download"</LinkButton>
                    <LinkButton href=urls::ACCOUNT look=Look::Primary>"I have kept them"</LinkButton>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn NewCodes(left: i64, form: FormState) -> impl IntoView {
    view! {
        <Card
            id="codes"
            title="New recovery codes"
            hint=format!("Codes left: {left}. New codes replace all of them.")
        >
            <Form action="/api/account/recovery-codes" class="card__body stack">
                <TextField
                    name="current_password"
                    label="Current password"
                    kind=TextKind::Password
                    autocomplete="current-password"
                    error=form.error("current_password")
                    required=true
                />
                <div class="row">
                    <Button look=Look::Primary>"Make new codes"</Button>
                    <LinkButton href=urls::ACCOUNT look=Look::Quiet>"Cancel"</LinkButton>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

/// Asks before the second factor goes.
#[component]
pub fn RemoveSecondFactor() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let form = visit().form_state();
        Ok(view! {
            <Page title="Turn off second factor" section=Section::Settings above=above()>
                <PageHeader title="Turn off second factor" />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <Card id="removal" title="A password alone will protect your account" kind=CardKind::Danger>
                    <Form action="/api/account/second-factor/remove" class="card__body stack">
                        <p>"Your recovery codes stop working and your other sessions end."</p>
                        <TextField
                            name="current_password"
                            label="Current password"
                            kind=TextKind::Password
                            autocomplete="current-password"
                            error=form.error("current_password")
                            required=true
                        />
                        <div class="row">
                            <Button look=Look::Destroy>"Turn off second factor"</Button>
                            <LinkButton href=urls::ACCOUNT look=Look::Quiet>"Cancel"</LinkButton>
                        </div>
                    </Form>
                </Card>
            </Page>
        }
        .into_any())
    })
}

/// Makes a seed that counts once a code of it was entered.
#[server(prefix = "/api", endpoint = "account/second-factor/begin")]
pub async fn begin_second_factor() -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let portal = portal()?;
        if !operator.has_second_factor {
            let random = portal.random.as_ref();
            let seed = new_seed(random);
            let mut tx = portal.store.write().await?;
            let sealer = portal.store.sealer();
            factors::begin_totp(&mut tx, sealer, operator.id, &seed, random).await?;
            tx.commit().await?;
        }
        Ok(Answer::to(urls::ACCOUNT_SECOND_FACTOR))
    })
    .await
}

/// Turns the second factor on.
#[server(prefix = "/api", endpoint = "account/second-factor/confirm")]
pub async fn confirm_second_factor(
    #[server(default)] code: String,
    #[server(default)] current_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let (portal, session) = (portal()?, session()?);
        let here = urls::ACCOUNT_SECOND_FACTOR;
        if operator.has_second_factor {
            return Ok(Answer::to(here));
        }
        check_own_password(&portal, &operator, current_password, here).await?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let seeds = factors::find_seeds(&mut tx, portal.store.sealer(), operator.id).await?;
        let step = seeds.pending.and_then(|seed| step_of(&seed, &code, now));
        let Some(step) = step else {
            let text = "This is not the code that the app shows now. Is the phone's clock right?";
            return Err(FormErrors::field("code", text).refuse(here));
        };
        let codes = new_recovery_codes(portal.random.as_ref());
        let hashes: Vec<_> = codes.iter().map(|code| recovery_hash(code)).collect();
        let keep = public_key(&session).await;
        let author = visit().author();
        factors::confirm_totp(&mut tx, operator.id, step, &hashes, keep, &author, now).await?;
        tx.commit().await?;
        show_codes(&portal, &session, &operator, &codes).await?;
        Ok(
            Answer::to(urls::ACCOUNT_RECOVERY_CODES).notice(Notice::success(
                "The second factor is on. Your other sessions ended.",
            )),
        )
    })
    .await
}

/// Replaces the recovery codes.
#[server(prefix = "/api", endpoint = "account/recovery-codes")]
pub async fn replace_recovery_codes(
    #[server(default)] current_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let (portal, session) = (portal()?, session()?);
        let here = urls::ACCOUNT_RECOVERY_CODES;
        if !operator.has_second_factor {
            return Ok(Answer::to(urls::ACCOUNT_SECOND_FACTOR));
        }
        check_own_password(&portal, &operator, current_password, here).await?;
        let codes = new_recovery_codes(portal.random.as_ref());
        let hashes: Vec<_> = codes.iter().map(|code| recovery_hash(code)).collect();
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        let author = visit().author();
        factors::replace_recovery_codes(&mut tx, operator.id, &hashes, &author, now).await?;
        tx.commit().await?;
        show_codes(&portal, &session, &operator, &codes).await?;
        Ok(Answer::to(here).notice(Notice::success(
            "New codes were made. The old ones stopped working.",
        )))
    })
    .await
}

/// Takes the second factor away.
#[server(prefix = "/api", endpoint = "account/second-factor/remove")]
pub async fn remove_second_factor(
    #[server(default)] current_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let (portal, session) = (portal()?, session()?);
        let here = urls::ACCOUNT_REMOVE_SECOND_FACTOR;
        if !operator.has_second_factor {
            return Ok(Answer::to(urls::ACCOUNT));
        }
        check_own_password(&portal, &operator, current_password, here).await?;
        let keep = public_key(&session).await;
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        factors::remove(&mut tx, operator.id, keep, &visit().author(), now).await?;
        tx.commit().await?;
        renew(&portal, &session).await?;
        Ok(Answer::to(urls::ACCOUNT).notice(Notice::warning(
            "The second factor is off. Your other sessions ended.",
        )))
    })
    .await
}

/// Hands fresh codes to the next page, in a session with a new id.
async fn show_codes(
    portal: &Portal,
    session: &Session,
    operator: &Operator,
    codes: &[String],
) -> Result<(), PortalError> {
    renew(portal, session).await?;
    let whom = operator.id.to_string();
    let codes = Secret::new(codes.join("\n"));
    shown_once::keep(portal, session, Kind::RecoveryCodes, &whom, &codes).await
}
