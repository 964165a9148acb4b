//! Settings of the installation that operators change, by key.

use serde::Serialize;
use serde::de::DeserializeOwned;
use signpost_model::Timestamp;
use sqlx::AnyConnection;

use crate::rows::{TableRow, to_json};
use crate::{Error, Result, Store, Write};

/// A setting: its key, and the type of its value by the caller's choice of constant.
#[derive(Debug)]
pub struct Setting<T> {
    key: &'static str,
    kind: std::marker::PhantomData<fn() -> T>,
}

impl<T> Setting<T> {
    /// The setting with this key. Declare it once, as a constant.
    pub const fn new(key: &'static str) -> Self {
        Self {
            key,
            kind: std::marker::PhantomData,
        }
    }
}

/// The time zone of the organisation, as an IANA name.
pub const TIME_ZONE: Setting<String> = Setting::new("time_zone");
/// The name of the organisation, shown on pages.
pub const ORGANISATION_NAME: Setting<String> = Setting::new("organisation_name");

pub(crate) const MASTER_KEY_ID: Setting<String> = Setting::new("master_key_id");

/// The value of a setting; `None` when it was never set.
pub async fn find<T: DeserializeOwned>(
    connection: &mut AnyConnection,
    setting: &Setting<T>,
) -> Result<Option<T>> {
    let row = sqlx::query("select key, value from settings where key = $1")
        .bind(setting.key)
        .fetch_optional(connection)
        .await?;
    row.map(|row| TableRow::new("settings", &row).json("value"))
        .transpose()
}

/// Sets a setting.
pub async fn set<T: Serialize>(
    tx: &mut Write,
    setting: &Setting<T>,
    value: &T,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into settings (key, value, updated_at) values ($1, $2, $3)
         on conflict (key) do update set value = excluded.value, updated_at = excluded.updated_at",
    )
    .bind(setting.key)
    .bind(to_json(value)?)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes a setting if it has this value; `false` when it has another or none.
pub(crate) async fn take<T: Serialize>(
    tx: &mut Write,
    setting: &Setting<T>,
    value: &T,
) -> Result<bool> {
    let removed = sqlx::query("delete from settings where key = $1 and value = $2")
        .bind(setting.key)
        .bind(to_json(value)?)
        .execute(&mut **tx)
        .await?;
    Ok(removed.rows_affected() == 1)
}

/// Remembers the master key of a new database, and refuses another one for an old.
pub(crate) async fn check_master_key(store: &Store) -> Result<()> {
    let actual = store.sealer().key_id().to_owned();
    let mut tx = store.write().await?;
    match find(&mut tx, &MASTER_KEY_ID).await? {
        Some(expected) if expected != actual => Err(Error::WrongMasterKey { expected, actual }),
        Some(_) => Ok(()),
        None => {
            set(&mut tx, &MASTER_KEY_ID, &actual, Timestamp::default()).await?;
            tx.commit().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::testing::NOW;

    both_engines! {
        async fn a_setting_is_what_it_was_last_set_to(store: Store) {
            let mut tx = store.write().await.unwrap();
            assert_eq!(find(&mut tx, &TIME_ZONE).await.unwrap(), None);
            for zone in ["Europe/Lisbon", "Europe/Berlin"] {
                set(&mut tx, &TIME_ZONE, &zone.to_owned(), NOW).await.unwrap();
            }
            let zone = find(&mut tx, &TIME_ZONE).await.unwrap();
            assert_eq!(zone.as_deref(), Some("Europe/Berlin"));
            assert_eq!(find(&mut tx, &ORGANISATION_NAME).await.unwrap(), None);
        }

        async fn a_value_of_another_type_is_named(store: Store) {
            const NUMBER: Setting<i64> = Setting::new("time_zone");
            let mut tx = store.write().await.unwrap();
            set(&mut tx, &TIME_ZONE, &"Europe/Lisbon".to_owned(), NOW).await.unwrap();
            let refusal = find(&mut tx, &NUMBER).await.unwrap_err();
            assert_eq!(refusal.to_string(), "settings.value of row time_zone cannot be read");
        }
    }
}
