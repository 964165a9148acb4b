//! tower-sessions over our own table: ids stored hashed, both lifetimes checked at use.

use std::cell::Cell;

use app::portal::Portal;
use app::session::{ABSOLUTE_MS, ADDRESS_KEY, AGENT_KEY, IDLE_MS, OPERATOR_KEY, PUBLIC_KEY};
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use signpost_app as app;
use signpost_model::{Operator, OperatorId, SessionKey, Timestamp};
use signpost_store::sessions::{self, SessionRecord};
use signpost_store::settings::OfEveryPage;
use signpost_store::{Constraint, TokenHash};
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Session, SessionStore};

/// The sessions of this installation.
#[derive(Debug, Clone)]
pub struct DatabaseSessions {
    portal: Portal,
}

impl DatabaseSessions {
    /// Sessions in the portal's database.
    pub fn new(portal: Portal) -> Self {
        Self { portal }
    }
}

tokio::task_local! {
    /// Takes what is found beside the session.
    static FOUND: Cell<Option<Beside>>;
}

/// What the row of a session holds beside it, so that one question to the database is enough.
#[derive(Debug)]
pub(crate) struct Beside {
    /// Who the session belongs to, as they are now.
    pub(crate) operator: Option<Operator>,
    pub(crate) page: OfEveryPage,
}

/// Who the session says is signed in, and what was found beside it if this was the first look into
/// it.
pub(crate) async fn look(session: &Session) -> (Option<OperatorId>, Option<Beside>) {
    let look = async {
        let id = session.get(OPERATOR_KEY).await;
        (id.ok().flatten(), FOUND.with(Cell::take))
    };
    FOUND.scope(Cell::new(None), look).await
}

#[async_trait]
impl SessionStore for DatabaseSessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let now = self.portal.clock.now();
        let session = SessionRecord {
            key: value(record, PUBLIC_KEY)
                .unwrap_or_else(|| SessionKey::mint(now, self.portal.random.as_ref())),
            operator_id: value(record, OPERATOR_KEY),
            address: value(record, ADDRESS_KEY).unwrap_or_default(),
            user_agent: value(record, AGENT_KEY).unwrap_or_default(),
            record: encode(record)?,
            created_at: now,
            seen_at: now,
            idle_expires_at: now.plus_millis(IDLE_MS),
            expires_at: now.plus_millis(ABSOLUTE_MS),
        };
        loop {
            let mut tx = self.portal.store.write().await.map_err(backend)?;
            match sessions::create(&mut tx, &hash(&record.id), &session).await {
                Ok(()) => return tx.commit().await.map_err(backend),
                Err(error) if error.is_conflict(Constraint::SessionId) => {
                    record.id = Id::default();
                }
                Err(error) => return Err(backend(error)),
            }
        }
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let now = self.portal.clock.now();
        let mut tx = self.portal.store.write().await.map_err(backend)?;
        let operator = value(record, OPERATOR_KEY);
        let idle = now.plus_millis(IDLE_MS);
        sessions::save(
            &mut tx,
            &hash(&record.id),
            operator,
            &encode(record)?,
            now,
            idle,
        )
        .await
        .map_err(backend)?;
        tx.commit().await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let mut read = self.portal.store.read().await.map_err(backend)?;
        let now = self.portal.clock.now();
        let found = sessions::load(&mut read, &hash(id), now)
            .await
            .map_err(backend)?;
        let Some(live) = found else { return Ok(None) };
        // Nobody may be waiting for it.
        let _ = FOUND.try_with(|found| {
            found.set(Some(Beside {
                operator: live.operator,
                page: live.page,
            }));
        });
        let data = serde_json::from_str(&live.session.record)
            .map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: instant(live.session.idle_expires_at),
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let mut tx = self.portal.store.write().await.map_err(backend)?;
        sessions::delete(&mut tx, &hash(id))
            .await
            .map_err(backend)?;
        tx.commit().await.map_err(backend)
    }
}

fn hash(id: &Id) -> TokenHash {
    TokenHash::of("session", &id.to_string())
}

fn value<T: DeserializeOwned>(record: &Record, key: &str) -> Option<T> {
    serde_json::from_value(record.data.get(key)?.clone()).ok()
}

fn encode(record: &Record) -> Result<String> {
    serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))
}

fn instant(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_millis() / 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn backend(error: signpost_store::Error) -> Error {
    Error::Backend(error.to_string())
}
