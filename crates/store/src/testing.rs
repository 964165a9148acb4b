//! Databases for tests: every store test runs on both engines.
#![expect(clippy::expect_used, reason = "a test without a database has to stop")]

//!
//! SQLite lives in a temporary file. PostgreSQL is the server of `SIGNPOST_TEST_POSTGRES_URL`, or
//! a throw-away one per test process, from the system's binaries. `SIGNPOST_TEST_ENGINES=sqlite`
//! leaves PostgreSQL out.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use signpost_model::random::SeededRandom;
use signpost_model::{Author, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{DatabaseSettings, Engine, MasterKey, Sealer, Store};

/// Defines a test per engine: `both_engines! { async fn it_keeps_order(store: Store) { … } }`.
#[macro_export]
macro_rules! both_engines {
    ($(async fn $name:ident($store:ident: Store) $body:block)+) => {$(
        async fn $name($store: $crate::Store) $body

        mod $name {
            #[test]
            fn sqlite() {
                $crate::testing::run($crate::Engine::Sqlite, super::$name);
            }

            #[test]
            fn postgres() {
                $crate::testing::run($crate::Engine::Postgres, super::$name);
            }
        }
    )+};
}

const SERVER_VARIABLE: &str = "SIGNPOST_TEST_POSTGRES_URL";

/// Runs a test on a fresh database of this engine.
pub fn run<F: Future<Output = ()>>(engine: Engine, test: impl FnOnce(Store) -> F) {
    if engine == Engine::Postgres && variable("SIGNPOST_TEST_ENGINES").as_deref() == Some("sqlite")
    {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let database = Database::create(engine).await;
        test(database.store.clone()).await;
        database.store.close().await;
        if engine == Engine::Postgres && variable(SERVER_VARIABLE).is_some() {
            // Nobody else tidies up a server from outside.
            let name = database.settings.url.split('?').next().unwrap_or_default();
            let name = name.rsplit('/').next().unwrap_or_default();
            on_server(server_url(), format!("drop database {name} with (force)")).await;
        }
    });
}

/// A fresh, migrated database that ends with this value (SQLite) or with the process.
#[derive(Debug)]
pub struct Database {
    pub store: Store,
    pub settings: DatabaseSettings,
    _folder: Option<TempDir>,
}

impl Database {
    /// A new database of this engine.
    pub async fn create(engine: Engine) -> Self {
        let (settings, folder) = match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder can be made");
                let file = folder.path().join("signpost.db");
                let settings = DatabaseSettings::new(format!("sqlite:{}", file.display()));
                (settings, Some(folder))
            }
            Engine::Postgres => (DatabaseSettings::new(create_postgres().await), None),
        };
        let store = Store::open(&settings, sealer()).await.expect("it opens");
        store.migrate().await.expect("migrations apply");
        Self {
            store,
            settings,
            _folder: folder,
        }
    }
}

/// The instant at which tests happen.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// Who does what tests do.
pub const AUTHOR: Author = Author::SIGNPOST;

/// The sealer of test databases.
pub fn sealer() -> Sealer {
    Sealer::new(&MasterKey::generate(&SeededRandom::new(0)))
}

/// What is broken in the database as such; nothing in a whole one.
pub async fn integrity_problems(store: &Store) -> Vec<String> {
    if store.engine() == Engine::Postgres {
        // Its pages are its own business; a table that is broken cannot be read.
        return Vec::new();
    }
    let mut db = store.read().await.expect("it can be read");
    let checked: Vec<String> = sqlx::query_scalar("pragma integrity_check")
        .fetch_all(&mut *db)
        .await
        .expect("it can be checked");
    let dangling: Vec<String> = sqlx::query_scalar("pragma foreign_key_check")
        .fetch_all(&mut *db)
        .await
        .expect("it can be checked");
    let broken = checked.into_iter().filter(|line| line != "ok");
    broken.chain(dangling).collect()
}

/// Ends every other connection to the database, as PostgreSQL does when it restarts.
pub async fn drop_connections(store: &Store) {
    let mut db = store.read().await.expect("it can be read");
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .execute(&mut *db)
    .await
    .expect("a superuser may end connections");
}

/// Nobody else can write what a run does until this ends.
pub async fn block_runs(store: &Store) -> crate::Write {
    let mut tx = store.write().await.expect("a transaction begins");
    // On SQLite any writing transaction keeps the others out.
    if store.engine() == Engine::Postgres {
        tx.execute("lock table runs in exclusive mode")
            .await
            .expect("the table is locked");
    }
    tx
}

