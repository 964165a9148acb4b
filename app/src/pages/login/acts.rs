//! Password, code, starting over. Answers name neither who exists nor what was wrong.

use http::HeaderMap;
use leptos::prelude::*;
use signpost_model::audit::Subject;
use signpost_model::{Actor, Author, Secret, Timestamp, User};
use signpost_store::credentials::{self, Credentials};
use signpost_store::sign_ins::Proved;
use signpost_store::{Read, Write, audit, claims, group_policies, users};
use subtle::ConstantTimeEq;

use super::headers;
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, Refusal, respond};
use crate::login::flow::{self, Found, Owing, Step, Waiting};
use crate::login::session::{self, author_of};
use crate::portal::{Portal, portal};
use crate::second_factor::{recovery_hash, step_of};
use crate::throttling::{self, PasswordTry};
use crate::urls;
use crate::visit::{Notice, visit};

/// The sentence for every refused password, whatever the cause.
const REFUSED: &str = "The user name or password is not correct.";
pub(super) const TOO_MANY: &str =
    "Too many tries. Wait a few minutes, then try again, or ask your administrator to help you.";

/// A form of a request that waits in this browser.
pub(super) struct Begun {
    pub portal: Portal,
    pub headers: HeaderMap,
    pub waiting: Waiting,
    /// The page that the request is on.
    pub here: String,
}

impl Begun {
    /// Finds what the posted form is about, and whether the form was made for this browser.
    pub async fn find() -> Result<Self, Refusal> {
        let (portal, headers, posted) = (portal()?, headers()?, Posted::current());
        let token = posted.first("request").to_owned();
        let here = urls::login(&token);
        let gone = || Refusal::Error(PortalError::Stale);
        let waiting = match flow::find(&portal, &headers, &token).await? {
            Found::Waiting(waiting) => *waiting,
            // The page says so.
            Found::Finished | Found::Nothing => return Err(FormErrors::new().refuse(here)),
        };
        let proof = waiting.proof();
        if !bool::from(proof.as_bytes().ct_eq(posted.first("proof").as_bytes())) {
            return Err(gone());
        }
        Ok(Self {
            portal,
            headers,
            waiting,
            here,
        })
    }

    pub fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }
}

/// Checks the password; begins a session unless a second factor is owed.
#[server(prefix = "/api", endpoint = "login/password")]
pub async fn login_with_password(
    #[server(default)] user_name: String,
    #[server(default)] password: String,
) -> Result<(), PortalError> {
    respond(async move { check_password(&user_name, password).await }).await
}

async fn check_password(user_name: &str, password: String) -> Result<Answer, Refusal> {
    let mut begun = Begun::find().await?;
    let (portal, now) = (begun.portal.clone(), begun.now());
    let attempt = PasswordTry::of_user(user_name, &visit().address);
    let mut tx = portal.store.write().await?;
    let may_try = attempt.begin(&mut tx, now).await?;
    tx.commit().await?;
    if !may_try {
        return Err(FormErrors::summary(TOO_MANY).refuse(begun.here));
    }
    let known = find_user(&begun, user_name).await?;
    let hash = known
        .as_ref()
        .and_then(|(_, credentials)| credentials.password_hash.clone());
    let correct = portal
        .passwords
        .verify(&Secret::new(password), hash.as_deref())
        .await?;
    // Read again, known or not: much may have changed while the password was checked.
    let again = find_user(&begun, user_name).await?;
    let mut tx = portal.store.write().await?;
    let proven = again.clone().filter(|(user, credentials)| {
        correct && credentials.password_hash == hash && user.enabled && user.deleted_at.is_none()
    });
    let Some((user, credentials)) = proven else {
        attempt.failed(&mut tx, now).await?;
        note_refusal(&mut tx, again.as_ref().map(|(user, _)| user), now);
        tx.commit().await?;
        return Err(FormErrors::summary(REFUSED).refuse(begun.here));
    };
    attempt.succeeded(&mut tx).await?;
    let remembered = flow::is_remembered(&portal, &begun.headers, &begun.waiting, &user).await?;
    let policy = group_policies::of_user(&mut tx, begun.waiting.application(), user.id).await?;
    let proved = Proved {
        user_id: user.id,
        at: now,
        credentials_version: credentials.version,
    };
    flow::prove(&portal, &mut tx, &mut begun.waiting, &proved).await?;
    if begun
        .waiting
        .owes_factor(policy, credentials.has_factor(), remembered)
    {
        tx.commit().await?;
        return Ok(Answer::to(begun.here));
    }
    complete(&begun, tx, &user, now, None).await?;
    Ok(Answer::to(begun.here))
}

/// The user of this name, or whose account in the tenant has it.
async fn find_user(
    begun: &Begun,
    user_name: &str,
) -> Result<Option<(User, Credentials)>, PortalError> {
    let mut read: Read = begun.portal.store.read().await?;
    let mut found = users::find_by_user_name(&mut read, user_name).await?;
    if found.is_none()
        && let Some(issuer) = &begun.waiting.issuer
        && let Some(id) =
            claims::find_user_by_account(&mut read, &issuer.application, user_name.trim()).await?
    {
        found = users::find(&mut read, id).await?;
    }
    let Some(user) = found else { return Ok(None) };
    let credentials = credentials::find(&mut read, user.id).await?;
    Ok(Some((user, credentials)))
}

