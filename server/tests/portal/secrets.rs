//! Planted secrets: after a tour of everything that takes one, none stands in a log line, a page
//! or the database.

use std::io::Write;
use std::sync::{Arc, Mutex};

use signpost_model::Role;
use signpost_store::Engine;
use signpost_store::testing::Database;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{PASSWORD, TestApp, email};

const MARK: &str = "planted-Xyzzy-0815";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_reaches_a_log_a_page_or_the_database() {
    let lines = Lines::default();
    // The first of the process wins; what all tests log is looked through.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .with_ansi(false)
        .try_init()
        .unwrap();
    let database = Database::create(Engine::Sqlite).await;
    let app = TestApp::start(database.store.clone()).await;
    let mut pages = Vec::new();

    let new = format!("{MARK}-password");
    let wrong = [("email", &*email(Role::Owner)), ("password", &*new)];
    pages.push(app.browser().submit("/api/sign-in", &wrong).await.body);
    // People type their password into the wrong field; it may come back to them, and nobody else.
    let swapped = [
        ("email", "not an address"),
        ("password", &*new),
        ("code", &*new),
    ];
    pages.push(app.browser().submit("/api/sign-in", &swapped).await.body);
    let owner = app.sign_in(Role::Owner).await;
    let code = [("code", &*new), ("recovery_code", &*new)];
    pages.push(owner.submit("/api/sign-in/code", &code).await.body);
    let operator = [
        ("name", "Ada"),
        ("email", "no address"),
        ("role", "auditor"),
        ("password", &*new),
    ];
    pages.push(owner.submit("/api/operators/create", &operator).await.body);
    let operator = [
        ("name", "Ada"),
        ("email", "ada@contoso.example"),
        ("role", "auditor"),
        ("password", &*new),
    ];
    pages.push(owner.submit("/api/operators/create", &operator).await.body);
    for (current, repeat) in [
        (new.as_str(), new.as_str()),
        (PASSWORD, "x"),
        (PASSWORD, &new),
    ] {
        let fields = [
            ("current_password", current),
            ("new_password", &*new),
            ("repeat_password", repeat),
        ];
        pages.push(owner.submit("/api/account/password", &fields).await.body);
    }
    pages.push(owner.get("/audit-log").await.body);
    pages.push(owner.get("/nothing?token=none").await.body);

    for page in &pages {
        assert!(!page.contains(MARK), "{page}");
    }
    database.store.close().await;
    let url = database.settings.url.clone();
    let file = url.trim_start_matches("sqlite:");
    let mut stored = std::fs::read(file).unwrap();
    stored.extend(std::fs::read(format!("{file}-wal")).unwrap_or_default());
    assert!(!contains(&stored, MARK), "the database holds it");
    assert!(
        contains(&stored, "operator.password_changed"),
        "it is the right file"
    );
    let logged = lines.0.lock().unwrap();
    assert!(!contains(&logged, MARK), "a log line holds it");
    assert!(!logged.is_empty(), "something was logged");
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
