//! A user's own page: where they are signed in, what they prove themselves with.

mod factors;
mod passkeys;
mod password;
mod sessions;

use leptos::prelude::*;
use signpost_store::credentials::{self, Credentials};
use signpost_store::{remembered_devices, user_sessions};

use crate::access::{Access, Route};
use crate::components::{Badge, Button, Card, ErrorSummary, Form, LinkButton, Look, Tone};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Refusal, respond};
use crate::login::flow;
use crate::login::session::{self, SignedInUser};
use crate::pages::login::headers;
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::shell::NarrowPage;
use crate::urls;
use crate::visit::{require_user, visit};

pub use factors::{
    OwnFactors, begin_own_totp, confirm_own_totp, remove_own_totp, replace_own_codes,
};
pub use passkeys::{add_own_passkey, begin_own_passkey, remove_own_passkey};
pub use password::{OwnPassword, change_own_password};
pub use sessions::{end_own_session, end_own_sessions, forget_own_device};

const USER: Access = Access::User;

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/me", USER),
    ("GET", "/me/password", USER),
    ("GET", "/me/second-factor", USER),
    ("POST", "/api/me/password", USER),
    ("POST", "/api/me/second-factor/begin", USER),
    ("POST", "/api/me/second-factor/confirm", USER),
    ("POST", "/api/me/second-factor/remove", USER),
    ("POST", "/api/me/passkeys/begin", USER),
    ("POST", "/api/me/passkeys/add", USER),
    ("POST", "/api/me/passkeys/remove", USER),
    ("POST", "/api/me/recovery-codes", USER),
    ("POST", "/api/me/sessions/end", USER),
    ("POST", "/api/me/sessions/end-others", USER),
    ("POST", "/api/me/devices/forget", USER),
    ("POST", "/api/me/sign-out", USER),
];

/// What every form of these pages carries.
#[component]
fn Proof(proof: String) -> impl IntoView {
    view! { <input type="hidden" name="proof" value=proof /> }
}

/// The page.
#[component]
pub fn OwnPage() -> impl IntoView {
    page(async {
        let me = require_user()?;
        let portal = portal()?;
        let now = portal.clock.now();
        let mut read = portal.store.read().await?;
        let live = user_sessions::list(&mut read, me.user.id, now).await?;
        let devices = remembered_devices::list(&mut read, me.user.id, now).await?;
        let has = credentials::find(&mut read, me.user.id).await?;
        let codes = credentials::count_recovery_codes(&mut read, me.user.id).await?;
        drop(read);
        let form = visit().form_state();
        let name = me.user.profile.display_name.clone();
        Ok(view! {
            <NarrowPage title=name>
                <p class="text-2">{me.user.profile.user_name.clone()}</p>
                <ErrorSummary errors=form.problems() />
                <SignInCard has=has codes=codes />
                <sessions::SessionsCard live=live own=me.session.key proof=me.proof.clone() />
                <sessions::DevicesCard devices=devices proof=me.proof.clone() />
                <SignOut proof=me.proof />
            </NarrowPage>
        }
        .into_any())
    })
}

#[component]
fn SignInCard(has: Credentials, codes: i64) -> impl IntoView {
    let factor = if has.has_factor() {
        let text = format!(" Recovery codes left: {codes}.");
        view! { <p><Badge tone=Tone::Ok>"On"</Badge>{text}</p> }.into_any()
    } else {
        view! { <p><Badge tone=Tone::Warn>"Off"</Badge>" A password alone protects you."</p> }
            .into_any()
    };
    view! {
        <Card id="sign-in" title="Signing in">
            <div class="card__body stack">
                <h3>"Second factor"</h3>
                {factor}
                <div class="row">
                    <LinkButton href=urls::OWN_FACTORS>"Second factor"</LinkButton>
                    <LinkButton href=urls::OWN_PASSWORD>"Change password"</LinkButton>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn SignOut(proof: String) -> impl IntoView {
    view! {
        <Form action="/api/me/sign-out">
            <Proof proof=proof />
            <Button look=Look::Quiet>"Sign out"</Button>
        </Form>
    }
    .into_any()
}

/// The field for the password that one has.
const CURRENT_PASSWORD: &str = "current_password";

/// Asks again for the password of whoever changes how they sign in, given in the field `name`;
/// counted as a try is.
async fn check_own_password(
    portal: &Portal,
    me: &SignedInUser,
    name: &str,
    password: String,
    page: &str,
) -> Result<(), Refusal> {
    use signpost_model::Secret;

    use crate::throttling;

    let now = portal.clock.now();
    let mut tx = portal.store.write().await?;
    let hash = credentials::find(&mut tx, me.user.id).await?.password_hash;
    let may_try = throttling::begin_proof(&mut tx, me.user.id, now).await?;
    tx.commit().await?;
    if !may_try {
        let text = "Too many tries. Wait a few minutes, then try again.";
        return Err(FormErrors::summary(text).refuse(page));
    }
    let password = Secret::new(password);
    if !portal.passwords.verify(&password, hash.as_deref()).await? {
        let text = "This is not your current password";
        return Err(FormErrors::field(name, text).refuse(page));
    }
    let mut tx = portal.store.write().await?;
    throttling::end_proof(&mut tx, me.user.id).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends the session of this browser.
#[server(prefix = "/api", endpoint = "me/sign-out")]
pub async fn sign_user_out() -> Result<(), PortalError> {
    respond(async move {
        require_user()?;
        if let Some(cookie) = flow::end_session(&portal()?, &headers()?).await? {
            session::send_cookie(&cookie)?;
        }
        Ok(Answer::to(urls::SIGNED_OUT))
    })
    .await
}
