//! Sessions of the portal, known by the hash of their id.

use std::sync::LazyLock;

use signpost_model::audit::Subject;
use signpost_model::{Author, Operator, OperatorId, SessionKey, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::TableRow;
use crate::settings::{self, OfEveryPage};
use crate::{Error, Result, TokenHash, Write, audit, operators};

/// The most sessions one operator sees in their list.
const MAX_LISTED: i64 = 100;

/// The most sessions of people who are not signed in: what they typed waits there, and nobody
/// shall fill the disk with it. The longest unused ones make room.
const MOST_ANONYMOUS: i64 = 2_000;

/// A session to create or save.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// The public name, by which its owner may end it.
    pub key: SessionKey,
    /// Whose it is, once they signed in.
    pub operator_id: Option<OperatorId>,
    pub address: String,
    pub user_agent: String,
    /// What the session holds, as the session layer writes it.
    pub record: String,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    /// It ends here when it is not used.
    pub idle_expires_at: Timestamp,
    /// It ends here in any case.
    pub expires_at: Timestamp,
}

/// A session that is good now, with its operator, and what the page asks for that they look at:
/// one question to the database instead of three.
#[derive(Debug, Clone)]
pub struct LiveSession {
    pub session: SessionRecord,
    pub operator: Option<Operator>,
    pub page: OfEveryPage,
}

/// Creates a session; [`crate::Constraint::SessionId`] when the id is taken.
pub async fn create(tx: &mut Write, id: &TokenHash, session: &SessionRecord) -> Result<()> {
    if session.operator_id.is_none() {
        make_room(tx, MOST_ANONYMOUS).await?;
    }
    sqlx::query(
        "insert into sessions (id_hash, key, operator_id, address, user_agent, record, created_at,
           seen_at, idle_expires_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(id.as_str())
    .bind(session.key.to_string())
    .bind(session.operator_id.map(|id| id.to_string()))
    .bind(&session.address)
    .bind(&session.user_agent)
    .bind(&session.record)
    .bind(session.created_at.as_millis())
    .bind(session.seen_at.as_millis())
    .bind(session.idle_expires_at.as_millis())
    .bind(session.expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends the longest unused sessions without an operator, so that fewer than `most` are left.
async fn make_room(tx: &mut Write, most: i64) -> Result<()> {
    sqlx::query(
        "delete from sessions where operator_id is null and seen_at <= (
           select s.seen_at from sessions s where s.operator_id is null
           order by s.seen_at desc limit 1 offset $1)",
    )
    .bind(most - 1)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Saves what a session holds; `false` when it ended meanwhile: a save never brings one back.
pub async fn save(
    tx: &mut Write,
    id: &TokenHash,
    operator_id: Option<OperatorId>,
    record: &str,
    seen_at: Timestamp,
    idle_expires_at: Timestamp,
) -> Result<bool> {
    let changed = sqlx::query(
        "update sessions set operator_id = $2, record = $3, seen_at = $4, idle_expires_at = $5
         where id_hash = $1 and idle_expires_at > $4 and expires_at > $4",
    )
    .bind(id.as_str())
    .bind(operator_id.map(|id| id.to_string()))
    .bind(record)
    .bind(seen_at.as_millis())
    .bind(idle_expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Notes that a session is in use.
pub async fn touch(
    tx: &mut Write,
    id: &TokenHash,
    seen_at: Timestamp,
    idle_expires_at: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update sessions set seen_at = $2, idle_expires_at = $3
         where id_hash = $1 and idle_expires_at > $2 and expires_at > $2",
    )
    .bind(id.as_str())
    .bind(seen_at.as_millis())
    .bind(idle_expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The session with this id if it is good now: not expired, its operator not disabled.
pub async fn load(
    connection: &mut AnyConnection,
    id: &TokenHash,
    now: Timestamp,
) -> Result<Option<LiveSession>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "select o.id, o.email, o.name, o.role, o.totp_confirmed_at, o.disabled_at,
               o.created_at, o.signed_in_at, o.version, s.key, s.operator_id, s.address,
               s.user_agent, s.record, s.created_at as started_at, s.seen_at, s.idle_expires_at,
               s.expires_at, {}
             from sessions s left join operators o on o.id = s.operator_id
             where s.id_hash = $1 and s.idle_expires_at > $2 and s.expires_at > $2
               and o.disabled_at is null",
            *settings::OF_EVERY_PAGE
        )
    });
    let row = sqlx::query(SQL.as_str())
        .bind(id.as_str())
        .bind(now.as_millis())
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        let session = read_session(&row)?;
        let operator = match session.operator_id {
            Some(_) => Some(operators::read_operator(&row)?),
            None => None,
        };
        let page = settings::read_of_every_page(&row)?;
        Ok(LiveSession {
            session,
            operator,
            page,
        })
    })
    .transpose()
}

