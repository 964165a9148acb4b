//! The database: opening it, bringing it up to date, reading and writing.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signpost_model::{AuditEntry, ImportId, Timestamp};
use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor, Transaction};

use crate::health::LastWritten;
use crate::imports::Progress;
use crate::readers::{Lent, Readers};
use crate::{Error, Result, Sealer, audit, settings};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// How long a caller waits for a connection, or for the one writer of SQLite: longer than an import
/// of 100,000 rows takes, since people sign in meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the database is.
#[derive(Clone)]
pub struct DatabaseSettings {
    /// `sqlite:FILE`, `sqlite::memory:` or `postgres://…`.
    pub url: String,
    /// The most connections to keep open for reading (PostgreSQL: for everything).
    pub connections: u32,
}

impl DatabaseSettings {
    /// The database at this address, with as many connections as fit a small server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 4,
        }
    }

    /// The file of an SQLite database; `None` in memory or on PostgreSQL.
    pub fn file(&self) -> Option<PathBuf> {
        let path = self.url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.split('?').next().unwrap_or(path);
        (path != ":memory:" && !path.is_empty()).then(|| PathBuf::from(path))
    }

    fn engine(&self) -> Result<Engine> {
        match self.url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Ok(Engine::Sqlite),
            Some("postgres" | "postgresql") => Ok(Engine::Postgres),
            _ => Err(Error::InvalidSettings(
                "the database address must start with sqlite: or postgres://".to_owned(),
            )),
        }
    }
}

impl std::fmt::Debug for DatabaseSettings {
    /// The address can hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseSettings")
    }
}

/// Which database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The door to the database. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    file: Option<PathBuf>,
    /// For snapshots, and on PostgreSQL for every reader.
    pool: AnyPool,
    /// SQLite's readers.
    readers: Option<Readers>,
    /// On SQLite a pool of one: it is the fair write lock of this process.
    writer: AnyPool,
    sealer: Sealer,
    progress: Mutex<HashMap<ImportId, Progress>>,
    last_written: LastWritten,
}

impl Store {
    /// Opens the database without looking at its schema: see [`Store::migrate`].
    pub async fn open(settings: &DatabaseSettings, sealer: Sealer) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let engine = settings.engine()?;
        let (pool, writer) = match engine {
            Engine::Postgres => {
                // One for a transaction and one for what it reports of itself.
                let pool = pool(&settings.url, settings.connections.max(2), engine).await?;
                (pool.clone(), pool)
            }
            Engine::Sqlite => open_sqlite(settings).await?,
        };
        // In memory one connection is the database.
        let readers = (engine == Engine::Sqlite && settings.file().is_some())
            .then(|| Readers::new(pool.clone(), settings.connections.max(1), PATIENCE));
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                file: settings.file(),
                pool,
                readers,
                writer,
                sealer,
                progress: Mutex::default(),
                last_written: LastWritten::default(),
            }),
        })
    }

    /// Brings the schema up to date, and refuses a newer database or another's master key.
    pub async fn migrate(&self) -> Result<()> {
        let mut connection = self.inner.writer.acquire().await?;
        if self.inner.engine == Engine::Postgres {
            // Sort columns name this collation, which SQLite has from birth: bytes, on both.
            connection
                .execute("create collation if not exists \"binary\" (locale = 'C')")
                .await?;
        }
        match MIGRATIONS.run(&mut *connection).await {
            Ok(()) => {}
            Err(MigrateError::VersionMissing(found)) => {
                let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
                return Err(Error::NewerDatabase { found, known });
            }
            Err(error) => return Err(Error::Migrate(error)),
        }
        drop(connection);
        settings::check_master_key(self).await
    }

    /// Which database answers.
    pub fn engine(&self) -> Engine {
        self.inner.engine
    }

    /// The file of an SQLite database.
    pub fn file(&self) -> Option<&Path> {
        self.inner.file.as_deref()
    }

    /// Seals and opens secrets under the master key.
    pub fn sealer(&self) -> &Sealer {
        &self.inner.sealer
    }

    /// A connection for reading: each statement sees the newest committed state.
    pub async fn read(&self) -> Result<Read> {
        Ok(Read(match &self.inner.readers {
            Some(readers) => Reader::Lent(readers.lend().await?),
            None => Reader::Pooled(self.inner.pool.acquire().await?),
        }))
    }

    /// A reading transaction: all its statements see one state.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Any>> {
        let begin = match self.inner.engine {
            Engine::Sqlite => "begin",
            Engine::Postgres => "begin isolation level repeatable read read only",
        };
        Ok(self.inner.pool.begin_with(begin).await?)
    }

    /// A writing transaction; dropped without [`Write::commit`] it leaves nothing behind.
    pub async fn write(&self) -> Result<Write> {
        let begin = match self.inner.engine {
            // A deferred transaction that turns to writing late can fail where waiting would do.
            Engine::Sqlite => "begin immediate",
            Engine::Postgres => "begin",
        };
        Ok(Write {
            transaction: self.inner.writer.begin_with(begin).await?,
            engine: self.inner.engine,
            audit: Vec::new(),
        })
    }

    /// Answers whether the database can be read now.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("select 1")
            .execute(&mut *self.read().await?)
            .await?;
        Ok(())
    }

    /// When the database could last be written, as far as this process looked.
    pub(crate) fn last_written(&self) -> &LastWritten {
        &self.inner.last_written
    }

    /// What this process knows of the progress of its imports.
    pub(crate) fn progress(&self) -> std::sync::MutexGuard<'_, HashMap<ImportId, Progress>> {
        self.inner
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes every connection, and leaves SQLite's file whole without its journal.
    pub async fn close(&self) {
        if let Some(readers) = &self.inner.readers {
            readers.close().await;
        }
        self.inner.pool.close().await;
        self.inner.writer.close().await;
    }
}

