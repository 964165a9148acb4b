//! Who forgot their password has a link mailed. The page answers the same for everybody, in the
//! same time: a post only puts what was typed in line.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use signpost_model::Secret;
use signpost_store::mail_settings;
use signpost_store::password_requests::{self, PasswordRequest};

use super::acts::TOO_MANY;
use super::frame::LoginPage;
use super::{finish::send_login_policy, headers};
use crate::components::{Button, Form, LinkButton, Look, TextField, TextKind};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, respond};
use crate::login::flow::{self, Found};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::throttling::LinkTry;
use crate::urls;
use crate::visit::{Notice, visit};

/// The answer for everybody.
const ON_ITS_WAY: &str = "If this user has a mail address here, a link to choose a new password is on its way to it. It works for one day.";
/// The longest name that is read: no address is longer.
const LONGEST_NAME: usize = 320;

/// Whether links are mailed.
pub(super) async fn is_offered(portal: &Portal) -> Result<bool, PortalError> {
    let settings = mail_settings::find(&mut *portal.store.read().await?).await?;
    Ok(settings.is_some_and(|settings| settings.mails_resets))
}

/// The page.
#[component]
pub fn Forgotten() -> impl IntoView {
    let request = use_query_map().with_untracked(|query| query.get("request").unwrap_or_default());
    page(async move {
        let (portal, headers) = (portal()?, headers()?);
        // Whose page they come from; without one it is the page of the house.
        let waiting = match flow::find(&portal, &headers, &request).await? {
            Found::Waiting(waiting) => Some(waiting),
            Found::Finished | Found::Nothing => None,
        };
        let hint = waiting
            .as_ref()
            .map(|waiting| waiting.ask.login_hint().to_owned())
            .unwrap_or_default();
        let back = match &waiting {
            Some(waiting) => urls::login(&waiting.token),
            None => urls::LOGIN.to_owned(),
        };
        let issuer = waiting.and_then(|waiting| waiting.issuer);
        let form = visit().form_state();
        let problems = form.problems();
        let body = match is_offered(&portal).await? {
            false => view! {
                <p class="text-2">"Ask your administrator for a link with which you choose a new password."</p>
            }
            .into_any(),
            true => view! {
                <p class="text-2">"A link to choose a new password is sent to the mail address of your user."</p>
                <Form action="/api/login/forgotten" class="stack">
                    <input type="hidden" name="request" value=request />
                    <TextField
                        name="user_name"
                        label="User name"
                        kind=TextKind::Email
                        autocomplete="username"
                        value=form.value("user_name", &hint)
                        error=form.error("user_name")
                        max_length=320
                        required=true
                        autofocus=true
                    />
                    <Button look=Look::Primary>"Send link"</Button>
                </Form>
            }
            .into_any(),
        };
        send_login_policy(None);
        Ok(view! {
            <LoginPage title="Forgot your password?" issuer=issuer errors=problems>
                {body}
                <div class="row">
                    <LinkButton href=back look=Look::Quiet>"Back to sign in"</LinkButton>
                </div>
            </LoginPage>
        }
        .into_any())
    })
}

/// Puts what was typed in line.
#[server(prefix = "/api", endpoint = "login/forgotten")]
pub async fn ask_for_link(
    #[server(default)] user_name: String,
    #[server(default)] request: String,
) -> Result<(), PortalError> {
    respond(async move {
        let portal = portal()?;
        let here = urls::forgotten(&request);
        let name = user_name.trim().to_owned();
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(FormErrors::field("user_name", "Enter your user name").refuse(here));
        }
        let now = portal.clock.now();
        let address = visit().address.clone();
        let mut tx = portal.store.write().await?;
        let may_try = LinkTry::new(&name, &address).begin(&mut tx, now).await?;
        if may_try {
            let asked = PasswordRequest {
                user_name: Secret::new(name),
                address,
                created_at: now,
            };
            let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
            password_requests::add(&mut tx, sealer, random, &asked).await?;
        }
        tx.commit().await?;
        if !may_try {
            return Err(FormErrors::summary(TOO_MANY).refuse(here));
        }
        portal.mailer.notify_one();
        Ok(Answer::to(here).notice(Notice::info(ON_ITS_WAY)))
    })
    .await
}
