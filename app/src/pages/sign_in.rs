//! Signing in and out. Answers name neither who exists nor what was wrong.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use serde::{Deserialize, Serialize};
use signpost_model::audit::Subject;
use signpost_model::time::MINUTE_MS;
use signpost_model::{Actor, Author, Operator, OperatorId, Role, Secret, Timestamp};
use signpost_store::{Write, audit, factors, operators};
use tower_sessions::Session;

use crate::access::{PUBLIC, READ, Route};
use crate::components::{Button, ErrorSummary, Expander, Form, Look, TextField, TextKind};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Refusal, internal, respond, session};
use crate::pages::setup::user_agent;
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::second_factor::{self, Proof};
use crate::session::begin;
use crate::shell::NarrowPage;
use crate::throttling::{self, PasswordTry};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    ("GET", "/sign-in", PUBLIC),
    ("POST", "/api/sign-in", PUBLIC),
    ("POST", "/api/sign-in/code", PUBLIC),
    ("POST", "/api/sign-in/start-over", PUBLIC),
    ("POST", "/api/sign-out", READ),
];

/// The sentence for every refused password, whatever the cause.
const REFUSED: &str = "The email or password is not correct.";
const TOO_MANY: &str =
    "Too many tries. Wait a few minutes, then try again, or ask an owner to help you.";

/// Between the password and the code.
const PENDING_MS: i64 = 10 * MINUTE_MS;
const PENDING_KEY: &str = "sign_in";

/// Who gave the right password and owes a code.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    operator: OperatorId,
    /// Any change of the operator meanwhile, such as a new password, starts over.
    version: i64,
    at: Timestamp,
    back: String,
}

/// The page.
#[component]
pub fn SignIn() -> impl IntoView {
    page(async {
        let visit = visit();
        let form = visit.form_state();
        let back = use_query_map().with_untracked(|query| query.get("return").unwrap_or_default());
        let back = form.value("return", &back);
        if visit.operator.is_some() {
            leptos_axum::redirect(&own_path(&back));
        }
        let owes_code = find_pending(&portal()?, &session()?).await?.is_some();
        Ok(view! {
            <NarrowPage title="Sign in">
                <ErrorSummary errors=form.problems() />
                {if owes_code {
                    view! { <CodeForms form=form /> }.into_any()
                } else {
                    view! { <PasswordForm form=form back=back /> }.into_any()
                }}
            </NarrowPage>
        })
    })
}

#[component]
fn PasswordForm(form: FormState, back: String) -> impl IntoView {
    let goes_on = !back.is_empty() && own_path(&back) != urls::OVERVIEW;
    // The address of everybody's own page: an operator's here, a user's after their own sign-in.
    let for_users = own_path(&back) == urls::ACCOUNT;
    view! {
        {goes_on.then(|| view! { <p class="text-2">"Sign in to go on where you were."</p> })}
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
        {for_users.then(|| view! {
            <p class="hint">
                "Here operators sign in. Your own password and devices are at "
                <a href=urls::LOGIN>"your sign-in page"</a>"."
            </p>
        })}
    }
    .into_any()
}

#[component]
fn CodeForms(form: FormState) -> impl IntoView {
    let recovery_error = form.error("recovery_code");
    let lost = recovery_error.is_some();
    view! {
        <Form action="/api/sign-in/code" class="stack">
            <TextField
                name="code"
                label="Verification code"
                kind=TextKind::OneTimeCode
                autocomplete="one-time-code"
                hint="The six digits that your authenticator app shows now.".to_owned()
                error=form.error("code")
                max_length=16
                required=true
                autofocus=true
            />
            <Button look=Look::Primary>"Sign in"</Button>
        </Form>
        <Expander summary="Use a recovery code" open=lost>
            <Form action="/api/sign-in/code" class="stack">
                <TextField
                    name="recovery_code"
                    label="Recovery code"
                    kind=TextKind::Code
                    hint="Each works once. No code left? Another owner can take your second factor away.".to_owned()
                    error=recovery_error
                    max_length=64
                    required=true
                />
                <Button>"Sign in with a recovery code"</Button>
            </Form>
        </Expander>
        <Form action="/api/sign-in/start-over">
            <Button look=Look::Quiet>"Start over"</Button>
        </Form>
    }
    .into_any()
}

