//! Growing delays for whoever keeps failing: by account, by address, by anything with a key.

use signpost_model::Timestamp;
use signpost_model::time::{DAY_MS, MINUTE_MS};
use sqlx::AnyConnection;

use crate::token::sha256_hex;
use crate::{Result, Write};

/// How fast delays grow.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleRule {
    /// Failures that cost nothing: people mistype.
    pub free_failures: i64,
    /// The delay after the first failure that costs; it doubles with each further one.
    pub first_delay_ms: i64,
    /// No delay is longer.
    pub longest_delay_ms: i64,
    /// Without a failure for this long, all is forgotten.
    pub window_ms: i64,
}

impl Default for ThrottleRule {
    fn default() -> Self {
        Self {
            free_failures: 4,
            first_delay_ms: 2_000,
            longest_delay_ms: 15 * MINUTE_MS,
            window_ms: DAY_MS,
        }
    }
}

impl ThrottleRule {
    fn delay_ms(&self, failures: i64) -> i64 {
        let costing = failures - self.free_failures;
        if costing <= 0 {
            return 0;
        }
        let doublings = u32::try_from(costing - 1).unwrap_or(u32::MAX).min(30);
        self.first_delay_ms
            .saturating_mul(1 << doublings)
            .min(self.longest_delay_ms)
    }
}

/// Until when nothing under this key may be tried; `None` when it may be now.
pub async fn find_block(
    connection: &mut AnyConnection,
    key: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let until: Option<i64> =
        sqlx::query_scalar("select blocked_until from throttles where key = $1")
            .bind(stored_key(key))
            .fetch_optional(connection)
            .await?;
    Ok(until
        .map(Timestamp::from_millis)
        .filter(|until| *until > now))
}

/// Whether anything failed under this key within the rule's window.
pub async fn has_failed(
    connection: &mut AnyConnection,
    key: &str,
    rule: &ThrottleRule,
    now: Timestamp,
) -> Result<bool> {
    let failures: Option<i64> =
        sqlx::query_scalar("select failures from throttles where key = $1 and updated_at >= $2")
            .bind(stored_key(key))
            .bind(now.plus_millis(-rule.window_ms).as_millis())
            .fetch_optional(connection)
            .await?;
    Ok(failures.is_some_and(|failures| failures > 0))
}

/// Counts a failure, and returns until when nothing may be tried.
pub async fn record_failure(
    tx: &mut Write,
    key: &str,
    rule: &ThrottleRule,
    now: Timestamp,
) -> Result<Timestamp> {
    let failures: i64 = sqlx::query_scalar(
        "insert into throttles (key, failures, blocked_until, updated_at) values ($1, 1, 0, $2)
         on conflict (key) do update set
           failures = case when throttles.updated_at < $3 then 1 else throttles.failures + 1 end,
           updated_at = excluded.updated_at
         returning failures",
    )
    .bind(stored_key(key))
    .bind(now.as_millis())
    .bind(now.plus_millis(-rule.window_ms).as_millis())
    .fetch_one(&mut **tx)
    .await?;
    let until = now.plus_millis(rule.delay_ms(failures));
    sqlx::query("update throttles set blocked_until = $2 where key = $1")
        .bind(stored_key(key))
        .bind(until.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(until)
}

/// Forgets the failures under this key: it succeeded.
pub async fn clear(tx: &mut Write, key: &str) -> Result<()> {
    sqlx::query("delete from throttles where key = $1")
        .bind(stored_key(key))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets what is older than the rule's window, and the oldest beyond `most` keys, so that an
/// attacker with many addresses cannot fill the disk.
pub async fn clean_up(
    tx: &mut Write,
    rule: &ThrottleRule,
    most: i64,
    now: Timestamp,
) -> Result<u64> {
    let removed = sqlx::query(
        "delete from throttles where updated_at < $1 or key in (
           select key from throttles order by updated_at desc limit 1000000 offset $2)",
    )
    .bind(now.plus_millis(-rule.window_ms).as_millis())
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(removed.rows_affected())
}

/// Keys are hashed: they hold what people typed, of any length.
fn stored_key(key: &str) -> String {
    sha256_hex(&[b"throttle\0", key.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::testing::NOW;

    const RULE: ThrottleRule = ThrottleRule {
        free_failures: 2,
        first_delay_ms: 1_000,
        longest_delay_ms: 4_000,
        window_ms: MINUTE_MS,
    };

    both_engines! {
        async fn delays_double_up_to_the_longest(store: Store) {
            let mut tx = store.write().await.unwrap();
            let mut delays = Vec::new();
            for _ in 0..6 {
                let until = record_failure(&mut tx, "ada", &RULE, NOW).await.unwrap();
                delays.push(until.millis_since(NOW));
            }
            assert_eq!(delays, [0, 0, 1_000, 2_000, 4_000, 4_000]);
            let until = NOW.plus_millis(4_000);
            assert_eq!(find_block(&mut tx, "ada", NOW).await.unwrap(), Some(until));
            assert_eq!(find_block(&mut tx, "ada", until).await.unwrap(), None);
            assert_eq!(find_block(&mut tx, "bob", NOW).await.unwrap(), None);
        }

        async fn success_or_a_quiet_window_forgets_failures(store: Store) {
            let mut tx = store.write().await.unwrap();
            for _ in 0..3 {
                record_failure(&mut tx, "ada", &RULE, NOW).await.unwrap();
                record_failure(&mut tx, "bob", &RULE, NOW).await.unwrap();
            }
            assert!(has_failed(&mut tx, "ada", &RULE, NOW).await.unwrap());
            clear(&mut tx, "ada").await.unwrap();
            assert_eq!(find_block(&mut tx, "ada", NOW).await.unwrap(), None);
            assert!(!has_failed(&mut tx, "ada", &RULE, NOW).await.unwrap());
            let later = NOW.plus_millis(MINUTE_MS + 1);
            assert_eq!(record_failure(&mut tx, "bob", &RULE, later).await.unwrap(), later);
        }

        async fn the_table_never_grows_beyond_its_bound(store: Store) {
            let mut tx = store.write().await.unwrap();
            for number in 0..10 {
                let at = NOW.plus_millis(number);
                record_failure(&mut tx, &number.to_string(), &RULE, at).await.unwrap();
            }
            assert_eq!(clean_up(&mut tx, &RULE, 4, NOW).await.unwrap(), 6);
            let later = NOW.plus_millis(2 * MINUTE_MS);
            assert_eq!(clean_up(&mut tx, &RULE, 4, later).await.unwrap(), 4);
        }
    }
}
