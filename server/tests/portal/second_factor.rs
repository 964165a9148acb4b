//! The second factor: enrolled by its own codes, asked for at sign-in, each code once.

use signpost_model::time::MINUTE_MS;
use signpost_model::{Clock, Role, Secret};
use signpost_store::{both_engines, factors};

use crate::support::{Answer, Browser, PASSWORD, TestApp, email, operator_id};

/// The code that an app with this seed shows now.
fn code_now(app: &TestApp, seed: &Secret) -> String {
    let bytes = totp_rs::Secret::Encoded(seed.expose().to_owned())
        .to_bytes()
        .unwrap();
    let totp = totp_rs::TOTP::new(totp_rs::Algorithm::SHA1, 6, 0, 30, bytes).unwrap();
    totp.generate(app.clock.now().as_millis().unsigned_abs() / 1_000)
}

/// Turns the second factor on; returns the seed and the recovery codes.
async fn enrol(app: &TestApp, browser: &mut Browser, role: Role) -> (Secret, Vec<String>) {
    let page = browser
        .submit("/api/account/second-factor/begin", &[])
        .await;
    assert!(page.body.contains("src=\"data:image/svg+xml;base64,"));
    let mut read = app.portal.store.read().await.unwrap();
    let sealer = app.portal.store.sealer();
    let seeds = factors::find_seeds(&mut read, sealer, operator_id(role))
        .await
        .unwrap();
    drop(read);
    let seed = seeds.pending.unwrap();
    let code = code_now(app, &seed);
    let fields = [("code", &*code), ("current_password", PASSWORD)];
    let page = browser
        .submit("/api/account/second-factor/confirm", &fields)
        .await;
    let (_, list) = page
        .body
        .split_once("aria-label=\"Recovery codes\"")
        .unwrap();
    let (list, _) = list.split_once("</pre>").unwrap();
    let codes: Vec<String> = list
        .split(['>', '\n', '<', ' '])
        .filter(|word| word.len() == 19 && word.matches('-').count() == 3)
        .map(str::to_owned)
        .collect();
    assert_eq!(codes.len(), 10, "{list}");
    browser.read_csrf().await;
    (seed, codes)
}

async fn give_password(app: &TestApp, role: Role) -> Browser {
    let browser = app.browser();
    let fields = [
        ("email", &*email(role)),
        ("password", PASSWORD),
        ("return", "/account"),
    ];
    let page = browser.submit("/api/sign-in", &fields).await;
    assert!(page.body.contains("Verification code"), "{}", page.body);
    assert_eq!(
        browser.get("/account").await.status,
        303,
        "a password alone is not enough"
    );
    browser
}

async fn give_code(browser: &Browser, code: &str) -> Answer {
    browser.post("/api/sign-in/code", &[("code", code)]).await
}

both_engines! {
    async fn a_code_signs_in_once(store: Store) {
        let app = TestApp::start(store).await;
        let mut browser = app.sign_in(Role::Owner).await;
        let (seed, _) = enrol(&app, &mut browser, Role::Owner).await;
        let enrolled_with = code_now(&app, &seed);

        let again = give_password(&app, Role::Owner).await;
        assert_eq!(give_code(&again, &enrolled_with).await.location(), "/sign-in");
        app.clock.advance_millis(30_000);
        let code = code_now(&app, &seed);
        assert_eq!(give_code(&again, &code).await.location(), "/account");
        assert_eq!(again.get("/account").await.status, 200);

        let other = give_password(&app, Role::Owner).await;
        assert_eq!(give_code(&other, &code).await.location(), "/sign-in");
        assert_eq!(other.get("/account").await.status, 303);
    }

    async fn a_recovery_code_signs_in_once(store: Store) {
        let app = TestApp::start(store).await;
        let mut browser = app.sign_in(Role::Auditor).await;
        let (_, codes) = enrol(&app, &mut browser, Role::Auditor).await;
        let again = give_password(&app, Role::Auditor).await;
        let fields = [("recovery_code", codes[3].as_str())];
        let page = again.submit("/api/sign-in/code", &fields).await;
        assert!(page.body.contains("Codes left: 9"), "{}", page.body);
        let other = give_password(&app, Role::Auditor).await;
        let answer = other.post("/api/sign-in/code", &fields).await;
        assert_eq!(answer.location(), "/sign-in");
    }
}

#[tokio::test]
async fn enrolling_ends_other_sessions_and_shows_the_codes_once() {
    let app = TestApp::new().await;
    let other = app.sign_in(Role::Owner).await;
    let mut browser = app.sign_in(Role::Owner).await;
    let (_, codes) = enrol(&app, &mut browser, Role::Owner).await;
    assert_eq!(other.get("/account").await.status, 303);
    let page = browser.get("/account/recovery-codes").await;
    assert!(codes.iter().all(|code| !page.body.contains(code.as_str())));
    assert!(page.body.contains("Make new codes"));
}

#[tokio::test]
async fn a_password_given_long_ago_takes_no_code() {
    let app = TestApp::new().await;
    let mut browser = app.sign_in(Role::Owner).await;
    let (seed, _) = enrol(&app, &mut browser, Role::Owner).await;
    let again = give_password(&app, Role::Owner).await;
    app.clock.advance_millis(11 * MINUTE_MS);
    let code = code_now(&app, &seed);
    assert_eq!(give_code(&again, &code).await.location(), "/sign-in");
    assert_eq!(again.get("/account").await.status, 303);
}

#[tokio::test]
async fn guessing_codes_is_slowed_down() {
    let app = TestApp::new().await;
    let mut browser = app.sign_in(Role::Owner).await;
    let (seed, _) = enrol(&app, &mut browser, Role::Owner).await;
    app.clock.advance_millis(30_000);
    let again = give_password(&app, Role::Owner).await;
    for _ in 0..5 {
        give_code(&again, "12345").await;
    }
    let code = code_now(&app, &seed);
    assert_eq!(give_code(&again, &code).await.location(), "/sign-in");
    assert!(again.get("/sign-in").await.body.contains("Too many tries"));
    app.clock.advance_millis(MINUTE_MS);
    let code = code_now(&app, &seed);
    assert_eq!(give_code(&again, &code).await.location(), "/account");
}

#[tokio::test]
async fn turning_it_off_needs_the_password() {
    let app = TestApp::new().await;
    let mut browser = app.sign_in(Role::Owner).await;
    enrol(&app, &mut browser, Role::Owner).await;
    let wrong = [("current_password", "wrong")];
    let page = browser
        .submit("/api/account/second-factor/remove", &wrong)
        .await;
    assert!(page.body.contains("This is not your current password"));
    assert!(app.operator(Role::Owner).await.has_second_factor);
    let right = [("current_password", PASSWORD)];
    browser
        .submit("/api/account/second-factor/remove", &right)
        .await;
    assert!(!app.operator(Role::Owner).await.has_second_factor);
    app.sign_in(Role::Owner).await;
}
