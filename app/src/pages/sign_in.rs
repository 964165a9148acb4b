//! Signing in and out. Answers name neither who exists nor what was wrong.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use signpost_model::{Secret, Timestamp};
use signpost_store::operators;
use signpost_store::throttles::{self, ThrottleRule};

use crate::access::{PUBLIC, READ, Route};
use crate::components::{Button, ErrorSummary, Form, Look, TextField, TextKind};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Refusal, internal, respond, session};
use crate::pages::setup::user_agent;
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::session::begin;
use crate::shell::NarrowPage;
use crate::urls;
use crate::visit::visit;

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    ("GET", "/sign-in", PUBLIC),
    ("POST", "/api/sign-in", PUBLIC),
    ("POST", "/api/sign-out", READ),
];

/// The sentence for every refused sign-in, whatever the cause.
const REFUSED: &str = "The email or password is not correct.";

/// The page.
#[component]
pub fn SignIn() -> impl IntoView {
    page(async {
        let form = visit().form_state();
        let back = use_query_map().with_untracked(|query| query.get("return").unwrap_or_default());
        let back = form.value("return", &back);
        Ok(view! {
            <NarrowPage title="Sign in">
                <ErrorSummary errors=form.problems() />
                <Form action="/api/sign-in" class="stack">
                    <input type="hidden" name="return" value=back />
                    <TextField
                        name="email"
                        label="Email"
                        kind=TextKind::Email
                        autocomplete="username"
                        value=form.value("email", "")
                        required=true
                        autofocus=true
                    />
                    <TextField
                        name="password"
                        label="Password"
                        kind=TextKind::Password
                        autocomplete="current-password"
                        required=true
                    />
                    <Button look=Look::Primary>"Sign in"</Button>
                </Form>
            </NarrowPage>
        })
    })
}

/// Checks the password and begins a session.
#[server(prefix = "/api", endpoint = "sign-in")]
pub async fn sign_in(
    #[server(default)] email: String,
    #[server(default)] password: String,
    #[server(default)] r#return: String,
) -> Result<(), PortalError> {
    respond(async move {
        let (portal, visit) = (portal()?, visit());
        let now = portal.clock.now();
        let keys = throttle_keys(&email, &visit.address);
        refuse_while_blocked(&portal, &keys, now).await?;
        let found = operators::find_by_email(&mut *portal.store.read().await?, &email).await?;
        let hash = found.as_ref().map(|found| found.password_hash.as_str());
        let correct = portal
            .passwords
            .verify(&Secret::new(password), hash)
            .await?;
        let operator = found
            .map(|found| found.operator)
            .filter(|operator| correct && operator.disabled_at.is_none());
        let mut tx = portal.store.write().await?;
        let Some(operator) = operator else {
            for key in &keys {
                throttles::record_failure(&mut tx, key, &ThrottleRule::default(), now).await?;
            }
            tx.commit().await?;
            return Err(FormErrors::summary(REFUSED).refuse(urls::SIGN_IN));
        };
        for key in &keys {
            throttles::clear(&mut tx, key).await?;
        }
        operators::record_sign_in(&mut tx, &operator, &visit.author(), now).await?;
        tx.commit().await?;
        begin(
            &portal,
            &session()?,
            operator.id,
            &visit.address,
            &user_agent(),
        )
        .await?;
        Ok(Answer::to(own_path(&r#return)))
    })
    .await
}

/// Ends the session.
#[server(prefix = "/api", endpoint = "sign-out")]
pub async fn sign_out() -> Result<(), PortalError> {
    respond(async move {
        session()?.flush().await.map_err(|error| internal(&error))?;
        Ok(Answer::to(urls::SIGN_IN))
    })
    .await
}

/// Only a path of our own: never a way to send somebody elsewhere after signing in.
fn own_path(text: &str) -> String {
    let own = text.starts_with('/')
        && !text.starts_with("//")
        && !text.starts_with("/api/")
        && !text.chars().any(|c| c.is_control() || c == '\\');
    if own {
        text.to_owned()
    } else {
        urls::OVERVIEW.to_owned()
    }
}

fn throttle_keys(email: &str, address: &str) -> [String; 2] {
    [
        format!("sign-in:{}", signpost_model::text::fold(email)),
        format!("address:{address}"),
    ]
}

async fn refuse_while_blocked(
    portal: &Portal,
    keys: &[String],
    now: Timestamp,
) -> Result<(), Refusal> {
    let mut read = portal.store.read().await?;
    for key in keys {
        if throttles::find_block(&mut read, key, now).await?.is_some() {
            return Err(
                FormErrors::summary("Too many tries. Wait a few minutes, then try again.")
                    .refuse(urls::SIGN_IN),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn after_sign_in_only_our_own_pages_follow() {
        assert_eq!(own_path("/users?q=ada"), "/users?q=ada");
        for elsewhere in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/api/x",
            "",
        ] {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere}");
        }
    }
}
