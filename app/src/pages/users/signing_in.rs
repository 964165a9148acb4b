//! How a user signs in, and what an operator does about it: a link for a password, lost factors,
//! open sessions.

use leptos::prelude::*;
use signpost_model::{Role, Secret, Timestamp, User, UserId};
use signpost_store::credentials::{self, Credentials};
use signpost_store::mails::{self, Mail};
use signpost_store::{Read, Write, mail_settings, user_sessions, users};

use crate::components::{Badge, Button, Card, Form, Look, Notice as Note, SecretOnce, Tone};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Refusal, respond, session};
use crate::mailing;
use crate::pages::settings::MailOutcome;
use crate::portal::{Portal, portal};
use crate::shown_once::{self, Kind};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// What the card shows.
#[derive(Debug, Clone)]
pub(super) struct SigningIn {
    credentials: Credentials,
    sessions: usize,
    /// A link that was just made, this once.
    link: Option<Secret>,
    /// Whether a link can be mailed.
    mails: bool,
    /// What became of the newest mail to them.
    mail: Option<Mail>,
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
        mails: mail_settings::find(read).await?.is_some(),
        mail: mails::find_newest_of_user(read, id).await?,
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
        mails,
        mail,
    } = signing_in;
    let to = (mails && user.enabled && signpost_mail::is_address(&user.profile.mail))
        .then(|| user.profile.mail.clone());
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
        view! {
            <Acts id=user.id has_password=has_password has_factor=has_factor sessions=sessions mail_to=to />
        }
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
                    {mail.map(|mail| view! {
                        <div>
                            <dt>"Mail to "{mail.recipient.clone()}</dt>
                            <dd><MailOutcome mail=mail /></dd>
                        </div>
                    })}
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
fn Acts(
    id: UserId,
    has_password: bool,
    has_factor: bool,
    sessions: usize,
    /// Where a link can be mailed to.
    mail_to: Option<String>,
) -> impl IntoView {
    let (word, mailed) = if has_password {
        ("Reset password", "Mail a link for a new password")
    } else {
        ("Invite", "Mail the invitation")
    };
    let mailed = mail_to.map(|address| {
        view! {
            <div class="stack stack--tight">
                <Form action="/api/users/invite">
                    <input type="hidden" name="id" value=id.to_string() />
                    <input type="hidden" name="by" value="mail" />
                    <Button>{mailed}</Button>
                </Form>
                <p class="hint">
                    "It goes to "{address}". A mailbox that is behind this very sign-in cannot be opened with it: then give the link in another way."
                </p>
            </div>
        }
    });
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
        {mailed}
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

/// Makes a link with which the user sets a password; shows it once, or mails it.
#[server(prefix = "/api", endpoint = "users/invite")]
pub async fn invite_user(
    #[server(default)] id: String,
    #[server(default)] by: String,
) -> Result<(), PortalError> {
    respond(async move {
        let mut doing = Doing::begin(&id).await?;
        if !doing.user.enabled {
            let text = "This user is disabled and may not sign in. Enable them first.";
            return Err(FormErrors::summary(text).refuse(doing.here));
        }
        let portal = doing.portal.clone();
        let (author, now) = (visit().author(), doing.now);
        let Doing { tx, user, .. } = &mut doing;
        let link = mailing::make_link(tx, &portal, user, &author, now).await?;
        let days = match link.days {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        };
        if by == "mail" {
            if mail_settings::find(tx).await?.is_none() {
                let text = "No mail server is set up. An owner does so under Settings, Mail.";
                return Err(FormErrors::summary(text).refuse(doing.here));
            }
            if !mailing::queue_link(tx, &portal, user, &link, now).await? {
                let text = "Too many mails wait already. Give the link in another way.";
                return Err(FormErrors::summary(text).refuse(doing.here));
            }
            let answer = doing
                .finish(&format!(
                    "gets a link by mail, to set a password for {days}"
                ))
                .await?;
            portal.mailer.notify_one();
            return Ok(answer);
        }
        let whom = user.id.to_string();
        let answer = doing
            .finish(&format!(
                "can set a password for {days} with the link below"
            ))
            .await?;
        let session = session()?;
        shown_once::keep(&portal, &session, Kind::OneTimeLink, &whom, &link.address).await?;
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
