//! A passkey as the second factor on the way in, in place of an app with codes.

use leptos::prelude::*;
use signpost_model::PasskeyId;
use signpost_store::passkeys::{self as stored, Passkey};
use signpost_store::{Constraint, credentials};

use super::acts::{Begun, complete};
use super::enrol::fresh_codes;
use super::forms::Carried;
use super::passkey::{AskDevice, keep};
use crate::components::{Button, Form, Look};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Refusal, internal, respond};
use crate::login::flow::{self, Owing, Step};
use crate::login::session::author_of;
use crate::pages::account::browser_name;
use crate::pages::setup::user_agent;
use crate::passkeys::{self, Challenge, Enrolment};
use crate::visit::visit;

/// The sentence for every answer of a device that cannot be used.
const REFUSED: &str = "The device's answer cannot be used. Try again, or use an app.";

/// The way to it.
#[component]
pub(super) fn Offer(request: String, proof: String) -> impl IntoView {
    view! {
        <div data-needs-script>
            <Form action="/api/login/enrol/passkey/begin">
                <Carried request=request proof=proof />
                <Button>"Use a passkey instead"</Button>
            </Form>
        </div>
    }
    .into_any()
}

/// While the device makes it.
#[component]
pub(super) fn Waits(
    request: String,
    proof: String,
    enrolment: Enrolment,
    name: String,
) -> impl IntoView {
    let (own_request, own_proof) = (request.clone(), proof.clone());
    view! {
        <p class="text-2">{name}</p>
        <p class="text-2">
            "Your device keeps the passkey and guards it with your finger, your face or its PIN. From then on it signs you in."
        </p>
        <AskDevice action="/api/login/enrol/passkey" options=enrolment.options word="Make passkey">
            <Carried request=own_request proof=own_proof />
        </AskDevice>
        <Form action="/api/login/passkey/cancel">
            <Carried request=request proof=proof />
            <Button look=Look::Quiet>"Use an app instead"</Button>
        </Form>
    }
    .into_any()
}

/// Asks the device for a new passkey.
#[server(prefix = "/api", endpoint = "login/enrol/passkey/begin")]
pub async fn begin_login_passkey_enrolment() -> Result<(), PortalError> {
    respond(async move {
        let begun = Begun::find().await?;
        let step = flow::next(&begun.portal, &begun.headers, &begun.waiting).await?;
        if let (Step::Enrol(owing), Some(webauthn)) = (step, passkeys::find(&begun.portal)) {
            let enrolment = passkeys::ask_for_new(&webauthn, &owing.user, &[])?;
            let text = serde_json::to_string(&Challenge::New(enrolment))
                .map_err(|error| internal(&error))?;
            keep(&begun, Some(&text)).await?;
        }
        Ok(Answer::to(begun.here))
    })
    .await
}

/// Keeps what the device made, and begins a session with it.
#[server(prefix = "/api", endpoint = "login/enrol/passkey")]
pub async fn confirm_login_passkey_enrolment(
    #[server(default)] passkey: String,
) -> Result<(), PortalError> {
    respond(async move { confirm(&passkey).await }).await
}

async fn confirm(answer: &str) -> Result<Answer, Refusal> {
    let begun = Begun::find().await?;
    let (portal, now) = (begun.portal.clone(), begun.now());
    let enrolment = super::enrolment_of(&begun.waiting);
    let step = flow::next(&portal, &begun.headers, &begun.waiting).await?;
    let (Some(enrolment), Some(webauthn), Step::Enrol(owing)) =
        (enrolment, passkeys::find(&portal), step)
    else {
        return Ok(Answer::to(begun.here));
    };
    let Owing {
        user,
        authenticated_at,
        ..
    } = *owing;
    // Answered once, rightly or not.
    keep(&begun, None).await?;
    let refused = || FormErrors::summary(REFUSED).refuse(begun.here.clone());
    let (credential_id, body) =
        passkeys::accept_new(&webauthn, &enrolment, answer).map_err(|_| refused())?;
    let hashes = fresh_codes(&portal, &user).await?;
    let author = author_of(&user, &visit().address);
    let new = Passkey {
        id: PasskeyId::mint(now, portal.random.as_ref()),
        user_id: user.id,
        credential_id,
        body,
        name: browser_name(&user_agent()),
        created_at: now,
        used_at: None,
    };
    let mut tx = portal.store.write().await?;
    // Of two at once, one is the first.
    if credentials::find(&mut tx, user.id).await?.has_factor() {
        return Ok(Answer::to(begun.here));
    }
    match stored::add(&mut tx, &user, &new, None, &author, now).await {
        Err(error) if error.is_conflict(Constraint::Passkey) => return Err(refused()),
        other => other?,
    }
    credentials::replace_recovery_codes(&mut tx, &user, &hashes, &author, now).await?;
    complete(&begun, tx, &user, authenticated_at, Some(now)).await?;
    Ok(Answer::to(begun.here))
}
