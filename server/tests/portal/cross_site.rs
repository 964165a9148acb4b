//! What other sites can make a browser send, and what answers tell a browser to refuse.

use reqwest::header::{ACCEPT, CONTENT_TYPE, ORIGIN, REFERER};
use signpost_model::Role;

use crate::support::{Browser, Setting, TestApp, send};

const FORM: &str = "application/x-www-form-urlencoded";

/// Posts a name change with these headers about where it comes from.
async fn post(browser: &Browser, kind: &str, headers: &[(&str, &str)], body: String) -> u16 {
    let mut request = browser
        .client
        .post(format!("{}/api/account/name", browser.url))
        .header(ACCEPT, "text/html")
        .header(CONTENT_TYPE, kind)
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await.status.as_u16()
}

#[tokio::test]
async fn posts_from_elsewhere_are_refused() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Auditor).await;
    let version = app.operator(Role::Auditor).await.version;
    let body = || format!("name=Mallory&version={version}&csrf={}", browser.csrf);
    let own = app.url.as_str();
    let refused: &[&[(&str, &str)]] = &[
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", own), ("sec-fetch-site", "cross-site")],
        &[("origin", own), ("sec-fetch-site", "same-site")],
        &[("origin", own), ("sec-fetch-site", "none")],
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
        &[("origin", own), ("origin", "https://evil.example")],
        &[
            ("origin", own),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[("origin", ""), ("sec-fetch-site", "")],
    ];
    for headers in refused {
        assert_eq!(
            post(&browser, FORM, headers, body()).await,
            403,
            "{headers:?}"
        );
    }
    let good = [("origin", own), ("sec-fetch-site", "same-origin")];
    for kind in [
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=b",
        "",
    ] {
        assert_eq!(post(&browser, kind, &good, body()).await, 400, "{kind}");
    }
    assert_eq!(app.operator(Role::Auditor).await.name, "Auditor of Contoso");
    assert_eq!(post(&browser, FORM, &good, body()).await, 303);
    assert_eq!(app.operator(Role::Auditor).await.name, "Mallory");
}

#[tokio::test]
async fn a_token_of_another_session_changes_nothing_and_keeps_what_was_typed() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Auditor).await;
    let other = app.sign_in(Role::Auditor).await;
    let own = browser.csrf.as_str();
    for tokens in [vec![], vec![""], vec![other.csrf.as_str()], vec![own, own]] {
        let mut fields = vec![
            ("name", "Typed by hand"),
            ("version", "1"),
            ("current_password", "s3cret"),
        ];
        fields.extend(tokens.iter().map(|token| ("csrf", *token)));
        let request = browser
            .client
            .post(format!("{}/api/account/name", app.url))
            .header(ORIGIN, &app.url)
            .header(REFERER, format!("{}/account", app.url))
            .form(&fields);
        let answer = send(request).await;
        assert_eq!(answer.location(), "/account", "{tokens:?}");
        let page = browser.get("/account").await;
        assert!(
            page.body.contains("value=\"Typed by hand\""),
            "{}",
            page.body
        );
        assert!(page.body.contains("Your entries are still here"));
        assert!(!page.body.contains("s3cret"));
    }
    assert_eq!(app.operator(Role::Auditor).await.name, "Auditor of Contoso");
}

#[tokio::test]
async fn every_answer_refuses_frames_foreign_scripts_and_caches() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Owner).await;
    for path in [
        "/",
        "/account",
        "/settings",
        "/audit-log",
        "/nothing",
        "/sign-in",
        "/healthz",
    ] {
        let answer = browser.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
        if let Some((_, nonce)) = policy.split_once("'nonce-") {
            let nonce = nonce.split('\'').next().unwrap();
            assert!(nonce.len() >= 16, "{nonce}");
            for script in answer.body.split("<script").skip(1) {
                let tag = script.split('>').next().unwrap();
                assert!(tag.contains(nonce), "{path}: {tag}");
            }
        }
    }
}

#[tokio::test]
async fn over_tls_cookies_are_secure_and_browsers_stay_on_it() {
    let database = signpost_store::testing::Database::create(signpost_store::Engine::Sqlite).await;
    let setting = Setting {
        public_url: Some("https://signpost.contoso.example".to_owned()),
        ..Setting::default()
    };
    let app = TestApp::start_with(database.store.clone(), setting).await;
    let request = app
        .browser()
        .client
        .post(format!("{}/api/sign-in", app.url))
        .header(ORIGIN, "https://signpost.contoso.example")
        .form(&[("email", "x"), ("password", "y")]);
    let answer = send(request).await;
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-signpost=") && cookie.contains("Secure"),
        "{cookie}"
    );
    assert!(cookie.contains("HttpOnly") && cookie.contains("Path=/") && !cookie.contains("Domain"));
    let age = answer.header("strict-transport-security");
    assert!(
        age.contains("max-age=63072000") && age.contains("includeSubDomains"),
        "{age}"
    );
}

#[tokio::test]
async fn what_is_too_large_or_malformed_is_refused_without_harm() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let large = "x".repeat(600 * 1024);
    let answer = browser
        .post("/api/sign-in", &[("email", &large), ("password", "y")])
        .await;
    assert_eq!(answer.status, 413);
    let long = "p".repeat(10_000);
    let fields = [("email", "owner@contoso.example"), ("password", &*long)];
    assert!(browser.post("/api/sign-in", &fields).await.status.as_u16() < 500);
    for cookie in [
        "signpost=",
        "signpost=%00%ff",
        "signpost=AAAAAAAAAAAAAAAAAAAAAA",
        "signpost=AAAAAAAAAAAAAAAAAAAAAA; signpost=BBBBBBBBBBBBBBBBBBBBBB",
        "theme=\"><script>; shortcuts=\u{1}",
        "=;;;=",
    ] {
        let Ok(value) = reqwest::header::HeaderValue::from_bytes(cookie.as_bytes()) else {
            continue;
        };
        let request = app
            .browser()
            .client
            .get(format!("{}/account", app.url))
            .header("cookie", value);
        let answer = send(request).await;
        assert_eq!(answer.status, 303, "{cookie}");
        assert_eq!(answer.location(), "/sign-in?return=%2Faccount", "{cookie}");
    }
}
