//! The first start: the setup code makes the first owner, once.

use http::header::USER_AGENT;
use leptos::prelude::*;
use signpost_model::{OperatorId, Role, Secret, text};
use signpost_store::operators::NewOperator;
use signpost_store::{TokenHash, setup, throttles};

use crate::access::{PUBLIC, Route};
use crate::components::{Button, ErrorSummary, Form, Look, TextField, TextKind};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, respond, session};
use crate::passwords;
use crate::portal::portal;
use crate::root::page;
use crate::session::{begin, is_set_up};
use crate::shell::NarrowPage;
use crate::urls;
use crate::visit::{Notice, visit};

/// The routes of this page.
pub const ROUTES: &[Route] = &[("GET", "/setup", PUBLIC), ("POST", "/api/setup", PUBLIC)];

/// What a setup code is hashed for.
pub const CODE_PURPOSE: &str = "setup code";

/// The page.
#[component]
pub fn Setup() -> impl IntoView {
    page(async {
        if is_set_up(&portal()?).await? {
            leptos_axum::redirect(urls::SIGN_IN);
        }
        let form = visit().form_state();
        Ok(view! {
            <NarrowPage title="Set up Signpost">
                <p class="text-2">
                    "The first person becomes the owner: they run the portal and invite others. The setup code was printed when the server started."
                </p>
                <ErrorSummary errors=form.problems() />
                <Form action="/api/setup" class="stack">
                    <TextField
                        name="setup_code"
                        label="Setup code"
                        kind=TextKind::Code
                        autocomplete="off"
                        required=true
                        error=form.error("setup_code")
                    />
                    <TextField
                        name="name"
                        label="Your name"
                        autocomplete="name"
                        value=form.value("name", "")
                        required=true
                        error=form.error("name")
                    />
                    <TextField
                        name="email"
                        label="Email"
                        kind=TextKind::Email
                        autocomplete="username"
                        value=form.value("email", "")
                        required=true
                        error=form.error("email")
                    />
                    <TextField
                        name="password"
                        label="Password"
                        kind=TextKind::Password
                        autocomplete="new-password"
                        hint=format!("At least {} characters. A few words in a row are good.", passwords::SHORTEST)
                        required=true
                        error=form.error("password")
                    />
                    <Button look=Look::Primary>"Create owner"</Button>
                </Form>
            </NarrowPage>
        })
    })
}

/// Makes the first owner and signs them in.
#[server(prefix = "/api", endpoint = "setup")]
pub async fn create_owner(
    #[server(default)] setup_code: String,
    #[server(default)] name: String,
    #[server(default)] email: String,
    #[server(default)] password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let (portal, visit) = (portal()?, visit());
        let now = portal.clock.now();
        let password = Secret::new(password);
        let mut errors = FormErrors::new();
        if setup_code.trim().is_empty() {
            errors.add("setup_code", "Enter the setup code");
        }
        check_person(&mut errors, &name, &email);
        if let Err(text) = passwords::check_new(&password, &[&name, &email]) {
            errors.add("password", text);
        }
        errors.check(urls::SETUP)?;

        let key = format!("setup:{}", visit.address);
        if throttles::find_block(&mut *portal.store.read().await?, &key, now)
            .await?
            .is_some()
        {
            return Err(
                FormErrors::summary("Too many tries. Wait a few minutes, then try again.")
                    .refuse(urls::SETUP),
            );
        }
        let owner = NewOperator {
            id: OperatorId::mint(now, portal.random.as_ref()),
            email: email.trim().to_owned(),
            name: name.trim().to_owned(),
            role: Role::Owner,
            password_hash: portal
                .passwords
                .hash(&password, portal.random.as_ref())
                .await?,
        };
        let mut tx = portal.store.write().await?;
        let code = TokenHash::of(CODE_PURPOSE, setup_code.trim());
        if !setup::complete(&mut tx, &code, &owner, &visit.author(), now).await? {
            throttles::record_failure(&mut tx, &key, &throttles::ThrottleRule::default(), now)
                .await?;
            tx.commit().await?;
            return Err(FormErrors::field(
                "setup_code",
                "This is not the setup code. It was printed when the server started.",
            )
            .refuse(urls::SETUP));
        }
        tx.commit().await?;
        begin(
            &portal,
            &session()?,
            owner.id,
            &visit.address,
            &user_agent(),
        )
        .await?;
        Ok(Answer::to(urls::OVERVIEW).notice(Notice::success(
            "Welcome. You are the owner of this portal.",
        )))
    })
    .await
}

/// What is wrong with an operator's name and address.
pub fn check_person(errors: &mut FormErrors, name: &str, email: &str) {
    check_name(errors, name);
    if !text::is_mail_address(email.trim()) {
        errors.add("email", "Enter an email address such as ada@contoso.com");
    }
}

/// What is wrong with an operator's name.
pub fn check_name(errors: &mut FormErrors, name: &str) {
    if name.trim().is_empty() || name.chars().count() > 256 || name.chars().any(char::is_control) {
        errors.add("name", "Enter a name of up to 256 characters");
    }
}

/// What the browser calls itself.
pub fn user_agent() -> String {
    use_context::<http::request::Parts>()
        .and_then(|parts| {
            parts
                .headers
                .get(USER_AGENT)?
                .to_str()
                .ok()
                .map(str::to_owned)
        })
        .unwrap_or_default()
}
