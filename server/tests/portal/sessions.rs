//! Sessions: who is in, for how long, and what ends it.

use signpost_model::Role;
use signpost_model::time::{HOUR_MS, MINUTE_MS};
use signpost_store::both_engines;

use crate::support::{TestApp, send};

both_engines! {
    async fn a_session_ends_after_half_an_hour_without_use(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Auditor).await;
        app.clock.advance_millis(29 * MINUTE_MS);
        assert_eq!(browser.get("/account").await.status, 200);
        app.clock.advance_millis(29 * MINUTE_MS);
        assert_eq!(browser.get("/account").await.status, 200);
        app.clock.advance_millis(31 * MINUTE_MS);
        let answer = browser.get("/account").await;
        assert_eq!(answer.location(), "/sign-in?return=%2Faccount");
    }

    async fn a_session_ends_after_twelve_hours_in_any_case(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Auditor).await;
        for _ in 0..35 {
            app.clock.advance_millis(20 * MINUTE_MS);
            assert_eq!(browser.get("/account").await.status, 200);
        }
        app.clock.advance_millis(12 * HOUR_MS - 35 * 20 * MINUTE_MS);
        assert_eq!(browser.get("/account").await.status, 303);
    }

    async fn no_form_comes_past_the_token_dressed_as_a_file(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Auditor).await;
        let request = browser
            .client
            .post(format!("{}/api/sign-out", browser.url))
            .header("origin", &browser.url)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "multipart/form-data; boundary=x")
            .body("csrf=");
        assert_eq!(send(request).await.status, 400);
        assert_eq!(browser.get("/account").await.status, 200);
    }
}
