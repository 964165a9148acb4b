//! Settings of the installation that operators change, by key.

use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use signpost_model::{Role, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::{TableRow, to_json};
use crate::{Error, Result, Store, Write, schedule};

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

/// The least role that must have a second factor; none means nobody has to.
pub const SECOND_FACTOR_FROM: Setting<Option<Role>> = Setting::new("second_factor_from");

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

/// What every request of an operator asks for, in one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfEveryPage {
    pub organisation_name: String,
    pub time_zone: String,
    pub second_factor_from: Option<Role>,
    /// Whether [`schedule::list_alerts`] has something to say, a federation waits to be confirmed,
    /// or another identity provider has a certificate, whose end stands in it alone.
    pub has_alerts: bool,
    /// When the first of the certificates that sign now ends.
    pub certificate_ends_at: Option<Timestamp>,
}

/// The columns of [`OfEveryPage`], for any statement. Without arguments: they are the same always.
pub(crate) static OF_EVERY_PAGE: LazyLock<String> = LazyLock::new(|| {
    let value = |key: &str| format!("(select v.value from settings v where v.key = '{key}')");
    format!(
        "{} as organisation_name, {} as time_zone, {} as second_factor_from,
         case when exists (select 1 {}) or exists (select 1 from federations f
           where f.state = 'confirming') or exists (select 1 from identity_providers p
           join applications u on u.id = p.application_id where u.deleted_at is null)
           then 1 else 0 end as has_alerts,
         (select min(k.not_after) from signing_keys k where k.state = 'current')
           as certificate_ends_at",
        value(ORGANISATION_NAME.key),
        value(TIME_ZONE.key),
        value(SECOND_FACTOR_FROM.key),
        schedule::ALERTING.replace("$1", &schedule::FAILURES_TO_TELL.to_string()),
    )
});

/// The settings that every page asks for.
pub async fn of_every_page(connection: &mut AnyConnection) -> Result<OfEveryPage> {
    static SQL: LazyLock<String> = LazyLock::new(|| format!("select {}", *OF_EVERY_PAGE));
    let row = sqlx::query(SQL.as_str()).fetch_one(connection).await?;
    read_of_every_page(&row)
}

/// Out of a row with the columns of [`OF_EVERY_PAGE`].
pub(crate) fn read_of_every_page(row: &AnyRow) -> Result<OfEveryPage> {
    let columns = TableRow::new("settings", row);
    let second_factor_from: Option<Option<Role>> = columns.optional_json("second_factor_from")?;
    Ok(OfEveryPage {
        organisation_name: columns
            .optional_json("organisation_name")?
            .unwrap_or_default(),
        time_zone: columns.optional_json("time_zone")?.unwrap_or_default(),
        second_factor_from: second_factor_from.flatten(),
        has_alerts: columns.flag("has_alerts")?,
        certificate_ends_at: columns.optional_time("certificate_ends_at")?,
    })
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
    use crate::fixtures::{add_connected, alice};
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

        async fn a_page_learns_at_once_what_every_page_needs(store: Store) {
            let mut tx = store.write().await.unwrap();
            assert_eq!(of_every_page(&mut tx).await.unwrap(), OfEveryPage::default());
            let name = "Contoso".to_owned();
            set(&mut tx, &ORGANISATION_NAME, &name, NOW).await.unwrap();
            set(&mut tx, &TIME_ZONE, &"Europe/Lisbon".to_owned(), NOW).await.unwrap();
            let from = Some(Role::Administrator);
            set(&mut tx, &SECOND_FACTOR_FROM, &from, NOW).await.unwrap();
            let known = of_every_page(&mut tx).await.unwrap();
            assert_eq!((known.organisation_name, known.time_zone), (name, "Europe/Lisbon".to_owned()));
            assert_eq!((known.second_factor_from, known.has_alerts), (from, false));
            set(&mut tx, &SECOND_FACTOR_FROM, &None, NOW).await.unwrap();
            assert_eq!(of_every_page(&mut tx).await.unwrap().second_factor_from, None);
            tx.commit().await.unwrap();
            let application = add_connected(&store).await;
            let mut tx = store.write().await.unwrap();
            schedule::pause(&mut tx, application.id, &alice(), NOW).await.unwrap();
            assert!(of_every_page(&mut tx).await.unwrap().has_alerts);
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
