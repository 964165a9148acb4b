//! A user's own second factor: setting it up, its recovery codes, taking it away.

use leptos::prelude::*;
use signpost_model::Secret;
use signpost_store::credentials::{self, Credentials};
use signpost_store::passkeys as stored_passkeys;

use super::{CURRENT_PASSWORD, Proof, check_own_password, passkeys};
use crate::components::{
    Badge, Button, Card, CardKind, ErrorSummary, Form, LinkButton, Look, TextField, TextKind, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, respond, session};
use crate::login::session::SignedInUser;
use crate::pages::login::{CodeField, Codes, SeedView, fresh_codes};
use crate::portal::portal;
use crate::root::page;
use crate::second_factor::{new_seed, step_of};
use crate::shell::NarrowPage;
use crate::shown_once::{self, Kind};
use crate::urls;
use crate::visit::{Notice, require_user, visit};

/// The field for the password in the form for new recovery codes.
const CODES_PASSWORD: &str = "codes_password";

/// The page.
#[component]
pub fn OwnFactors() -> impl IntoView {
    page(async {
        let me = require_user()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let has = credentials::find(&mut read, me.user.id).await?;
        let seeds = credentials::find_seeds(&mut read, portal.store.sealer(), me.user.id).await?;
        let left = credentials::count_recovery_codes(&mut read, me.user.id).await?;
        let known = stored_passkeys::list(&mut read, me.user.id).await?;
        drop(read);
        let whom = me.user.id.to_string();
        let codes = shown_once::take(&portal, &session()?, Kind::RecoveryCodes, &whom).await?;
        let enrolment = passkeys::waiting().await?;
        let may_have = crate::passkeys::find(&portal).is_some();
        let form = visit().form_state();
        let body = match codes {
            Some(codes) => {
                view! { <Codes codes=codes go_on=urls::OWN_PAGE.to_owned() /> }.into_any()
            }
            None => view! {
                <ErrorSummary errors=form.problems() />
                <TotpCard me=me.clone() has=has.clone() pending=seeds.pending form=form.clone() />
                {may_have.then(|| view! {
                    <passkeys::PasskeysCard me=me.clone() known=known enrolment=enrolment form=form.clone() />
                })}
                <RecoveryCard me=me has=has left=left form=form />
                <div class="row">
                    <LinkButton href=urls::OWN_PAGE look=Look::Quiet>"Back"</LinkButton>
                </div>
            }
            .into_any(),
        };
        Ok(view! { <NarrowPage title="Second factor">{body}</NarrowPage> }.into_any())
    })
}

/// The password again, for what changes how one signs in. Each form of the page has a name of its
/// own for it, so that an error stands where it belongs.
#[component]
pub(super) fn Password(name: &'static str, form: FormState) -> impl IntoView {
    view! {
        <TextField
            name=name
            label="Current password"
            kind=TextKind::Password
            autocomplete="current-password"
            error=form.error(name)
            required=true
        />
    }
    .into_any()
}

#[component]
fn TotpCard(
    me: SignedInUser,
    has: Credentials,
    pending: Option<Secret>,
    form: FormState,
) -> impl IntoView {
    let name = me.user.profile.user_name.clone();
    let body = match (has.has_totp, pending) {
        (true, _) => view! {
            <p><Badge tone=Tone::Ok>"On"</Badge>" Signing in asks for a code of your app."</p>
            <Form action="/api/me/second-factor/remove" class="stack">
                <Proof proof=me.proof />
                <Password name=CURRENT_PASSWORD form=form />
                <div class="row"><Button look=Look::Danger>"Turn off authenticator app"</Button></div>
            </Form>
        }
        .into_any(),
        (false, None) => view! {
            <p class="text-2">"An app on your phone that shows a new code every 30 seconds."</p>
            <Form action="/api/me/second-factor/begin">
                <Proof proof=me.proof />
                <Button look=Look::Primary>"Set up authenticator app"</Button>
            </Form>
        }
        .into_any(),
        (false, Some(seed)) => view! {
            <SeedView seed=seed name=name />
            <Form action="/api/me/second-factor/confirm" class="stack">
                <Proof proof=me.proof />
                <CodeField form=form.clone() />
                <Password name=CURRENT_PASSWORD form=form />
                <div class="row"><Button look=Look::Primary>"Turn on"</Button></div>
            </Form>
        }
        .into_any(),
    };
    view! {
        <Card id="app" title="Authenticator app">
            <div class="card__body stack">{body}</div>
        </Card>
    }
    .into_any()
}

