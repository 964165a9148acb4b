//! A user's session: begun with a new id each time somebody proves who they are.

use http::HeaderMap;
use http::header::SET_COOKIE;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use signpost_model::random::random_token;
use signpost_model::time::{HOUR_MS, MINUTE_MS};
use signpost_model::{Actor, Author, SessionKey, Timestamp, User};
use signpost_store::remembered_devices::{self, RememberedDevice};
use signpost_store::user_sessions::{self, UserSession};
use signpost_store::{Write, users};

use super::cookies::Cookie;
use crate::error::PortalError;
use crate::forms::internal;
use crate::pages::setup::user_agent;
use crate::portal::Portal;
use crate::visit::visit;

/// A session that is not used for this long ends.
pub const IDLE_MS: i64 = HOUR_MS;
/// A session ends after this long in any case.
pub const ABSOLUTE_MS: i64 = 12 * HOUR_MS;
/// Use of a session is written down at most this often.
const TOUCH_MS: i64 = MINUTE_MS;

/// A user who is signed in.
#[derive(Debug, Clone)]
pub struct SignedInUser {
    pub user: User,
    pub session: UserSession,
    /// The token of this session's forms.
    pub proof: String,
}

impl SignedInUser {
    /// Who stands in the audit trail for what they do.
    pub fn author(&self, address: &str) -> Author {
        author_of(&self.user, address)
    }
}

/// A user as the author of what they do about themselves.
pub fn author_of(user: &User, address: &str) -> Author {
    Author {
        actor: Actor::User {
            id: user.id,
            name: user.profile.display_name.clone(),
        },
        address: Some(address.to_owned()),
    }
}

/// Whoever is signed in by these headers; notes that the session is in use.
pub async fn find(
    portal: &Portal,
    headers: &HeaderMap,
) -> Result<Option<SignedInUser>, PortalError> {
    let Some(token) = Cookie::Session.read(headers, portal.is_secure()) else {
        return Ok(None);
    };
    let now = portal.clock.now();
    let hash = Cookie::Session.hash(&token);
    let mut read = portal.store.read().await?;
    let Some(session) = user_sessions::load(&mut read, &hash, now).await? else {
        return Ok(None);
    };
    let user = users::find(&mut read, session.user_id).await?;
    drop(read);
    let Some(user) = user.filter(|user| user.enabled && user.deleted_at.is_none()) else {
        return Ok(None);
    };
    if now.millis_since(session.seen_at) > TOUCH_MS {
        let mut tx = portal.store.write().await?;
        user_sessions::touch(&mut tx, &hash, now, now.plus_millis(IDLE_MS)).await?;
        tx.commit().await?;
    }
    Ok(Some(SignedInUser {
        user,
        session,
        proof: form_token(&token, "account"),
    }))
}

/// What a form carries to show that it was made for this browser and this purpose.
pub fn form_token(secret: &str, purpose: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::new()
        .chain_update(b"form\0")
        .chain_update(secret)
        .chain_update(b"\0")
        .chain_update(purpose)
        .finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Begins a session in this transaction; the cookie goes out with the answer. `factor_at` only
/// when a second factor or passkey was used just now.
pub async fn begin(
    tx: &mut Write,
    portal: &Portal,
    headers: &HeaderMap,
    user: &User,
    authenticated_at: Timestamp,
    factor_at: Option<Timestamp>,
) -> Result<SessionKey, PortalError> {
    let now = portal.clock.now();
    let secure = portal.is_secure();
    let token = random_token(portal.random.as_ref());
    let before = Cookie::Session
        .read(headers, secure)
        .map(|token| Cookie::Session.hash(&token));
    let session = UserSession {
        key: SessionKey::mint(now, portal.random.as_ref()),
        user_id: user.id,
        address: visit().address.clone(),
        user_agent: agent(),
        authenticated_at,
        factor_at,
        created_at: now,
        seen_at: now,
        idle_expires_at: now.plus_millis(IDLE_MS),
        expires_at: now.plus_millis(ABSOLUTE_MS),
    };
    user_sessions::create(tx, &Cookie::Session.hash(&token), &session, before.as_ref()).await?;
    send_cookie(&Cookie::Session.set(&token, secure, None))?;
    Ok(session.key)
}

/// Remembers this device for so many days; the cookie goes out with the answer.
pub async fn remember_device(
    tx: &mut Write,
    portal: &Portal,
    user: &User,
    days: i64,
) -> Result<(), PortalError> {
    let now = portal.clock.now();
    let token = random_token(portal.random.as_ref());
    let device = RememberedDevice {
        key: SessionKey::mint(now, portal.random.as_ref()),
        user_agent: agent(),
        created_at: now,
        expires_at: now.plus_days(days),
    };
    remembered_devices::remember(tx, &Cookie::Device.hash(&token), user.id, &device).await?;
    send_cookie(&Cookie::Device.set(&token, portal.is_secure(), Some(days)))
}

/// Adds a cookie to the answer of the page or server function that runs.
pub fn send_cookie(cookie: &str) -> Result<(), PortalError> {
    let options = use_context::<ResponseOptions>().ok_or(PortalError::BadRequest)?;
    let value = cookie
        .parse()
        .map_err(|error: http::header::InvalidHeaderValue| internal(&error))?;
    options.append_header(SET_COOKIE, value);
    Ok(())
}

fn agent() -> String {
    user_agent()
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}