/// Ends a session by its id: signing out.
pub async fn delete(tx: &mut Write, id: &TokenHash) -> Result<()> {
    sqlx::query("delete from sessions where id_hash = $1")
        .bind(id.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The sessions of an operator that are good now, last used first.
pub async fn list(
    connection: &mut AnyConnection,
    operator: OperatorId,
    now: Timestamp,
) -> Result<Vec<SessionRecord>> {
    let rows = sqlx::query(
        "select key, operator_id, address, user_agent, record, created_at as started_at, seen_at,
           idle_expires_at, expires_at
         from sessions
         where operator_id = $1 and idle_expires_at > $2 and expires_at > $2
         order by seen_at desc, key limit $3",
    )
    .bind(operator.to_string())
    .bind(now.as_millis())
    .bind(MAX_LISTED)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_session).collect()
}

/// Ends one session of this operator, by its public name.
pub async fn end(
    tx: &mut Write,
    operator: &Operator,
    key: SessionKey,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    let ended = sqlx::query("delete from sessions where operator_id = $1 and key = $2")
        .bind(operator.id.to_string())
        .bind(key.to_string())
        .execute(&mut **tx)
        .await?;
    if ended.rows_affected() == 0 {
        return Err(Error::NotFound("session"));
    }
    let subject = Subject::new("operator", operator.id, &operator.name);
    let entry = author.entry("operator.session_ended", subject);
    audit::append(tx, &entry, now);
    Ok(())
}

/// Ends every session of an operator but `keep`, on their wish; returns how many.
pub async fn end_others(
    tx: &mut Write,
    operator: &Operator,
    keep: Option<SessionKey>,
    author: &Author,
    now: Timestamp,
) -> Result<u64> {
    let ended = end_all(tx, operator.id, keep).await?;
    let subject = Subject::new("operator", operator.id, &operator.name);
    let entry = author.entry("operator.sessions_ended", subject);
    audit::append(tx, &entry, now);
    Ok(ended)
}

/// Ends every session of an operator but `keep`, as part of another change.
pub(crate) async fn end_all(
    tx: &mut Write,
    operator: OperatorId,
    keep: Option<SessionKey>,
) -> Result<u64> {
    let ended = sqlx::query("delete from sessions where operator_id = $1 and key <> $2")
        .bind(operator.to_string())
        .bind(keep.map(|key| key.to_string()).unwrap_or_default())
        .execute(&mut **tx)
        .await?;
    Ok(ended.rows_affected())
}

/// Removes what expired. Nothing depends on it: expiry is checked at use.
pub async fn delete_expired(tx: &mut Write, now: Timestamp) -> Result<u64> {
    let removed =
        sqlx::query("delete from sessions where expires_at <= $1 or idle_expires_at <= $1")
            .bind(now.as_millis())
            .execute(&mut **tx)
            .await?;
    Ok(removed.rows_affected())
}

fn read_session(row: &AnyRow) -> Result<SessionRecord> {
    let row = TableRow::new("sessions", row);
    Ok(SessionRecord {
        key: row.parsed("key")?,
        operator_id: row.optional_parsed("operator_id")?,
        address: row.text("address")?,
        user_agent: row.text("user_agent")?,
        record: row.text("record")?,
        created_at: row.time("started_at")?,
        seen_at: row.time("seen_at")?,
        idle_expires_at: row.time("idle_expires_at")?,
        expires_at: row.time("expires_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::NewOperator;
    use crate::testing::{AUTHOR, NOW};
    use crate::{Constraint, Store, both_engines};
    use signpost_model::Role;
    use signpost_model::time::{HOUR_MS, MINUTE_MS};

    fn session(number: u128, operator: Option<OperatorId>) -> SessionRecord {
        SessionRecord {
            key: SessionKey::from_number(number),
            operator_id: operator,
            address: "192.0.2.1".to_owned(),
            user_agent: "Firefox".to_owned(),
            record: "{}".to_owned(),
            created_at: NOW,
            seen_at: NOW,
            idle_expires_at: NOW.plus_millis(30 * MINUTE_MS),
            expires_at: NOW.plus_millis(12 * HOUR_MS),
        }
    }

    fn id(number: u128) -> TokenHash {
        TokenHash::of("session", &number.to_string())
    }

    /// Ada with three sessions.
    async fn add_ada(store: &Store) -> Operator {
        let mut tx = store.write().await.unwrap();
        let ada = NewOperator {
            id: OperatorId::from_number(1),
            email: "ada@contoso.example".to_owned(),
            name: "Ada".to_owned(),
            role: Role::Administrator,
            password_hash: String::new(),
        };
        operators::create(&mut tx, &ada, &AUTHOR, NOW)
            .await
            .unwrap();
        for number in 1..=3 {
            create(&mut tx, &id(number), &session(number, Some(ada.id)))
                .await
                .unwrap();
        }
        let ada = operators::find(&mut tx, ada.id).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        ada
    }

    async fn is_live(store: &Store, number: u128, now: Timestamp) -> bool {
        let mut connection = store.read().await.unwrap();
        load(&mut connection, &id(number), now)
            .await
            .unwrap()
            .is_some()
    }

    both_engines! {
        async fn a_session_carries_its_operator_as_they_are_now(store: Store) {
            let ada = add_ada(&store).await;
            let mut connection = store.read().await.unwrap();
            let live = load(&mut connection, &id(1), NOW).await.unwrap().unwrap();
            assert_eq!(live.operator, Some(ada));
            assert_eq!(live.session.key, SessionKey::from_number(1));
            assert!(load(&mut connection, &id(9), NOW).await.unwrap().is_none());
        }

        async fn a_session_ends_when_idle_and_at_its_last_instant(store: Store) {
            add_ada(&store).await;
            assert!(is_live(&store, 1, NOW.plus_millis(30 * MINUTE_MS - 1)).await);
            assert!(!is_live(&store, 1, NOW.plus_millis(30 * MINUTE_MS)).await);
            let later = NOW.plus_millis(12 * HOUR_MS);
            let mut tx = store.write().await.unwrap();
            touch(&mut tx, &id(1), NOW.plus_millis(MINUTE_MS), later.plus_days(1)).await.unwrap();
            tx.commit().await.unwrap();
            assert!(is_live(&store, 1, later.plus_millis(-1)).await);
            assert!(!is_live(&store, 1, later).await);
        }

        async fn anonymous_sessions_make_room_for_each_other_and_for_nobody_else(store: Store) {
            add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            for number in 10..14 {
                let minutes = i64::try_from(number).unwrap() * MINUTE_MS;
                let seen_at = NOW.plus_millis(minutes);
                let anonymous = SessionRecord { seen_at, ..session(number, None) };
                create(&mut tx, &id(number), &anonymous).await.unwrap();
            }
            make_room(&mut tx, 2).await.unwrap();
            tx.commit().await.unwrap();
            assert!(is_live(&store, 1, NOW).await, "Ada is signed in");
            assert!(is_live(&store, 13, NOW).await, "the newest stays");
            assert!(!is_live(&store, 12, NOW).await && !is_live(&store, 10, NOW).await);
        }

        async fn saving_never_brings_an_ended_session_back(store: Store) {
            let ada = add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            delete(&mut tx, &id(1)).await.unwrap();
            let idle = NOW.plus_millis(HOUR_MS);
            assert!(!save(&mut tx, &id(1), Some(ada.id), "{}", NOW, idle).await.unwrap());
            assert!(save(&mut tx, &id(2), None, "{}", NOW, idle).await.unwrap());
            let taken = create(&mut tx, &id(2), &session(9, None)).await.unwrap_err();
            assert!(taken.is_conflict(Constraint::SessionId));
        }

        async fn a_disabled_operator_has_no_session_left(store: Store) {
            let ada = add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            operators::disable(&mut tx, ada.id, ada.version, &AUTHOR, NOW).await.unwrap();
            // One that slips in behind: still refused, since the check is at use.
            create(&mut tx, &id(7), &session(7, Some(ada.id))).await.unwrap();
            tx.commit().await.unwrap();
            assert!(!is_live(&store, 1, NOW).await);
            assert!(!is_live(&store, 7, NOW).await);
        }

        async fn a_new_password_ends_every_session_but_the_one_that_set_it(store: Store) {
            let ada = add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            let keep = Some(SessionKey::from_number(2));
            operators::set_password(&mut tx, ada.id, "new", keep, &AUTHOR, NOW).await.unwrap();
            tx.commit().await.unwrap();
            assert!(!is_live(&store, 1, NOW).await);
            assert!(is_live(&store, 2, NOW).await);
        }

        async fn an_operator_ends_own_sessions_only(store: Store) {
            let ada = add_ada(&store).await;
            let mallory = Operator { id: OperatorId::from_number(66), ..ada.clone() };
            let mut tx = store.write().await.unwrap();
            let theft = end(&mut tx, &mallory, SessionKey::from_number(1), &AUTHOR, NOW).await;
            assert!(matches!(theft, Err(Error::NotFound("session"))));
            end(&mut tx, &ada, SessionKey::from_number(1), &AUTHOR, NOW).await.unwrap();
            assert_eq!(list(&mut tx, ada.id, NOW).await.unwrap().len(), 2);
            let keep = Some(SessionKey::from_number(3));
            assert_eq!(end_others(&mut tx, &ada, keep, &AUTHOR, NOW).await.unwrap(), 1);
        }

        async fn expired_sessions_are_removed(store: Store) {
            add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            assert_eq!(delete_expired(&mut tx, NOW).await.unwrap(), 0);
            assert_eq!(delete_expired(&mut tx, NOW.plus_millis(HOUR_MS)).await.unwrap(), 3);
        }
    }
}