/// A connection for reading.
#[derive(Debug)]
pub struct Read(Reader);

#[derive(Debug)]
enum Reader {
    Pooled(PoolConnection<Any>),
    Lent(Lent),
}

impl Deref for Read {
    type Target = AnyConnection;
    fn deref(&self) -> &AnyConnection {
        match &self.0 {
            Reader::Pooled(connection) => connection,
            Reader::Lent(lent) => &lent.connection,
        }
    }
}

impl DerefMut for Read {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match &mut self.0 {
            Reader::Pooled(connection) => connection,
            Reader::Lent(lent) => &mut lent.connection,
        }
    }
}

/// A rule that spans several rows, so that checking it needs a turn.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    Owners,
    Managers,
}

/// A writing transaction with the audit events it will leave.
#[derive(Debug)]
pub struct Write {
    transaction: Transaction<'static, Any>,
    engine: Engine,
    audit: Vec<(AuditEntry, Timestamp)>,
}

impl Write {
    /// Makes everything of this transaction last, or nothing.
    pub async fn commit(mut self) -> Result<()> {
        // Last, since the end of the audit chain is the one row that every writer needs: taken
        // in the same order by all, and held shortest.
        let entries = std::mem::take(&mut self.audit);
        audit::write(&mut self.transaction, &entries).await?;
        self.transaction.commit().await?;
        Ok(())
    }

    /// Which database answers.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Takes a turn: until this transaction ends, others that want the same lock wait.
    pub(crate) async fn lock(&mut self, lock: Lock) -> Result<()> {
        let name = match lock {
            Lock::Owners => "owners",
            Lock::Managers => "managers",
        };
        sqlx::query("update locks set taken = taken + 1 where name = $1")
            .bind(name)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    pub(crate) fn add_audit(&mut self, entry: AuditEntry, now: Timestamp) {
        self.audit.push((entry, now));
    }
}

impl Deref for Write {
    type Target = AnyConnection;
    fn deref(&self) -> &AnyConnection {
        &self.transaction
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

async fn open_sqlite(settings: &DatabaseSettings) -> Result<(AnyPool, AnyPool)> {
    let Some(file) = settings.file() else {
        // One connection is the database: reading waits for writing.
        let pool = pool(&settings.url, 1, Engine::Sqlite).await?;
        return Ok((pool.clone(), pool));
    };
    create_file(&file).map_err(|source| Error::File {
        path: file.display().to_string(),
        source,
    })?;
    let writer = pool(&settings.url, 1, Engine::Sqlite).await?;
    let readers = pool(&settings.url, settings.connections, Engine::Sqlite).await?;
    Ok((readers, writer))
}

/// Creates the file readable by its owner only: it holds personal data.
pub(crate) fn create_file(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

async fn pool(url: &str, connections: u32, engine: Engine) -> Result<AnyPool> {
    let options: AnyConnectOptions = url.parse().map_err(|_| {
        Error::InvalidSettings("the database address is not a valid URL".to_owned())
    })?;
    let pool = AnyPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(PATIENCE)
        // A connection in memory is the database, and a worker that waits costs little.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(engine == Engine::Postgres)
        // A full disk can refuse even the rollback: such a connection begins nothing ever again.
        .before_acquire(|connection, _| {
            let is_clean = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_clean) })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if engine == Engine::Sqlite {
                    for pragma in SQLITE_PRAGMAS {
                        connection.execute(*pragma).await?;
                    }
                } else {
                    connection.execute(POSTGRES_SETTINGS).await?;
                }
                Ok(())
            })
        });
    Ok(pool.connect_with(options).await?)
}

