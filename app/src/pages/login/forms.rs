//! What the login page asks for.

use leptos::prelude::*;
use signpost_model::User;
use signpost_store::credentials::Credentials;

use crate::components::{Button, CheckBox, Expander, Form, Look, TextField, TextKind};
use crate::forms::FormState;
use crate::urls;

/// What every form of a request carries.
#[component]
pub(super) fn Carried(request: String, proof: String) -> impl IntoView {
    view! {
        <input type="hidden" name="request" value=request />
        <input type="hidden" name="proof" value=proof />
    }
}

/// Name and password.
#[component]
pub(super) fn PasswordForm(
    request: String,
    proof: String,
    form: FormState,
    user_name: String,
    /// Whether a link for a forgotten password is mailed.
    mails_resets: bool,
) -> impl IntoView {
    let typed = form.value("user_name", &user_name);
    let known = !typed.is_empty();
    let help = match mails_resets {
        true => view! {
            <p class="hint"><a href=urls::forgotten(&request)>"Forgot your password?"</a></p>
        }
        .into_any(),
        false => view! {
            <p class="hint">"Forgot your password, or never had one? Ask your administrator for a link."</p>
        }
        .into_any(),
    };
    view! {
        <Form action="/api/login/password" class="stack">
            <Carried request=request proof=proof />
            <TextField
                name="user_name"
                label="User name"
                kind=TextKind::Email
                autocomplete="username"
                value=typed
                required=true
                autofocus=!known
            />
            <TextField
                name="password"
                label="Password"
                kind=TextKind::Password
                autocomplete="current-password"
                required=true
                autofocus=known
            />
            <Button look=Look::Primary>"Sign in"</Button>
        </Form>
        {help}
    }
    .into_any()
}

/// A code, or a recovery code.
#[component]
pub(super) fn FactorForms(
    request: String,
    proof: String,
    form: FormState,
    user: User,
    credentials: Credentials,
    days: i64,
) -> impl IntoView {
    let recovery_error = form.error("recovery_code");
    let lost = recovery_error.is_some();
    let code = credentials.has_totp.then(|| {
        view! { <CodeForm request=request.clone() proof=proof.clone() form=form.clone() days=days /> }
    });
    let (own_request, own_proof) = (request.clone(), proof.clone());
    view! {
        <p class="text-2">{user.profile.user_name}</p>
        {code}
        <Expander summary="Use a recovery code" open=lost>
            <Form action="/api/login/code" class="stack">
                <Carried request=own_request proof=own_proof />
                <TextField
                    name="recovery_code"
                    label="Recovery code"
                    kind=TextKind::Code
                    hint="Each works once. No code left? Your administrator can take your second factor away.".to_owned()
                    error=recovery_error
                    max_length=64
                    required=true
                />
                <Button>"Sign in with a recovery code"</Button>
            </Form>
        </Expander>
        <StartOver request=request proof=proof />
    }
    .into_any()
}

#[component]
fn CodeForm(request: String, proof: String, form: FormState, days: i64) -> impl IntoView {
    let remember = (days > 0).then(|| {
        let label = format!("Do not ask on this device for {days} days");
        view! { <CheckBox name="remember" label=label checked=form.checked("remember", false) /> }
    });
    view! {
        <Form action="/api/login/code" class="stack">
            <Carried request=request proof=proof />
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
            {remember}
            <Button look=Look::Primary>"Sign in"</Button>
        </Form>
    }
    .into_any()
}

/// For whom the page does not speak to.
#[component]
pub(super) fn StartOver(request: String, proof: String) -> impl IntoView {
    view! {
        <Form action="/api/login/start-over">
            <Carried request=request proof=proof />
            <Button look=Look::Quiet>"Sign in as somebody else"</Button>
        </Form>
    }
    .into_any()
}

/// Signed in, and this application is not theirs.
#[component]
pub(super) fn NotTheirs(request: String, proof: String, who: String) -> impl IntoView {
    view! {
        <p class="text-2">
            "You are signed in as " <b>{who}</b>
            ", who does not have this application. Ask your administrator for it."
        </p>
        <StartOver request=request proof=proof />
    }
    .into_any()
}
