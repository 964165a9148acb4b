//! Owners add, change and help operators; nobody is left without an owner.

use signpost_model::Role;
use signpost_store::{both_engines, operators};

use crate::support::{Answer, PASSWORD, TestApp, email, operator_id};

/// The path of the one-time link that a page shows.
fn link_on(page: &Answer) -> String {
    let (_, shown) = page.body.split_once("id=\"one-time-link\">").unwrap();
    let link = shown.split('<').next().unwrap();
    let (_, path) = link.split_once("/join/").unwrap();
    format!("/join/{path}")
}

both_engines! {
    async fn a_new_operator_chooses_a_password_with_a_link_that_works_once(store: Store) {
        let app = TestApp::start(store).await;
        let owner = app.sign_in(Role::Owner).await;
        let fields = [("name", "Ada Lovelace"), ("email", "ada@contoso.example"), ("role", "auditor")];
        let answer = owner.post("/api/operators/create", &fields).await;
        let link = link_on(&owner.get(answer.location()).await);
        assert!(!owner.get(answer.location()).await.body.contains(&link), "shown once");

        let ada = app.browser();
        let page = ada.get(&link).await;
        assert!(page.body.contains("ada@contoso.example"), "the link says whose it is");
        let token = link.trim_start_matches("/join/").to_owned();
        let choose = |password: &'static str, again: &'static str| {
            let fields = [("link", token.clone()), ("new_password", password.to_owned()), ("repeat_password", again.to_owned())];
            let ada = ada.clone();
            async move {
                let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                ada.post("/api/join", &fields).await
            }
        };
        let refused = choose("a lantern over the harbour", "a lantern over the water").await;
        assert_eq!(refused.location(), link);
        assert!(ada.get(&link).await.body.contains("not the same password"));
        let done = choose("a lantern over the harbour", "a lantern over the harbour").await;
        assert_eq!(done.location(), "/sign-in");
        assert!(ada.get(&link).await.body.contains("does not work any more"), "used up");
        assert_eq!(choose("another few words here", "another few words here").await.location(), link);

        let fields = [("email", "ADA@contoso.example "), ("password", "a lantern over the harbour")];
        assert_eq!(app.browser().post("/api/sign-in", &fields).await.location(), "/");

        let again = [("name", "Ada"), ("email", "ada@contoso.example"), ("role", "owner")];
        let page = owner.submit("/api/operators/create", &again).await;
        assert!(page.body.contains("Another operator has this email"));
        assert!(page.body.contains("value=\"Ada\""), "what was typed is kept");
    }

    async fn a_link_for_an_operator_ends_the_password_before_it(store: Store) {
        let app = TestApp::start(store).await;
        let owner = app.sign_in(Role::Owner).await;
        let theirs = app.sign_in(Role::Administrator).await;
        let them = app.operator(Role::Administrator).await;
        let (id, version) = (them.id.to_string(), them.version.to_string());
        let page = owner.submit("/api/operators/reset-password", &[("id", &*id), ("version", &*version)]).await;
        let link = link_on(&page);
        assert_eq!(theirs.get("/account").await.status, 303, "their sessions ended");
        let old = [("email", &*them.email), ("password", PASSWORD)];
        assert_eq!(app.browser().post("/api/sign-in", &old).await.location(), "/sign-in");
        assert!(app.browser().get(&link).await.body.contains("Choose your password"));

        app.clock.advance_millis(4 * signpost_model::time::DAY_MS);
        assert!(app.browser().get(&link).await.body.contains("does not work any more"), "too old");
    }

    async fn the_last_owner_stays_owner(store: Store) {
        let app = TestApp::start(store).await;
        let owner = app.sign_in(Role::Owner).await;
        let me = app.operator(Role::Owner).await;
        let (id, version) = (me.id.to_string(), me.version.to_string());
        let fields = [
            ("id", &*id), ("version", &*version), ("name", "Owner"), ("email", &*me.email), ("role", "auditor"),
        ];
        let page = owner.submit("/api/operators/update", &fields).await;
        assert!(page.body.contains("This is the last owner"), "{}", page.body);
        for act in ["disable", "remove"] {
            let fields = [("id", &*id), ("version", &*version)];
            owner.post(&format!("/api/operators/{act}"), &fields).await;
        }
        let after = app.operator(Role::Owner).await;
        assert_eq!((after.role, after.disabled_at), (Role::Owner, None));
    }

    async fn a_new_role_or_being_disabled_ends_their_sessions(store: Store) {
        let app = TestApp::start(store).await;
        let owner = app.sign_in(Role::Owner).await;
        let theirs = app.sign_in(Role::Administrator).await;
        let them = app.operator(Role::Administrator).await;
        let (id, version) = (them.id.to_string(), them.version.to_string());
        let fields = [
            ("id", &*id), ("version", &*version), ("name", "Them"), ("email", &*them.email), ("role", "auditor"),
        ];
        owner.submit("/api/operators/update", &fields).await;
        assert_eq!(theirs.get("/account").await.status, 303);
        assert_eq!(app.operator(Role::Administrator).await.role, Role::Auditor);

        let theirs = app.sign_in(Role::Administrator).await;
        let version = app.operator(Role::Administrator).await.version.to_string();
        let fields = [("id", &*id), ("version", &*version)];
        owner.submit("/api/operators/disable", &fields).await;
        // A double click finds it done.
        let page = owner.submit("/api/operators/disable", &fields).await;
        assert!(page.body.contains("was disabled"));
        assert_eq!(theirs.get("/account").await.status, 303);
    }
}

