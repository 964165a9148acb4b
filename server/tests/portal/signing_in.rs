//! Signing in: what is refused, how often it may be tried, what it tells.

use signpost_model::time::MINUTE_MS;
use signpost_model::{Role, Timestamp};
use signpost_store::testing::AUTHOR;
use signpost_store::{PageRequest, Store, audit, both_engines, operators};

use crate::support::{Answer, Browser, PASSWORD, TestApp, email, operator_id};

const REFUSED: &str = "The email or password is not correct.";

async fn try_password(browser: &Browser, email: &str, password: &str) -> Answer {
    browser
        .submit("/api/sign-in", &[("email", email), ("password", password)])
        .await
}

/// The actions of the audit trail, newest first.
pub(crate) async fn actions(store: &Store) -> Vec<String> {
    let mut read = store.read().await.unwrap();
    let page = audit::list(&mut read, &Default::default(), &PageRequest::first(50))
        .await
        .unwrap();
    page.items.into_iter().map(|event| event.action).collect()
}

both_engines! {
    async fn signing_in_and_out_is_written_down_with_refusals(store: Store) {
        let app = TestApp::start(store.clone()).await;
        try_password(&app.browser(), &email(Role::Owner), "wrong").await;
        try_password(&app.browser(), "hunter2", "wrong").await;
        let browser = app.sign_in(Role::Owner).await;
        let answer = browser.post("/api/sign-out", &[]).await;
        assert_eq!(answer.location(), "/sign-in");
        assert_eq!(browser.get("/account").await.status, 303);
        assert_eq!(
            actions(&store).await[..4],
            ["operator.signed_out", "operator.signed_in", "operator.sign_in_refused", "operator.sign_in_refused"]
        );
        let mut read = store.read().await.unwrap();
        let page = audit::list(&mut read, &Default::default(), &PageRequest::first(50)).await.unwrap();
        assert_eq!(page.items[1].actor_name, "Owner of Contoso");
        assert_eq!(page.items[2].subject.name, "Nobody known");
        assert_eq!(page.items[3].subject.name, "Owner of Contoso");
        assert!(page.items.iter().all(|event| !format!("{event:?}").contains("hunter2")));
    }

    async fn a_disabled_operator_is_refused_at_the_next_request_and_at_sign_in(store: Store) {
        let app = TestApp::start(store.clone()).await;
        let browser = app.sign_in(Role::Administrator).await;
        assert_eq!(browser.get("/account").await.status, 200);
        let operator = app.operator(Role::Administrator).await;
        let mut tx = store.write().await.unwrap();
        operators::disable(&mut tx, operator.id, operator.version, &AUTHOR, Timestamp::default()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(browser.get("/account").await.status, 303);
        let page = try_password(&app.browser(), &operator.email, PASSWORD).await;
        assert!(page.body.contains(REFUSED));
    }
}

#[tokio::test]
async fn unknown_wrong_and_disabled_look_the_same() {
    let app = TestApp::new().await;
    let operator = app.operator(Role::Auditor).await;
    let mut tx = app.portal.store.write().await.unwrap();
    operators::disable(
        &mut tx,
        operator.id,
        operator.version,
        &AUTHOR,
        Timestamp::default(),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut seen = Vec::new();
    for (email, password) in [
        ("nobody@contoso.example".to_owned(), PASSWORD),
        (email(Role::Owner), "not the password"),
        (email(Role::Auditor), PASSWORD),
    ] {
        let browser = app.browser();
        let fields = [("email", email.as_str()), ("password", password)];
        let answer = browser.post("/api/sign-in", &fields).await;
        let page = browser.get(answer.location()).await;
        assert!(page.body.contains(REFUSED), "{}", page.body);
        // What was typed comes back; the nonce is new each time.
        let words = page.body.replace(&email, "");
        let words: String = words
            .split("nonce=")
            .map(|part| part.split_once(['>', ' ']).map_or(part, |(_, rest)| rest))
            .collect();
        seen.push((
            answer.status,
            answer.location().to_owned(),
            page.status,
            words,
        ));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1], seen[2]);
}

#[tokio::test]
async fn the_session_and_its_token_change_at_sign_in() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let cookie = |answer: &Answer| {
        let cookie = answer.header("set-cookie").to_owned();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        cookie.split(';').next().unwrap().to_owned()
    };
    let wrong = [("email", "ada@contoso.example"), ("password", "wrong")];
    let before = cookie(&browser.post("/api/sign-in", &wrong).await);
    let right = [("email", &*email(Role::Owner)), ("password", PASSWORD)];
    let after = cookie(&browser.post("/api/sign-in", &right).await);
    assert_ne!(before, after);
    // Who knew the old id has nothing.
    let thief = app.browser().client;
    let answer = thief
        .get(format!("{}/account", app.url))
        .header("cookie", before)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303);
    browser.read_csrf().await;
    let first = browser.csrf.clone();
    let answer = browser.post("/api/sign-in", &right).await;
    assert_eq!(answer.location(), "/");
    browser.read_csrf().await;
    assert_ne!(browser.csrf, first);
}

#[tokio::test]
async fn tries_are_slowed_down_and_nobody_is_locked_out_for_good() {
    let app = TestApp::new().await;
    let owner = email(Role::Owner);
    for _ in 0..5 {
        let page = try_password(&app.browser(), &owner, "wrong").await;
        assert!(page.body.contains(REFUSED));
    }
    let page = try_password(&app.browser(), &owner, PASSWORD).await;
    assert!(page.body.contains("Too many tries"), "{}", page.body);
    // Another person in the same network is not held up by it.
    app.sign_in(Role::Auditor).await;
    app.clock.advance_millis(15 * MINUTE_MS);
    app.sign_in(Role::Owner).await;
}

#[tokio::test]
async fn a_network_that_tries_many_names_is_slowed_down() {
    let app = TestApp::new().await;
    for number in 0..21 {
        try_password(
            &app.browser(),
            &format!("{number}@contoso.example"),
            "wrong",
        )
        .await;
    }
    let page = try_password(&app.browser(), "new@contoso.example", "wrong").await;
    assert!(page.body.contains("Too many tries"));
}

#[tokio::test]
async fn after_sign_in_the_way_goes_on_but_never_elsewhere() {
    let app = TestApp::new().await;
    for (back, to) in [
        ("/account", "/account"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
    ] {
        let fields = [
            ("email", &*email(Role::Auditor)),
            ("password", PASSWORD),
            ("return", back),
        ];
        let answer = app.browser().post("/api/sign-in", &fields).await;
        assert_eq!(answer.location(), to);
    }
    let browser = app.browser();
    let wrong = [
        ("email", &*email(Role::Auditor)),
        ("password", "x"),
        ("return", "/account"),
    ];
    let page = browser.submit("/api/sign-in", &wrong).await;
    assert!(
        page.body.contains("name=\"return\" value=\"/account\""),
        "the way is kept after a mistake"
    );
    let signed_in = app.sign_in(Role::Auditor).await;
    assert_eq!(signed_in.get("/sign-in").await.location(), "/");
    assert_eq!(
        operator_id(Role::Auditor),
        app.operator(Role::Auditor).await.id
    );
}
