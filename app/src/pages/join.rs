//! Where an operator's one-time link leads: they choose a password nobody else has seen.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::random::random_token;
use signpost_model::{Actor, Author, Operator, Random, Secret, Timestamp};
use signpost_store::{Read, TokenHash, Write, operator_links, operators};

use super::login::{NewPasswordFields, check_new_password};
use crate::access::{PUBLIC, Route};
use crate::components::{Button, ErrorSummary, Form, Look, TextField, TextKind};
use crate::error::PortalError;
use crate::forms::{Answer, FormState, Refusal, respond};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::shell::NarrowPage;
use crate::urls;
use crate::visit::{Notice, visit};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    ("GET", "/join/{token}", PUBLIC),
    ("POST", "/api/join", PUBLIC),
];

/// How long a link works: over a long weekend.
const LINK_DAYS: i64 = 4;

fn link_hash(token: &str) -> TokenHash {
    TokenHash::of("operator link", token)
}

/// Makes a link for an operator and returns its address, to be shown once.
pub(crate) async fn issue_link(
    portal: &Portal,
    tx: &mut Write,
    operator: &Operator,
    by: &Author,
    now: Timestamp,
) -> Result<Secret, PortalError> {
    let token = random_token(portal.random.as_ref());
    let until = now.plus_days(LINK_DAYS);
    operator_links::issue(tx, &link_hash(&token), operator, until, by, now).await?;
    let public = &portal.settings.public_url;
    Ok(Secret::new(format!(
        "{public}{}",
        urls::operator_link(&token)
    )))
}

/// A password that nobody knows, until its owner has chosen one.
pub(crate) fn unknown_password(random: &dyn Random) -> Secret {
    Secret::new(random_token(random))
}

/// The page.
#[component]
pub fn Join() -> impl IntoView {
    let token = use_params_map().with_untracked(|params| params.get("token").unwrap_or_default());
    page(async move {
        let portal = portal()?;
        // Looking does not use it up.
        let found = find(&mut portal.store.read().await?, &token, portal.clock.now()).await?;
        let form = visit().form_state();
        Ok(match found {
            Some(operator) => {
                view! { <ChoosePassword email=operator.email token=token form=form /> }.into_any()
            }
            None => view! { <NoLink /> }.into_any(),
        })
    })
}

/// Whose link it is; nobody's when they may not sign in.
async fn find(db: &mut Read, token: &str, now: Timestamp) -> Result<Option<Operator>, PortalError> {
    let Some(id) = operator_links::find(db, &link_hash(token), now).await? else {
        return Ok(None);
    };
    let operator = operators::find(db, id).await?;
    Ok(operator.filter(|operator| operator.disabled_at.is_none()))
}

#[component]
fn NoLink() -> impl IntoView {
    view! {
        <NarrowPage title="This link does not work any more">
            <p class="text-2">
                "It was used, it is too old, or a newer one was made. Ask an owner of this portal for another."
            </p>
            <p>
                <a href=urls::SIGN_IN>"Go to the sign-in page"</a>
            </p>
        </NarrowPage>
    }
    .into_any()
}

#[component]
fn ChoosePassword(email: String, token: String, form: FormState) -> impl IntoView {
    view! {
        <NarrowPage title="Choose your password">
            <ErrorSummary errors=form.problems() />
            <Form action="/api/join" class="stack">
                <input type="hidden" name="link" value=token />
                // Tells password managers whose password this is.
                <TextField
                    name="email"
                    label="Email"
                    kind=TextKind::Email
                    autocomplete="username"
                    value=email
                    read_only=true
                />
                <NewPasswordFields form=form />
                <Button look=Look::Primary>"Save password"</Button>
            </Form>
        </NarrowPage>
    }
    .into_any()
}

/// Sets the password and uses the link up. The link says whose it is, nothing else does.
#[server(prefix = "/api", endpoint = "join")]
pub async fn choose_operator_password(
    #[server(default)] link: String,
    #[server(default)] new_password: String,
    #[server(default)] repeat_password: String,
) -> Result<(), PortalError> {
    respond(async move {
        let portal = portal()?;
        let now = portal.clock.now();
        let here = own_address(&link)?;
        let found = find(&mut portal.store.read().await?, &link, now).await?;
        let Some(operator) = found else {
            // Their page says that the link is over.
            return Ok(Answer::to(here));
        };
        let password = Secret::new(new_password);
        let own_words = [operator.name.as_str(), operator.email.as_str()];
        check_new_password(&password, &repeat_password, &own_words).check(here.as_str())?;
        // Before the transaction: other writers must not wait for it.
        let random = portal.random.as_ref();
        let hash = portal.passwords.hash(&password, random).await?;
        let mut tx = portal.store.write().await?;
        // Of two at once, one gets it.
        if operator_links::take(&mut tx, &link_hash(&link), now).await? != Some(operator.id) {
            return Ok(Answer::to(here));
        }
        let author = Author {
            actor: Actor::Operator {
                id: operator.id,
                name: operator.name.clone(),
            },
            ..visit().author()
        };
        operators::set_password(&mut tx, operator.id, &hash, None, &author, now).await?;
        tx.commit().await?;
        let notice = Notice::success("Your password is saved. Sign in with it.");
        Ok(Answer::to(urls::SIGN_IN).notice(notice))
    })
    .await
}

/// The page of a link, if the text can be one.
fn own_address(token: &str) -> Result<String, Refusal> {
    let sound = !token.is_empty()
        && token.len() <= 64
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if sound {
        Ok(urls::operator_link(token))
    } else {
        Err(PortalError::NotFound.into())
    }
}
