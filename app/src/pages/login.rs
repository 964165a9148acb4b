//! Where users sign in: one page that asks for what is owed next, and ends in an answer.

mod acts;
mod enrol;
mod enrol_passkey;
mod finish;
mod forgotten;
mod forms;
mod frame;
mod passkey;
mod welcome;

use http::HeaderMap;
use http::request::Parts;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::access::{PUBLIC, Route};
use crate::components::LinkButton;
use crate::error::PortalError;
use crate::login::ask::{self, NotKept};
use crate::login::flow::{self, Ending, Found, Owing, Step, Waiting};
use crate::login::{Ask, session};
use crate::passkeys::{self, Challenge, Enrolment};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::shell::NarrowPage;
use crate::urls;
use crate::visit::visit;

pub use acts::{login_with_code, login_with_password, start_login_over};
pub use enrol::{begin_login_enrolment, confirm_login_enrolment};
pub use enrol_passkey::{begin_login_passkey_enrolment, confirm_login_passkey_enrolment};
pub use forgotten::{Forgotten, ask_for_link};
pub use passkey::{begin_login_passkey, cancel_login_passkey, login_with_passkey};
pub use welcome::{Welcome, set_first_password};

pub(crate) use enrol::{CodeField, Codes, SeedView, fresh_codes};
pub(crate) use passkey::AskDevice;
pub(crate) use welcome::{NewPasswordFields, check_new_password, link_hash};

use enrol::EnrolForms;
use finish::{PostPage, send_login_policy};
use forms::{FactorForms, PasswordForm};
use frame::LoginPage;

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/login", PUBLIC),
    ("GET", "/login/forgotten", PUBLIC),
    ("GET", "/signed-out", PUBLIC),
    ("GET", "/welcome/{token}", PUBLIC),
    ("POST", "/api/login/password", PUBLIC),
    ("POST", "/api/login/code", PUBLIC),
    ("POST", "/api/login/enrol", PUBLIC),
    ("POST", "/api/login/enrol/begin", PUBLIC),
    ("POST", "/api/login/enrol/passkey", PUBLIC),
    ("POST", "/api/login/enrol/passkey/begin", PUBLIC),
    ("POST", "/api/login/forgotten", PUBLIC),
    ("POST", "/api/login/passkey", PUBLIC),
    ("POST", "/api/login/passkey/begin", PUBLIC),
    ("POST", "/api/login/passkey/cancel", PUBLIC),
    ("POST", "/api/login/start-over", PUBLIC),
    ("POST", "/api/welcome", PUBLIC),
];

/// The page.
#[component]
pub fn Login() -> impl IntoView {
    let request = use_query_map().with_untracked(|query| query.get("request").unwrap_or_default());
    page(async move {
        let (portal, headers) = (portal()?, headers()?);
        if request.is_empty() {
            return begin_own(&portal, &headers).await;
        }
        Ok(match flow::find(&portal, &headers, &request).await? {
            Found::Nothing => view! { <TooLate /> }.into_any(),
            Found::Finished => view! { <AlreadyDone /> }.into_any(),
            Found::Waiting(waiting) => show(&portal, &headers, *waiting).await?,
        })
    })
}

/// The headers of the request being answered.
pub(crate) fn headers() -> Result<HeaderMap, PortalError> {
    use_context::<Parts>()
        .map(|parts| parts.headers)
        .ok_or(PortalError::BadRequest)
}

/// Nobody sent them: they want to their own page.
async fn begin_own(portal: &Portal, headers: &HeaderMap) -> Result<AnyView, PortalError> {
    let to = match session::find(portal, headers).await? {
        Some(_) => urls::OWN_PAGE.to_owned(),
        None => match ask::keep(portal, None, &Ask::OwnPage).await {
            Ok(to) => to,
            Err(NotKept::Error(error)) => return Err(error),
            Err(NotKept::Replayed) => return Err(PortalError::BadRequest),
        },
    };
    leptos_axum::redirect(&to);
    Ok(().into_any())
}