/// A process that is stopped or cut off inside a transaction holds its locks no longer than a lease:
/// the others have to be able to take over.
const POSTGRES_SETTINGS: &str = "set idle_in_transaction_session_timeout = '25s'";

const SQLITE_PRAGMAS: &[&str] = &[
    // Other processes (the command line) may write too: wait for them.
    "pragma busy_timeout = 60000",
    "pragma journal_mode = wal",
    // A commit that was answered survives a power cut.
    "pragma synchronous = full",
    "pragma foreign_keys = on",
    "pragma temp_store = memory",
    // As on PostgreSQL; what is searched is folded already.
    "pragma case_sensitive_like = on",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Database, sealer};
    use crate::{Constraint, MasterKey, both_engines};
    use signpost_model::random::SeededRandom;

    async fn insert_group(tx: &mut Write, id: &str, name: &str) -> Result<()> {
        sqlx::query(
            "insert into groups (id, name, name_folded, description, search, created_at, updated_at, version)
             values ($1, $2, $2, '', '', 0, 0, 1)",
        )
        .bind(id)
        .bind(name)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    async fn count_groups(store: &Store) -> i64 {
        let mut connection = store.read().await.unwrap();
        sqlx::query_scalar("select count(*) from groups")
            .fetch_one(&mut *connection)
            .await
            .unwrap()
    }

    both_engines! {
        async fn an_early_return_leaves_nothing_behind(store: Store) {
            let mut tx = store.write().await.unwrap();
            insert_group(&mut tx, "1", "sales").await.unwrap();
            drop(tx);
            assert_eq!(count_groups(&store).await, 0);
            let mut tx = store.write().await.unwrap();
            insert_group(&mut tx, "1", "sales").await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(count_groups(&store).await, 1);
        }

        async fn a_broken_rule_has_the_same_name_everywhere(store: Store) {
            let mut tx = store.write().await.unwrap();
            insert_group(&mut tx, "1", "sales").await.unwrap();
            let refusal = insert_group(&mut tx, "2", "sales").await.unwrap_err();
            assert!(refusal.is_conflict(Constraint::GroupName), "{refusal:?}");
            drop(tx);
            let mut tx = store.write().await.unwrap();
            let refusal: Error = sqlx::query(
                "insert into memberships (group_id, user_id, created_at) values ('1', '2', 0)",
            )
            .execute(&mut *tx)
            .await
            .unwrap_err()
            .into();
            assert!(refusal.is_conflict(Constraint::Reference), "{refusal:?}");
        }

        async fn migrating_twice_changes_nothing(store: Store) {
            store.migrate().await.unwrap();
            store.ping().await.unwrap();
        }

        async fn a_newer_database_is_refused_in_plain_words(store: Store) {
            let mut tx = store.write().await.unwrap();
            sqlx::query(
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 select 9999, description, success, checksum, 0 from _sqlx_migrations where version = 1",
            )
            .execute(&mut *tx)
            .await
            .unwrap();
            tx.commit().await.unwrap();
            let refusal = store.migrate().await.unwrap_err();
            assert!(refusal.to_string().contains("newer version"), "{refusal:?}");
        }

        async fn words_sort_by_bytes_on_both_engines(store: Store) {
            let mut tx = store.write().await.unwrap();
            for (id, name) in [("1", "b"), ("2", "a z"), ("3", "a-b"), ("4", "ä"), ("5", "aa")] {
                insert_group(&mut tx, id, name).await.unwrap();
            }
            let names: Vec<String> = sqlx::query_scalar("select name_folded from groups order by name_folded")
                .fetch_all(&mut *tx)
                .await
                .unwrap();
            assert_eq!(names, ["a z", "a-b", "aa", "b", "ä"]);
        }
    }

    #[tokio::test]
    async fn another_master_key_is_refused() {
        let database = Database::create(Engine::Sqlite).await;
        let other = Sealer::new(&MasterKey::generate(&SeededRandom::new(9)));
        let store = Store::open(&database.settings, other).await.unwrap();
        assert!(matches!(
            store.migrate().await,
            Err(Error::WrongMasterKey { .. })
        ));
    }

    #[tokio::test]
    async fn a_database_in_memory_holds_what_is_written() {
        let settings = DatabaseSettings::new("sqlite::memory:");
        let store = Store::open(&settings, sealer()).await.unwrap();
        store.migrate().await.unwrap();
        let mut tx = store.write().await.unwrap();
        insert_group(&mut tx, "1", "sales").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(count_groups(&store).await, 1);
    }

    #[tokio::test]
    async fn readers_go_on_while_one_writes() {
        let database = Database::create(Engine::Sqlite).await;
        let mut tx = database.store.write().await.unwrap();
        insert_group(&mut tx, "1", "sales").await.unwrap();
        assert_eq!(count_groups(&database.store).await, 0);
        tx.commit().await.unwrap();
    }
}
