//! A new master key: every sealed value is opened with the old one and sealed with the new.

use signpost_model::{Random, Timestamp};
use sqlx::AssertSqlSafe;

use crate::rows::TableRow;
use crate::{Result, RowIdentity, Sealer, Store, settings};

/// A column of sealed values. By convention its name ends in `_sealed`.
struct SealedColumn {
    table: &'static str,
    id: &'static str,
    column: &'static str,
    /// The column that the value is bound to: the same, unless values move between two.
    bound_to: &'static str,
}

const fn column(table: &'static str, id: &'static str, column: &'static str) -> SealedColumn {
    SealedColumn {
        table,
        id,
        column,
        bound_to: column,
    }
}

const SEALED: &[SealedColumn] = &[
    column("operators", "id", "totp_seed_sealed"),
    SealedColumn {
        bound_to: "totp_seed_sealed",
        ..column("operators", "id", "totp_pending_seed_sealed")
    },
    column("connections", "application_id", "secret_sealed"),
    column("connections", "application_id", "delta_link_sealed"),
    column("group_readings", "application_id", "delta_link_sealed"),
    column("connection_certificates", "id", "private_key_sealed"),
    column("signing_keys", "id", "private_key_sealed"),
    column("user_credentials", "user_id", "totp_seed_sealed"),
    SealedColumn {
        bound_to: "totp_seed_sealed",
        ..column("user_credentials", "user_id", "totp_pending_seed_sealed")
    },
    column("mail_settings", "id", "password_sealed"),
    column("mails", "id", "body_sealed"),
    column("password_requests", "id", "user_name_sealed"),
];

/// Seals every secret of the database anew, all or none; returns how many. Afterwards only a
/// process with the new key opens the database.
pub async fn rotate(
    store: &Store,
    new: &Sealer,
    random: &dyn Random,
    now: Timestamp,
) -> Result<u64> {
    let mut tx = store.write().await?;
    let mut sealed_anew = 0;
    for place in SEALED {
        let SealedColumn {
            table, id, column, ..
        } = place;
        let rows = sqlx::query(AssertSqlSafe(format!(
            "select {id} as id, {column} as sealed from {table}
             where {column} is not null and {column} <> ''"
        )))
        .fetch_all(&mut *tx)
        .await?;
        for row in &rows {
            let row = TableRow::new(table, row);
            let row_id = row.text("id")?;
            let identity = RowIdentity {
                table,
                column: place.bound_to,
                id: &row_id,
            };
            let secret = store.sealer().open(identity, &row.text("sealed")?)?;
            sqlx::query(AssertSqlSafe(format!(
                "update {table} set {column} = $2 where {id} = $1"
            )))
            .bind(&row_id)
            .bind(new.seal(identity, &secret, random)?)
            .execute(&mut *tx)
            .await?;
            sealed_anew += 1;
        }
    }
    settings::set(
        &mut tx,
        &settings::MASTER_KEY_ID,
        &new.key_id().to_owned(),
        now,
    )
    .await?;
    tx.commit().await?;
    Ok(sealed_anew)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::{self, NewOperator};
    use crate::testing::{AUTHOR, Database, NOW};
    use crate::{Engine, Error, MasterKey, both_engines, factors};
    use signpost_model::random::SeededRandom;
    use signpost_model::{OperatorId, Role, Secret};

    const ADA: OperatorId = OperatorId::from_number(1);

    fn new_sealer() -> Sealer {
        Sealer::new(&MasterKey::generate(&SeededRandom::new(42)))
    }

    both_engines! {
        async fn secrets_open_with_the_new_key_only(store: Store) {
            let random = SeededRandom::new(1);
            let mut tx = store.write().await.unwrap();
            let ada = NewOperator {
                id: ADA,
                email: "ada@contoso.example".to_owned(),
                name: "Ada".to_owned(),
                role: Role::Owner,
                password_hash: String::new(),
            };
            operators::create(&mut tx, &ada, &AUTHOR, NOW).await.unwrap();
            for seed in ["confirmed", "pending"] {
                let seed = Secret::new(seed);
                factors::begin_totp(&mut tx, store.sealer(), ADA, &seed, &random).await.unwrap();
                if seed.expose() == "confirmed" {
                    factors::confirm_totp(&mut tx, ADA, 1, &[], None, &AUTHOR, NOW).await.unwrap();
                }
            }
            tx.commit().await.unwrap();

            assert_eq!(rotate(&store, &new_sealer(), &random, NOW).await.unwrap(), 2);
            let mut connection = store.read().await.unwrap();
            let seeds = factors::find_seeds(&mut connection, &new_sealer(), ADA).await.unwrap();
            assert_eq!(seeds.confirmed.unwrap().expose(), "confirmed");
            assert_eq!(seeds.pending.unwrap().expose(), "pending");
            let old = factors::find_seeds(&mut connection, store.sealer(), ADA).await;
            assert!(matches!(old, Err(Error::Unsealable(_))));
            drop(connection);
            assert!(matches!(store.migrate().await, Err(Error::WrongMasterKey { .. })));
        }
    }

    #[tokio::test]
    async fn every_sealed_column_is_rotated() {
        let database = Database::create(Engine::Sqlite).await;
        let mut connection = database.store.read().await.unwrap();
        let mut found: Vec<String> = sqlx::query_scalar(
            "select m.name || '.' || c.name from sqlite_master m
             join pragma_table_info(m.name) c where m.type = 'table' and c.name like '%\\_sealed' escape '\\'",
        )
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        let mut known: Vec<_> = SEALED
            .iter()
            .map(|place| format!("{}.{}", place.table, place.column))
            .collect();
        found.sort();
        known.sort();
        assert_eq!(found, known);
    }
}
