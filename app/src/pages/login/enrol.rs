//! A second factor on the way in, when the application wants everybody to have one.

use leptos::prelude::*;
use signpost_model::{Secret, User};
use signpost_store::credentials;

use super::acts::{Begun, TOO_MANY, complete};
use super::forms::{Carried, StartOver};
use crate::components::{
    Button, CopyField, Form, LinkButton, Look, SecretOnce, TextField, TextKind,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Refusal, respond, session};
use crate::login::flow::{self, Owing, Step};
use crate::login::session::author_of;
use crate::portal::{Portal, portal};
use crate::second_factor::{new_recovery_codes, new_seed, qr_code, recovery_hash, step_of};
use crate::shown_once::{self, Kind};
use crate::throttling;
use crate::visit::visit;

/// First the offer, then the picture and its first code.
#[component]
pub(super) fn EnrolForms(
    request: String,
    proof: String,
    form: FormState,
    owing: Owing,
    offers_passkeys: bool,
) -> impl IntoView {
    let name = owing.user.profile.user_name.clone();
    let (own_request, own_proof) = (request.clone(), proof.clone());
    let body = match owing.pending {
        None => view! {
            <p class="text-2">
                "Signing in asks for a code of your phone from now on. Install an authenticator app on it, such as Microsoft Authenticator or Aegis, then go on."
            </p>
            <Form action="/api/login/enrol/begin">
                <Carried request=own_request proof=own_proof />
                <Button look=Look::Primary>"Go on"</Button>
            </Form>
        }
        .into_any(),
        Some(seed) => view! {
            <SeedView seed=seed name=name.clone() />
            <Form action="/api/login/enrol" class="stack">
                <Carried request=own_request proof=own_proof />
                <CodeField form=form />
                <Button look=Look::Primary>"Turn on and sign in"</Button>
            </Form>
        }
        .into_any(),
    };
    let passkey = offers_passkeys.then(|| {
        view! { <super::enrol_passkey::Offer request=request.clone() proof=proof.clone() /> }
    });
    view! {
        <p class="text-2">{name}</p>
        {body}
        {passkey}
        <StartOver request=request proof=proof />
    }
    .into_any()
}

/// The first code of a new app.
#[component]
pub(crate) fn CodeField(form: FormState) -> impl IntoView {
    view! {
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
    }
    .into_any()
}

/// The seed as a picture, and as text for who cannot take one.
#[component]
pub(crate) fn SeedView(seed: Secret, name: String) -> impl IntoView {
    let picture = qr_code(&seed, &visit().organisation.name, &name);
    view! {
        <p class="text-2">"Scan this with your authenticator app."</p>
        {picture.map(|picture| view! {
            <img src=picture width="224" height="224" alt="QR code for your authenticator app" />
        })}
        <CopyField name="seed" label="Or type this key into the app" value=seed.expose().to_owned() />
    }
    .into_any()
}

/// Recovery codes, this once.
#[component]
pub(crate) fn Codes(codes: Secret, go_on: String) -> impl IntoView {
    view! {
        <p class="text-2">
            "If you lose your phone, each of these signs you in once. Print them, or keep them where only you find them."
        </p>
        <SecretOnce id="codes" secret=codes.expose().to_owned() noun="set of codes" />
        <div class="row">
            <LinkButton href=go_on look=Look::Primary>"Continue"</LinkButton>
        </div>
    }
    .into_any()
}

/// The codes that wait for this user in this browser.
pub(super) async fn take_codes(
    portal: &Portal,
    user: &User,
) -> Result<Option<Secret>, PortalError> {
    let whom = user.id.to_string();
    shown_once::take(portal, &session()?, Kind::RecoveryCodes, &whom).await
}

/// Fresh codes for the next page: what is stored of them, and what is shown.
pub(crate) async fn fresh_codes(
    portal: &Portal,
    user: &User,
) -> Result<Vec<signpost_store::TokenHash>, PortalError> {
    let codes = new_recovery_codes(portal.random.as_ref());
    let shown = Secret::new(codes.join("\n"));
    let whom = user.id.to_string();
    shown_once::keep(portal, &session()?, Kind::RecoveryCodes, &whom, &shown).await?;
    Ok(codes.iter().map(|code| recovery_hash(code)).collect())
}

/// Makes a seed that counts once a code of it was entered.
#[server(prefix = "/api", endpoint = "login/enrol/begin")]
pub async fn begin_login_enrolment() -> Result<(), PortalError> {
    respond(async move {
        let begun = Begun::find().await?;
        let portal = portal()?;
        let step = flow::next(&portal, &begun.headers, &begun.waiting).await?;
        if let Step::Enrol(owing) = step {
            let random = portal.random.as_ref();
            let seed = new_seed(random);
            let mut tx = portal.store.write().await?;
            let sealer = portal.store.sealer();
            credentials::begin_totp(&mut tx, sealer, owing.user.id, &seed, random).await?;
            tx.commit().await?;
        }
        Ok(Answer::to(begun.here))
    })
    .await
}

/// Turns the second factor on, and begins a session with it.
#[server(prefix = "/api", endpoint = "login/enrol")]
pub async fn confirm_login_enrolment(#[server(default)] code: String) -> Result<(), PortalError> {
    respond(async move { confirm(&code).await }).await
}

async fn confirm(code: &str) -> Result<Answer, Refusal> {
    let begun = Begun::find().await?;
    let (portal, now) = (begun.portal.clone(), begun.now());
    let Step::Enrol(owing) = flow::next(&portal, &begun.headers, &begun.waiting).await? else {
        return Ok(Answer::to(begun.here));
    };
    let Owing {
        user,
        authenticated_at,
        pending: Some(seed),
        ..
    } = *owing
    else {
        return Ok(Answer::to(begun.here));
    };
    let mut tx = portal.store.write().await?;
    let may_try = throttling::begin_proof(&mut tx, user.id, now).await?;
    tx.commit().await?;
    if !may_try {
        return Err(FormErrors::summary(TOO_MANY).refuse(begun.here));
    }
    let Some(step) = step_of(&seed, code, now) else {
        let text = "This is not the code that the app shows now. Is the phone's clock right?";
        return Err(FormErrors::field("code", text).refuse(begun.here));
    };
    let hashes = fresh_codes(&portal, &user).await?;
    let author = author_of(&user, &visit().address);
    let mut tx = portal.store.write().await?;
    throttling::end_proof(&mut tx, user.id).await?;
    credentials::confirm_totp(&mut tx, &user, step, &hashes, None, &author, now).await?;
    complete(&begun, tx, &user, authenticated_at, Some(now)).await?;
    Ok(Answer::to(begun.here))
}
