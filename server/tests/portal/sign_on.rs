//! The Sign-on page: a second factor by group, and the picture on the login page.

use image::{ImageFormat, RgbImage};
use signpost_federation::Certificate;
use signpost_model::federation::ExternalProvider;
use signpost_model::sign_on::FactorPolicy;
use signpost_model::time::DAY_MS;
use signpost_model::{GroupId, Role};
use signpost_store::groups::{self, NewGroup};
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{both_engines, identity_providers, memberships};

use crate::signing_in::actions;
use crate::support::login::{ADA, ADA_NAME, Domain, has_token};
use crate::support::{Answer, Browser, PASSWORD, TestApp, post_file};

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(width, height, image::Rgb([20, 90, 200]));
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn post_logo(browser: &Browser, csrf: &str, application: &str, file: &[u8]) -> Answer {
    let fields = [("csrf", csrf), ("application", application)];
    let named = ("file", "../x.svg");
    post_file(browser, "/api/applications/logo", &fields, named, file).await
}

/// The address of the picture on this page.
fn picture(page: &Answer) -> Option<String> {
    let at = page.body.split("src=\"/federation/").nth(1)?;
    Some(format!("/federation/{}", at.split('"').next()?))
}

async fn put_in_group(domain: &Domain, number: u128, name: &str) -> GroupId {
    let id = GroupId::from_number(number);
    let mut tx = domain.app.portal.store.write().await.unwrap();
    let new = NewGroup {
        id,
        name: name.to_owned(),
        description: String::new(),
    };
    groups::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
    memberships::add(&mut tx, id, &[ADA], &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    id
}

both_engines! {
    async fn a_group_owes_another_second_factor_than_everybody_else(store: Store) {
        let domain = Domain::of(TestApp::start(store.clone()).await).await;
        domain.set_policy(FactorPolicy::Required, 0).await;
        let kiosk = put_in_group(&domain, 1, "Kiosk").await.to_string();
        let admin = domain.app.sign_in(Role::Administrator).await;
        let id = domain.id.to_string();
        let page = admin.submit("/api/applications/group-factor", &[("application", &id), ("group", &kiosk), ("group_policy", "off")]).await;
        assert!(page.body.contains("The rule of the group is saved"), "{}", page.body);
        let page = domain.sign_in(&domain.app.browser(), &domain.wsfed("1", &[])).await;
        assert!(has_token(&page), "a kiosk has no phone: {}", page.body);

        // Of two groups the stricter holds.
        let finance = put_in_group(&domain, 2, "Finance").await.to_string();
        let fields = [("application", id.as_str()), ("group", &finance), ("group_policy", "required")];
        admin.submit("/api/applications/group-factor", &fields).await;
        let page = domain.sign_in(&domain.app.browser(), &domain.wsfed("2", &[])).await;
        assert!(!has_token(&page) && page.body.contains("Set up a second factor"), "{}", page.body);

        let page = admin.submit("/api/applications/group-factor/remove", &[("application", &id), ("group", &finance)]).await;
        assert!(page.body.contains("The rule of the group is removed"), "{}", page.body);
        let page = domain.sign_in(&domain.app.browser(), &domain.wsfed("3", &[])).await;
        assert!(has_token(&page));
        for (group, policy, said) in [("", "off", "Choose a group"), (kiosk.as_str(), "maybe", "Choose who needs")] {
            let fields = [("application", id.as_str()), ("group", group), ("group_policy", policy)];
            let page = admin.submit("/api/applications/group-factor", &fields).await;
            assert!(page.body.contains(said), "{}", page.body);
        }
        assert!(actions(&store).await.iter().any(|action| action == "application.group_second_factor_changed"));
    }

    async fn a_logo_is_made_anew_and_shown_where_users_sign_in(store: Store) {
        let domain = Domain::of(TestApp::start(store.clone()).await).await;
        let admin = domain.app.sign_in(Role::Administrator).await;
        let id = domain.id.to_string();
        let mut hidden = png(1_200, 300);
        hidden.extend_from_slice(b"<script>alert(1)</script>");
        let answer = post_logo(&admin, &admin.csrf, &id, &hidden).await;
        assert_eq!(answer.location(), format!("/applications/{id}/sign-on"), "{}", answer.body);
        let page = admin.get(answer.location()).await;
        assert!(page.body.contains("The logo is saved"), "{}", page.body);

        let browser = domain.app.browser();
        let (_, page) = domain.begin(&browser, &domain.wsfed("1", &[])).await;
        let address = picture(&page).unwrap();
        assert!(page.body.contains("alt=\"Microsoft 365\""), "{}", page.body);
        let response = browser.client.get(format!("{}{address}", domain.app.url)).send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "image/png");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("cache-control").contains("immutable"));
        assert!(header("content-security-policy").contains("sandbox"));
        let bytes = response.bytes().await.unwrap();
        let made = image::load_from_memory_with_format(&bytes, ImageFormat::Png).unwrap();
        assert_eq!((made.width(), made.height()), (640, 160));
        assert!(!bytes.windows(7).any(|part| part == b"<script"));

        let page = admin.submit("/api/applications/logo/remove", &[("application", &id)]).await;
        assert!(page.body.contains("The logo is removed"), "{}", page.body);
        assert_eq!(browser.get(&address).await.status, 404);
        let done = actions(&store).await;
        assert_eq!(done[..2], ["application.logo_removed", "application.logo_changed"]);
    }
}