/// All is proved: a session with a new id. What was proved on the way is forgotten.
pub(super) async fn complete(
    begun: &Begun,
    mut tx: Write,
    user: &User,
    authenticated_at: Timestamp,
    factor_at: Option<Timestamp>,
) -> Result<(), Refusal> {
    let portal = &begun.portal;
    session::begin(
        &mut tx,
        portal,
        &begun.headers,
        user,
        authenticated_at,
        factor_at,
    )
    .await?;
    flow::forget_proved(&mut tx, &begun.waiting).await?;
    let entry = author_of(user, &visit().address).entry("user.signed_in", subject(user));
    audit::append(&mut tx, &entry, begun.now());
    tx.commit().await?;
    Ok(())
}

/// Checks the second factor and begins a session.
#[server(prefix = "/api", endpoint = "login/code")]
pub async fn login_with_code(
    #[server(default)] code: String,
    #[server(default)] recovery_code: String,
) -> Result<(), PortalError> {
    respond(async move { check_code(&code, &recovery_code).await }).await
}

async fn check_code(code: &str, recovery_code: &str) -> Result<Answer, Refusal> {
    let begun = Begun::find().await?;
    let (portal, now) = (&begun.portal, begun.now());
    // Whose factor it must be is decided here; the form does not say.
    let Step::Factor(owing) = flow::next(portal, &begun.headers, &begun.waiting).await? else {
        return Ok(Answer::to(begun.here));
    };
    let Owing {
        user,
        authenticated_at,
        ..
    } = *owing;
    let mut tx = portal.store.write().await?;
    if !throttling::begin_proof(&mut tx, user.id, now).await? {
        return Err(FormErrors::summary(TOO_MANY).refuse(begun.here));
    }
    let recovers = !recovery_code.trim().is_empty();
    let accepted = if recovers {
        let author = author_of(&user, &visit().address);
        let hash = recovery_hash(recovery_code);
        credentials::use_recovery_code(&mut tx, &user, &hash, &author, now).await?
    } else {
        accept_code(&mut tx, portal, &user, code, now).await?
    };
    if !accepted {
        note_refusal(&mut tx, Some(&user), now);
        tx.commit().await?;
        let field = if recovers { "recovery_code" } else { "code" };
        let text = "This code is not correct, or it was used before.";
        return Err(FormErrors::field(field, text).refuse(begun.here));
    }
    throttling::end_proof(&mut tx, user.id).await?;
    let days = begun.waiting.device_days();
    // A recovery code is for once: it proves a person, not their device.
    if !recovers && days > 0 && Posted::current().has("remember") {
        session::remember_device(&mut tx, portal, &user, days).await?;
    }
    let left = credentials::count_recovery_codes(&mut tx, user.id).await?;
    complete(&begun, tx, &user, authenticated_at, Some(now)).await?;
    let answer = Answer::to(begun.here);
    Ok(if recovers {
        answer.notice(Notice::warning(format!(
            "You used a recovery code. Codes left: {left}."
        )))
    } else {
        answer
    })
}

/// Uses up a code of the user's app.
pub(crate) async fn accept_code(
    tx: &mut Write,
    portal: &Portal,
    user: &User,
    code: &str,
    now: Timestamp,
) -> signpost_store::Result<bool> {
    let seeds = credentials::find_seeds(tx, portal.store.sealer(), user.id).await?;
    match seeds.confirmed.and_then(|seed| step_of(&seed, code, now)) {
        Some(step) => credentials::use_totp_step(tx, user.id, step).await,
        None => Ok(false),
    }
}

/// Forgets whose password was given, and who is signed in here.
#[server(prefix = "/api", endpoint = "login/start-over")]
pub async fn start_login_over() -> Result<(), PortalError> {
    respond(async move {
        let begun = Begun::find().await?;
        if let Some(cookie) = flow::end_session(&begun.portal, &begun.headers).await? {
            session::send_cookie(&cookie)?;
        }
        let mut tx = begun.portal.store.write().await?;
        flow::forget_proved(&mut tx, &begun.waiting).await?;
        tx.commit().await?;
        Ok(Answer::to(begun.here))
    })
    .await
}

/// What was typed is never written down: people type passwords into the wrong field.
fn note_refusal(tx: &mut Write, known: Option<&User>, now: Timestamp) {
    let subject = match known {
        Some(user) => subject(user),
        None => Subject::new("user", "", "Nobody known"),
    };
    let author = Author {
        actor: Actor::Anonymous,
        address: Some(visit().address.clone()),
    };
    audit::append(tx, &author.entry("user.sign_in_refused", subject), now);
}

fn subject(user: &User) -> Subject {
    Subject::new("user", user.id, &user.profile.display_name)
}
