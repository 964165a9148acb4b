//! What a session means to the portal: who is signed in, and what waits for after sign-in.

use http::HeaderMap;
use http::header::REFERER;
use signpost_model::random::random_token;
use signpost_model::time::{HOUR_MS, MINUTE_MS};
use signpost_model::{Operator, OperatorId, SessionKey, Timestamp};
use signpost_store::{operators, setup};
use tower_sessions::Session;

use crate::error::PortalError;
use crate::forms::{FLASH_KEY, Flash, FormErrors, FormState, Posted, internal};
use crate::portal::Portal;

/// A session that is not used for this long ends.
pub const IDLE_MS: i64 = 30 * MINUTE_MS;
/// A session ends after this long in any case.
pub const ABSOLUTE_MS: i64 = 12 * HOUR_MS;
/// Use of a session is written down at most this often.
const TOUCH_MS: i64 = MINUTE_MS;

/// Session keys. The session store also reads the first three, into columns of their own.
pub const OPERATOR_KEY: &str = "operator";
/// The client's address at sign-in.
pub const ADDRESS_KEY: &str = "address";
/// The browser at sign-in.
pub const AGENT_KEY: &str = "agent";
/// The session's public name.
pub const PUBLIC_KEY: &str = "key";
const CSRF_KEY: &str = "csrf";
const SEEN_KEY: &str = "seen";

/// Signs the operator in: a new id for the session, a new token for its forms.
pub async fn begin(
    portal: &Portal,
    session: &Session,
    operator: OperatorId,
    address: &str,
    agent: &str,
) -> Result<(), PortalError> {
    let now = portal.clock.now();
    let work = async {
        // What waits in the session of one person is never shown to another.
        let before: Option<OperatorId> = session.get(OPERATOR_KEY).await?;
        if before.is_some_and(|before| before != operator) {
            session.clear().await;
        }
        session.cycle_id().await?;
        session.insert(OPERATOR_KEY, operator).await?;
        session.insert(ADDRESS_KEY, address).await?;
        let agent: String = agent
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        session.insert(AGENT_KEY, agent).await?;
        let key = SessionKey::mint(now, portal.random.as_ref());
        session.insert(PUBLIC_KEY, key).await?;
        session
            .insert(CSRF_KEY, random_token(portal.random.as_ref()))
            .await?;
        session.insert(SEEN_KEY, now).await
    };
    work.await.map_err(|error| internal(&error))
}

/// A new id and a new token for a session whose person proved again who they are.
pub async fn renew(portal: &Portal, session: &Session) -> Result<(), PortalError> {
    let token = random_token(portal.random.as_ref());
    let work = async {
        session.cycle_id().await?;
        session.insert(CSRF_KEY, token).await
    };
    work.await.map_err(|error| internal(&error))
}

/// The signed-in operator of this session, if they still may be; notes that it is in use. `known`
/// is the operator as they were found together with the session in this very request.
pub async fn signed_in(
    portal: &Portal,
    session: &Session,
    id: OperatorId,
    known: Option<Operator>,
) -> Result<Option<Operator>, PortalError> {
    let operator = match known.filter(|operator| operator.id == id) {
        Some(operator) => Some(operator),
        None => operators::find(&mut *portal.store.read().await?, id).await?,
    };
    let Some(operator) = operator.filter(|operator| operator.disabled_at.is_none()) else {
        return Ok(None);
    };
    let now = portal.clock.now();
    let seen: Timestamp = session
        .get(SEEN_KEY)
        .await
        .ok()
        .flatten()
        .unwrap_or_default();
    if now.millis_since(seen) > TOUCH_MS {
        session
            .insert(SEEN_KEY, now)
            .await
            .map_err(|error| internal(&error))?;
    }
    Ok(Some(operator))
}

/// The token of this session's forms.
pub async fn csrf_token(session: &Session) -> Option<String> {
    session.get(CSRF_KEY).await.ok().flatten()
}

/// The public name of this session.
pub async fn public_key(session: &Session) -> Option<SessionKey> {
    session.get(PUBLIC_KEY).await.ok().flatten()
}

/// Whether the portal was set up. Once true it stays true, so that it is asked only until then.
pub async fn is_set_up(portal: &Portal) -> Result<bool, PortalError> {
    use std::sync::atomic::Ordering;
    if portal.set_up.load(Ordering::Relaxed) {
        return Ok(true);
    }
    let done = async { setup::is_done(&mut *portal.store.read().await?).await }.await;
    let done = done.map_err(|error| internal(&error))?;
    portal.set_up.store(done, Ordering::Relaxed);
    Ok(done)
}

/// Keeps a posted form, without its secrets, for the page it came from; returns that page.
pub async fn keep_posted(
    session: &Session,
    headers: &HeaderMap,
    posted: Option<&Posted>,
    summary: &str,
) -> Option<String> {
    let referer = headers.get(REFERER)?.to_str().ok()?;
    let url = url::Url::parse(referer).ok()?;
    let back = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let form = FormState {
        values: posted.map(Posted::showable).unwrap_or_default(),
        errors: FormErrors::summary(summary),
    };
    let flash = Flash {
        path: url.path().to_owned(),
        notice: None,
        form: Some(form),
    };
    session.insert(FLASH_KEY, vec![flash]).await.ok()?;
    Some(back)
}
