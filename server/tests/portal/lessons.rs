//! What went wrong at other identity providers, each as a rule that holds here. The names in the
//! comments are of their advisories.

use std::collections::BTreeSet;

use reqwest::header::ORIGIN;
use signpost_model::sign_on::FactorPolicy;
use signpost_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use signpost_model::{AccessType, Clock as _, Role, UserId};
use signpost_server::router;
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{Store, applications, both_engines, credentials, user_sessions, users};

use crate::support::login::{ADA, ADA_NAME, Domain, authn_request, has_token, posted_value};
use crate::support::{Answer, Browser, PASSWORD, Setting, TestApp, hidden_value, send};

/// Mints a link for this user as an operator does; returns its token.
async fn link_for(domain: &Domain, user: UserId) -> String {
    let admin = domain.app.sign_in(Role::Administrator).await;
    let id = user.to_string();
    let page = admin.submit("/api/users/invite", &[("id", &id)]).await;
    let link = page.body.split("/welcome/").nth(1).unwrap();
    link[..32].to_owned()
}

async fn disable(store: &Store, user: UserId) {
    let mut tx = store.write().await.unwrap();
    users::disable(&mut tx, &[user], &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

// authentik CVE-2025-29928, CVE-2025-53942, CVE-2025-64521.
both_engines! {
    async fn a_disabled_user_is_refused_at_the_next_request_of_every_kind_on_every_replica(store: Store) {
        let first = Domain::of(TestApp::start(store.clone()).await).await;
        let other = TestApp::start_with(store.clone(), Setting { fresh: true, ..Setting::default() }).await;
        let second = Domain { app: other, id: first.id };
        first.add_totp(ADA).await;
        first.set_policy(FactorPolicy::Off, 0).await;
        // One session on each replica, and one sign-in half way through on each.
        let mut live = Vec::new();
        let mut half = Vec::new();
        for domain in [&first, &second] {
            let browser = domain.app.browser();
            let page = domain.sign_in(&browser, &domain.wsfed("c", &[])).await;
            assert!(has_token(&page));
            let proof = hidden_value(&browser.get("/me").await.body, "proof").unwrap();
            live.push((domain, browser, proof));
            let browser = domain.app.browser();
            let demand = [("wauth", crate::support::login::MULTI_FACTOR)];
            let page = domain.sign_in(&browser, &domain.wsfed("d", &demand)).await;
            assert!(page.body.contains("Verification code"));
            half.push((domain, browser, page));
        }
        disable(&store, ADA).await;
        for (domain, browser, proof) in &live {
            for path in ["/me", "/me/password", "/me/second-factor"] {
                assert_eq!(browser.get(path).await.location(), "/login", "{path}");
            }
            for path in ["/api/me/sessions/end-others", "/api/me/recovery-codes", "/api/me/second-factor/begin"] {
                let answer = browser.post(path, &[("proof", proof), ("codes_password", PASSWORD)]).await;
                assert_eq!(answer.location(), "/login", "{path}");
            }
            for path in [domain.wsfed("e", &[]), domain.saml(&authn_request("_e", "", ""), "")] {
                let (_, page) = domain.begin(browser, &path).await;
                assert!(!has_token(&page));
            }
        }
        for (domain, browser, page) in &half {
            let page = domain.give(browser, page, "/api/login/code", &[("code", &domain.code())]).await;
            assert!(!has_token(&page));
        }
        let mut read = store.read().await.unwrap();
        assert!(user_sessions::list(&mut read, ADA, first.app.clock.now()).await.unwrap().is_empty());
    }

    // authentik CVE-2023-26481: the token decides the user, never the request.
    async fn a_link_sets_the_password_of_its_own_user_whatever_the_form_says(store: Store) {
        let domain = Domain::of(TestApp::start(store.clone()).await).await;
        let bob = domain.add_user(1002, "bob@contoso.example").await;
        let token = link_for(&domain, bob.id).await;
        let ada = ADA.to_string();
        let fields = [
            ("link", token.as_str()), ("new_password", "kestrel lantern river"),
            ("repeat_password", "kestrel lantern river"), ("user_name", ADA_NAME), ("user_id", &ada), ("id", &ada),
        ];
        domain.app.browser().submit("/api/welcome", &fields).await;
        let mut read = store.read().await.unwrap();
        let of = credentials::find(&mut read, ADA).await.unwrap();
        assert_eq!(of.version, 1, "Ada's is as it was");
        assert!(credentials::find(&mut read, bob.id).await.unwrap().password_hash.is_some());
    }

    // authentik CVE-2022-46145, -46172, -23555, Zitadel CVE-2025-46815.
    async fn what_works_once_works_once_for_many_at_the_same_time(store: Store) {
        let domain = Domain::of(TestApp::start(store.clone()).await).await;
        let bob = domain.add_user(1002, "bob@contoso.example").await;
        let token = link_for(&domain, bob.id).await;
        let tries = (0..6).map(|number| {
            let (browser, token) = (domain.app.browser(), token.clone());
            async move {
                let password = format!("kestrel lantern river {number}");
                let fields = [("link", token.as_str()), ("new_password", &password), ("repeat_password", &password)];
                let page = browser.submit("/api/welcome", &fields).await;
                page.body.contains("Your password is saved")
            }
        });
        let set = futures::future::join_all(tries).await;
        assert_eq!(set.iter().filter(|set| **set).count(), 1);

        // A code of the app, by the same page in many requests.
        domain.add_totp(ADA).await;
        let code = domain.code();
        let mut waiting = Vec::new();
        for number in 0..3 {
            let browser = domain.app.browser();
            let page = domain.sign_in(&browser, &domain.wsfed(&number.to_string(), &[])).await;
            waiting.push((browser, page));
        }
        let fields = [("code", code.as_str())];
        let tries = waiting
            .iter()
            .map(|(browser, page)| domain.give(browser, page, "/api/login/code", &fields));
        let pages = futures::future::join_all(tries).await;
        assert_eq!(pages.iter().filter(|page| has_token(page)).count(), 1);
    }

    // authentik CVE-2025-64708: valid until the cleaning job ran.
    async fn expiry_counts_at_use_though_nobody_cleans_up(store: Store) {
        let domain = Domain::of(TestApp::start(store.clone()).await).await;
        let bob = domain.add_user(1002, "bob@contoso.example").await;
        let token = link_for(&domain, bob.id).await;
        let browser = domain.app.browser();
        let page = domain.sign_in(&browser, &domain.wsfed("1", &[])).await;
        assert!(has_token(&page));
        domain.app.clock.advance_millis(4 * DAY_MS);
        let page = domain.app.browser().get(&format!("/welcome/{token}")).await;
        assert!(page.body.contains("does not work any more"));
        let fields = [("link", token.as_str()), ("new_password", "kestrel lantern river"), ("repeat_password", "kestrel lantern river")];
        domain.app.browser().submit("/api/welcome", &fields).await;
        let mut read = store.read().await.unwrap();
        assert!(credentials::find(&mut read, bob.id).await.unwrap().password_hash.is_none());
        drop(read);
        assert_eq!(browser.get("/me").await.location(), "/login", "idle for too long");
    }
}

// authentik CVE-2023-48228, CVE-2024-23647: absence is failure.
#[tokio::test]
async fn a_field_that_is_missing_empty_or_doubled_never_helps() {
    let domain = Domain::new().await;
    domain.add_totp(ADA).await;
    let good = |page: &Answer, more: &[(&'static str, String)]| {
        let mut fields = vec![
            ("request", hidden_value(&page.body, "request").unwrap()),
            ("proof", hidden_value(&page.body, "proof").unwrap()),
        ];
        fields.extend_from_slice(more);
        fields
    };
    let password = [
        ("user_name", ADA_NAME.to_owned()),
        ("password", PASSWORD.to_owned()),
    ];
    let mut checked = 0;
    for at in 0..4 {
        for change in ["missing", "empty", "doubled"] {
            let browser = domain.app.browser();
            let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
            let fields = changed(good(&page, &password), at, change);
            let answer = post(&browser, "/api/login/password", &fields).await;
            let went_on = answer.body.contains("Verification code");
            assert!(!has_token(&answer), "{change} {at}");
            // The first of two values counts: a doubled field is the same field.
            assert!(!went_on || change == "doubled", "{change} {at}");
            domain.app.clock.advance_millis(16 * MINUTE_MS);
            checked += 1;
        }
    }
    for at in 0..3 {
        for change in ["missing", "empty"] {
            let browser = domain.app.browser();
            let page = domain.sign_in(&browser, &domain.wsfed("d", &[])).await;
            let fields = changed(good(&page, &[("code", domain.code())]), at, change);
            let answer = post(&browser, "/api/login/code", &fields).await;
            assert!(!has_token(&answer), "{change} {at}");
            domain.app.clock.advance_millis(16 * MINUTE_MS);
            checked += 1;
        }
    }
    assert_eq!(checked, 18);
}

fn changed(
    mut fields: Vec<(&'static str, String)>,
    at: usize,
    change: &str,
) -> Vec<(&'static str, String)> {
    match change {
        "missing" => drop(fields.remove(at)),
        "empty" => fields[at].1.clear(),
        _ => {
            let (name, _) = fields[at];
            fields.push((name, "another".to_owned()));
        }
    }
    fields
}

async fn post(browser: &Browser, path: &str, fields: &[(&'static str, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let answer = browser.post(path, &fields).await;
    if answer.status == 303 {
        browser.get(answer.location()).await
    } else {
        answer
    }
}

// authentik CVE-2026-25748: a malformed cookie is nobody's.
#[tokio::test]
async fn a_cookie_that_is_not_ours_is_nobody() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    domain.sign_in(&browser, &domain.wsfed("c", &[])).await;
    let bare = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let zero = "0".repeat(32);
    for value in [
        "",
        "null",
        "undefined",
        "true",
        "{}",
        "../../../etc/passwd",
        "%00",
        "' or 1=1 --",
        "admin",
        &zero,
        &"a".repeat(33),
        &"a".repeat(7_000),
        "\u{fffd}",
    ] {
        for name in [
            "signpost-user",
            "signpost-device",
            "signpost-login",
            "signpost",
        ] {
            let Ok(cookie) =
                reqwest::header::HeaderValue::from_bytes(format!("{name}={value}").as_bytes())
            else {
                continue;
            };
            let request = bare
                .get(format!("{}/me", domain.app.url))
                .header("cookie", cookie);
            let answer = send(request).await;
            let refused = answer.location() == "/login" || answer.status.is_client_error();
            assert!(refused, "{name}={value}: {}", answer.status);
        }
    }
}

// Keycloak CVE-2024-4540, CVE-2026-7571: what a browser holds says nothing.
#[tokio::test]
async fn cookies_hold_an_unguessable_name_and_nothing_else() {
    let domain = Domain::new().await;
    domain.add_totp(ADA).await;
    domain.set_policy(FactorPolicy::Required, 7).await;
    let browser = domain.app.browser();
    let mut seen = BTreeSet::new();
    let mut cookies = |answer: &Answer| {
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let plain = value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_=%".contains(&byte));
            assert!(value.len() <= 64 && plain, "{cookie}");
            assert!(
                cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
                "{cookie}"
            );
            seen.insert(name.to_owned());
        }
    };
    let to = browser.get(&domain.wsfed("planted-context", &[])).await;
    cookies(&to);
    let page = browser.get(to.location()).await;
    cookies(&page);
    let request = hidden_value(&page.body, "request").unwrap();
    let proof = hidden_value(&page.body, "proof").unwrap();
    let fields = [
        ("request", request.as_str()),
        ("proof", &proof),
        ("user_name", ADA_NAME),
        ("password", PASSWORD),
    ];
    let answer = browser.post("/api/login/password", &fields).await;
    cookies(&answer);
    let page = browser.get(answer.location()).await;
    let proof = hidden_value(&page.body, "proof").unwrap();
    let code = domain.code();
    let fields = [
        ("request", request.as_str()),
        ("proof", &proof),
        ("code", &code),
        ("remember", "on"),
    ];
    cookies(&browser.post("/api/login/code", &fields).await);
    for name in ["signpost-login", "signpost-user", "signpost-device"] {
        assert!(seen.contains(name), "{seen:?}");
    }
}

// Keycloak CVE-2026-4630, Zitadel CVE-2026-32131: another's object by its id.
#[tokio::test]
async fn nobody_reaches_what_is_another_users_by_its_id() {
    let domain = Domain::new().await;
    let mallory = domain.add_user(1066, "mallory@contoso.example").await;
    domain.set_password(mallory.id).await;
    let (hers, his) = (domain.app.browser(), domain.app.browser());
    domain.sign_in(&hers, &domain.wsfed("1", &[])).await;
    let (_, page) = domain.begin(&his, &domain.wsfed("2", &[])).await;
    domain
        .give_password(&his, &page, "mallory@contoso.example")
        .await;
    let proof = hidden_value(&his.get("/me").await.body, "proof").unwrap();
    let store = &domain.app.portal.store;
    let now = domain.app.clock.now();
    let live = user_sessions::list(&mut store.read().await.unwrap(), ADA, now)
        .await
        .unwrap();
    let key = live[0].key.to_string();
    for path in [
        "/api/me/sessions/end",
        "/api/me/devices/forget",
        "/api/me/passkeys/remove",
    ] {
        let fields = [
            ("proof", proof.as_str()),
            ("key", &key),
            ("id", &key),
            ("passkeys_password", PASSWORD),
        ];
        his.post(path, &fields).await;
    }
    assert_eq!(hers.get("/me").await.status, 200, "her session goes on");
    let ada = ADA.to_string();
    let fields = [
        ("proof", proof.as_str()),
        ("current_password", PASSWORD),
        ("new_password", "kestrel lantern river"),
        ("repeat_password", "kestrel lantern river"),
        ("id", &ada),
        ("user_id", &ada),
        ("user_name", ADA_NAME),
    ];
    his.post("/api/me/password", &fields).await;
    let of = credentials::find(&mut store.read().await.unwrap(), ADA)
        .await
        .unwrap();
    assert_eq!(of.version, 1, "her password is as it was");
    // Zitadel CVE-2026-27946: a user changes nothing of their own record.
    let changed = domain.user(mallory.id).await;
    assert_eq!(changed.profile, mallory.profile);
}

// authentik CVE-2024-38371, CVE-2024-52287: the second flow skips what the first checks.
#[tokio::test]
async fn whoever_loses_the_application_gets_no_token_by_any_way() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    domain.sign_in(&browser, &domain.wsfed("1", &[])).await;
    let mut tx = domain.app.portal.store.write().await.unwrap();
    let application = applications::find(&mut tx, domain.id)
        .await
        .unwrap()
        .unwrap();
    let (access, version) = (AccessType::Assigned, application.version);
    applications::set_access(&mut tx, domain.id, version, &access, &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for path in [
        domain.wsfed("2", &[]),
        domain.wsfed("3", &[("username", ADA_NAME)]),
        domain.saml(&authn_request("_a", "", ""), ""),
        domain.saml(&authn_request("_b", "IsPassive=\"true\"", ""), ""),
    ] {
        let (_, page) = domain.begin(&browser, &path).await;
        assert!(!has_token(&page), "{path}");
        assert!(
            page.body.contains("does not have this application"),
            "{}",
            page.body
        );
    }
    let other = domain.app.browser();
    let page = domain.sign_in(&other, &domain.wsfed("4", &[])).await;
    assert!(!has_token(&page), "not by a new sign-in either");
}

// authentik CVE-2023-36456, CVE-2024-47070: what a proxy says is read, or the request is refused.
#[tokio::test]
async fn a_forwarded_address_that_cannot_be_read_lets_nobody_in() {
    let domain = Domain::new().await;
    let trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let router = router::build(domain.app.portal.clone(), trusted);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let behind = format!("http://{}", listener.local_addr().unwrap());
    let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let browser = domain.app.browser();
    let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
    let fields = [
        ("request", hidden_value(&page.body, "request").unwrap()),
        ("proof", hidden_value(&page.body, "proof").unwrap()),
        ("user_name", ADA_NAME.to_owned()),
        ("password", PASSWORD.to_owned()),
    ];
    for forwarded in [
        "unknown",
        "",
        "999.1.1.1",
        "192.0.2.1, evil",
        "::gggg",
        "192.0.2.1:80",
        "<script>",
    ] {
        let request = browser
            .client
            .post(format!("{behind}/api/login/password"))
            .header(ORIGIN, &domain.app.url)
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", forwarded)
            .form(&fields);
        assert_eq!(send(request).await.status, 400, "{forwarded}");
    }
    let mut read = domain.app.portal.store.read().await.unwrap();
    let live = user_sessions::list(&mut read, ADA, NOW).await.unwrap();
    assert!(live.is_empty());
}

// authentik CVE-2023-39522: equal work for whoever exists and whoever does not. Counted in password
// hashes, which are all but the whole of the time, and not by a clock.
#[tokio::test]
async fn every_try_costs_one_hash_whoever_it_is_for() {
    let domain = Domain::new().await;
    domain.add_user(1002, "bob@contoso.example").await;
    let carol = domain.add_user(1003, "carol@contoso.example").await;
    domain.set_password(carol.id).await;
    disable(&domain.app.portal.store, carol.id).await;
    let passwords = &domain.app.portal.passwords;
    for (name, password) in [
        (ADA_NAME, PASSWORD),
        (ADA_NAME, "wrong password here"),
        ("nobody@contoso.example", PASSWORD),
        ("bob@contoso.example", PASSWORD),
        ("carol@contoso.example", PASSWORD),
        ("", PASSWORD),
        (ADA_NAME, ""),
    ] {
        let browser = domain.app.browser();
        let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
        let before = passwords.hashed();
        let fields = [("user_name", name), ("password", password)];
        domain
            .give(&browser, &page, "/api/login/password", &fields)
            .await;
        assert_eq!(passwords.hashed() - before, 1, "{name} {password}");
    }
    for email in ["owner@contoso.example", "nobody@contoso.example"] {
        let before = passwords.hashed();
        let fields = [("email", email), ("password", "wrong password here")];
        domain.app.browser().submit("/api/sign-in", &fields).await;
        assert_eq!(passwords.hashed() - before, 1, "{email}");
    }
}

// authentik CVE-2023-46249: nobody sets the portal up again.
#[tokio::test]
async fn a_portal_that_was_set_up_is_never_set_up_again() {
    let domain = Domain::new().await;
    let store = &domain.app.portal.store;
    let mut tx = store.write().await.unwrap();
    let code = signpost_store::TokenHash::of(signpost_app::pages::setup::CODE_PURPOSE, "A-CODE");
    let needed = signpost_store::setup::set_code(&mut tx, &code, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(!needed, "an owner exists");
    let fields = [
        ("setup_code", "A-CODE"),
        ("name", "Mallory"),
        ("email", "mallory@evil.example"),
        ("password", "kestrel lantern river"),
    ];
    domain.app.browser().post("/api/setup", &fields).await;
    let mut read = store.read().await.unwrap();
    let found = signpost_store::operators::find_by_email(&mut read, "mallory@evil.example").await;
    assert!(found.unwrap().is_none());
}

// Zitadel CVE-2026-55669, authentik CVE-2024-47077: a token is for Microsoft, and for one domain.
#[tokio::test]
async fn a_token_names_one_audience_one_issuer_and_one_hour() {
    let domain = Domain::new().await;
    let page = domain
        .sign_in(&domain.app.browser(), &domain.wsfed("c", &[]))
        .await;
    let token = posted_value(&page, "wresult").unwrap();
    assert_eq!(token.matches("<saml:Audience>").count(), 1);
    assert!(token.contains("<saml:Audience>urn:federation:MicrosoftOnline</saml:Audience>"));
    assert_eq!(token.matches(" Issuer=\"").count(), 1);
    assert!(token.contains(&format!("/federation/{}\"", domain.id)));
    domain.app.clock.advance_millis(HOUR_MS);
    let bare = domain.app.browser();
    // A token of ours is no credential with us.
    let answer = bare
        .client
        .post(format!("{}{}", domain.app.url, domain.sign_in_path()))
        .header(ORIGIN, "https://login.microsoftonline.com")
        .form(&[("wa", "wsignin1.0"), ("wresult", token.as_str())]);
    assert_eq!(send(answer).await.status, 400);
}
