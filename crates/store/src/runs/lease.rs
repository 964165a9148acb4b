//! The lease of a run: who may work on a tenant now, and the fence that keeps the others out.

use signpost_model::{ApplicationId, RunId, Timestamp};
use sqlx::AnyConnection;

use crate::rows::json_keys;
use crate::{Error, Result, Store};

/// Proof that a worker holds a run. Each write names it; one that was lost is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLease {
    pub run_id: RunId,
    pub application_id: ApplicationId,
    pub holder: String,
    /// Counts the claims of the run: an earlier holder has a lower one.
    pub fence: i64,
    /// For how long each sign of life holds the run, in milliseconds.
    pub length_ms: i64,
}

/// What a sign of life brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Somebody asked the run to stop.
    pub cancel_requested: bool,
}

/// Gives a sign of life, and learns whether the run shall go on.
pub async fn heartbeat(store: &Store, lease: &RunLease, now: Timestamp) -> Result<Held> {
    let mut tx = store.write().await?;
    let held = hold(&mut tx, lease, now).await?;
    tx.commit().await?;
    Ok(held)
}

/// Ends the leases of holders that are known to be dead: their runs are taken over at once.
pub async fn end_leases(store: &Store, holders: &[String]) -> Result<()> {
    let mut tx = store.write().await?;
    sqlx::query(
        "update runs set lease_until = 0 where state in ('planning', 'applying')
           and lease_holder in (select key from json_each(json($1)))",
    )
    .bind(json_keys(holders))
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Lets go of a run that cannot be gone on with now: another claim takes it up where it stands.
pub async fn release(store: &Store, lease: &RunLease) -> Result<()> {
    let mut tx = store.write().await?;
    sqlx::query(
        "update runs set lease_until = 0
         where id = $1 and lease_holder = $2 and fence = $3 and state in ('planning', 'applying')",
    )
    .bind(lease.run_id.to_string())
    .bind(&lease.holder)
    .bind(lease.fence)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Proves the lease inside a transaction and prolongs it. The row stays locked until the
/// transaction ends, so nobody takes the run over in between.
pub(crate) async fn hold(db: &mut AnyConnection, lease: &RunLease, now: Timestamp) -> Result<Held> {
    let cancel: Option<i64> = sqlx::query_scalar(
        "update runs set heartbeat_at = $1, lease_until = $2
         where id = $3 and lease_holder = $4 and fence = $5 and state in ('planning', 'applying')
         returning cancel_requested",
    )
    .bind(now.as_millis())
    .bind(now.plus_millis(lease.length_ms).as_millis())
    .bind(lease.run_id.to_string())
    .bind(&lease.holder)
    .bind(lease.fence)
    .fetch_optional(db)
    .await?;
    cancel
        .map(|cancel| Held {
            cancel_requested: cancel != 0,
        })
        .ok_or(Error::LeaseLost)
}