/// Checks the password, and begins a session unless a code is owed.
#[server(prefix = "/api", endpoint = "sign-in")]
pub async fn sign_in(
    #[server(default)] email: String,
    #[server(default)] password: String,
    #[server(default)] r#return: String,
) -> Result<(), PortalError> {
    respond(async move {
        let (portal, visit, session) = (portal()?, visit(), session()?);
        let now = portal.clock.now();
        let attempt = PasswordTry::new(&email, &visit.address);
        let mut tx = portal.store.write().await?;
        let found = operators::find_by_email(&mut tx, email.trim()).await?;
        let may_try = attempt.begin(&mut tx, now).await?;
        tx.commit().await?;
        if !may_try {
            return Err(FormErrors::summary(TOO_MANY).refuse(urls::SIGN_IN));
        }
        let hash = found.as_ref().map(|found| found.password_hash.as_str());
        let correct = portal
            .passwords
            .verify(&Secret::new(password), hash)
            .await?;
        let mut tx = portal.store.write().await?;
        // Read again, known or not: they may have been disabled while the password was checked.
        let again = operators::find_by_email(&mut tx, email.trim()).await?;
        let same = again.as_ref().map(|again| again.password_hash.as_str()) == hash;
        let known = again.map(|again| again.operator);
        let Some(operator) = known
            .clone()
            .filter(|operator| correct && same && operator.disabled_at.is_none())
        else {
            attempt.failed(&mut tx, now).await?;
            note_refusal(&mut tx, known.as_ref(), &visit.author(), now);
            tx.commit().await?;
            return Err(FormErrors::summary(REFUSED).refuse(urls::SIGN_IN));
        };
        attempt.succeeded(&mut tx).await?;
        let back = own_path(&r#return);
        if operator.has_second_factor {
            tx.commit().await?;
            let pending = Pending {
                operator: operator.id,
                version: operator.version,
                at: now,
                back,
            };
            ask_for_code(&session, &pending).await?;
            return Ok(Answer::to(urls::SIGN_IN));
        }
        operators::record_sign_in(&mut tx, &operator, &author_of(&operator), now).await?;
        tx.commit().await?;
        begin(
            &portal,
            &session,
            operator.id,
            &visit.address,
            &user_agent(),
        )
        .await?;
        Ok(Answer::to(back))
    })
    .await
}

/// Checks the second factor and begins a session.
#[server(prefix = "/api", endpoint = "sign-in/code")]
pub async fn sign_in_with_code(
    #[server(default)] code: String,
    #[server(default)] recovery_code: String,
) -> Result<(), PortalError> {
    respond(async move {
        let (portal, visit, session) = (portal()?, visit(), session()?);
        let now = portal.clock.now();
        let Some((pending, operator)) = find_pending(&portal, &session).await? else {
            let text = "Too much time has passed. Start again with your password.";
            return Err(FormErrors::summary(text).refuse(urls::SIGN_IN));
        };
        let (proof, field) = if recovery_code.trim().is_empty() {
            (Proof::Code(code), "code")
        } else {
            (Proof::Recovery(recovery_code), "recovery_code")
        };
        let author = author_of(&operator);
        let mut tx = portal.store.write().await?;
        if !throttling::begin_proof(&mut tx, operator.id, now).await? {
            return Err(FormErrors::summary(TOO_MANY).refuse(urls::SIGN_IN));
        }
        let sealer = portal.store.sealer();
        if !second_factor::accept(&mut tx, sealer, operator.id, &proof, &author, now).await? {
            note_refusal(&mut tx, Some(&operator), &visit.author(), now);
            tx.commit().await?;
            let text = "This code is not correct, or it was used before.";
            return Err(FormErrors::field(field, text).refuse(urls::SIGN_IN));
        }
        throttling::end_proof(&mut tx, operator.id).await?;
        operators::record_sign_in(&mut tx, &operator, &author, now).await?;
        let left = factors::count_recovery_codes(&mut tx, operator.id).await?;
        tx.commit().await?;
        forget_pending(&session).await?;
        begin(
            &portal,
            &session,
            operator.id,
            &visit.address,
            &user_agent(),
        )
        .await?;
        let answer = Answer::to(pending.back);
        Ok(match proof {
            Proof::Code(_) => answer,
            Proof::Recovery(_) => answer.notice(Notice::warning(format!(
                "You used a recovery code. Codes left: {left}. Your account page makes new ones."
            ))),
        })
    })
    .await
}

/// Forgets whose password was given.
#[server(prefix = "/api", endpoint = "sign-in/start-over")]
pub async fn start_over() -> Result<(), PortalError> {
    respond(async move {
        forget_pending(&session()?).await?;
        Ok(Answer::to(urls::SIGN_IN))
    })
    .await
}

/// Ends the session.
#[server(prefix = "/api", endpoint = "sign-out")]
pub async fn sign_out() -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let portal = portal()?;
        let mut tx = portal.store.write().await?;
        let entry = visit()
            .author()
            .entry("operator.signed_out", subject(&operator));
        audit::append(&mut tx, &entry, portal.clock.now());
        tx.commit().await?;
        session()?.flush().await.map_err(|error| internal(&error))?;
        Ok(Answer::to(urls::SIGN_IN))
    })
    .await
}

