//! Removes what expired, and what has been in the recycle bin for its days. Nothing depends on it:
//! expiry is checked at use.

use std::time::Duration;

use app::portal::Portal;
use signpost_app as app;
use signpost_model::{Author, Timestamp};
use signpost_store::throttles::{self, ThrottleRule};
use signpost_store::{
    Store, groups, imports, mails, one_time_links, operator_links, remembered_devices, sessions,
    sign_ins, user_sessions, users,
};

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
            Ok(removed) => tracing::debug!(removed, "removed what expired"),
            Err(error) => tracing::warn!(error = %error, "what expired stays for now"),
        }
    }
}

/// Removes expired sessions, forgotten failures, old imports, and users and groups whose days in
/// the recycle bin are over; returns how many rows.
pub async fn clean(store: &Store, now: Timestamp) -> signpost_store::Result<u64> {
    let mut tx = store.write().await?;
    let sessions = sessions::delete_expired(&mut tx, now).await?;
    let rule = ThrottleRule::default();
    let throttles = throttles::clean_up(&mut tx, &rule, MOST_THROTTLES, now).await?;
    let user_sessions = user_sessions::delete_expired(&mut tx, now).await?;
    let requests = sign_ins::delete_expired(&mut tx, now).await?;
    let devices = remembered_devices::delete_expired(&mut tx, now).await?;
    let links = one_time_links::delete_expired(&mut tx, now).await?
        + operator_links::delete_expired(&mut tx, now).await?;
    let mails = mails::delete_old(&mut tx, now).await?;
    tx.commit().await?;
    let waiting = user_sessions + requests + devices + links + mails;
    let mut tx = store.write().await?;
    let imports = imports::purge(&mut tx, now).await?;
    let users = users::purge(&mut tx, &Author::SIGNPOST, now).await?;
    let groups = groups::purge(&mut tx, &Author::SIGNPOST, now).await?;
    tx.commit().await?;
    Ok(sessions + throttles + waiting + imports + (users + groups) as u64)
}
