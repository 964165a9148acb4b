//! Planted secrets: after a tour of everything that takes one, none stands in a log line, a page
//! or the database.

use std::io::Write;
use std::sync::{Arc, Mutex};

use signpost_mail::testing::{Behaviour, SmtpServer};
use signpost_model::Role;
use signpost_server::mailer;
use signpost_store::Engine;
use signpost_store::testing::Database;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::login::{ADA_NAME, Domain, posted_value};
use crate::support::{Browser, PASSWORD, Setting, TestApp, email, hidden_value};

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
    let setting = Setting {
        // A host with a name, for passkeys.
        public_url: Some("http://localhost:3000".to_owned()),
        ..Setting::default()
    };
    let app = TestApp::start_with(database.store.clone(), setting).await;
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
    let mut owner = app.sign_in(Role::Owner).await;
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
    // The new password renewed the session's token.
    owner.read_csrf().await;
    let (passing, challenge, _app) = signing_in(app, &owner, &new, &mut pages).await;
    pages.push(owner.get("/audit-log").await.body);
    pages.push(owner.get("/settings/mail").await.body);
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
    for secret in &passing {
        assert!(!contains(&stored, secret), "the database holds {secret}");
    }
    let logged = lines.0.lock().unwrap();
    assert!(!contains(&logged, MARK), "a log line holds it");
    assert!(!logged.is_empty(), "something was logged");
    // What the test's own client logs of the pages it gets is not the server's.
    let text = String::from_utf8_lossy(&logged);
    let own: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("signpost"))
        .collect();
    for secret in passing.iter().chain([&challenge]) {
        let said = own.iter().find(|line| line.contains(secret.as_str()));
        assert_eq!(said, None, "a log line holds {secret}");
    }
}

/// The password of the mail server, links, recovery codes, challenges of passkeys, tokens. Returns
/// what may be on its way for a moment and must stand nowhere afterwards, and a challenge, which waits
/// in the database.
async fn signing_in(
    app: TestApp,
    owner: &Browser,
    planted: &str,
    pages: &mut Vec<String>,
) -> (Vec<String>, String, TestApp) {
    let domain = Domain::of(app).await;
    let mut passing = Vec::new();
    let login = Some(("signpost".to_owned(), planted.to_owned()));
    let server = SmtpServer::start(Behaviour {
        login,
        ..Behaviour::default()
    })
    .await;
    let port = server.port.to_string();
    let settings = |host: &'static str, version: &'static str| {
        let (owner, port) = (owner.clone(), port.clone());
        let planted = planted.to_owned();
        async move {
            let fields = [
                ("version", version),
                ("host", host),
                ("port", &port),
                ("security", "none"),
                ("user_name", "signpost"),
                ("password", &planted),
                ("sender", "signpost@contoso.example"),
                ("mails_resets", "on"),
            ];
            owner.submit("/api/settings/mail", &fields).await.body
        }
    };
    pages.push(settings("mail.contoso.example", "0").await);
    pages.push(settings("127.0.0.1", "0").await);
    let browser = domain.app.browser();
    // People type their password where their name belongs.
    for name in [planted, ADA_NAME] {
        let fields = [("user_name", name)];
        let page = browser.submit("/api/login/forgotten", &fields).await;
        pages.push(page.body);
    }
    mailer::work_off(&domain.app.portal).await.unwrap();
    let text = server.arrived().pop().unwrap().text();
    let link = text.split("/welcome/").nth(1).unwrap()[..32].to_owned();
    let bob = domain.add_user(1002, "bob@contoso.example").await;
    let fields = [("id", bob.id.to_string())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let shown = owner.submit("/api/users/invite", &fields).await.body;
    let invitation = shown.split("/welcome/").nth(1).unwrap()[..32].to_owned();
    for (link, password) in [(&link, "short"), (&link, planted), (&invitation, planted)] {
        let fields = [
            ("link", link.as_str()),
            ("new_password", password),
            ("repeat_password", password),
        ];
        let page = browser.submit("/api/welcome", &fields).await;
        pages.push(page.body);
    }
    passing.extend([link, invitation]);

    let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
    let page = domain
        .give(&browser, &page, "/api/login/passkey/begin", &[])
        .await;
    let challenge = page.body.split("challenge&quot;:&quot;").nth(1).unwrap();
    let challenge = challenge.split('&').next().unwrap().to_owned();
    let answer = [("passkey", planted)];
    let page = domain
        .give(&browser, &page, "/api/login/passkey", &answer)
        .await;
    let fields = [("user_name", ADA_NAME), ("password", planted)];
    let page = domain
        .give(&browser, &page, "/api/login/password", &fields)
        .await;
    let token = posted_value(&page, "wresult").unwrap();
    passing.push(token.split("<ds:SignatureValue>").nth(1).unwrap()[..60].to_owned());

    let own = browser.get("/me/second-factor").await;
    let proof = hidden_value(&own.body, "proof").unwrap();
    let fields = [("proof", proof.as_str())];
    let page = browser.submit("/api/me/second-factor/begin", &fields).await;
    let seed = page.body.split("id=\"field-seed\"").nth(1);
    let seed = seed.and_then(|rest| rest.split("value=\"").nth(1));
    let seed = seed.unwrap().split('"').next().unwrap().to_owned();
    let code = code_of(&seed);
    passing.push(seed);
    for (path, code, password) in [
        ("/api/me/second-factor/confirm", planted, planted),
        ("/api/me/passkeys/begin", planted, planted),
        ("/api/me/second-factor/confirm", &code, planted),
    ] {
        let fields = [
            ("proof", proof.as_str()),
            ("code", code),
            ("current_password", password),
            ("passkeys_password", password),
        ];
        pages.push(browser.submit(path, &fields).await.body);
    }
    let codes = pages.last().unwrap().split("id=\"codes\">").nth(1);
    let codes = codes.unwrap().split('<').next().unwrap();
    passing.extend(codes.lines().map(str::to_owned));
    passing.push(proof);
    assert_eq!(passing.len(), 15);
    (passing, challenge, domain.app)
}

fn code_of(seed: &str) -> String {
    let seed = totp_rs::Secret::Encoded(seed.to_owned())
        .to_bytes()
        .unwrap();
    let totp = totp_rs::TOTP::new(totp_rs::Algorithm::SHA1, 6, 0, 30, seed).unwrap();
    let seconds = signpost_store::testing::NOW.as_millis() / 1_000;
    totp.generate(u64::try_from(seconds).unwrap())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
