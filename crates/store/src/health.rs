//! Whether the database can be worked with now: read, and written to its disk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use signpost_model::Timestamp;

use crate::{Error, Result, Store};

/// A probe writes, and anybody may ask: answers hold so long.
const HOLDS_MS: i64 = 5_000;

/// A writer that others keep waiting longer is no sign of a broken disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// When the database could last be written.
#[derive(Debug, Default)]
pub(crate) struct LastWritten(Mutex<Option<Timestamp>>);

impl LastWritten {
    fn is_recent(&self, now: Timestamp) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| (0..HOLDS_MS).contains(&now.millis_since(last)))
    }

    fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

impl Store {
    /// Answers whether the database can be read and written now. A full disk, a file system that
    /// became read-only or a disk with errors shows only when something is written.
    pub async fn check_health(&self, now: Timestamp) -> Result<()> {
        self.ping().await?;
        if self.last_written().is_recent(now) {
            return Ok(());
        }
        match tokio::time::timeout(PATIENCE, self.write_something()).await {
            Ok(Ok(())) => self.last_written().set(now),
            // Somebody else is writing: that is all we wanted to know.
            Err(_) | Ok(Err(Error::Busy(_))) => {}
            Ok(Err(error)) => return Err(error),
        }
        Ok(())
    }

    async fn write_something(&self) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("update locks set taken = taken + 1 where name = 'health'")
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use crate::both_engines;
    use crate::testing::NOW;

    async fn taken(store: &crate::Store) -> i64 {
        let mut db = store.read().await.unwrap();
        sqlx::query_scalar("select taken from locks where name = 'health'")
            .fetch_one(&mut *db)
            .await
            .unwrap()
    }

    both_engines! {
        async fn a_healthy_database_is_written_to_now_and_then_only(store: Store) {
            for _ in 0..5 {
                store.check_health(NOW).await.unwrap();
            }
            assert_eq!(taken(&store).await, 1);
            store.check_health(NOW.plus_millis(5_000)).await.unwrap();
            assert_eq!(taken(&store).await, 2);
            // A clock that was set back makes it ask again.
            store.check_health(NOW).await.unwrap();
            assert_eq!(taken(&store).await, 3);
        }
    }
}
