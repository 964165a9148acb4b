//! A new password of one's own: ends every other session.

use leptos::prelude::*;
use signpost_model::{Role, Secret};
use signpost_store::operators;

use super::check_own_password;
use crate::components::{
    Button, Card, Crumb, ErrorSummary, Form, LinkButton, Look, PageHeader, TextField, TextKind,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, respond, session};
use crate::passwords;
use crate::portal::portal;
use crate::root::page;
use crate::session::{public_key, renew};
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The page.
#[component]
pub fn ChangePassword() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let form = visit().form_state();
        Ok(view! {
            <Page title="Change password" section=Section::Settings above=vec![Crumb::link("Your account", urls::ACCOUNT)]>
                <PageHeader title="Change password" />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <Card id="password-card" title="New password" hint="Your other sessions end.".to_owned()>
                    <Form action="/api/account/password" class="card__body stack">
                        <TextField
                            name="current_password"
                            label="Current password"
                            kind=TextKind::Password
                            autocomplete="current-password"
                            error=form.error("current_password")
                            required=true
                        />
                        <TextField
                            name="new_password"
                            label="New password"
                            kind=TextKind::Password
                            autocomplete="new-password"
                            hint=format!("At least {} characters. A few words in a row are good.", passwords::SHORTEST)
                            error=form.error("new_password")
                            required=true
                        />
                        <TextField
                            name="repeat_password"
                            label="New password again"
                            kind=TextKind::Password
                            autocomplete="new-password"
                            error=form.error("repeat_password")
                            required=true
                        />
                        <div class="row">
                            <Button look=Look::Primary>"Change password"</Button>
                            <LinkButton href=urls::ACCOUNT look=Look::Quiet>"Cancel"</LinkButton>
                        </div>
                    </Form>
                </Card>
            </Page>
        }
        .into_any())
    })
}

/// Changes one's own password.
#[server(prefix = "/api", endpoint = "account/password")]
pub async fn change_password(
    #[server(default)] current_password: String,
    #[server(default)] new_password: String,
    #[server(default)] repeat_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let (portal, session) = (portal()?, session()?);
        let mut errors = FormErrors::new();
        let new = Secret::new(new_password);
        if let Err(text) = passwords::check_new(&new, &[&operator.name, &operator.email]) {
            errors.add("new_password", text);
        } else if new.expose() != repeat_password {
            errors.add("repeat_password", "The two new passwords differ");
        }
        errors.check(urls::ACCOUNT_PASSWORD)?;
        check_own_password(&portal, &operator, current_password, urls::ACCOUNT_PASSWORD).await?;
        let hash = portal.passwords.hash(&new, portal.random.as_ref()).await?;
        let keep = public_key(&session).await;
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        let author = visit().author();
        operators::set_password(&mut tx, operator.id, &hash, keep, &author, now).await?;
        tx.commit().await?;
        renew(&portal, &session).await?;
        Ok(Answer::to(urls::ACCOUNT).notice(Notice::success(
            "Your password was changed. Your other sessions ended.",
        )))
    })
    .await
}
