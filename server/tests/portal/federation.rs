//! Signing in to Microsoft 365 from the first request to the token.

use signpost_model::sign_on::FactorPolicy;
use signpost_model::time::{HOUR_MS, MINUTE_MS};

use crate::support::hidden_value;
use crate::support::login::{
    ADA, ADA_NAME, Domain, MULTI_FACTOR, REPLY, authn_request, has_token, posted_value,
    saml_response,
};

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
