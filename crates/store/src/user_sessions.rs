//! Where users are signed in: sessions known by the hash of their id.

use signpost_model::audit::Subject;
use signpost_model::{Author, SessionKey, Timestamp, User, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::{TableRow, json_keys};
use crate::{Result, TokenHash, Write, audit};

/// The most sessions of one user; the longest unused make room.
const MOST: i64 = 50;

/// A session of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSession {
    /// The public name, by which its owner may end it.
    pub key: SessionKey,
    pub user_id: UserId,
    pub address: String,
    pub user_agent: String,
    /// When they proved who they are, in this session.
    pub authenticated_at: Timestamp,
    /// When they did so by a second factor or a passkey, in this session.
    pub factor_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    /// It ends here when it is not used.
    pub idle_expires_at: Timestamp,
    /// It ends here in any case.
    pub expires_at: Timestamp,
}

/// Begins a session, and ends the one before it in the same browser.
pub async fn create(
    tx: &mut Write,
    id: &TokenHash,
    session: &UserSession,
    before: Option<&TokenHash>,
) -> Result<()> {
    if let Some(before) = before {
        delete(tx, before).await?;
    }
    sqlx::query(
        "delete from user_sessions where user_id = $1 and key in (
           select s.key from user_sessions s where s.user_id = $1
           order by s.seen_at desc, s.key limit 1000 offset $2)",
    )
    .bind(session.user_id.to_string())
    .bind(MOST - 1)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into user_sessions (id_hash, key, user_id, address, user_agent, authenticated_at,
           factor_at, created_at, seen_at, idle_expires_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(id.as_str())
    .bind(session.key.to_string())
    .bind(session.user_id.to_string())
    .bind(&session.address)
    .bind(&session.user_agent)
    .bind(session.authenticated_at.as_millis())
    .bind(session.factor_at.map(Timestamp::as_millis))
    .bind(session.created_at.as_millis())
    .bind(session.seen_at.as_millis())
    .bind(session.idle_expires_at.as_millis())
    .bind(session.expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The session with this id if it is good now: not expired, its user enabled and there.
pub async fn load(
    db: &mut AnyConnection,
    id: &TokenHash,
    now: Timestamp,
) -> Result<Option<UserSession>> {
    let row = sqlx::query(
        "select s.key, s.user_id, s.address, s.user_agent, s.authenticated_at, s.factor_at,
           s.created_at, s.seen_at, s.idle_expires_at, s.expires_at
         from user_sessions s join users u on u.id = s.user_id
         where s.id_hash = $1 and s.idle_expires_at > $2 and s.expires_at > $2
           and u.enabled = 1 and u.deleted_at is null",
    )
    .bind(id.as_str())
    .bind(now.as_millis())
    .fetch_optional(db)
    .await?;
    row.map(|row| read(&row)).transpose()
}

/// Notes that a session is in use.
pub async fn touch(
    tx: &mut Write,
    id: &TokenHash,
    seen_at: Timestamp,
    idle_expires_at: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update user_sessions set seen_at = $2, idle_expires_at = $3
         where id_hash = $1 and idle_expires_at > $2 and expires_at > $2",
    )
    .bind(id.as_str())
    .bind(seen_at.as_millis())
    .bind(idle_expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends a session by its id: signing out.
pub async fn delete(tx: &mut Write, id: &TokenHash) -> Result<()> {
    sqlx::query("delete from user_sessions where id_hash = $1")
        .bind(id.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The sessions of a user that are good now, last used first.
pub async fn list(
    db: &mut AnyConnection,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<UserSession>> {
    let rows = sqlx::query(
        "select key, user_id, address, user_agent, authenticated_at, factor_at, created_at,
           seen_at, idle_expires_at, expires_at
         from user_sessions where user_id = $1 and idle_expires_at > $2 and expires_at > $2
         order by seen_at desc, key limit $3",
    )
    .bind(user.to_string())
    .bind(now.as_millis())
    .bind(MOST)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Ends one session of this user by its public name; a second click finds it gone.
pub async fn end(tx: &mut Write, user: UserId, key: SessionKey) -> Result<()> {
    sqlx::query("delete from user_sessions where user_id = $1 and key = $2")
        .bind(user.to_string())
        .bind(key.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends every session of a user but `keep`, with a line in the audit trail.
pub async fn end_others(
    tx: &mut Write,
    user: &User,
    keep: Option<SessionKey>,
    by: &Author,
    now: Timestamp,
) -> Result<u64> {
    let ended = end_all(tx, user.id, keep).await?;
    let subject = Subject::new("user", user.id, &user.profile.display_name);
    audit::append(tx, &by.entry("user.sessions_ended", subject), now);
    Ok(ended)
}

/// Ends every session of a user but `keep`, as part of another change.
pub(crate) async fn end_all(tx: &mut Write, user: UserId, keep: Option<SessionKey>) -> Result<u64> {
    let ended = sqlx::query("delete from user_sessions where user_id = $1 and key <> $2")
        .bind(user.to_string())
        .bind(keep.map(|key| key.to_string()).unwrap_or_default())
        .execute(&mut **tx)
        .await?;
    Ok(ended.rows_affected())
}

/// Ends what these users have open: sessions, remembered devices, waiting links.
pub(crate) async fn end_of_all(tx: &mut Write, users: &[UserId]) -> Result<()> {
    let keys = json_keys(users);
    for sql in [
        "delete from user_sessions where user_id in (select key from json_each(json($1)))",
        "delete from remembered_devices where user_id in (select key from json_each(json($1)))",
        "delete from one_time_links where user_id in (select key from json_each(json($1)))",
    ] {
        sqlx::query(sql).bind(&keys).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Removes what expired. Nothing depends on it: expiry is checked at use.
pub async fn delete_expired(tx: &mut Write, now: Timestamp) -> Result<u64> {
    let gone =
        sqlx::query("delete from user_sessions where expires_at <= $1 or idle_expires_at <= $1")
            .bind(now.as_millis())
            .execute(&mut **tx)
            .await?;
    Ok(gone.rows_affected())
}

fn read(row: &AnyRow) -> Result<UserSession> {
    let row = TableRow::new("user_sessions", row);
    Ok(UserSession {
        key: row.parsed("key")?,
        user_id: row.parsed("user_id")?,
        address: row.text("address")?,
        user_agent: row.text("user_agent")?,
        authenticated_at: row.time("authenticated_at")?,
        factor_at: row.optional_time("factor_at")?,
        created_at: row.time("created_at")?,
        seen_at: row.time("seen_at")?,
        idle_expires_at: row.time("idle_expires_at")?,
        expires_at: row.time("expires_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, add_users, alice, user};
    use crate::{both_engines, users};

    fn id(number: u128) -> TokenHash {
        TokenHash::of("user session", &number.to_string())
    }

    fn session(number: u128) -> UserSession {
        UserSession {
            key: SessionKey::from_number(number),
            user_id: user(1),
            address: "192.0.2.1".to_owned(),
            user_agent: "Firefox".to_owned(),
            authenticated_at: NOW,
            factor_at: None,
            created_at: NOW,
            seen_at: NOW,
            idle_expires_at: NOW.plus_days(1),
            expires_at: NOW.plus_days(2),
        }
    }

    both_engines! {
        async fn a_session_ends_when_idle_at_its_end_and_with_its_user(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            let mut tx = store.write().await.unwrap();
            create(&mut tx, &id(1), &session(1), None).await.unwrap();
            assert_eq!(load(&mut tx, &id(1), NOW).await.unwrap(), Some(session(1)));
            assert!(load(&mut tx, &id(1), NOW.plus_days(1)).await.unwrap().is_none());
            touch(&mut tx, &id(1), NOW, NOW.plus_days(9)).await.unwrap();
            assert!(load(&mut tx, &id(1), NOW.plus_days(1)).await.unwrap().is_some());
            assert!(load(&mut tx, &id(1), NOW.plus_days(2)).await.unwrap().is_none());
            users::disable(&mut tx, &[user(1)], &alice(), NOW).await.unwrap();
            assert!(load(&mut tx, &id(1), NOW).await.unwrap().is_none());
        }

        async fn a_new_session_replaces_the_one_before_it_in_the_browser(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            let mut tx = store.write().await.unwrap();
            create(&mut tx, &id(1), &session(1), None).await.unwrap();
            create(&mut tx, &id(2), &session(2), Some(&id(1))).await.unwrap();
            create(&mut tx, &id(3), &session(3), None).await.unwrap();
            assert!(load(&mut tx, &id(1), NOW).await.unwrap().is_none());
            end(&mut tx, user(2), SessionKey::from_number(3)).await.unwrap();
            assert_eq!(list(&mut tx, user(1), NOW).await.unwrap().len(), 2, "another's session stays");
            let keep = Some(SessionKey::from_number(2));
            let ada = users::find(&mut tx, user(1)).await.unwrap().unwrap();
            assert_eq!(end_others(&mut tx, &ada, keep, &alice(), NOW).await.unwrap(), 1);
        }
    }
}
