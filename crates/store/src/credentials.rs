//! What users prove themselves with: password, one-time code generator, recovery codes.

use signpost_model::audit::Subject;
use signpost_model::{Author, Random, Secret, SessionKey, Timestamp, User, UserId};
use sqlx::AnyConnection;

use crate::factors::Seeds;
use crate::rows::TableRow;
use crate::{
    Error, Result, RowIdentity, Sealer, TokenHash, Write, audit, one_time_links, passkeys,
    remembered_devices, user_sessions,
};

/// What a user has to prove themselves with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// In PHC form (`$argon2id$…`).
    pub password_hash: Option<String>,
    pub has_totp: bool,
    pub passkeys: i64,
    /// Counts new passwords and factors; 0 for a user who never had any.
    pub version: i64,
}

impl Credentials {
    /// Whether there is a second factor.
    pub const fn has_factor(&self) -> bool {
        self.has_totp || self.passkeys > 0
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials(version {})", self.version)
    }
}

/// What this user has.
pub async fn find(db: &mut AnyConnection, user: UserId) -> Result<Credentials> {
    let row = sqlx::query(
        "select c.user_id, c.password_hash, c.totp_confirmed_at, c.version,
           (select count(*) from passkeys p where p.user_id = c.user_id) as passkeys
         from user_credentials c where c.user_id = $1",
    )
    .bind(user.to_string())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else {
        return Ok(Credentials::default());
    };
    let row = TableRow::new("user_credentials", &row);
    Ok(Credentials {
        password_hash: row.optional_text("password_hash")?,
        has_totp: row.optional_number("totp_confirmed_at")?.is_some(),
        passkeys: row.number("passkeys")?,
        version: row.number("version")?,
    })
}

/// Sets a password: every session but `keep`, every remembered device and every waiting link ends.
pub async fn set_password(
    tx: &mut Write,
    user: &User,
    password_hash: &str,
    keep: Option<SessionKey>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    touch(tx, user.id).await?;
    sqlx::query(
        "update user_credentials set password_hash = $2, password_changed_at = $3
         where user_id = $1",
    )
    .bind(user.id.to_string())
    .bind(password_hash)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    one_time_links::revoke(tx, user.id).await?;
    note(tx, user, keep, ("user.password_changed", by, now)).await
}

/// Keeps a seed that does not count until a code of it was entered. A factor in use stays.
pub async fn begin_totp(
    tx: &mut Write,
    sealer: &Sealer,
    user: UserId,
    seed: &Secret,
    random: &dyn Random,
) -> Result<()> {
    let id = user.to_string();
    sqlx::query(
        "insert into user_credentials (user_id, totp_pending_seed_sealed, version)
         values ($1, $2, 1) on conflict (user_id) do update set
           totp_pending_seed_sealed = excluded.totp_pending_seed_sealed",
    )
    .bind(&id)
    .bind(sealer.seal(seed_row(&id), seed, random)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The seeds of a user, opened.
pub async fn find_seeds(db: &mut AnyConnection, sealer: &Sealer, user: UserId) -> Result<Seeds> {
    let id = user.to_string();
    let row = sqlx::query(
        "select user_id, totp_seed_sealed, totp_pending_seed_sealed from user_credentials
         where user_id = $1",
    )
    .bind(&id)
    .fetch_optional(db)
    .await?;
    let Some(row) = row else {
        return Ok(Seeds::default());
    };
    let row = TableRow::new("user_credentials", &row);
    let open = |sealed: Option<String>| {
        sealed
            .map(|sealed| sealer.open(seed_row(&id), &sealed))
            .transpose()
    };
    Ok(Seeds {
        confirmed: open(row.optional_text("totp_seed_sealed")?)?,
        pending: open(row.optional_text("totp_pending_seed_sealed")?)?,
    })
}

/// Makes the pending seed the factor, after a code of time step `step` proved it; every session
/// but `keep` ends.
pub async fn confirm_totp(
    tx: &mut Write,
    user: &User,
    step: i64,
    recovery_codes: &[TokenHash],
    keep: Option<SessionKey>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let changed = sqlx::query(
        "update user_credentials set totp_seed_sealed = totp_pending_seed_sealed,
           totp_pending_seed_sealed = null, totp_confirmed_at = $2, totp_last_step = $3
         where user_id = $1 and totp_pending_seed_sealed is not null",
    )
    .bind(user.id.to_string())
    .bind(now.as_millis())
    .bind(step)
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::NotFound("pending second factor"));
    }
    touch(tx, user.id).await?;
    insert_recovery_codes(tx, user.id, recovery_codes).await?;
    note(tx, user, keep, ("user.second_factor_added", by, now)).await
}

