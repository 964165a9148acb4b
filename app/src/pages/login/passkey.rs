//! A passkey in place of the password, or after it.

use leptos::prelude::*;
use serde_json::Value;
use signpost_store::sign_ins::{self, Proved};
use signpost_store::{credentials, passkeys as stored_passkeys, users};

use super::acts::{Begun, complete};
use super::forms::Carried;
use crate::components::{Button, Form, Look};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Refusal, respond};
use crate::login::flow::{self, Step};
use crate::passkeys::{self, Challenge};

/// The sentence for every passkey that does not count.
const REFUSED: &str = "This passkey does not work here. Sign in another way.";

/// What asks the device. `action` takes its answer.
#[component]
pub(crate) fn AskDevice(
    action: &'static str,
    options: Value,
    word: &'static str,
    children: Children,
) -> impl IntoView {
    view! {
        <form class="stack" method="post" action=action data-passkey=options.to_string() data-needs-script>
            <crate::components::CsrfInput />
            {children()}
            <input type="hidden" name="passkey" value="" />
            <button class="button button--primary" type="button" data-passkey-ask>
                {word}
            </button>
            <p class="hint" role="status" data-passkey-said></p>
        </form>
    }
    .into_any()
}

/// While a challenge waits.
#[component]
pub(super) fn Waits(request: String, proof: String, challenge: Challenge) -> impl IntoView {
    let (own_request, own_proof) = (request.clone(), proof.clone());
    view! {
        <p class="text-2">"Your device asks for your finger, your face or its PIN."</p>
        <AskDevice action="/api/login/passkey" options=challenge.options().clone() word="Use passkey">
            <Carried request=own_request proof=own_proof />
        </AskDevice>
        <Form action="/api/login/passkey/cancel">
            <Carried request=request proof=proof />
            <Button look=Look::Quiet>"Sign in another way"</Button>
        </Form>
    }
    .into_any()
}

/// The way to it.
#[component]
pub(super) fn Offer(request: String, proof: String) -> impl IntoView {
    view! {
        <div data-needs-script>
            <Form action="/api/login/passkey/begin">
                <Carried request=request proof=proof />
                <Button>"Sign in with a passkey"</Button>
            </Form>
        </div>
    }
    .into_any()
}

/// Makes a challenge for this request.
#[server(prefix = "/api", endpoint = "login/passkey/begin")]
pub async fn begin_login_passkey() -> Result<(), PortalError> {
    respond(async move {
        let begun = Begun::find().await?;
        let Some(webauthn) = passkeys::find(&begun.portal) else {
            return Ok(Answer::to(begun.here));
        };
        let step = flow::next(&begun.portal, &begun.headers, &begun.waiting).await?;
        let challenge = match step {
            Step::Password { .. } => passkeys::ask_anybody(&webauthn)?,
            Step::Factor(owing) if owing.credentials.passkeys > 0 => {
                let mut read = begun.portal.store.read().await?;
                let known = stored_passkeys::list(&mut read, owing.user.id).await?;
                passkeys::ask_user(&webauthn, &known)?
            }
            _ => return Ok(Answer::to(begun.here)),
        };
        let text =
            serde_json::to_string(&challenge).map_err(|error| crate::forms::internal(&error))?;
        keep(&begun, Some(&text)).await?;
        Ok(Answer::to(begun.here))
    })
    .await
}

/// Takes the challenge back.
#[server(prefix = "/api", endpoint = "login/passkey/cancel")]
pub async fn cancel_login_passkey() -> Result<(), PortalError> {
    respond(async move {
        let begun = Begun::find().await?;
        keep(&begun, None).await?;
        Ok(Answer::to(begun.here))
    })
    .await
}

pub(super) async fn keep(begun: &Begun, challenge: Option<&str>) -> Result<(), Refusal> {
    let (id, browser) = begun.waiting.hashes();
    let mut tx = begun.portal.store.write().await?;
    sign_ins::set_challenge(&mut tx, &id, &browser, challenge).await?;
    tx.commit().await?;
    Ok(())
}

/// Checks what the device said, and begins a session that counts as two factors.
#[server(prefix = "/api", endpoint = "login/passkey")]
pub async fn login_with_passkey(#[server(default)] passkey: String) -> Result<(), PortalError> {
    respond(async move { check(&passkey).await }).await
}

async fn check(answer: &str) -> Result<Answer, Refusal> {
    let mut begun = Begun::find().await?;
    let (portal, now) = (begun.portal.clone(), begun.now());
    let challenge = begun
        .waiting
        .challenge
        .as_deref()
        .and_then(|text| serde_json::from_str::<Challenge>(text).ok());
    let (Some(challenge), Some(webauthn)) = (challenge, passkeys::find(&portal)) else {
        return Ok(Answer::to(begun.here));
    };
    // A challenge is answered once, rightly or not.
    keep(&begun, None).await?;
    let step = flow::next(&portal, &begun.headers, &begun.waiting).await?;
    let (expected, authenticated_at) = match (&challenge, &step) {
        (Challenge::Anybody(_), Step::Password { .. }) => (None, now),
        (Challenge::User(_), Step::Factor(owing)) => (Some(owing.user.id), owing.authenticated_at),
        _ => return Ok(Answer::to(begun.here)),
    };
    let mut tx = portal.store.write().await?;
    let accepted = passkeys::accept(&mut tx, &webauthn, challenge, answer, expected, now).await?;
    let refused = || FormErrors::summary(REFUSED).refuse(begun.here.clone());
    let Ok(id) = accepted else {
        return Err(refused());
    };
    let user = users::find(&mut tx, id).await?;
    let user = user
        .filter(|user| user.enabled && user.deleted_at.is_none())
        .ok_or_else(refused)?;
    let version = credentials::find(&mut tx, id).await?.version;
    let proved = Proved {
        user_id: id,
        at: authenticated_at,
        credentials_version: version,
    };
    flow::prove(&portal, &mut tx, &mut begun.waiting, &proved).await?;
    complete(&begun, tx, &user, authenticated_at, Some(now)).await?;
    Ok(Answer::to(begun.here))
}
