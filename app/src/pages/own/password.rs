//! A user's own new password: ends every other session.

use leptos::prelude::*;
use signpost_model::Secret;
use signpost_store::credentials;

use super::{CURRENT_PASSWORD, Proof, check_own_password};
use crate::components::{Button, ErrorSummary, Form, LinkButton, Look, TextField, TextKind};
use crate::error::PortalError;
use crate::forms::{Answer, respond};
use crate::pages::login::{NewPasswordFields, check_new_password};
use crate::portal::portal;
use crate::root::page;
use crate::shell::NarrowPage;
use crate::urls;
use crate::visit::{Notice, require_user, visit};

/// The page.
#[component]
pub fn OwnPassword() -> impl IntoView {
    page(async {
        let me = require_user()?;
        let form = visit().form_state();
        Ok(view! {
            <NarrowPage title="Change password">
                <ErrorSummary errors=form.problems() />
                <Form action="/api/me/password" class="stack">
                    <Proof proof=me.proof />
                    <TextField
                        name=CURRENT_PASSWORD
                        label="Current password"
                        kind=TextKind::Password
                        autocomplete="current-password"
                        error=form.error(CURRENT_PASSWORD)
                        required=true
                    />
                    <NewPasswordFields form=form />
                    <div class="row">
                        <Button look=Look::Primary>"Change password"</Button>
                        <LinkButton href=urls::OWN_PAGE look=Look::Quiet>"Cancel"</LinkButton>
                    </div>
                </Form>
            </NarrowPage>
        }
        .into_any())
    })
}

/// Changes one's own password.
#[server(prefix = "/api", endpoint = "me/password")]
pub async fn change_own_password(
    #[server(default)] current_password: String,
    #[server(default)] new_password: String,
    #[server(default)] repeat_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let me = require_user()?;
        let portal = portal()?;
        let here = urls::OWN_PASSWORD;
        let password = Secret::new(new_password);
        let profile = &me.user.profile;
        let own_words = [
            profile.user_name.as_str(),
            profile.display_name.as_str(),
            profile.mail.as_str(),
        ];
        check_new_password(&password, &repeat_password, &own_words).check(here)?;
        check_own_password(&portal, &me, CURRENT_PASSWORD, current_password, here).await?;
        let hash = portal
            .passwords
            .hash(&password, portal.random.as_ref())
            .await?;
        let author = me.author(&visit().address);
        let (keep, now) = (Some(me.session.key), portal.clock.now());
        let mut tx = portal.store.write().await?;
        credentials::set_password(&mut tx, &me.user, &hash, keep, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::OWN_PAGE).notice(Notice::success(
            "Your password was changed. Your other sessions ended.",
        )))
    })
    .await
}
