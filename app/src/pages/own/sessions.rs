//! A user's own sessions and remembered devices, and ending them.

use leptos::prelude::*;
use signpost_model::SessionKey;
use signpost_store::remembered_devices::{self, RememberedDevice};
use signpost_store::user_sessions::{self, UserSession};

use super::Proof;
use crate::components::{Badge, Button, ButtonSize, Card, Form, Time, Tone};
use crate::error::PortalError;
use crate::forms::{Answer, Refusal, respond};
use crate::pages::account::browser_name;
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require_user, visit};

#[component]
pub(super) fn SessionsCard(
    live: Vec<UserSession>,
    own: SessionKey,
    proof: String,
) -> impl IntoView {
    let several = live.len() > 1;
    let token = proof.clone();
    let rows = live
        .into_iter()
        .map(move |session| {
            let proof = token.clone();
            view! { <SessionRow session=session own=own proof=proof /> }
        })
        .collect_view();
    let all = several.then(|| {
        view! {
            <Form action="/api/me/sessions/end-others">
                <Proof proof=proof />
                <Button>"End other sessions"</Button>
            </Form>
        }
    });
    view! {
        <Card
            id="sessions"
            title="Where you are signed in"
            hint="A session ends after an hour without use, and after 12 hours in any case.".to_owned()
        >
            <div class="card__body stack">
                <ul class="plain stack stack--tight">{rows}</ul>
                {all}
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn SessionRow(session: UserSession, own: SessionKey, proof: String) -> impl IntoView {
    let browser = browser_name(&session.user_agent);
    let act = if session.key == own {
        view! { <Badge tone=Tone::Info>"This session"</Badge> }.into_any()
    } else {
        let label = format!("End session of {browser}");
        view! {
            <Form action="/api/me/sessions/end">
                <Proof proof=proof />
                <input type="hidden" name="key" value=session.key.to_string() />
                <Button size=ButtonSize::Small label=label>"End"</Button>
            </Form>
        }
        .into_any()
    };
    view! {
        <li class="row">
            <span class="grow">
                <b>{browser}</b>
                " " {session.address} ", last used "
                {session.seen_at.to_jiff().map(|at| view! { <Time at=at /> })}
            </span>
            {act}
        </li>
    }
    .into_any()
}

#[component]
pub(super) fn DevicesCard(devices: Vec<RememberedDevice>, proof: String) -> impl IntoView {
    if devices.is_empty() {
        return ().into_any();
    }
    let rows = devices
        .into_iter()
        .map(|device| {
            let proof = proof.clone();
            let browser = browser_name(&device.user_agent);
            let label = format!("Forget {browser}");
            view! {
                <li class="row">
                    <span class="grow">
                        <b>{browser}</b>
                        ", until "
                        {device.expires_at.to_jiff().map(|at| view! { <Time at=at /> })}
                    </span>
                    <Form action="/api/me/devices/forget">
                        <Proof proof=proof />
                        <input type="hidden" name="key" value=device.key.to_string() />
                        <Button size=ButtonSize::Small label=label>"Forget"</Button>
                    </Form>
                </li>
            }
        })
        .collect_view();
    view! {
        <Card
            id="devices"
            title="Remembered devices"
            hint="They sign in with the password alone until then.".to_owned()
        >
            <div class="card__body">
                <ul class="plain stack stack--tight">{rows}</ul>
            </div>
        </Card>
    }
    .into_any()
}

fn key_of(text: &str) -> Result<SessionKey, Refusal> {
    text.parse().map_err(|_| PortalError::NotFound.into())
}

/// Ends one of one's own sessions.
#[server(prefix = "/api", endpoint = "me/sessions/end")]
pub async fn end_own_session(#[server(default)] key: String) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let key = key_of(&key)?;
        let mut tx = portal()?.store.write().await?;
        user_sessions::end(&mut tx, me.user.id, key).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::OWN_PAGE).notice(Notice::success("The session ended.")))
    })
    .await
}

/// Ends all of one's own sessions but this one.
#[server(prefix = "/api", endpoint = "me/sessions/end-others")]
pub async fn end_own_sessions() -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let (keep, now) = (Some(me.session.key), portal.clock.now());
        let author = me.author(&visit().address);
        let mut tx = portal.store.write().await?;
        user_sessions::end_others(&mut tx, &me.user, keep, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::OWN_PAGE).notice(Notice::success("Your other sessions ended.")))
    })
    .await
}

/// Lets a device be asked for the second factor again.
#[server(prefix = "/api", endpoint = "me/devices/forget")]
pub async fn forget_own_device(#[server(default)] key: String) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let key = key_of(&key)?;
        let mut tx = portal()?.store.write().await?;
        remembered_devices::forget(&mut tx, me.user.id, key).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::OWN_PAGE).notice(Notice::success("The device is forgotten.")))
    })
    .await
}