#[component]
fn RecoveryCard(me: SignedInUser, has: Credentials, left: i64, form: FormState) -> impl IntoView {
    if !has.has_factor() {
        return ().into_any();
    }
    view! {
        <Card
            id="codes"
            title="Recovery codes"
            hint=format!("For when you lose your phone. Codes left: {left}.")
            kind=CardKind::Plain
        >
            <Form action="/api/me/recovery-codes" class="card__body stack">
                <Proof proof=me.proof />
                <Password name=CODES_PASSWORD form=form />
                <div class="row"><Button>"Make new recovery codes"</Button></div>
            </Form>
        </Card>
    }
    .into_any()
}

/// Makes a seed that counts once a code of it was entered.
#[server(prefix = "/api", endpoint = "me/second-factor/begin")]
pub async fn begin_own_totp() -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let mut tx = portal.store.write().await?;
        if !credentials::find(&mut tx, me.user.id).await?.has_totp {
            let random = portal.random.as_ref();
            let seed = new_seed(random);
            let sealer = portal.store.sealer();
            credentials::begin_totp(&mut tx, sealer, me.user.id, &seed, random).await?;
            tx.commit().await?;
        }
        Ok(Answer::to(urls::OWN_FACTORS))
    })
    .await
}

/// Turns the app on.
#[server(prefix = "/api", endpoint = "me/second-factor/confirm")]
pub async fn confirm_own_totp(
    #[server(default)] code: String,
    #[server(default)] current_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let here = urls::OWN_FACTORS;
        check_own_password(&portal, &me, CURRENT_PASSWORD, current_password, here).await?;
        let now = portal.clock.now();
        let mut read = portal.store.read().await?;
        if credentials::find(&mut read, me.user.id).await?.has_totp {
            return Ok(Answer::to(here));
        }
        let seeds = credentials::find_seeds(&mut read, portal.store.sealer(), me.user.id).await?;
        drop(read);
        let Some(step) = seeds.pending.and_then(|seed| step_of(&seed, &code, now)) else {
            let text = "This is not the code that the app shows now. Is the phone's clock right?";
            return Err(FormErrors::field("code", text).refuse(here));
        };
        let hashes = fresh_codes(&portal, &me.user).await?;
        let (keep, author) = (Some(me.session.key), me.author(&visit().address));
        let mut tx = portal.store.write().await?;
        credentials::confirm_totp(&mut tx, &me.user, step, &hashes, keep, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(here).notice(Notice::success(
            "The authenticator app is on. Your other sessions ended.",
        )))
    })
    .await
}

/// Takes the app away.
#[server(prefix = "/api", endpoint = "me/second-factor/remove")]
pub async fn remove_own_totp(
    #[server(default)] current_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let here = urls::OWN_FACTORS;
        check_own_password(&portal, &me, CURRENT_PASSWORD, current_password, here).await?;
        let (keep, author) = (Some(me.session.key), me.author(&visit().address));
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        credentials::remove_totp(&mut tx, &me.user, keep, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(here).notice(Notice::warning(
            "The authenticator app is off. Your other sessions ended.",
        )))
    })
    .await
}

/// Replaces the recovery codes.
#[server(prefix = "/api", endpoint = "me/recovery-codes")]
pub async fn replace_own_codes(
    #[server(default)] codes_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let here = urls::OWN_FACTORS;
        let has = credentials::find(&mut *portal.store.read().await?, me.user.id).await?;
        if !has.has_factor() {
            return Ok(Answer::to(here));
        }
        check_own_password(&portal, &me, CODES_PASSWORD, codes_password, here).await?;
        let hashes = fresh_codes(&portal, &me.user).await?;
        let (author, now) = (me.author(&visit().address), portal.clock.now());
        let mut tx = portal.store.write().await?;
        credentials::replace_recovery_codes(&mut tx, &me.user, &hashes, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(here).notice(Notice::success(
            "New codes were made. The old ones stopped working.",
        )))
    })
    .await
}
