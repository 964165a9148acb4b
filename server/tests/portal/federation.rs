//! Signing in to Microsoft 365 from the first request to the token.

use signpost_model::Role;
use signpost_model::sign_on::FactorPolicy;
use signpost_model::time::{HOUR_MS, MINUTE_MS};

use signpost_store::Engine;
use signpost_store::testing::Database;

use crate::support::login::{
    ADA, ADA_NAME, Domain, MULTI_FACTOR, REPLY, authn_request, has_token, posted_value,
    saml_response,
};
use crate::support::{Setting, TestApp, hidden_value};

const CONTEXT: &str = "LoginOptions=3&estsredirect=2&estsrequest=rQQIARAA-_%2b\"<>&";

#[tokio::test]
async fn ws_federation_ends_in_a_token_with_its_state_unchanged() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let hint = [("username", ADA_NAME), ("mkt", "en-US")];
    let (_, page) = domain.begin(&browser, &domain.wsfed(CONTEXT, &hint)).await;
    assert!(page.body.contains("<h1>Sign in</h1>"), "{}", page.body);
    assert_eq!(hidden_value(&page.body, "user_name"), None);
    assert!(
        page.body.contains(&format!("value=\"{ADA_NAME}\"")),
        "{}",
        page.body
    );
    let page = domain.give_password(&browser, &page, ADA_NAME).await;
    assert!(
        page.body.contains(&format!("action=\"{REPLY}\"")),
        "{}",
        page.body
    );
    assert_eq!(posted_value(&page, "wctx").as_deref(), Some(CONTEXT));
    assert_eq!(posted_value(&page, "wa").as_deref(), Some("wsignin1.0"));
    let token = posted_value(&page, "wresult").unwrap();
    let ada = domain.user(ADA).await;
    assert!(token.contains(&format!(
        ">{}</saml:NameIdentifier>",
        ada.source_anchor.as_str()
    )));
    assert!(token.contains(&format!(">{ADA_NAME}</saml:AttributeValue>")));
    assert!(token.contains("urn:oasis:names:tc:SAML:1.0:am:password"));
    assert!(!token.contains(MULTI_FACTOR));
    assert!(
        page.body.contains("Continue</button>"),
        "a way without scripts"
    );
}

#[tokio::test]
async fn saml_ends_in_a_response_by_redirect_and_by_post() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let page = domain
        .sign_in(
            &browser,
            &domain.saml(&authn_request("_one", "", ""), CONTEXT),
        )
        .await;
    assert_eq!(posted_value(&page, "RelayState").as_deref(), Some(CONTEXT));
    let response = saml_response(&page);
    assert!(response.contains("InResponseTo=\"_one\""), "{response}");
    assert!(response.contains(&format!("Destination=\"{REPLY}\"")));

    // By post, from another site: no cookie comes along, and the session is found all the same.
    use base64::Engine as _;
    let xml = authn_request("_two", "", "");
    let encoded = base64::engine::general_purpose::STANDARD.encode(xml);
    let request = browser
        .client
        .post(format!("{}{}", domain.app.url, domain.sign_in_path()))
        .header("origin", "https://login.microsoftonline.com")
        .header("sec-fetch-site", "cross-site")
        .form(&[("SAMLRequest", encoded.as_str()), ("RelayState", CONTEXT)]);
    let answer = crate::support::send(request).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let page = browser.get(answer.location()).await;
    assert!(saml_response(&page).contains("InResponseTo=\"_two\""));
}

#[tokio::test]
async fn a_live_session_answers_without_asking_and_keeps_the_true_instant() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    domain.sign_in(&browser, &domain.wsfed("1", &[])).await;
    domain.app.clock.advance_millis(20 * MINUTE_MS);
    let (_, page) = domain.begin(&browser, &domain.wsfed("2", &[])).await;
    let token = posted_value(&page, "wresult").unwrap();
    assert!(
        token.contains("AuthenticationInstant=\"2026-11-18T11:06:40.000Z\""),
        "{token}"
    );
    assert!(
        token.contains("IssueInstant=\"2026-11-18T11:26:40.000Z\""),
        "{token}"
    );
    domain.app.clock.advance_millis(2 * HOUR_MS);
    let (_, page) = domain.begin(&browser, &domain.wsfed("3", &[])).await;
    assert!(!has_token(&page), "the session was idle for too long");
}

