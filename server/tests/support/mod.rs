//! The real router on a port of its own, and browsers that drive it.
//!
//! Tests of the portal are modules of one binary, `tests/portal`: it links once. A test starts
//! with [`TestApp::start`] (a store of `both_engines!`) or [`TestApp::new`] (SQLite).

#![allow(dead_code, reason = "not every binary of tests needs every part")]

pub(crate) mod login;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, LOCATION, ORIGIN};
use reqwest::redirect::Policy;
use signpost_app::identity::Providers;
use signpost_app::passwords::Passwords;
use signpost_app::portal::{Portal, PortalSettings, Practice};
use signpost_model::random::SeededRandom;
use signpost_model::time::StoppedClock;
use signpost_model::{Clock as _, Operator, OperatorId, Role, Secret};
use signpost_server::router;
use signpost_store::operators::{self, NewOperator};
use signpost_store::testing::{AUTHOR, Database, NOW};
use signpost_store::{Engine, Store};
use tokio::sync::{Notify, OnceCell};

/// The password of every operator of the tests.
pub(crate) const PASSWORD: &str = "a few words in a row";

/// A portal with one operator per role, at the instant [`NOW`] until its clock is moved.
pub(crate) struct TestApp {
    pub(crate) portal: Portal,
    pub(crate) clock: Arc<StoppedClock>,
    pub(crate) address: SocketAddr,
    /// Scheme, host and port, without a trailing slash.
    pub(crate) url: String,
    _database: Option<Database>,
}

/// How a portal of a test differs from the usual one.
#[derive(Default)]
pub(crate) struct Setting {
    /// Instead of the loopback address it listens on.
    pub(crate) public_url: Option<String>,
    pub(crate) practice: Option<Practice>,
    /// Nobody exists yet.
    pub(crate) fresh: bool,
}

/// The test's clock for Graph's client, which really waits.
#[derive(Debug)]
struct GraphClock(Arc<StoppedClock>);

impl signpost_graph::Clock for GraphClock {
    fn now_ms(&self) -> i64 {
        self.0.now().as_millis()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl TestApp {
    /// A portal on a fresh SQLite database.
    pub(crate) async fn new() -> Self {
        let database = Database::create(Engine::Sqlite).await;
        let mut app = Self::start(database.store.clone()).await;
        app._database = Some(database);
        app
    }

    /// A portal on this database.
    pub(crate) async fn start(store: Store) -> Self {
        Self::start_with(store, Setting::default()).await
    }

    /// A portal that differs from the usual one.
    pub(crate) async fn start_with(store: Store, setting: Setting) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}");
        let clock = Arc::new(StoppedClock::at(NOW));
        let portal = Portal {
            store,
            clock: clock.clone(),
            graph_clock: Arc::new(GraphClock(clock.clone())),
            random: Arc::new(SeededRandom::new(7)),
            passwords: Passwords::default(),
            settings: Arc::new(PortalSettings {
                public_url: setting.public_url.unwrap_or_else(|| url.clone()),
                practice: setting.practice,
            }),
            set_up: Arc::new(AtomicBool::new(false)),
            providers: Providers::default(),
            worker: Arc::new(Notify::new()),
            mailer: Arc::new(Notify::new()),
        };
        if !setting.fresh {
            for role in Role::ALL {
                create_operator(&portal, role).await;
            }
        }
        let router = router::build(portal.clone(), Vec::new());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            portal,
            clock,
            address,
            url,
            _database: None,
        }
    }

    /// A browser in which nobody is signed in.
    pub(crate) fn browser(&self) -> Browser {
        Browser {
            client: reqwest::Client::builder()
                .cookie_store(true)
                .redirect(Policy::none())
                .no_proxy()
                .build()
                .unwrap(),
            url: self.url.clone(),
            csrf: String::new(),
        }
    }

    /// A browser in which the operator with this role is signed in.
    pub(crate) async fn sign_in(&self, role: Role) -> Browser {
        let mut browser = self.browser();
        let answer = browser
            .post(
                "/api/sign-in",
                &[("email", &email(role)), ("password", PASSWORD)],
            )
            .await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{role:?} signs in: {}",
            answer.body
        );
        assert_eq!(answer.location(), "/", "{role:?} signs in");
        browser.read_csrf().await;
        browser
    }

    /// The operator with this role, as stored now.
    pub(crate) async fn operator(&self, role: Role) -> Operator {
        let mut read = self.portal.store.read().await.unwrap();
        operators::find(&mut read, operator_id(role))
            .await
            .unwrap()
            .unwrap()
    }
}