/// Uses up a time step: `false` when it, or a later one, was used before.
pub async fn use_totp_step(tx: &mut Write, user: UserId, step: i64) -> Result<bool> {
    let changed = sqlx::query(
        "update user_credentials set totp_last_step = $2
         where user_id = $1 and totp_seed_sealed is not null
           and (totp_last_step is null or totp_last_step < $2)",
    )
    .bind(user.to_string())
    .bind(step)
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Uses up a recovery code: `false` when it is unknown or was used before.
pub async fn use_recovery_code(
    tx: &mut Write,
    user: &User,
    code: &TokenHash,
    by: &Author,
    now: Timestamp,
) -> Result<bool> {
    let changed = sqlx::query(
        "update user_recovery_codes set used_at = $3
         where user_id = $1 and code_hash = $2 and used_at is null",
    )
    .bind(user.id.to_string())
    .bind(code.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    audit::append(tx, &by.entry("user.recovery_code_used", subject(user)), now);
    Ok(true)
}

/// Replaces the recovery codes; the old ones stop working.
pub async fn replace_recovery_codes(
    tx: &mut Write,
    user: &User,
    codes: &[TokenHash],
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    insert_recovery_codes(tx, user.id, codes).await?;
    let entry = by.entry("user.recovery_codes_replaced", subject(user));
    audit::append(tx, &entry, now);
    Ok(())
}

/// How many recovery codes still work.
pub async fn count_recovery_codes(db: &mut AnyConnection, user: UserId) -> Result<i64> {
    let count = sqlx::query_scalar(
        "select count(*) from user_recovery_codes where user_id = $1 and used_at is null",
    )
    .bind(user.to_string())
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// Takes the code generator away, with its recovery codes when no passkey is left to need them.
pub async fn remove_totp(
    tx: &mut Write,
    user: &User,
    keep: Option<SessionKey>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    forget_totp(tx, user.id).await?;
    touch(tx, user.id).await?;
    if passkeys::list(tx, user.id).await?.is_empty() {
        insert_recovery_codes(tx, user.id, &[]).await?;
    }
    note(tx, user, keep, ("user.second_factor_removed", by, now)).await
}

/// Takes every second factor away: the device is lost.
pub async fn remove_factors(
    tx: &mut Write,
    user: &User,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    forget_totp(tx, user.id).await?;
    passkeys::delete_all(tx, user.id).await?;
    insert_recovery_codes(tx, user.id, &[]).await?;
    touch(tx, user.id).await?;
    note(tx, user, None, ("user.second_factors_removed", by, now)).await
}

async fn forget_totp(tx: &mut Write, user: UserId) -> Result<()> {
    sqlx::query(
        "update user_credentials set totp_seed_sealed = null, totp_pending_seed_sealed = null,
           totp_confirmed_at = null, totp_last_step = null where user_id = $1",
    )
    .bind(user.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Counts a change of the user's credentials.
pub(crate) async fn touch(tx: &mut Write, user: UserId) -> Result<()> {
    sqlx::query(
        "insert into user_credentials (user_id, version) values ($1, 1)
         on conflict (user_id) do update set version = user_credentials.version + 1",
    )
    .bind(user.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends what was proved by the old credentials, and writes the change down.
pub(crate) async fn note(
    tx: &mut Write,
    user: &User,
    keep: Option<SessionKey>,
    (action, by, now): (&'static str, &Author, Timestamp),
) -> Result<()> {
    user_sessions::end_all(tx, user.id, keep).await?;
    remembered_devices::forget_all(tx, user.id).await?;
    audit::append(tx, &by.entry(action, subject(user)), now);
    Ok(())
}

async fn insert_recovery_codes(tx: &mut Write, user: UserId, codes: &[TokenHash]) -> Result<()> {
    sqlx::query("delete from user_recovery_codes where user_id = $1")
        .bind(user.to_string())
        .execute(&mut **tx)
        .await?;
    for code in codes {
        sqlx::query("insert into user_recovery_codes (user_id, code_hash) values ($1, $2)")
            .bind(user.to_string())
            .bind(code.as_str())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

fn subject(user: &User) -> Subject {
    Subject::new("user", user.id, &user.profile.display_name)
}

/// Pending and confirmed share it, since confirming moves the sealed text.
const fn seed_row(id: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "user_credentials",
        column: "totp_seed_sealed",
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, add_users, alice, random, user};
    use crate::{Store, both_engines, users};

    async fn add_ada(store: &Store) -> User {
        add_users(store, 1, &["Ada"]).await;
        let mut db = store.read().await.unwrap();
        users::find(&mut db, user(1)).await.unwrap().unwrap()
    }

    both_engines! {
        async fn a_password_counts_as_a_change_and_is_found_again(store: Store) {
            let ada = add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            assert_eq!(find(&mut tx, ada.id).await.unwrap(), Credentials::default());
            for (hash, version) in [("one", 1), ("two", 2)] {
                set_password(&mut tx, &ada, hash, None, &alice(), NOW).await.unwrap();
                let found = find(&mut tx, ada.id).await.unwrap();
                assert_eq!((found.password_hash.as_deref(), found.version), (Some(hash), version));
            }
        }

        async fn a_seed_counts_once_confirmed_and_each_step_once(store: Store) {
            let ada = add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            let codes = ["a", "b"].map(|code| TokenHash::of("recovery code", code));
            let seed = Secret::new("seed");
            begin_totp(&mut tx, store.sealer(), ada.id, &seed, &random()).await.unwrap();
            assert!(!find(&mut tx, ada.id).await.unwrap().has_factor());
            assert!(!use_totp_step(&mut tx, ada.id, 99).await.unwrap());
            confirm_totp(&mut tx, &ada, 100, &codes, None, &alice(), NOW).await.unwrap();
            assert!(find(&mut tx, ada.id).await.unwrap().has_factor());
            let seeds = find_seeds(&mut tx, store.sealer(), ada.id).await.unwrap();
            assert_eq!(seeds.confirmed.unwrap().expose(), "seed");
            for (step, works) in [(100, false), (102, true), (102, false), (101, false)] {
                assert_eq!(use_totp_step(&mut tx, ada.id, step).await.unwrap(), works, "{step}");
            }
            assert!(use_recovery_code(&mut tx, &ada, &codes[0], &alice(), NOW).await.unwrap());
            assert!(!use_recovery_code(&mut tx, &ada, &codes[0], &alice(), NOW).await.unwrap());
            assert_eq!(count_recovery_codes(&mut tx, ada.id).await.unwrap(), 1);
            remove_factors(&mut tx, &ada, &alice(), NOW).await.unwrap();
            assert!(!find(&mut tx, ada.id).await.unwrap().has_factor());
            assert_eq!(count_recovery_codes(&mut tx, ada.id).await.unwrap(), 0);
        }
    }
}