#[tokio::test]
async fn a_second_factor_is_asked_for_by_policy_and_by_microsoft() {
    let domain = Domain::new().await;
    domain.add_totp(ADA).await;
    domain.set_policy(FactorPolicy::Off, 0).await;
    let browser = domain.app.browser();
    let page = domain.sign_in(&browser, &domain.wsfed("1", &[])).await;
    assert!(has_token(&page), "off: only the password");

    let demand = [("wauth", MULTI_FACTOR)];
    let (_, page) = domain.begin(&browser, &domain.wsfed("2", &demand)).await;
    assert!(
        page.body.contains("Verification code"),
        "Microsoft insists: {}",
        page.body
    );
    let page = domain
        .give(
            &browser,
            &page,
            "/api/login/code",
            &[("code", &domain.code())],
        )
        .await;
    let token = posted_value(&page, "wresult").unwrap();
    assert!(
        token.contains(&format!("AuthenticationMethod=\"{MULTI_FACTOR}\"")),
        "{token}"
    );

    domain.set_policy(FactorPolicy::Optional, 0).await;
    let other = domain.app.browser();
    domain.app.clock.advance_millis(MINUTE_MS);
    let page = domain.sign_in(&other, &domain.wsfed("3", &[])).await;
    assert!(!has_token(&page) && page.body.contains("Verification code"));
}

