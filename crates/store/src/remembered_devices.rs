//! Devices that need no second factor until an end date, known by the hash of their token.

use signpost_model::{SessionKey, Timestamp, UserId};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Result, TokenHash, Write};

/// The most devices of one user; the oldest make room.
const MOST: i64 = 20;

/// A remembered device, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedDevice {
    /// The public name, by which its owner may forget it.
    pub key: SessionKey,
    pub user_agent: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Remembers a device of a user.
pub async fn remember(
    tx: &mut Write,
    token: &TokenHash,
    user: UserId,
    device: &RememberedDevice,
) -> Result<()> {
    sqlx::query(
        "delete from remembered_devices where user_id = $1 and key in (
           select d.key from remembered_devices d where d.user_id = $1
           order by d.created_at desc, d.key limit 1000 offset $2)",
    )
    .bind(user.to_string())
    .bind(MOST - 1)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into remembered_devices (token_hash, key, user_id, user_agent, created_at,
           expires_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(token.as_str())
    .bind(device.key.to_string())
    .bind(user.to_string())
    .bind(&device.user_agent)
    .bind(device.created_at.as_millis())
    .bind(device.expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether this device of this user is remembered now, and was not for longer than `most_days`.
pub async fn is_remembered(
    db: &mut AnyConnection,
    token: &TokenHash,
    user: UserId,
    most_days: i64,
    now: Timestamp,
) -> Result<bool> {
    // A policy that was made stricter holds for devices remembered before.
    let known: i64 = sqlx::query_scalar(
        "select count(*) from remembered_devices
         where token_hash = $1 and user_id = $2 and expires_at > $3 and created_at > $4",
    )
    .bind(token.as_str())
    .bind(user.to_string())
    .bind(now.as_millis())
    .bind(now.plus_days(-most_days).as_millis())
    .fetch_one(db)
    .await?;
    Ok(known > 0)
}

/// The remembered devices of a user, newest first.
pub async fn list(
    db: &mut AnyConnection,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<RememberedDevice>> {
    let rows = sqlx::query(
        "select key, user_agent, created_at, expires_at from remembered_devices
         where user_id = $1 and expires_at > $2 order by created_at desc, key limit $3",
    )
    .bind(user.to_string())
    .bind(now.as_millis())
    .bind(MOST)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("remembered_devices", row);
            Ok(RememberedDevice {
                key: row.parsed("key")?,
                user_agent: row.text("user_agent")?,
                created_at: row.time("created_at")?,
                expires_at: row.time("expires_at")?,
            })
        })
        .collect()
}

/// Forgets a device of this user; a second click finds it gone.
pub async fn forget(tx: &mut Write, user: UserId, key: SessionKey) -> Result<()> {
    sqlx::query("delete from remembered_devices where user_id = $1 and key = $2")
        .bind(user.to_string())
        .bind(key.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets every device of a user, as part of another change.
pub(crate) async fn forget_all(tx: &mut Write, user: UserId) -> Result<()> {
    sqlx::query("delete from remembered_devices where user_id = $1")
        .bind(user.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes what expired. Nothing depends on it: expiry is checked at use.
pub async fn delete_expired(tx: &mut Write, now: Timestamp) -> Result<u64> {
    let gone = sqlx::query("delete from remembered_devices where expires_at <= $1")
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(gone.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_users, user};

    both_engines! {
        async fn a_device_is_remembered_for_its_user_until_its_end(store: Store) {
            add_users(&store, 1, &["Ada", "Bob"]).await;
            let mut tx = store.write().await.unwrap();
            let token = TokenHash::of("device", "1");
            let device = RememberedDevice {
                key: SessionKey::from_number(1),
                user_agent: "Firefox".to_owned(),
                created_at: NOW,
                expires_at: NOW.plus_days(30),
            };
            remember(&mut tx, &token, user(1), &device).await.unwrap();
            let later = NOW.plus_days(29);
            assert!(is_remembered(&mut tx, &token, user(1), 30, later).await.unwrap());
            assert!(!is_remembered(&mut tx, &token, user(2), 30, later).await.unwrap());
            assert!(!is_remembered(&mut tx, &token, user(1), 7, later).await.unwrap());
            let end = NOW.plus_days(30);
            assert!(!is_remembered(&mut tx, &token, user(1), 90, end).await.unwrap());
            assert_eq!(list(&mut tx, user(1), NOW).await.unwrap(), [device]);
            forget(&mut tx, user(1), SessionKey::from_number(1)).await.unwrap();
            assert!(!is_remembered(&mut tx, &token, user(1), 30, later).await.unwrap());
        }
    }
}
