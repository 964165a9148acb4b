//! Connections for reading SQLite's file, handed from one reader to the next.
//!
//! The driver's own pool asks each connection that comes back whether it is alive, in a task of its
//! own: a question over a wire that a file does not have, and as dear as a small statement.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sqlx::{AnyConnection, AnyPool, Connection as _};
use tokio::sync::{
    Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, TryAcquireError,
};

use crate::Result;

/// After so many readers a connection is asked all the same: its thread may have ended.
const TRUSTED: u32 = 256;

/// What reads at the same time.
#[derive(Debug)]
pub(crate) struct Readers {
    /// Opens connections, and never gets them back.
    source: AnyPool,
    /// As many as there are permits.
    places: Vec<Arc<Mutex<Option<Kept>>>>,
    /// The places that nobody has, the one that has rested longest first: the last reader may have
    /// left in the middle of a long statement.
    free: Arc<Free>,
    permits: Arc<Semaphore>,
    patience: Duration,
}

#[derive(Debug)]
pub(crate) struct Kept {
    connection: AnyConnection,
    readers: u32,
}

/// A connection on loan.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) connection: OwnedMappedMutexGuard<Option<Kept>, AnyConnection>,
    // Given back in this order: who gets the permit finds a free place.
    _place: Taken,
    _permit: OwnedSemaphorePermit,
}

type Free = std::sync::Mutex<VecDeque<usize>>;

/// A place that one reader has.
#[derive(Debug)]
struct Taken {
    number: usize,
    free: Arc<Free>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push_back(self.number);
    }
}

impl Readers {
    /// As many as `connections` at the same time; who finds none waits as long as `patience`.
    pub(crate) fn new(source: AnyPool, connections: u32, patience: Duration) -> Self {
        let places: Vec<_> = (0..connections).map(|_| Arc::default()).collect();
        Self {
            source,
            permits: Arc::new(Semaphore::new(places.len())),
            free: Arc::new(Free::new((0..places.len()).collect())),
            places,
            patience,
        }
    }

    /// Waits for a connection.
    pub(crate) async fn lend(&self) -> Result<Lent> {
        let permit = self.permit().await?;
        let taken = self.take().ok_or(sqlx::Error::PoolTimedOut)?;
        let mut place = Arc::clone(&self.places[taken.number]).lock_owned().await;
        self.fill(&mut place).await?;
        let connection =
            OwnedMutexGuard::try_map(place, |kept| kept.as_mut().map(|kept| &mut kept.connection));
        Ok(Lent {
            connection: connection.map_err(|_| sqlx::Error::PoolClosed)?,
            _place: taken,
            _permit: permit,
        })
    }

    /// Waits for the readers under way and closes every connection.
    pub(crate) async fn close(&self) {
        // In turn behind those who ask already; nobody after it gets one.
        let all = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let everybody = self.permits.acquire_many(all).await;
        self.permits.close();
        drop(everybody);
        for place in &self.places {
            if let Some(kept) = place.lock().await.take() {
                // What cannot be closed is gone.
                let _ = kept.connection.close().await;
            }
        }
    }

    fn take(&self) -> Option<Taken> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop_front().map(|number| Taken {
            number,
            free: Arc::clone(&self.free),
        })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(sqlx::Error::PoolClosed.into()),
            Err(TryAcquireError::NoPermits) => {}
        }
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.patience, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(sqlx::Error::PoolClosed.into()),
            Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
        }
    }

    /// Opens the connection of a place that has none, or none that answers.
    async fn fill(&self, place: &mut Option<Kept>) -> Result<()> {
        if let Some(kept) = place {
            kept.readers += 1;
            if kept.readers < TRUSTED {
                return Ok(());
            }
            kept.readers = 0;
            if kept.connection.ping().await.is_ok() {
                return Ok(());
            }
        }
        *place = None;
        let connection = self.source.acquire().await?.detach();
        *place = Some(Kept {
            connection,
            readers: 0,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::sealer;
    use crate::{DatabaseSettings, Error, Store};

    use super::*;

    async fn store(folder: &tempfile::TempDir) -> Store {
        let file = folder.path().join("test.db");
        let settings = DatabaseSettings {
            connections: 1,
            ..DatabaseSettings::new(format!("sqlite:{}", file.display()))
        };
        let store = Store::open(&settings, sealer()).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    #[tokio::test]
    async fn one_connection_serves_one_reader_after_another() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        for _ in 0..2 * TRUSTED {
            store.ping().await.unwrap();
        }
        let reader = store.read().await.unwrap();
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.ping().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(reader);
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_leaves_in_the_middle_of_a_statement_leaves_a_connection_that_reads() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let many =
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < 100000)
                    select i from n";
        for _ in 0..3 {
            let mut reader = store.read().await.unwrap();
            let reading = sqlx::query(many).fetch_all(&mut *reader);
            // Asked once, and dropped before there is an answer.
            let _ = futures::poll!(std::pin::pin!(reading));
            drop(reader);
            let mut reader = store.read().await.unwrap();
            let answer: i64 = sqlx::query_scalar("select 7")
                .fetch_one(&mut *reader)
                .await
                .unwrap();
            assert_eq!(answer, 7);
        }
    }

    #[tokio::test]
    async fn a_closed_database_is_read_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        store.ping().await.unwrap();
        store.close().await;
        let refusal = store.read().await.unwrap_err();
        assert!(
            matches!(refusal, Error::Database(sqlx::Error::PoolClosed)),
            "{refusal:?}"
        );
        assert!(!folder.path().join("test.db-wal").exists());
    }
}