#[tokio::test]
async fn who_must_have_a_factor_gets_one_on_the_way_in() {
    let domain = Domain::new().await;
    domain.set_policy(FactorPolicy::Required, 0).await;
    let browser = domain.app.browser();
    let page = domain.sign_in(&browser, &domain.wsfed("1", &[])).await;
    assert!(!has_token(&page));
    let page = domain
        .give(&browser, &page, "/api/login/enrol/begin", &[])
        .await;
    let seed = page
        .body
        .split("value=\"")
        .filter_map(|part| part.split('"').next())
        .find(|value| {
            value.len() == 32
                && value
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
        .expect("the key is on the page")
        .to_owned();
    let wrong = domain
        .give(&browser, &page, "/api/login/enrol", &[("code", "000000")])
        .await;
    assert!(
        wrong.body.contains("This is not the code"),
        "{}",
        wrong.body
    );
    let totp = totp_rs::TOTP::new(
        totp_rs::Algorithm::SHA1,
        6,
        0,
        30,
        totp_rs::Secret::Encoded(seed).to_bytes().unwrap(),
    )
    .unwrap();
    let seconds = u64::try_from(signpost_store::testing::NOW.as_millis() / 1_000).unwrap();
    let code = totp.generate(seconds);
    let page = domain
        .give(&browser, &wrong, "/api/login/enrol", &[("code", &code)])
        .await;
    assert!(
        page.body.contains("Keep your recovery codes"),
        "{}",
        page.body
    );
    let go_on = page
        .body
        .split("href=\"")
        .find(|part| part.starts_with("/login?request="))
        .unwrap();
    let page = browser.get(go_on.split('"').next().unwrap()).await;
    assert!(
        posted_value(&page, "wresult")
            .unwrap()
            .contains(MULTI_FACTOR)
    );
}

#[tokio::test]
async fn a_remembered_device_needs_no_factor_until_its_end_and_claims_none() {
    let domain = Domain::new().await;
    domain.add_totp(ADA).await;
    domain.set_policy(FactorPolicy::Required, 7).await;
    let browser = domain.app.browser();
    let page = domain.sign_in(&browser, &domain.wsfed("1", &[])).await;
    let fields = [("code", domain.code()), ("remember", "on".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let page = domain
        .give(&browser, &page, "/api/login/code", &fields)
        .await;
    assert!(
        posted_value(&page, "wresult")
            .unwrap()
            .contains(MULTI_FACTOR)
    );

    domain.app.clock.advance_millis(24 * HOUR_MS);
    let page = domain.sign_in(&browser, &domain.wsfed("2", &[])).await;
    let token = posted_value(&page, "wresult").expect("the device is remembered");
    assert!(
        !token.contains(MULTI_FACTOR),
        "nobody used a factor in this session"
    );

    domain.app.clock.advance_millis(7 * 24 * HOUR_MS);
    let page = domain.sign_in(&browser, &domain.wsfed("3", &[])).await;
    assert!(!has_token(&page));
}

#[tokio::test]
async fn signing_out_ends_the_session_by_both_protocols() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    domain.sign_in(&browser, &domain.wsfed("1", &[])).await;
    let out = format!("/federation/{}/sign-out", domain.id);
    let answer = browser.get(&format!("{out}?wa=wsignout1.0")).await;
    assert_eq!(answer.location(), "/signed-out");
    let (_, page) = domain.begin(&browser, &domain.wsfed("2", &[])).await;
    assert!(!has_token(&page));

    domain.give_password(&browser, &page, ADA_NAME).await;
    let back = "https://login.microsoftonline.com/common/oauth2/logout";
    let answer = browser
        .get(&format!("{out}?wa=wsignout1.0&wreply={back}"))
        .await;
    assert_eq!(answer.location(), back);

    domain.sign_in(&browser, &domain.wsfed("3", &[])).await;
    let xml = "<samlp:LogoutRequest ID=\"_out\" Version=\"2.0\" IssueInstant=\"2026-11-18T11:06:40Z\" \
         xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
         <Issuer xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">urn:federation:MicrosoftOnline</Issuer>\
         </samlp:LogoutRequest>";
    let query = domain.saml(xml, "state");
    let query = query.split_once('?').unwrap().1;
    let answer = browser.get(&format!("{out}?{query}")).await;
    let page = browser.get(answer.location()).await;
    assert!(
        saml_response(&page).contains("LogoutResponse"),
        "{}",
        page.body
    );
    let (_, page) = domain.begin(&browser, &domain.wsfed("4", &[])).await;
    assert!(!has_token(&page));
}

#[tokio::test]
async fn metadata_names_addresses_and_certificates_and_nothing_private() {
    let domain = Domain::new().await;
    let answer = domain
        .app
        .browser()
        .get(&format!("/federation/{}/metadata.xml", domain.id))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let issuer = format!("https://{}/federation/{}", domain.app.address, domain.id);
    assert!(
        answer.body.contains(&format!("entityID=\"{issuer}\"")),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("X509Certificate"));
    assert!(!answer.body.contains(ADA_NAME) && !answer.body.contains("PRIVATE"));
}

#[tokio::test]
async fn an_invitation_leads_to_a_password_once() {
    let domain = Domain::new().await;
    let bob = domain.add_user(1002, "bob@contoso.example").await;
    let admin = domain.app.sign_in(Role::Administrator).await;
    let id = bob.id.to_string();
    let page = admin.submit("/api/users/invite", &[("id", &id)]).await;
    let link = page
        .body
        .split(&format!("{}/welcome/", domain.app.url))
        .nth(1)
        .unwrap();
    let token = link[..32].to_owned();
    let again = admin.get(&format!("/users/{id}")).await;
    assert!(!again.body.contains(&token), "shown once");

    let browser = domain.app.browser();
    let path = format!("/welcome/{token}");
    for _ in 0..2 {
        let page = browser.get(&path).await;
        assert!(
            page.body.contains("Choose your password"),
            "looking uses nothing up"
        );
    }
    let fields = |password: &'static str| {
        vec![
            ("link", token.clone()),
            ("new_password", password.to_owned()),
            ("repeat_password", password.to_owned()),
        ]
    };
    let submit = async |password: &'static str| {
        let fields = fields(password);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (*a, b.as_str())).collect();
        browser.submit("/api/welcome", &fields).await
    };
    let weak = submit("Password1234").await;
    assert!(weak.body.contains("too easy to guess"), "{}", weak.body);
    let done = submit("kestrel lantern river").await;
    assert!(
        done.body.contains("Your password is saved"),
        "{}",
        done.body
    );
    let used = submit("another few words here").await;
    assert!(
        used.body.contains("does not work any more"),
        "{}",
        used.body
    );

    let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
    let fields = [
        ("user_name", "bob@contoso.example"),
        ("password", "kestrel lantern river"),
    ];
    let page = domain
        .give(&browser, &page, "/api/login/password", &fields)
        .await;
    assert!(has_token(&page), "{}", page.body);
    let page = admin
        .submit("/api/users/end-sessions", &[("id", &id)])
        .await;
    assert!(page.body.contains("is signed out here"));
    assert_eq!(browser.get("/me").await.location(), "/login");
}