/// Creates a database on the test server, migrated already, and returns its address.
async fn create_postgres() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let process = std::process::id();
    let template = TEMPLATE
        .get_or_init(|| async {
            let name = format!("signpost_{process}_template");
            let url = recreate(&name, "template0").await;
            let store = Store::open(&DatabaseSettings::new(url), sealer())
                .await
                .expect("it opens");
            store.migrate().await.expect("migrations apply");
            store.close().await;
            name
        })
        .await;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    recreate(&format!("signpost_{process}_{number}"), template).await
}

/// Creates a database as a copy of another and returns its address.
async fn recreate(name: &str, template: &str) -> String {
    let server = tokio::task::spawn_blocking(server_url)
        .await
        .expect("the server starts");
    // A server from outside may hold the database of an older process with this number.
    on_server(server, format!("drop database if exists {name}")).await;
    on_server(
        server,
        format!("create database {name} template {template}"),
    )
    .await;
    let (address, query) = server.split_once('?').unwrap_or((server, ""));
    let (address, _) = address
        .rsplit_once('/')
        .expect("the address names a database");
    match query {
        "" => format!("{address}/{name}"),
        query => format!("{address}/{name}?{query}"),
    }
}

async fn on_server(server: &str, statement: String) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(server)
        .await
        .expect("the PostgreSQL test server answers");
    connection
        .execute(AssertSqlSafe(statement))
        .await
        .expect("databases can be made and removed");
    connection.close().await.expect("the connection closes");
}

/// The address of the `postgres` database of the test server, started when first asked for.
fn server_url() -> &'static str {
    static SERVER: OnceLock<(String, Option<Server>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| match variable(SERVER_VARIABLE) {
        Some(url) => (url, None),
        None => {
            let server = Server::start();
            (server.url.clone(), Some(server))
        }
    });
    url
}

/// A throw-away server. It ends when this process does, since its guard's input then closes.
#[derive(Debug)]
struct Server {
    url: String,
    _guard: Child,
}

impl Server {
    fn start() -> Self {
        let binaries = find_binaries();
        let port = free_port();
        let folder = tempfile::Builder::new()
            .prefix("signpost-postgres-")
            .tempdir_in("/tmp")
            .expect("a temporary folder can be made")
            .keep();
        // The server refuses to run as root, so the folder belongs to whom it runs as.
        let owner = is_root().then(unprivileged_user);
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).expect("root may give it");
        }
        let mut command = Command::new("sh");
        command
            .args(["-c", GUARD, "guard"])
            .args([&binaries, &folder])
            .arg(port.to_string())
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Ctrl+C on the tests must leave the guard alive to tidy up.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        if let Some((user, group)) = owner {
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, group);
        }
        let guard = command.spawn().expect("a shell starts");
        wait_for(&binaries, port, &folder);
        Self {
            url: format!("postgres://signpost@127.0.0.1:{port}/postgres"),
            _guard: guard,
        }
    }
}

/// Runs the server until its input closes, then removes everything.
const GUARD: &str = r#"
"$1/initdb" -D "$2/data" -U signpost -A trust -E UTF8 --no-locale --no-sync > "$2/log" 2>&1
"$1/postgres" -D "$2/data" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
  -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 \
  -c shared_buffers=64MB >> "$2/log" 2>&1 &
server=$!
cat > /dev/null
kill -QUIT "$server"
wait "$server"
rm -rf "$2"
"#;

/// Waits until it answers: it listens a little earlier than that.
fn wait_for(binaries: &Path, port: u16, folder: &Path) {
    for _ in 0..1_200 {
        let ready = Command::new(binaries.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .status();
        if ready.is_ok_and(|status| status.success()) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("the PostgreSQL test server does not start: {log}");
}

/// The folder with `postgres` and `initdb`.
fn find_binaries() -> PathBuf {
    let configured = Command::new("pg_config").arg("--bindir").output().ok();
    let configured = configured.map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim()));
    let versioned = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let path = variable("PATH").unwrap_or_default();
    configured
        .into_iter()
        .chain(versioned)
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
        .expect(
            "store tests need PostgreSQL: run `apt-get install postgresql`, \
             or set SIGNPOST_TEST_ENGINES=sqlite to leave it out",
        )
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port is free")
        .port()
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(
        &std::fs::metadata("/proc/self").expect("the process can see itself"),
    ) == 0
}

/// The user and group id of `postgres`, or of `nobody`.
fn unprivileged_user() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let line = users.lines().find(|l| l.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .expect("there is a user postgres or nobody")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the harness is configured like the server, but has no configuration of its own"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
