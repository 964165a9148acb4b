//! How a user signs in, and what an operator does about it: a link for a password, lost factors,
//! open sessions.

use leptos::prelude::*;
use signpost_model::random::random_token;
use signpost_model::{Role, Secret, Timestamp, User, UserId};
use signpost_store::credentials::{self, Credentials};
use signpost_store::one_time_links::{self, LinkPurpose};
use signpost_store::{Read, Write, user_sessions, users};

use crate::components::{Badge, Button, Card, Form, Look, Notice as Note, SecretOnce, Tone};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Refusal, respond, session};
use crate::pages::login::link_hash;
use crate::portal::{Portal, portal};
use crate::shown_once::{self, Kind};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// How long an invitation works: over a long weekend.
const INVITATION_DAYS: i64 = 4;
/// How long a link for a forgotten password works.
const RESET_DAYS: i64 = 1;

/// What the card shows.
#[derive(Debug, Clone)]
pub(super) struct SigningIn {
    credentials: Credentials,
    sessions: usize,
    /// A link that was just made, this once.
    link: Option<Secret>,
}

pub(super) async fn load(
    read: &mut Read,
    portal: &Portal,
    id: UserId,
) -> Result<SigningIn, PortalError> {
    let now = portal.clock.now();
    Ok(SigningIn {
        credentials: credentials::find(read, id).await?,
        sessions: user_sessions::list(read, id, now).await?.len(),
        link: shown_once::take(portal, &session()?, Kind::OneTimeLink, &id.to_string()).await?,
    })
}

/// The card on the user's page.
#[component]
pub(super) fn SigningInCard(user: User, signing_in: SigningIn) -> impl IntoView {
    let may = visit().may(Role::Administrator) && user.deleted_at.is_none();
    let SigningIn {
        credentials,
        sessions,
        link,
    } = signing_in;
    let has_password = credentials.password_hash.is_some();
    let has_factor = credentials.has_factor();
    let link = link.map(|link| {
        view! {
            <Note tone=Tone::Info title="Give this link to the user.">
                "It lets whoever has it set the password, once."
                <SecretOnce id="one-time-link" secret=link.expose().to_owned() noun="link" />
            </Note>
        }
    });
    let acts = may.then(|| {
        view! { <Acts id=user.id has_password=has_password has_factor=has_factor sessions=sessions /> }
    });
    view! {
        <Card id="signing-in" title="Signing in to Microsoft 365">
            <div class="card__body stack">
                {link}
                <dl class="facts">
                    <div>
                        <dt>"Password"</dt>
                        <dd>{state(has_password, "Set", "Not set yet")}</dd>
                    </div>
                    <div>
                        <dt>"Second factor"</dt>
                        <dd>{state(has_factor, "On", "Off")}</dd>
                    </div>
                    <div>
                        <dt>"Open sessions"</dt>
                        <dd>{sessions}</dd>
                    </div>
                </dl>
                {acts}
            </div>
        </Card>
    }
    .into_any()
}

fn state(holds: bool, yes: &'static str, no: &'static str) -> AnyView {
    let (tone, word) = if holds {
        (Tone::Ok, yes)
    } else {
        (Tone::Plain, no)
    };
    view! { <Badge tone=tone>{word}</Badge> }.into_any()
}

#[component]
fn Acts(id: UserId, has_password: bool, has_factor: bool, sessions: usize) -> impl IntoView {
    let word = if has_password {
        "Reset password"
    } else {
        "Invite"
    };
    let factor = has_factor.then(|| {
        view! { <Act id=id to="/api/users/remove-factors" look=Look::Danger word="Remove second factors" /> }
    });
    let sessions = (sessions > 0)
        .then(|| view! { <Act id=id to="/api/users/end-sessions" look=Look::Plain word="End sessions" /> });
    view! {
        <div class="row">
            <Act id=id to="/api/users/invite" look=Look::Plain word=word />
            {factor}
            {sessions}
        </div>
    }
    .into_any()
}