/// A new id for the session: what an observer knew of it before is worth nothing.
async fn ask_for_code(session: &Session, pending: &Pending) -> Result<(), Refusal> {
    let work = async {
        session.cycle_id().await?;
        session.insert(PENDING_KEY, pending).await
    };
    work.await.map_err(|error| internal(&error).into())
}

async fn find_pending(
    portal: &Portal,
    session: &Session,
) -> Result<Option<(Pending, Operator)>, PortalError> {
    let Ok(Some(pending)) = session.get::<Pending>(PENDING_KEY).await else {
        return Ok(None);
    };
    let found = operators::find(&mut *portal.store.read().await?, pending.operator).await?;
    let age = portal.clock.now().millis_since(pending.at);
    Ok(found
        .filter(|operator| {
            (0..PENDING_MS).contains(&age)
                && operator.version == pending.version
                && operator.disabled_at.is_none()
                && operator.has_second_factor
        })
        .map(|operator| (pending, operator)))
}

async fn forget_pending(session: &Session) -> Result<(), Refusal> {
    session
        .remove::<serde_json::Value>(PENDING_KEY)
        .await
        .map(drop)
        .map_err(|error| internal(&error).into())
}

/// What was typed is never written down: people type passwords into the wrong field.
fn note_refusal(tx: &mut Write, known: Option<&Operator>, author: &Author, now: Timestamp) {
    let subject = match known {
        Some(operator) => subject(operator),
        None => Subject::new("operator", "", "Nobody known"),
    };
    audit::append(tx, &author.entry("operator.sign_in_refused", subject), now);
}

fn subject(operator: &Operator) -> Subject {
    Subject::new("operator", operator.id, &operator.name)
}

/// They proved who they are, though the visit began as nobody's.
fn author_of(operator: &Operator) -> Author {
    Author {
        actor: Actor::Operator {
            id: operator.id,
            name: operator.name.clone(),
        },
        ..visit().author()
    }
}

/// Only a path of our own: never a way to send somebody elsewhere after signing in.
fn own_path(text: &str) -> String {
    let own = text.starts_with('/')
        && !text.starts_with("//")
        && !text.starts_with("/api/")
        && !text.starts_with(urls::SIGN_IN)
        && text.len() <= 2_000
        && !text.chars().any(|c| c.is_control() || c == '\\');
    if own {
        text.to_owned()
    } else {
        urls::OVERVIEW.to_owned()
    }
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
            "/sign-in?return=/",
            "",
        ] {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere}");
        }
    }
}
