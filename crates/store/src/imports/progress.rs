//! How far a check or an apply is, visible while its transaction is still open.

use std::time::Duration;

use signpost_model::ImportId;
use sqlx::Row as _;

use crate::{Engine, Result, Store};

/// How long a report waits for a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Rows done of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    pub done: i64,
    pub total: i64,
}

/// How far an import is; `None` when nothing is being done to it now.
pub async fn find_progress(store: &Store, import: ImportId) -> Result<Option<Progress>> {
    let here = store.progress().get(&import).copied();
    if here.is_some() || store.engine() == Engine::Sqlite {
        return Ok(here);
    }
    // Another process may be doing it.
    let mut connection = store.read().await?;
    let row = sqlx::query("select done, total from import_progress where import_id = $1")
        .bind(import.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    row.map(|row| {
        Ok(Progress {
            done: row.try_get(0)?,
            total: row.try_get(1)?,
        })
    })
    .transpose()
}

/// Work in progress: what it reports is forgotten when it ends, well or not.
#[derive(Debug)]
pub struct Reporter {
    store: Store,
    import: ImportId,
    now: Progress,
}

impl Reporter {
    /// Begins to report work of so many steps.
    pub fn begin(store: &Store, import: ImportId, total: i64) -> Self {
        let now = Progress { done: 0, total };
        store.progress().insert(import, now);
        Self {
            store: store.clone(),
            import,
            now,
        }
    }

    /// Reports that so many more are done.
    pub async fn advance(&mut self, rows: i64) -> Result<()> {
        self.now.done += rows;
        self.store.progress().insert(self.import, self.now);
        if self.store.engine() == Engine::Postgres {
            // By a connection of its own: the transaction at work shows nothing until it ends. Where
            // none is free, those who have them may wait for that transaction: it goes on untold.
            let free = tokio::time::timeout(PATIENCE, self.store.read()).await;
            let Ok(connection) = free else { return Ok(()) };
            let mut connection = connection?;
            sqlx::query(
                "insert into import_progress (import_id, done, total) values ($1, $2, $3)
                 on conflict (import_id) do update set done = excluded.done, total = excluded.total",
            )
            .bind(self.import.to_string())
            .bind(self.now.done)
            .bind(self.now.total)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }

    /// Forgets what other processes see; this one forgets by itself.
    pub async fn end(self) -> Result<()> {
        if self.store.engine() == Engine::Postgres {
            let mut connection = self.store.read().await?;
            sqlx::query("delete from import_progress where import_id = $1")
                .bind(self.import.to_string())
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.store.progress().remove(&self.import);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imports::{NewImport, create};
    use crate::testing::{AUTHOR, Database, NOW, sealer};

    const IMPORT: ImportId = ImportId::from_number(1);

    async fn begun(engine: Engine) -> Database {
        let database = Database::create(engine).await;
        let new = NewImport {
            id: IMPORT,
            file_name: "people.csv".to_owned(),
            mapping: "{}".to_owned(),
        };
        let mut tx = database.store.write().await.unwrap();
        create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
        tx.commit().await.unwrap();
        database
    }

    #[tokio::test]
    async fn progress_is_seen_while_the_one_writer_is_taken() {
        let database = begun(Engine::Sqlite).await;
        let _applying = database.store.write().await.unwrap();
        let mut reporter = Reporter::begin(&database.store, IMPORT, 10);
        reporter.advance(4).await.unwrap();
        let seen = find_progress(&database.store, IMPORT).await.unwrap();
        assert_eq!(seen, Some(Progress { done: 4, total: 10 }));
        drop(reporter);
        assert_eq!(find_progress(&database.store, IMPORT).await.unwrap(), None);
    }

    crate::both_engines! {
        async fn work_that_fails_leaves_no_progress_behind_here(store: Store) {
            let failed = crate::imports::apply(&store, IMPORT, &AUTHOR, NOW).await;
            assert!(failed.is_err());
            assert_eq!(find_progress(&store, IMPORT).await.unwrap(), None);
        }
    }

    #[test]
    fn another_process_sees_progress_on_postgres() {
        crate::testing::run(Engine::Postgres, |_| async {
            let database = begun(Engine::Postgres).await;
            let other = Store::open(&database.settings, sealer()).await.unwrap();
            let mut applying = database.store.write().await.unwrap();
            sqlx::query("update imports set state = 'applied'")
                .execute(&mut *applying)
                .await
                .unwrap();
            let mut reporter = Reporter::begin(&database.store, IMPORT, 10);
            reporter.advance(4).await.unwrap();
            let seen = find_progress(&other, IMPORT).await.unwrap();
            assert_eq!(seen, Some(Progress { done: 4, total: 10 }));
            reporter.end().await.unwrap();
            assert_eq!(find_progress(&other, IMPORT).await.unwrap(), None);
        });
    }
}