async fn show(
    portal: &Portal,
    headers: &HeaderMap,
    waiting: Waiting,
) -> Result<AnyView, PortalError> {
    if let Ask::SamlLogout { .. } = waiting.ask {
        let ending = flow::answer_logout(portal, headers, &waiting).await?;
        return Ok(end(waiting, ending, None));
    }
    let form = visit().form_state();
    let offers_passkeys = passkeys::find(portal).is_some();
    let step = flow::next(portal, headers, &waiting).await?;
    if let (Some(enrolment), Step::Enrol(owing)) = (enrolment_of(&waiting), &step) {
        send_login_policy(None);
        let name = owing.user.profile.user_name.clone();
        return Ok(view! {
            <LoginPage title="Set up a passkey" issuer=waiting.issuer.clone() errors=form.problems()>
                <enrol_passkey::Waits
                    request=waiting.token.clone()
                    proof=waiting.proof()
                    enrolment=enrolment
                    name=name
                />
            </LoginPage>
        }
        .into_any());
    }
    if let Some(challenge) = challenge_for(&waiting, &step) {
        send_login_policy(None);
        return Ok(view! {
            <LoginPage title="Sign in with a passkey" issuer=waiting.issuer.clone() errors=form.problems()>
                <passkey::Waits request=waiting.token.clone() proof=waiting.proof() challenge=challenge />
            </LoginPage>
        }
        .into_any());
    }
    Ok(match step {
        Step::Ready { user, session } => {
            // Once, before the browser leaves: nobody sees them later.
            if let Some(codes) = enrol::take_codes(portal, &user).await? {
                send_login_policy(None);
                return Ok(view! {
                    <LoginPage title="Keep your recovery codes" issuer=waiting.issuer.clone() errors=Vec::new()>
                        <enrol::Codes codes=codes go_on=urls::login(&waiting.token) />
                    </LoginPage>
                }
                .into_any());
            }
            let ending = flow::answer(portal, &waiting, &user, &session).await?;
            end(waiting, ending, Some(user.profile.user_name))
        }
        Step::MayNotAsk => {
            let ending = flow::answer_no_passive(portal, &waiting).await?;
            end(waiting, ending, None)
        }
        Step::Password { user_name } => {
            send_login_policy(None);
            let mails_resets = forgotten::is_offered(portal).await?;
            view! {
                <LoginPage title="Sign in" issuer=waiting.issuer.clone() errors=form.problems()>
                    <PasswordForm
                        request=waiting.token.clone()
                        proof=waiting.proof()
                        form=form
                        user_name=user_name
                        mails_resets=mails_resets
                    />
                    {offers_passkeys.then(|| view! { <passkey::Offer request=waiting.token.clone() proof=waiting.proof() /> })}
                </LoginPage>
            }
            .into_any()
        }
        Step::Factor(owing) => {
            send_login_policy(None);
            let days = waiting.device_days();
            let Owing {
                user, credentials, ..
            } = *owing;
            let has_passkey = credentials.passkeys > 0;
            view! {
                <LoginPage title="One more step" issuer=waiting.issuer.clone() errors=form.problems()>
                    <FactorForms
                        request=waiting.token.clone()
                        proof=waiting.proof()
                        form=form
                        user=user
                        credentials=credentials
                        days=days
                    />
                    {(offers_passkeys && has_passkey)
                        .then(|| view! { <passkey::Offer request=waiting.token.clone() proof=waiting.proof() /> })}
                </LoginPage>
            }
            .into_any()
        }
        Step::Enrol(owing) => {
            send_login_policy(None);
            view! {
                <LoginPage title="Set up a second factor" issuer=waiting.issuer.clone() errors=form.problems()>
                    <EnrolForms
                        request=waiting.token.clone()
                        proof=waiting.proof()
                        form=form
                        owing=*owing
                        offers_passkeys=offers_passkeys
                    />
                </LoginPage>
            }
            .into_any()
        }
    })
}

/// The challenge that waits for a passkey, where one may answer now.
fn challenge_for(waiting: &Waiting, step: &Step) -> Option<Challenge> {
    let challenge = serde_json::from_str(waiting.challenge.as_deref()?).ok()?;
    let fits = matches!(
        (&challenge, step),
        (Challenge::Anybody(_), Step::Password { .. }) | (Challenge::User(_), Step::Factor(_))
    );
    fits.then_some(challenge)
}

/// The new passkey that waits for its device.
fn enrolment_of(waiting: &Waiting) -> Option<Enrolment> {
    match serde_json::from_str(waiting.challenge.as_deref()?).ok()? {
        Challenge::New(enrolment) => Some(enrolment),
        _ => None,
    }
}

fn end(waiting: Waiting, ending: Ending, user_name: Option<String>) -> AnyView {
    match ending {
        Ending::Post(form) => view! { <PostPage form=form issuer=waiting.issuer /> }.into_any(),
        Ending::Go(to) => {
            leptos_axum::redirect(to);
            ().into_any()
        }
        Ending::Finished => view! { <AlreadyDone /> }.into_any(),
        Ending::NotTheirs => {
            let (who, proof) = (user_name.unwrap_or_default(), waiting.proof());
            send_login_policy(None);
            view! {
                <LoginPage title="No access" issuer=waiting.issuer errors=Vec::new()>
                    <forms::NotTheirs request=waiting.token proof=proof who=who />
                </LoginPage>
            }
            .into_any()
        }
    }
}

#[component]
fn TooLate() -> impl IntoView {
    view! {
        <NarrowPage title="Start again">
            <p class="text-2">
                "Too much time has passed, or this sign-in began in another browser. Go back to where you came from and sign in again."
            </p>
        </NarrowPage>
    }
    .into_any()
}

#[component]
fn AlreadyDone() -> impl IntoView {
    view! {
        <NarrowPage title="Already done">
            <p class="text-2">
                "This sign-in was used. If you did not arrive, go back to where you came from and sign in again."
            </p>
        </NarrowPage>
    }
    .into_any()
}

/// What users see after signing out.
#[component]
pub fn SignedOut() -> impl IntoView {
    page(async {
        Ok(view! {
            <NarrowPage title="Signed out">
                <p class="text-2">
                    "You are signed out here. Close the browser to be sure that every application forgets you."
                </p>
                <div class="row">
                    <LinkButton href=urls::LOGIN>"Sign in again"</LinkButton>
                </div>
            </NarrowPage>
        }
        .into_any())
    })
}
