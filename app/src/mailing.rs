//! Mail about passwords: what it says, who asked for it, and handing it to the server.
//!
//! Posts only put something in line: a person who forgot their password gets the same answer in
//! the same time, known or not. The line is worked off here, by the server's own task.

use signpost_mail::Mail as Message;
use signpost_model::audit::Subject;
use signpost_model::mail::MailKind;
use signpost_model::random::random_token;
use signpost_model::time::HOUR_MS;
use signpost_model::{Actor, ApplicationId, Author, Role, Secret, Timestamp, User};
use signpost_store::mail_settings::{self, MailSettings};
use signpost_store::mails::{self, Failed, NewMail};
use signpost_store::one_time_links::{self, LinkPurpose};
use signpost_store::password_requests;
use signpost_store::{Write, applications, audit, claims, credentials, operators, settings, users};

use crate::error::PortalError;
use crate::pages::login::link_hash;
use crate::portal::Portal;
use crate::urls;

/// How long an invitation works: over a long weekend.
pub const INVITATION_DAYS: i64 = 4;
/// How long a link for a forgotten password works.
pub const RESET_DAYS: i64 = 1;
/// A request that waited longer is not answered: its person has gone on.
const PATIENCE_MS: i64 = HOUR_MS;

/// A link that was made for a user.
#[derive(Debug)]
pub struct Link {
    pub address: Secret,
    pub purpose: LinkPurpose,
    pub days: i64,
}

/// Makes a link with which a user sets a password, the first or a new one.
pub async fn make_link(
    tx: &mut Write,
    portal: &Portal,
    user: &User,
    by: &Author,
    now: Timestamp,
) -> Result<Link, PortalError> {
    let known = credentials::find(tx, user.id).await?;
    let (purpose, days) = match known.password_hash {
        None => (LinkPurpose::Invitation, INVITATION_DAYS),
        Some(_) => (LinkPurpose::Reset, RESET_DAYS),
    };
    let token = random_token(portal.random.as_ref());
    let (hash, until) = (link_hash(&token), now.plus_days(days));
    one_time_links::issue(tx, &hash, user, purpose, until, by, now).await?;
    // From the configured address, never from a request.
    let public = &portal.settings.public_url;
    Ok(Link {
        address: Secret::new(format!("{public}{}", urls::one_time_link(&token))),
        purpose,
        days,
    })
}

/// Puts a mail with this link in line; `false` when the line is full.
pub async fn queue_link(
    tx: &mut Write,
    portal: &Portal,
    user: &User,
    link: &Link,
    now: Timestamp,
) -> Result<bool, PortalError> {
    let organisation = settings::find(tx, &settings::ORGANISATION_NAME).await?;
    let organisation = organisation.unwrap_or_default();
    let (kind, subject, why) = words(link.purpose, &organisation);
    let body = Secret::new(format!(
        "Hello {name},\n\n{why}\n\n{address}\n\nThe link works once, for {days}. Your user name is {user_name}.\n\
         {ignore}\n",
        name = user.profile.display_name,
        address = link.address.expose(),
        days = if link.days == 1 {
            "one day".to_owned()
        } else {
            format!("{} days", link.days)
        },
        user_name = user.profile.user_name,
        ignore = match link.purpose {
            LinkPurpose::Invitation => "Nobody who asks for your password means well.",
            LinkPurpose::Reset =>
                "If you did not ask for this, do nothing: your password stays as it is.",
        },
    ));
    let new = NewMail {
        kind,
        user_id: Some(user.id),
        recipient: &user.profile.mail,
        subject: &subject,
        body: &body,
        expires_at: now.plus_days(link.days),
    };
    let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
    Ok(mails::queue(tx, sealer, random, &new, now).await?.is_some())
}

fn words(purpose: LinkPurpose, organisation: &str) -> (MailKind, String, &'static str) {
    let of = |text: &str| match organisation {
        "" => text.to_owned(),
        name => format!("{name}: {text}"),
    };
    match purpose {
        LinkPurpose::Invitation => (
            MailKind::Invitation,
            of("choose your password"),
            "Choose the password with which you sign in to Microsoft 365:",
        ),
        LinkPurpose::Reset => (
            MailKind::Reset,
            of("choose a new password"),
            "Choose a new password for Microsoft 365:",
        ),
    }
}

/// Tells everybody who can do something about it that an application's connection keeps failing.
/// Nobody is told who has no server to take the mail: the banner on every page says it too.
pub async fn queue_quarantine(
    tx: &mut Write,
    portal: &Portal,
    application: ApplicationId,
    why: &str,
    now: Timestamp,
) -> Result<(), signpost_store::Error> {
    let named = applications::find(tx, application).await?;
    let (Some(application), Some(_)) = (named, mail_settings::find(tx).await?) else {
        return Ok(());
    };
    let body = Secret::new(format!(
        "The connection of {name} to Microsoft 365 keeps failing:\n\n{why}\n\n\
         Signpost tries again by itself, ever more rarely, and writes once until it works again.\n\
         The Runs of the application show what was tried and what each change met.\n{link}",
        name = application.name,
        // A worker without a portal knows no address.
        link = match portal.settings.public_url.as_str() {
            "" => String::new(),
            public => format!("\n{public}{}\n", urls::application_runs(application.id)),
        },
    ));
    let subject = format!("{}: the connection keeps failing", application.name);
    let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
    for operator in operators::list(tx).await? {
        if operator.role == Role::Auditor || operator.disabled_at.is_some() {
            continue;
        }
        let new = NewMail {
            kind: MailKind::Alert,
            user_id: None,
            recipient: &operator.email,
            subject: &subject,
            body: &body,
            expires_at: now.plus_days(1),
        };
        if mails::queue(tx, sealer, random, &new, now).await?.is_none() {
            tracing::warn!("too much mail waits: not every operator is told");
            break;
        }
    }
    Ok(())
}