/// The mail address of the operator with this role.
pub(crate) fn email(role: Role) -> String {
    format!("{}@contoso.example", role.key())
}

/// The id of the operator with this role.
pub(crate) fn operator_id(role: Role) -> OperatorId {
    OperatorId::from_number(role as u128 + 1)
}

async fn create_operator(portal: &Portal, role: Role) {
    let new = NewOperator {
        id: operator_id(role),
        email: email(role),
        name: format!("{} of Contoso", role.label()),
        role,
        password_hash: password_hash().await.to_owned(),
    };
    let mut tx = portal.store.write().await.unwrap();
    operators::create(&mut tx, &new, &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// The hash of [`PASSWORD`], made once.
pub(crate) async fn password_hash() -> &'static str {
    static HASH: OnceCell<String> = OnceCell::const_new();
    HASH.get_or_init(|| async {
        Passwords::default()
            .hash(&Secret::new(PASSWORD), &SeededRandom::new(1))
            .await
            .unwrap()
    })
    .await
}

/// One person's browser: keeps cookies, follows no redirect by itself.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) client: reqwest::Client,
    pub(crate) url: String,
    /// The token of the session's forms; empty before signing in.
    pub(crate) csrf: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Where a redirect leads; empty without one.
    pub(crate) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// A header's text; empty when it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Browser {
    /// Gets a page.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.url));
        send(request.header(ACCEPT, "text/html")).await
    }

    /// Posts a form of our own page, with its token.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from("", path, fields).await
    }

    /// Posts a form that stands on the page `from`.
    pub(crate) async fn post_from(
        &self,
        from: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut fields = fields.to_vec();
        if !self.csrf.is_empty() && !fields.iter().any(|(name, _)| *name == "csrf") {
            fields.push(("csrf", &self.csrf));
        }
        let mut request = self
            .client
            .post(format!("{}{path}", self.url))
            .header(ACCEPT, "text/html")
            .header(ORIGIN, &self.url)
            .header("sec-fetch-site", "same-origin");
        if !from.is_empty() {
            request = request.header("referer", format!("{}{from}", self.url));
        }
        send(request.form(&fields)).await
    }

    /// Posts a form and gets the page it leads to.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post(path, fields).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{path}: {}",
            answer.body
        );
        self.get(answer.location()).await
    }

    /// Takes the token of this session's forms from a page.
    pub(crate) async fn read_csrf(&mut self) {
        let page = self.get("/account").await;
        self.csrf = hidden_value(&page.body, "csrf").unwrap_or_default();
        assert!(!self.csrf.is_empty(), "a page has a form with a token");
    }
}

/// The value of the first hidden field of this name.
pub(crate) fn hidden_value(html: &str, name: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split('"').next()?.to_owned())
}

/// Sends a request and reads the answer to its end.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

/// Posts a form with one file: the field and the name that the file is sent with.
pub(crate) async fn post_file(
    browser: &Browser,
    path: &str,
    fields: &[(&str, &str)],
    (field, name): (&str, &str),
    file: &[u8],
) -> Answer {
    const BOUNDARY: &str = "a-boundary-of-parts";
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let request = browser
        .client
        .post(format!("{}{path}", browser.url))
        .header("accept", "text/html")
        .header("origin", &browser.url)
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(body);
    send(request).await
}