#[component]
fn Act(id: UserId, to: &'static str, look: Look, word: &'static str) -> impl IntoView {
    view! {
        <Form action=to>
            <input type="hidden" name="id" value=id.to_string() />
            <Button look=look>{word}</Button>
        </Form>
    }
    .into_any()
}

/// The user that an act is about, in the transaction that will carry it out.
struct Doing {
    portal: Portal,
    tx: Write,
    user: User,
    now: Timestamp,
    here: String,
}

impl Doing {
    async fn begin(id: &str) -> Result<Self, Refusal> {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id: UserId = id.parse().map_err(|_| PortalError::NotFound)?;
        let mut tx = portal.store.write().await?;
        let user = users::find(&mut tx, id).await?;
        let user = user
            .filter(|user| user.deleted_at.is_none())
            .ok_or(PortalError::NotFound)?;
        Ok(Self {
            now: portal.clock.now(),
            portal,
            tx,
            user,
            here: urls::user(id),
        })
    }

    async fn finish(self, what: &str) -> Result<Answer, Refusal> {
        self.tx.commit().await?;
        let text = format!("{} {what}.", self.user.profile.display_name);
        Ok(Answer::to(self.here).notice(Notice::success(text)))
    }
}

/// Makes a link with which the user sets a password, and shows it once.
#[server(prefix = "/api", endpoint = "users/invite")]
pub async fn invite_user(#[server(default)] id: String) -> Result<(), PortalError> {
    respond(async move {
        let mut doing = Doing::begin(&id).await?;
        if !doing.user.enabled {
            let text = "This user is disabled and may not sign in. Enable them first.";
            return Err(FormErrors::summary(text).refuse(doing.here));
        }
        let known = credentials::find(&mut doing.tx, doing.user.id).await?;
        let (purpose, days) = match known.password_hash {
            None => (LinkPurpose::Invitation, INVITATION_DAYS),
            Some(_) => (LinkPurpose::Reset, RESET_DAYS),
        };
        let token = random_token(doing.portal.random.as_ref());
        let (hash, until) = (link_hash(&token), doing.now.plus_days(days));
        let (author, now) = (visit().author(), doing.now);
        one_time_links::issue(
            &mut doing.tx,
            &hash,
            &doing.user,
            purpose,
            until,
            &author,
            now,
        )
        .await?;
        let portal = doing.portal.clone();
        let whom = doing.user.id.to_string();
        let public = &portal.settings.public_url;
        let link = Secret::new(format!("{public}{}", urls::one_time_link(&token)));
        let answer = doing
            .finish(&format!(
                "can set a password for {days} {} with the link below",
                if days == 1 { "day" } else { "days" }
            ))
            .await?;
        shown_once::keep(&portal, &session()?, Kind::OneTimeLink, &whom, &link).await?;
        Ok(answer)
    })
    .await
}

/// Takes lost second factors away.
#[server(prefix = "/api", endpoint = "users/remove-factors")]
pub async fn remove_user_factors(#[server(default)] id: String) -> Result<(), PortalError> {
    respond(async move {
        let mut doing = Doing::begin(&id).await?;
        let known = credentials::find(&mut doing.tx, doing.user.id).await?;
        // A second click finds done what it wanted.
        if known.has_factor() {
            let (author, now) = (visit().author(), doing.now);
            credentials::remove_factors(&mut doing.tx, &doing.user, &author, now).await?;
        }
        doing.finish("has no second factor now").await
    })
    .await
}

/// Ends every session of the user here; what applications remember is theirs.
#[server(prefix = "/api", endpoint = "users/end-sessions")]
pub async fn end_user_sessions(#[server(default)] id: String) -> Result<(), PortalError> {
    respond(async move {
        let mut doing = Doing::begin(&id).await?;
        let (author, now) = (visit().author(), doing.now);
        user_sessions::end_others(&mut doing.tx, &doing.user, None, &author, now).await?;
        doing.finish("is signed out here").await
    })
    .await
}
