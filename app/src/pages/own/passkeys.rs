//! A user's own passkeys: making one, and taking one away.

use leptos::prelude::*;
use signpost_model::PasskeyId;
use signpost_store::passkeys::{self as stored, Passkey};
use signpost_store::{Constraint, credentials};

use super::factors::Password;
use super::{Proof, check_own_password};
use crate::components::{Button, ButtonSize, Card, Form, Look, TextField, Time};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, internal, respond, session};
use crate::login::session::SignedInUser;
use crate::pages::login::{AskDevice, fresh_codes};
use crate::passkeys::{self, Enrolment};
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require_user, visit};

/// What waits in the session for the device.
const ENROLMENT_KEY: &str = "passkey_enrolment";
/// The longest name of a passkey.
const LONGEST_NAME: usize = 60;
/// The field for the password in these forms.
const PASSKEYS_PASSWORD: &str = "passkeys_password";

/// The enrolment that waits, for the page.
pub(super) async fn waiting() -> Result<Option<Enrolment>, PortalError> {
    Ok(session()?.get(ENROLMENT_KEY).await.ok().flatten())
}

#[component]
pub(super) fn PasskeysCard(
    me: SignedInUser,
    known: Vec<Passkey>,
    enrolment: Option<Enrolment>,
    form: FormState,
) -> impl IntoView {
    let has_some = !known.is_empty();
    // One after the other: whoever makes a passkey takes none away meanwhile.
    let may_remove = enrolment.is_none();
    let rows = known
        .into_iter()
        .map(|passkey| view! { <Known passkey=passkey may_remove=may_remove /> })
        .collect_view();
    let rows = has_some.then(|| view! { <ul class="plain stack stack--tight">{rows}</ul> });
    let body = match enrolment {
        // The first button is what the enter key presses: it takes nothing away.
        None => view! {
            <div data-needs-script=!has_some>
                <Form action="/api/me/passkeys/begin" class="stack">
                    <Proof proof=me.proof />
                    <Password name=PASSKEYS_PASSWORD form=form />
                    <div class="row" data-needs-script><Button>"Add passkey"</Button></div>
                    {rows}
                </Form>
            </div>
        }
        .into_any(),
        Some(enrolment) => view! {
            <AskDevice action="/api/me/passkeys/add" options=enrolment.options word="Make passkey">
                <Proof proof=me.proof />
                <TextField
                    name="name"
                    label="Name of the passkey"
                    value=form.value("name", "My device")
                    error=form.error("name")
                    max_length=60
                    required=true
                />
            </AskDevice>
            {rows}
        }
        .into_any(),
    };
    view! {
        <Card
            id="passkeys"
            title="Passkeys"
            hint="Your device signs you in with your finger, your face or its PIN: no password, no code.".to_owned()
        >
            <div class="card__body stack">{body}</div>
        </Card>
    }
    .into_any()
}

#[component]
fn Known(passkey: Passkey, may_remove: bool) -> impl IntoView {
    let label = format!("Remove {}", passkey.name);
    let remove = may_remove.then(|| {
        view! {
            <Button
                size=ButtonSize::Small
                look=Look::Danger
                label=label
                name="id"
                value=passkey.id.to_string()
                formaction="/api/me/passkeys/remove"
            >
                "Remove"
            </Button>
        }
    });
    view! {
        <li class="row">
            <span class="grow">
                <b>{passkey.name}</b>
                ", made "
                {passkey.created_at.to_jiff().map(|at| view! { <Time at=at /> })}
            </span>
            {remove}
        </li>
    }
    .into_any()
}

/// Asks the device for a new passkey.
#[server(prefix = "/api", endpoint = "me/passkeys/begin")]
pub async fn begin_own_passkey(
    #[server(default)] passkeys_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let here = urls::OWN_FACTORS;
        check_own_password(&portal, &me, PASSKEYS_PASSWORD, passkeys_password, here).await?;
        let Some(webauthn) = passkeys::find(&portal) else {
            let text = "Passkeys need an address with a name. This portal is reached by a number.";
            return Err(FormErrors::summary(text).refuse(here));
        };
        let known = stored::list(&mut *portal.store.read().await?, me.user.id).await?;
        if i64::try_from(known.len()).unwrap_or(stored::MOST) >= stored::MOST {
            let text = "You have as many passkeys as there can be. Remove one first.";
            return Err(FormErrors::summary(text).refuse(here));
        }
        let enrolment = passkeys::ask_for_new(&webauthn, &me.user, &known)?;
        session()?
            .insert(ENROLMENT_KEY, enrolment)
            .await
            .map_err(|error| internal(&error))?;
        Ok(Answer::to(here))
    })
    .await
}

/// Keeps what the device made.
#[server(prefix = "/api", endpoint = "me/passkeys/add")]
pub async fn add_own_passkey(
    #[server(default)] passkey: String,
    #[server(default)] name: String,
) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let here = urls::OWN_FACTORS;
        let name = name.trim().to_owned();
        if name.is_empty()
            || name.chars().count() > LONGEST_NAME
            || name.chars().any(char::is_control)
        {
            let text = format!("Enter a name of up to {LONGEST_NAME} characters");
            return Err(FormErrors::field("name", text).refuse(here));
        }
        // Answered once, rightly or not.
        let enrolment: Option<Enrolment> = session()?
            .remove(ENROLMENT_KEY)
            .await
            .map_err(|error| internal(&error))?;
        let (Some(enrolment), Some(webauthn)) = (enrolment, passkeys::find(&portal)) else {
            return Ok(Answer::to(here));
        };
        let refused = |text: &str| FormErrors::summary(text).refuse(here);
        let Ok((credential_id, body)) = passkeys::accept_new(&webauthn, &enrolment, &passkey)
        else {
            return Err(refused("The device's answer cannot be used. Try again."));
        };
        let now = portal.clock.now();
        let new = Passkey {
            id: PasskeyId::mint(now, portal.random.as_ref()),
            user_id: me.user.id,
            credential_id,
            body,
            name,
            created_at: now,
            used_at: None,
        };
        let (keep, author) = (Some(me.session.key), me.author(&visit().address));
        let has = credentials::find(&mut *portal.store.read().await?, me.user.id).await?;
        let codes = match has.has_factor() {
            true => None,
            false => Some(fresh_codes(&portal, &me.user).await?),
        };
        let mut tx = portal.store.write().await?;
        match stored::add(&mut tx, &me.user, &new, keep, &author, now).await {
            Err(error) if error.is_conflict(Constraint::Passkey) => {
                return Err(refused("This passkey is known already."));
            }
            other => other?,
        }
        if let Some(codes) = codes {
            credentials::replace_recovery_codes(&mut tx, &me.user, &codes, &author, now).await?;
        }
        tx.commit().await?;
        Ok(Answer::to(here).notice(Notice::success(
            "The passkey works now. Your other sessions ended.",
        )))
    })
    .await
}

/// Takes a passkey away.
#[server(prefix = "/api", endpoint = "me/passkeys/remove")]
pub async fn remove_own_passkey(
    #[server(default)] id: String,
    #[server(default)] passkeys_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let here = urls::OWN_FACTORS;
        let id: PasskeyId = id.parse().map_err(|_| PortalError::NotFound)?;
        check_own_password(&portal, &me, PASSKEYS_PASSWORD, passkeys_password, here).await?;
        let (keep, author) = (Some(me.session.key), me.author(&visit().address));
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        stored::remove(&mut tx, &me.user, id, keep, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(here).notice(Notice::warning("The passkey is removed.")))
    })
    .await
}
