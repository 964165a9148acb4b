//! Passkeys of users: public keys and their counters. No secret is among them.

use signpost_model::{Author, PasskeyId, SessionKey, Timestamp, User, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::TableRow;
use crate::{Error, Result, Write, credentials};

/// The most passkeys of one user.
pub const MOST: i64 = 10;

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    pub id: PasskeyId,
    pub user_id: UserId,
    /// What the authenticator calls it, as base64.
    pub credential_id: String,
    /// As the `WebAuthn` library writes it.
    pub body: String,
    /// What its owner calls it.
    pub name: String,
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
}

/// Adds a passkey; [`crate::Constraint::Passkey`] when it is somebody's already. Every session but
/// `keep` ends.
pub async fn add(
    tx: &mut Write,
    user: &User,
    passkey: &Passkey,
    keep: Option<SessionKey>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    if i64::try_from(list(tx, user.id).await?.len()).unwrap_or(MOST) >= MOST {
        return Err(Error::Stale("list of passkeys"));
    }
    credentials::touch(tx, user.id).await?;
    sqlx::query(
        "insert into passkeys (id, user_id, credential_id, body, name, created_at)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(passkey.id.to_string())
    .bind(user.id.to_string())
    .bind(&passkey.credential_id)
    .bind(&passkey.body)
    .bind(&passkey.name)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    credentials::note(tx, user, keep, ("user.passkey_added", by, now)).await
}

/// The passkeys of a user, oldest first.
pub async fn list(db: &mut AnyConnection, user: UserId) -> Result<Vec<Passkey>> {
    let rows = sqlx::query(
        "select id, user_id, credential_id, body, name, created_at, used_at from passkeys
         where user_id = $1 order by created_at, id limit 100",
    )
    .bind(user.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// The passkey that an authenticator calls so.
pub async fn find(db: &mut AnyConnection, credential_id: &str) -> Result<Option<Passkey>> {
    let row = sqlx::query(
        "select id, user_id, credential_id, body, name, created_at, used_at from passkeys
         where credential_id = $1",
    )
    .bind(credential_id)
    .fetch_optional(db)
    .await?;
    row.map(|row| read(&row)).transpose()
}

/// Notes that a passkey was used, with its counter as it is now.
pub async fn record_use(tx: &mut Write, id: PasskeyId, body: &str, now: Timestamp) -> Result<()> {
    sqlx::query("update passkeys set body = $2, used_at = $3 where id = $1")
        .bind(id.to_string())
        .bind(body)
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes a passkey of this user; a second click finds it gone.
pub async fn remove(
    tx: &mut Write,
    user: &User,
    id: PasskeyId,
    keep: Option<SessionKey>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let gone = sqlx::query("delete from passkeys where user_id = $1 and id = $2")
        .bind(user.id.to_string())
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    if gone.rows_affected() == 0 {
        return Ok(());
    }
    credentials::touch(tx, user.id).await?;
    credentials::note(tx, user, keep, ("user.passkey_removed", by, now)).await
}

/// Removes every passkey of a user, as part of another change.
pub(crate) async fn delete_all(tx: &mut Write, user: UserId) -> Result<()> {
    sqlx::query("delete from passkeys where user_id = $1")
        .bind(user.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<Passkey> {
    let row = TableRow::new("passkeys", row);
    Ok(Passkey {
        id: row.parsed("id")?,
        user_id: row.parsed("user_id")?,
        credential_id: row.text("credential_id")?,
        body: row.text("body")?,
        name: row.text("name")?,
        created_at: row.time("created_at")?,
        used_at: row.optional_time("used_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, add_users, alice, user};
    use crate::{Constraint, both_engines, users};

    fn passkey(number: u128, owner: u128) -> Passkey {
        Passkey {
            id: PasskeyId::from_number(number),
            user_id: user(owner),
            credential_id: "abc".to_owned(),
            body: "{}".to_owned(),
            name: "Phone".to_owned(),
            created_at: NOW,
            used_at: None,
        }
    }

    both_engines! {
        async fn a_passkey_belongs_to_one_user_and_only_they_remove_it(store: Store) {
            add_users(&store, 1, &["Ada", "Bob"]).await;
            let mut tx = store.write().await.unwrap();
            let ada = users::find(&mut tx, user(1)).await.unwrap().unwrap();
            let bob = users::find(&mut tx, user(2)).await.unwrap().unwrap();
            add(&mut tx, &ada, &passkey(1, 1), None, &alice(), NOW).await.unwrap();
            assert_eq!(find(&mut tx, "abc").await.unwrap(), Some(passkey(1, 1)));
            assert!(credentials::find(&mut tx, ada.id).await.unwrap().has_factor());
            remove(&mut tx, &bob, PasskeyId::from_number(1), None, &alice(), NOW).await.unwrap();
            assert_eq!(list(&mut tx, ada.id).await.unwrap().len(), 1);
            record_use(&mut tx, PasskeyId::from_number(1), "{\"counter\":1}", NOW).await.unwrap();
            remove(&mut tx, &ada, PasskeyId::from_number(1), None, &alice(), NOW).await.unwrap();
            assert!(find(&mut tx, "abc").await.unwrap().is_none());
            tx.commit().await.unwrap();

            let mut tx = store.write().await.unwrap();
            add(&mut tx, &ada, &passkey(1, 1), None, &alice(), NOW).await.unwrap();
            let theft = add(&mut tx, &bob, &passkey(2, 2), None, &alice(), NOW).await.unwrap_err();
            assert!(theft.is_conflict(Constraint::Passkey));
        }
    }
}