#[tokio::test]
async fn a_form_made_before_somebody_else_saved_changes_nothing() {
    let app = TestApp::new().await;
    let owner = app.sign_in(Role::Owner).await;
    let them = app.operator(Role::Auditor).await;
    let id = them.id.to_string();
    let form = |name| {
        [
            ("id", id.clone()),
            ("version", "1".to_owned()),
            ("name", name),
            ("email", them.email.clone()),
            ("role", "auditor".to_owned()),
        ]
    };
    for (name, saved) in [("First", true), ("Second", false)] {
        let fields = form(name.to_owned());
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let page = owner.submit("/api/operators/update", &fields).await;
        assert_eq!(
            page.body.contains("Somebody else changed this meanwhile"),
            !saved
        );
        assert!(
            saved || page.body.contains("value=\"Second\""),
            "what was typed is kept"
        );
    }
    assert_eq!(app.operator(Role::Auditor).await.name, "First");
}

#[tokio::test]
async fn an_operator_is_removed_after_being_asked() {
    let app = TestApp::new().await;
    let owner = app.sign_in(Role::Owner).await;
    let id = operator_id(Role::Auditor).to_string();
    let page = owner.get(&format!("/settings/operators/{id}/remove")).await;
    assert!(page.body.contains("Remove Auditor of Contoso"));
    owner
        .submit("/api/operators/remove", &[("id", &*id), ("version", "1")])
        .await;
    let mut read = app.portal.store.read().await.unwrap();
    let found = operators::find(&mut read, operator_id(Role::Auditor))
        .await
        .unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn changing_the_password_ends_other_sessions_and_keeps_this_one() {
    let app = TestApp::new().await;
    let mut browser = app.sign_in(Role::Administrator).await;
    let other = app.sign_in(Role::Administrator).await;
    let new = "another few words in a row";
    let fields = |current, repeat| {
        [
            ("current_password", current),
            ("new_password", new),
            ("repeat_password", repeat),
        ]
    };
    let page = browser
        .submit("/api/account/password", &fields("wrong", new))
        .await;
    assert!(page.body.contains("This is not your current password"));
    let page = browser
        .submit("/api/account/password", &fields(PASSWORD, "other"))
        .await;
    assert!(page.body.contains("The two new passwords differ"));
    let page = browser
        .submit("/api/account/password", &fields(PASSWORD, new))
        .await;
    assert!(
        page.body.contains("Your password was changed"),
        "{}",
        page.body
    );
    assert_eq!(other.get("/account").await.status, 303);
    browser.read_csrf().await;
    let fields = [("email", &*email(Role::Administrator)), ("password", new)];
    assert_eq!(
        app.browser().post("/api/sign-in", &fields).await.location(),
        "/"
    );
}

#[tokio::test]
async fn a_required_second_factor_comes_before_everything_else() {
    let app = TestApp::new().await;
    let owner = app.sign_in(Role::Owner).await;
    let page = owner
        .submit("/api/settings/security", &[("second_factor", "auditor")])
        .await;
    assert!(page.body.contains("Set up your own second factor first"));
    let auditor = app.sign_in(Role::Auditor).await;
    assert_eq!(auditor.get("/audit-log").await.status, 200);
    let mut tx = app.portal.store.write().await.unwrap();
    let from = signpost_store::settings::Setting::<Option<Role>>::new("second_factor_from");
    signpost_store::settings::set(
        &mut tx,
        &from,
        &Some(Role::Auditor),
        signpost_store::testing::NOW,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        auditor.get("/audit-log").await.location(),
        "/account/second-factor"
    );
    assert_eq!(auditor.get("/account/second-factor").await.status, 200);
}

#[tokio::test]
async fn the_organisation_is_saved_with_a_known_time_zone() {
    let app = TestApp::new().await;
    let owner = app.sign_in(Role::Owner).await;
    let page = owner.get("/settings/organisation").await;
    let seen = crate::support::hidden_value(&page.body, "seen")
        .unwrap()
        .replace("&quot;", "\"");
    let form = |zone| {
        [
            ("name", "Contoso"),
            ("time_zone", zone),
            ("seen", seen.as_str()),
        ]
    };
    let page = owner
        .submit("/api/settings/organisation", &form("Middle/Earth"))
        .await;
    assert!(page.body.contains("Choose a time zone from the list"));
    let page = owner
        .submit("/api/settings/organisation", &form("Europe/Berlin"))
        .await;
    assert!(
        page.body.contains("The organisation was saved"),
        "{}",
        page.body
    );
    assert!(page.body.contains("<span class=\"grow\">Contoso</span>"));
    let other = [
        ("name", "Fabrikam"),
        ("time_zone", "UTC"),
        ("seen", seen.as_str()),
    ];
    let page = owner.submit("/api/settings/organisation", &other).await;
    assert!(page.body.contains("Somebody else changed this meanwhile"));
}

#[tokio::test]
async fn looks_travel_in_cookies_that_the_server_sets() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Auditor).await;
    let page = browser
        .submit("/api/account/looks", &[("theme", "dark")])
        .await;
    assert!(page.body.contains("data-theme=\"dark\""));
    assert!(page.body.contains("data-shortcuts=\"off\""));
    let fields = [("theme", "\"><script>"), ("shortcuts", "on")];
    let page = browser.submit("/api/account/looks", &fields).await;
    assert!(!page.body.contains("data-theme") && !page.body.contains("data-shortcuts=\"off\""));
}