/// Answers the oldest request of somebody who forgot their password; `false` when none waits.
pub async fn answer_next_request(portal: &Portal) -> Result<bool, PortalError> {
    let now = portal.clock.now();
    let mut tx = portal.store.write().await?;
    let sealer = portal.store.sealer();
    let Some(request) = password_requests::take(&mut tx, sealer).await? else {
        return Ok(false);
    };
    let is_offered = mail_settings::find(&mut tx)
        .await?
        .is_some_and(|settings| settings.mails_resets);
    let waited = now.millis_since(request.created_at);
    if is_offered
        && waited < PATIENCE_MS
        && let Some(user) = find_user(&mut tx, request.user_name.expose()).await?
    {
        let by = Author {
            actor: Actor::Anonymous,
            address: Some(request.address),
        };
        let subject = Subject::new("user", user.id, &user.profile.display_name);
        audit::append(&mut tx, &by.entry("user.password_forgotten", subject), now);
        let link = make_link(&mut tx, portal, &user, &by, now).await?;
        queue_link(&mut tx, portal, &user, &link, now).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Whoever may have a link mailed under this name: they have a password to forget, and an address.
async fn find_user(tx: &mut Write, name: &str) -> Result<Option<User>, PortalError> {
    let name = name.trim();
    let mut found = users::find_by_user_name(tx, name).await?;
    if found.is_none()
        && let Some(id) = claims::find_user_by_any_account(tx, name).await?
    {
        found = users::find(tx, id).await?;
    }
    let Some(user) = found.filter(|user| user.enabled && user.deleted_at.is_none()) else {
        return Ok(None);
    };
    let has_password = credentials::find(tx, user.id)
        .await?
        .password_hash
        .is_some();
    Ok((has_password && signpost_mail::is_address(&user.profile.mail)).then_some(user))
}

/// Sends the mail that has waited longest; `false` when none is due.
pub async fn send_next(portal: &Portal) -> Result<bool, PortalError> {
    let mut read = portal.store.read().await?;
    let Some(settings) = mail_settings::find(&mut read).await? else {
        return Ok(false);
    };
    let sealer = portal.store.sealer();
    let password = mail_settings::find_password(&mut read, sealer).await?;
    drop(read);
    let mut tx = portal.store.write().await?;
    let claimed = mails::claim(&mut tx, sealer, portal.clock.now()).await?;
    tx.commit().await?;
    let Some(claimed) = claimed else {
        return Ok(false);
    };
    let message = Message {
        id: claimed.id.to_string(),
        recipient: claimed.recipient.clone(),
        subject: claimed.subject.clone(),
        body: claimed.body.clone(),
        at: portal.clock.now(),
    };
    let sent = deliver(portal, &settings, password.as_ref(), &message).await;
    let mut tx = portal.store.write().await?;
    let now = portal.clock.now();
    match sent {
        Ok(()) => mails::sent(&mut tx, claimed.id, now).await?,
        Err(problem) => {
            tracing::warn!(mail.id = %claimed.id, tries = claimed.tries, problem = %problem, "a mail was not sent");
            let text = problem.to_string();
            let failed = Failed {
                problem: &text,
                for_good: problem.is_for_good(),
            };
            mails::failed(&mut tx, &claimed, failed, now).await?;
        }
    }
    tx.commit().await?;
    Ok(true)
}

async fn deliver(
    portal: &Portal,
    settings: &MailSettings,
    password: Option<&Secret>,
    message: &Message,
) -> Result<(), signpost_mail::Problem> {
    let own = url::Url::parse(&portal.settings.public_url).ok();
    let host = own
        .as_ref()
        .and_then(url::Url::host_str)
        .unwrap_or("signpost.invalid");
    signpost_mail::send(&settings.server, password, host, message).await
}

/// A mail with which an operator looks whether mail works: sent at once, and kept with the others.
pub async fn queue_test(
    tx: &mut Write,
    portal: &Portal,
    recipient: &str,
    now: Timestamp,
) -> Result<bool, PortalError> {
    let body = Secret::new(format!(
        "Mail from Signpost at {} arrives.\n",
        portal.settings.public_url
    ));
    let new = NewMail {
        kind: MailKind::Test,
        user_id: None,
        recipient,
        subject: "Mail from Signpost arrives",
        body: &body,
        expires_at: now.plus_days(1),
    };
    let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
    Ok(mails::queue(tx, sealer, random, &new, now).await?.is_some())
}