#[tokio::test]
async fn what_is_no_picture_or_not_ours_becomes_no_logo() {
    let domain = Domain::new().await;
    let admin = domain.app.sign_in(Role::Administrator).await;
    let id = domain.id.to_string();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec();
    let half = png(100, 100)[..60].to_vec();
    let mut large = png(10, 10);
    large.resize(600 * 1024, 0);
    for (file, said) in [
        (svg, "Choose a PNG, JPEG or WebP picture"),
        (Vec::new(), "Choose a PNG, JPEG or WebP picture"),
        (half, "This picture is damaged"),
        (large, "at most 512 KB"),
        (png(4_001, 1), "larger than 4000"),
    ] {
        let answer = post_logo(&admin, &admin.csrf, &id, &file).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let page = admin.get(answer.location()).await;
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert_eq!(post_logo(&admin, "x", &id, &png(10, 10)).await.status, 409);
    let auditor = domain.app.sign_in(Role::Auditor).await;
    assert_eq!(
        post_logo(&auditor, &auditor.csrf, &id, &png(10, 10))
            .await
            .status,
        403
    );
    let nothing = "00000000-0000-7000-8000-000000000000";
    assert_eq!(
        post_logo(&admin, &admin.csrf, nothing, &png(10, 10))
            .await
            .status,
        404
    );
    let page = domain.app.browser().get(&domain.wsfed("1", &[])).await;
    assert!(picture(&page).is_none());
    for path in ["x.png", "../../x.png", "%00.png", "x.svg", ""] {
        let address = format!("/federation/{id}/logo/{path}");
        assert_eq!(
            domain.app.browser().get(&address).await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_on_every_page_ours_or_anothers() {
    const THEIRS: &str =
        include_str!("../../../crates/federation/tests/fixtures/signing-certificate.pem");
    let domain = Domain::new().await;
    let id = domain.id;
    let told = async |words: &str| {
        let owner = domain.app.sign_in(Role::Owner).await;
        let page = owner.get("/users").await;
        assert_eq!(page.status, 200);
        page.body.contains(words)
    };
    // Ours is made on first need, for three years.
    domain
        .sign_in(&domain.app.browser(), &domain.wsfed("c", &[]))
        .await;
    assert!(!told("The signing certificate of").await);
    let provider = ExternalProvider {
        issuer: "urn:idp:contoso".to_owned(),
        sign_in: "https://idp.example/in".to_owned(),
        sign_out: "https://idp.example/out".to_owned(),
        active_sign_in: String::new(),
        metadata_exchange: String::new(),
        certificate: Certificate::parse(THEIRS).unwrap().base64(),
        next_certificate: String::new(),
        version: 0,
    };
    let store = &domain.app.portal.store;
    let mut tx = store.write().await.unwrap();
    identity_providers::save(&mut tx, id, &provider, &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(!told("The signing certificate of").await);
    // Until the first of January 2029.
    domain.app.clock.advance_millis(760 * DAY_MS);
    assert!(told("ends in 14 days, on 1 Jan 2029").await);
    assert!(told(&format!("/applications/{id}/identity-provider")).await);

    let mut tx = store.write().await.unwrap();
    identity_providers::remove(&mut tx, id, &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(!told("The signing certificate of").await);
    domain.app.clock.advance_millis(320 * DAY_MS);
    assert!(told("ends in").await);
    assert!(told(&format!("/applications/{id}/sign-on#certificates")).await);
}

#[tokio::test]
async fn everybodys_own_page_is_found_at_the_same_address() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let answer = browser.get("/account").await;
    assert_eq!(answer.location(), "/sign-in?return=%2Faccount");
    let page = browser.get(answer.location()).await;
    assert!(
        page.body.contains("href=\"/login\""),
        "users find the way: {}",
        page.body
    );
    let to = browser.get("/login").await;
    let page = browser.get(to.location()).await;
    let fields = [("user_name", ADA_NAME), ("password", PASSWORD)];
    domain
        .give(&browser, &page, "/api/login/password", &fields)
        .await;
    assert_eq!(browser.get("/account").await.location(), "/me");
    let page = browser.get("/me").await;
    for part in [
        "Where you are signed in",
        "Second factor",
        "Change password",
        "Sign out",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let operator = domain.app.sign_in(Role::Auditor).await;
    assert!(operator.get("/account").await.body.contains("Your account"));
}