#[tokio::test]
async fn a_made_up_passkey_signs_nobody_in_and_tells_nothing() {
    let database = Database::create(Engine::Sqlite).await;
    let setting = Setting {
        public_url: Some("http://localhost:3000".to_owned()),
        ..Setting::default()
    };
    let domain = Domain::of(TestApp::start_with(database.store.clone(), setting).await).await;
    let browser = domain.app.browser();
    let (_, page) = domain
        .begin(&browser, &domain.wsfed("c", &[("username", ADA_NAME)]))
        .await;
    assert!(
        page.body.contains("Sign in with a passkey"),
        "{}",
        page.body
    );
    let page = domain
        .give(&browser, &page, "/api/login/passkey/begin", &[])
        .await;
    assert!(
        page.body.contains("allowCredentials&quot;:[]"),
        "names nobody: {}",
        page.body
    );
    let made_up = r#"{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"authenticatorData":"AAAA","clientDataJSON":"e30","signature":"AAAA","userHandle":"AAAA"}}"#;
    let long = "x".repeat(100_000);
    for answer in ["", "{}", made_up, &long] {
        let refused = domain
            .give(
                &browser,
                &page,
                "/api/login/passkey",
                &[("passkey", answer)],
            )
            .await;
        assert!(!has_token(&refused));
        // The challenge is gone with the first answer.
        assert!(
            refused.body.contains("name=\"password\""),
            "{}",
            refused.body
        );
    }
}

#[tokio::test]
async fn certificates_roll_over_without_a_gap() {
    let domain = Domain::new().await;
    let admin = domain.app.sign_in(Role::Administrator).await;
    let id = domain.id.to_string();
    let browser = domain.app.browser();
    let metadata = format!("/federation/{id}/metadata.xml");
    let certificates = |body: &str| {
        let mut found: Vec<String> = body
            .split("<ds:X509Certificate>")
            .skip(1)
            .map(|part| part.split('<').next().unwrap().to_owned())
            .collect();
        found.dedup();
        found
    };
    let first = certificates(&browser.get(&metadata).await.body)[0].clone();
    admin
        .submit(
            "/api/applications/certificates/next",
            &[("application", &id)],
        )
        .await;
    let both = certificates(&browser.get(&metadata).await.body);
    assert_eq!(both[0], first);
    let next = both[1].clone();
    let script = admin
        .get(&format!("/applications/{id}/powershell/update.ps1"))
        .await;
    assert!(script.body.contains(&first) && script.body.contains(&next));
    let page = domain.sign_in(&browser, &domain.wsfed("1", &[])).await;
    assert!(
        posted_value(&page, "wresult").unwrap().contains(&first),
        "the old one signs"
    );

    let page = admin.get(&format!("/applications/{id}/sign-on")).await;
    let seen = hidden_value(&page.body, "next").unwrap();
    for _ in 0..2 {
        admin
            .submit(
                "/api/applications/certificates/switch",
                &[("application", &id), ("next", &seen)],
            )
            .await;
    }
    let (_, page) = domain.begin(&browser, &domain.wsfed("2", &[])).await;
    let token = posted_value(&page, "wresult").unwrap();
    assert!(
        token.contains(&next) && !token.contains(&first),
        "the new one signs at once"
    );
    assert_eq!(certificates(&browser.get(&metadata).await.body)[0], next);
}

#[tokio::test]
async fn a_user_sees_to_their_own_sessions_and_password() {
    let domain = Domain::new().await;
    let (here, elsewhere) = (domain.app.browser(), domain.app.browser());
    for browser in [&here, &elsewhere] {
        domain.sign_in(browser, &domain.wsfed("c", &[])).await;
    }
    let page = here.get("/me").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("End other sessions"), "{}", page.body);
    let proof = hidden_value(&page.body, "proof").unwrap();
    let theirs = hidden_value(&elsewhere.get("/me").await.body, "proof").unwrap();
    for wrong in ["", &theirs] {
        let answer = here
            .post("/api/me/sessions/end-others", &[("proof", wrong)])
            .await;
        assert_eq!(answer.status, 409, "{wrong}");
    }
    let change = |current: &'static str, new: &'static str| {
        let proof = proof.clone();
        let here = here.clone();
        async move {
            let fields = [
                ("proof", proof.as_str()),
                ("current_password", current),
                ("new_password", new),
                ("repeat_password", new),
            ];
            here.submit("/api/me/password", &fields).await
        }
    };
    let wrong = change("not this one at all", "kestrel lantern river").await;
    assert!(wrong.body.contains("not your current password"));
    let done = change(crate::support::PASSWORD, "kestrel lantern river").await;
    assert!(
        done.body.contains("Your password was changed"),
        "{}",
        done.body
    );
    assert_eq!(elsewhere.get("/me").await.location(), "/login");
    assert_eq!(here.get("/me").await.status, 200);
    let out = here.post("/api/me/sign-out", &[("proof", &proof)]).await;
    assert_eq!(out.location(), "/signed-out");
    assert_eq!(here.get("/me").await.location(), "/login");
}
