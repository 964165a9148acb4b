//! Second factors of operators: a one-time code generator, and recovery codes for when it is lost.

use signpost_model::audit::Subject;
use signpost_model::{Author, OperatorId, Random, Secret, SessionKey, Timestamp};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Error, Result, RowIdentity, Sealer, TokenHash, Write, audit, operators, sessions};

/// Keeps a seed that does not count until a code of it was entered. A factor in use stays.
pub async fn begin_totp(
    tx: &mut Write,
    sealer: &Sealer,
    operator: OperatorId,
    seed: &Secret,
    random: &dyn Random,
) -> Result<()> {
    let id = operator.to_string();
    let changed = sqlx::query("update operators set totp_pending_seed_sealed = $2 where id = $1")
        .bind(&id)
        .bind(sealer.seal(seed_identity(&id), seed, random)?)
        .execute(&mut **tx)
        .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::NotFound("operator"));
    }
    Ok(())
}

/// The seeds of an operator.
#[derive(Debug, Default)]
pub struct Seeds {
    /// The one whose codes let them in.
    pub confirmed: Option<Secret>,
    /// The one being enrolled.
    pub pending: Option<Secret>,
}

/// The seeds of an operator, opened.
pub async fn find_seeds(
    connection: &mut AnyConnection,
    sealer: &Sealer,
    operator: OperatorId,
) -> Result<Seeds> {
    let id = operator.to_string();
    let row = sqlx::query(
        "select id, totp_seed_sealed, totp_pending_seed_sealed from operators where id = $1",
    )
    .bind(&id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok(Seeds::default());
    };
    let row = TableRow::new("operators", &row);
    let open = |sealed: Option<String>| {
        sealed
            .map(|sealed| sealer.open(seed_identity(&id), &sealed))
            .transpose()
    };
    Ok(Seeds {
        confirmed: open(row.optional_text("totp_seed_sealed")?)?,
        pending: open(row.optional_text("totp_pending_seed_sealed")?)?,
    })
}

/// Makes the pending seed the factor, after a code of time step `step` proved it; every other
/// session ends.
pub async fn confirm_totp(
    tx: &mut Write,
    operator: OperatorId,
    step: i64,
    recovery_codes: &[TokenHash],
    keep: Option<SessionKey>,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    let changed = sqlx::query(
        "update operators set totp_seed_sealed = totp_pending_seed_sealed,
           totp_pending_seed_sealed = null, totp_confirmed_at = $2, totp_last_step = $3,
           version = version + 1
         where id = $1 and totp_pending_seed_sealed is not null",
    )
    .bind(operator.to_string())
    .bind(now.as_millis())
    .bind(step)
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::NotFound("pending second factor"));
    }
    insert_recovery_codes(tx, operator, recovery_codes).await?;
    sessions::end_all(tx, operator, keep).await?;
    append(tx, operator, "operator.second_factor_added", author, now).await
}

