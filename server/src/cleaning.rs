//! Removes what expired. Nothing depends on it: expiry is checked at use.

use std::time::Duration;

use app::portal::Portal;
use signpost_app as app;
use signpost_model::Timestamp;
use signpost_store::throttles::{self, ThrottleRule};
use signpost_store::{Store, sessions};

/// How often it is done.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Throttles that are kept at most, so that nobody fills the disk with names.
const MOST_THROTTLES: i64 = 100_000;

/// Cleans up now and then for as long as the process runs.
pub async fn run(portal: Portal) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        match clean(&portal.store, portal.clock.now()).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "removed expired sessions and throttles"),
            Err(error) => tracing::warn!(error = %error, "expired sessions stay for now"),
        }
    }
}

/// Removes expired sessions and forgotten failures; returns how many rows.
pub async fn clean(store: &Store, now: Timestamp) -> signpost_store::Result<u64> {
    let mut tx = store.write().await?;
    let sessions = sessions::delete_expired(&mut tx, now).await?;
    let rule = ThrottleRule::default();
    let throttles = throttles::clean_up(&mut tx, &rule, MOST_THROTTLES, now).await?;
    tx.commit().await?;
    Ok(sessions + throttles)
}
