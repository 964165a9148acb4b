//! Where a one-time link leads: a user sets a password, the first or a new one.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::Secret;
use signpost_store::one_time_links::{self, LinkPurpose};
use signpost_store::{TokenHash, credentials, users};

use crate::components::{Button, ErrorSummary, Form, Look, TextField, TextKind};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Refusal, respond};
use crate::login::Ask;
use crate::login::ask;
use crate::login::session::author_of;
use crate::passwords;
use crate::portal::portal;
use crate::root::page;
use crate::shell::NarrowPage;
use crate::urls;
use crate::visit::{Notice, visit};

/// What the database knows a link by.
pub(crate) fn link_hash(token: &str) -> TokenHash {
    TokenHash::of("one-time link", token)
}

/// The page.
#[component]
pub fn Welcome() -> impl IntoView {
    let token = use_params_map().with_untracked(|params| params.get("token").unwrap_or_default());
    page(async move {
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let now = portal.clock.now();
        // Looking does not use it up.
        let link = one_time_links::find(&mut read, &link_hash(&token), now).await?;
        let user = match &link {
            Some(link) => users::find(&mut read, link.user_id).await?,
            None => None,
        };
        drop(read);
        let form = visit().form_state();
        Ok(
            match (link, user.filter(|user| user.deleted_at.is_none())) {
                (Some(link), Some(user)) => {
                    let title = match link.purpose {
                        LinkPurpose::Invitation => "Choose your password",
                        LinkPurpose::Reset => "Choose a new password",
                    };
                    let name = user.profile.user_name;
                    view! { <SetPassword title=title name=name token=token form=form /> }.into_any()
                }
                _ => view! { <NoLink /> }.into_any(),
            },
        )
    })
}

#[component]
fn NoLink() -> impl IntoView {
    view! {
        <NarrowPage title="This link does not work any more">
            <p class="text-2">
                "It was used, it is too old, or a newer one was made. Ask your administrator for another."
            </p>
        </NarrowPage>
    }
    .into_any()
}

#[component]
fn SetPassword(title: &'static str, name: String, token: String, form: FormState) -> impl IntoView {
    view! {
        <NarrowPage title=title>
            <ErrorSummary errors=form.problems() />
            <Form action="/api/welcome" class="stack">
                <input type="hidden" name="link" value=token />
                // Tells password managers whose password this is.
                <TextField
                    name="user_name"
                    label="User name"
                    kind=TextKind::Email
                    autocomplete="username"
                    value=name
                    read_only=true
                />
                <NewPasswordFields form=form />
                <Button look=Look::Primary>"Save password"</Button>
            </Form>
        </NarrowPage>
    }
    .into_any()
}

/// The new password, twice.
#[component]
pub(crate) fn NewPasswordFields(form: FormState) -> impl IntoView {
    view! {
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
            label="Repeat the new password"
            kind=TextKind::Password
            autocomplete="new-password"
            error=form.error("repeat_password")
            required=true
        />
    }
    .into_any()
}

/// What is wrong with a new password of this user.
pub(crate) fn check_new_password(
    password: &Secret,
    repeated: &str,
    own_words: &[&str],
) -> FormErrors {
    let mut errors = FormErrors::new();
    if let Err(text) = passwords::check_new(password, own_words) {
        errors.add("new_password", text);
    } else if password.expose() != repeated {
        errors.add("repeat_password", "This is not the same password");
    }
    errors
}

/// Sets the password and uses the link up. The link says whose it is, nothing else does.
#[server(prefix = "/api", endpoint = "welcome")]
pub async fn set_first_password(
    #[server(default)] link: String,
    #[server(default)] new_password: String,
    #[server(default)] repeat_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let portal = portal()?;
        let now = portal.clock.now();
        let (hash, here) = (link_hash(&link), own_address(&link)?);
        let mut read = portal.store.read().await?;
        let Some(found) = one_time_links::find(&mut read, &hash, now).await? else {
            return Err(FormErrors::new().refuse(here));
        };
        let user = users::find(&mut read, found.user_id).await?;
        drop(read);
        let user = user
            .filter(|user| user.deleted_at.is_none())
            .ok_or(PortalError::NotFound)?;
        let password = Secret::new(new_password);
        let own_words = [
            user.profile.user_name.as_str(),
            user.profile.display_name.as_str(),
            user.profile.mail.as_str(),
        ];
        check_new_password(&password, &repeat_password, &own_words).check(here.as_str())?;
        let stored = portal
            .passwords
            .hash(&password, portal.random.as_ref())
            .await?;
        let mut tx = portal.store.write().await?;
        // Of two at once, one gets it.
        if one_time_links::take(&mut tx, &hash, now).await?.is_none() {
            return Err(FormErrors::new().refuse(here));
        }
        let author = author_of(&user, &visit().address);
        credentials::set_password(&mut tx, &user, &stored, None, &author, now).await?;
        tx.commit().await?;
        let to = match ask::keep(&portal, None, &Ask::OwnPage).await {
            Ok(to) => to,
            Err(_) => urls::LOGIN.to_owned(),
        };
        Ok(Answer::to(to).notice(Notice::success("Your password is saved. Sign in with it.")))
    })
    .await
}

/// The page of a link, if the text can be one.
fn own_address(token: &str) -> Result<String, Refusal> {
    let sound = token.len() == 32
        && token
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if sound {
        Ok(urls::one_time_link(token))
    } else {
        Err(PortalError::NotFound.into())
    }
}