/// Uses up a time step: `false` when it, or a later one, was used before.
pub async fn use_totp_step(tx: &mut Write, operator: OperatorId, step: i64) -> Result<bool> {
    let changed = sqlx::query(
        "update operators set totp_last_step = $2
         where id = $1 and totp_seed_sealed is not null
           and (totp_last_step is null or totp_last_step < $2)",
    )
    .bind(operator.to_string())
    .bind(step)
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Replaces the recovery codes; the old ones stop working.
pub async fn replace_recovery_codes(
    tx: &mut Write,
    operator: OperatorId,
    codes: &[TokenHash],
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    insert_recovery_codes(tx, operator, codes).await?;
    append(
        tx,
        operator,
        "operator.recovery_codes_replaced",
        author,
        now,
    )
    .await
}

/// Uses up a recovery code: `false` when it is unknown or was used before.
pub async fn use_recovery_code(
    tx: &mut Write,
    operator: OperatorId,
    code: &TokenHash,
    author: &Author,
    now: Timestamp,
) -> Result<bool> {
    let changed = sqlx::query(
        "update recovery_codes set used_at = $3
         where operator_id = $1 and code_hash = $2 and used_at is null",
    )
    .bind(operator.to_string())
    .bind(code.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    append(tx, operator, "operator.recovery_code_used", author, now).await?;
    Ok(true)
}

/// How many recovery codes still work.
pub async fn count_recovery_codes(
    connection: &mut AnyConnection,
    operator: OperatorId,
) -> Result<i64> {
    let count = sqlx::query_scalar(
        "select count(*) from recovery_codes where operator_id = $1 and used_at is null",
    )
    .bind(operator.to_string())
    .fetch_one(connection)
    .await?;
    Ok(count)
}

/// Takes the second factor away; every other session ends.
pub async fn remove(
    tx: &mut Write,
    operator: OperatorId,
    keep: Option<SessionKey>,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update operators set totp_seed_sealed = null, totp_pending_seed_sealed = null,
           totp_confirmed_at = null, totp_last_step = null, version = version + 1
         where id = $1",
    )
    .bind(operator.to_string())
    .execute(&mut **tx)
    .await?;
    insert_recovery_codes(tx, operator, &[]).await?;
    sessions::end_all(tx, operator, keep).await?;
    append(tx, operator, "operator.second_factor_removed", author, now).await
}

async fn insert_recovery_codes(
    tx: &mut Write,
    operator: OperatorId,
    codes: &[TokenHash],
) -> Result<()> {
    sqlx::query("delete from recovery_codes where operator_id = $1")
        .bind(operator.to_string())
        .execute(&mut **tx)
        .await?;
    for code in codes {
        sqlx::query("insert into recovery_codes (operator_id, code_hash) values ($1, $2)")
            .bind(operator.to_string())
            .bind(code.as_str())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

async fn append(
    tx: &mut Write,
    id: OperatorId,
    action: &'static str,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    let operator = operators::find(tx, id).await?;
    let operator = operator.ok_or(Error::NotFound("operator"))?;
    let subject = Subject::new("operator", id, operator.name);
    let entry = author.entry(action, subject);
    audit::append(tx, &entry, now);
    Ok(())
}

/// Pending and confirmed share it, since confirming moves the sealed text.
pub(crate) fn seed_identity(id: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "operators",
        column: "totp_seed_sealed",
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::operators::NewOperator;
    use crate::testing::{AUTHOR, NOW, sealer};
    use signpost_model::Role;
    use signpost_model::random::SeededRandom;

    const ADA: OperatorId = OperatorId::from_number(1);

    async fn add_ada(tx: &mut Write) {
        let ada = NewOperator {
            id: ADA,
            email: "ada@contoso.example".to_owned(),
            name: "Ada".to_owned(),
            role: Role::Owner,
            password_hash: String::new(),
        };
        operators::create(tx, &ada, &AUTHOR, NOW).await.unwrap();
    }

    async fn begin(tx: &mut Write, seed: &str) {
        let random = SeededRandom::new(1);
        begin_totp(tx, &sealer(), ADA, &Secret::new(seed), &random)
            .await
            .unwrap();
    }

    both_engines! {
        async fn a_seed_counts_only_after_it_was_confirmed(store: Store) {
            let mut tx = store.write().await.unwrap();
            add_ada(&mut tx).await;
            begin(&mut tx, "first").await;
            let seeds = find_seeds(&mut tx, &sealer(), ADA).await.unwrap();
            assert!(seeds.confirmed.is_none());
            assert_eq!(seeds.pending.unwrap().expose(), "first");
            assert!(!use_totp_step(&mut tx, ADA, 100).await.unwrap());
            confirm_totp(&mut tx, ADA, 100, &[], None, &AUTHOR, NOW).await.unwrap();
            assert!(operators::find(&mut tx, ADA).await.unwrap().unwrap().has_second_factor);

            begin(&mut tx, "second").await;
            let seeds = find_seeds(&mut tx, &sealer(), ADA).await.unwrap();
            assert_eq!(seeds.confirmed.unwrap().expose(), "first");
            remove(&mut tx, ADA, None, &AUTHOR, NOW).await.unwrap();
            let seeds = find_seeds(&mut tx, &sealer(), ADA).await.unwrap();
            assert!(seeds.confirmed.is_none() && seeds.pending.is_none());
        }

        async fn a_time_step_works_once_and_never_after_a_later_one(store: Store) {
            let mut tx = store.write().await.unwrap();
            add_ada(&mut tx).await;
            begin(&mut tx, "seed").await;
            confirm_totp(&mut tx, ADA, 100, &[], None, &AUTHOR, NOW).await.unwrap();
            assert!(!use_totp_step(&mut tx, ADA, 100).await.unwrap());
            assert!(use_totp_step(&mut tx, ADA, 102).await.unwrap());
            assert!(!use_totp_step(&mut tx, ADA, 102).await.unwrap());
            assert!(!use_totp_step(&mut tx, ADA, 101).await.unwrap());
        }

        async fn a_recovery_code_works_once(store: Store) {
            let codes = ["a", "b"].map(|code| TokenHash::of("recovery", code));
            let mut tx = store.write().await.unwrap();
            add_ada(&mut tx).await;
            begin(&mut tx, "seed").await;
            confirm_totp(&mut tx, ADA, 100, &codes, None, &AUTHOR, NOW).await.unwrap();
            assert!(use_recovery_code(&mut tx, ADA, &codes[0], &AUTHOR, NOW).await.unwrap());
            assert!(!use_recovery_code(&mut tx, ADA, &codes[0], &AUTHOR, NOW).await.unwrap());
            assert_eq!(count_recovery_codes(&mut tx, ADA).await.unwrap(), 1);
            let fresh = [TokenHash::of("recovery", "c")];
            replace_recovery_codes(&mut tx, ADA, &fresh, &AUTHOR, NOW).await.unwrap();
            assert!(!use_recovery_code(&mut tx, ADA, &codes[1], &AUTHOR, NOW).await.unwrap());
        }
    }
}
