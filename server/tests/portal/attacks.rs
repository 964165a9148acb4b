//! The attacks that an identity provider must survive, one test each, in the order of the list.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HOST, ORIGIN};
use signpost_model::Clock as _;
use signpost_model::sign_on::FactorPolicy;
use signpost_model::time::{HOUR_MS, MINUTE_MS};
use signpost_store::signing_keys::{self, SigningKeyState};
use signpost_store::testing::{AUTHOR, Database, NOW};
use signpost_store::{Engine, credentials, users};

use crate::support::login::{
    ADA, ADA_NAME, Domain, MULTI_FACTOR, REALM, REPLY, add_application, authn_request, deflated,
    has_token, posted_value, saml_response,
};
use crate::support::{Answer, Browser, PASSWORD, Setting, TestApp, hidden_value, send};

/// Posts to the provider from Microsoft's site.
async fn post_saml(domain: &Domain, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = domain
        .app
        .browser()
        .client
        .post(format!("{}{path}", domain.app.url))
        .header(ORIGIN, "https://login.microsoftonline.com")
        .header("sec-fetch-site", "cross-site")
        .form(fields);
    send(request).await
}

fn with_pairs(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("{path}?{}", query.finish())
}

#[tokio::test]
async fn a01_document_types_and_entities_are_refused() {
    let domain = Domain::new().await;
    let (sign_in, sign_out) = (
        domain.sign_in_path(),
        format!("/federation/{}/sign-out", domain.id),
    );
    let bodies = [
        "<!ENTITY x SYSTEM \"file:///etc/passwd\">",
        "<!ENTITY % p SYSTEM \"http://127.0.0.1:9/x\"> %p;",
        "<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY x \"&b;&b;&b;&b;&b;&b;\">",
        "",
    ];
    for entities in bodies {
        let request = authn_request("_a", "", "<samlp:Extensions>&x;</samlp:Extensions>");
        let logout = request.replace("AuthnRequest", "LogoutRequest");
        for (path, xml) in [(&sign_in, request), (&sign_out, logout)] {
            let xml = format!("<!DOCTYPE r [{entities}]>{xml}");
            let redirect = with_pairs(path, &[("SAMLRequest", &deflated(&xml))]);
            let browser = domain.app.browser();
            assert_eq!(browser.get(&redirect).await.status, 400, "{xml}");
            let posted = post_saml(&domain, path, &[("SAMLRequest", &STANDARD.encode(&xml))]).await;
            assert_eq!(posted.status, 400, "{xml}");
        }
    }
}

#[tokio::test]
async fn a02_what_is_too_large_is_refused_before_it_is_parsed() {
    let domain = Domain::new().await;
    let path = domain.sign_in_path();
    let browser = domain.app.browser();
    let bomb = format!("<a>{}</a>", " ".repeat(16 * 1024 * 1024));
    let attributes: String = (0..80_000).map(|n| format!("a{n}=\"\" ")).collect();
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    for xml in [
        bomb,
        authn_request("_a", &attributes, ""),
        authn_request("_a", "", &deep),
    ] {
        let short = deflated(&xml);
        // What is longer still fits no address.
        if short.len() < 40_000 {
            let redirect = with_pairs(&path, &[("SAMLRequest", &short)]);
            assert_eq!(browser.get(&redirect).await.status, 400);
        }
        let answer = post_saml(&domain, &path, &[("SAMLRequest", &STANDARD.encode(&xml))]).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 413),
            "{}",
            answer.status
        );
    }
    let long = "x".repeat(9 * 1024);
    assert_eq!(browser.get(&domain.wsfed(&long, &[])).await.status, 400);
    let request = STANDARD.encode(authn_request("_a", "", ""));
    let huge = "x".repeat(1024 * 1024);
    for state in [long.as_str(), huge.as_str()] {
        let fields = [("SAMLRequest", request.as_str()), ("RelayState", state)];
        let answer = post_saml(&domain, &path, &fields).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 413),
            "{}",
            answer.status
        );
    }
}

#[tokio::test]
async fn a03_a_request_never_chooses_where_the_answer_goes() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    for attributes in [
        "AssertionConsumerServiceURL=\"https://evil.example/login.srf\"",
        "AssertionConsumerServiceURL=\"https://login.microsoftonline.com/login.srf/\"",
        "Destination=\"https://evil.example/\"",
        "AssertionConsumerServiceIndex=\"1\"",
        "ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact\"",
    ] {
        let path = domain.saml(&authn_request("_a", attributes, ""), "");
        assert_eq!(browser.get(&path).await.status, 400, "{attributes}");
    }
    for realm in ["urn:federation:microsoftonline", "urn:evil", ""] {
        let xml = authn_request("_a", "", "").replace(REALM, realm);
        assert_eq!(
            browser.get(&domain.saml(&xml, "")).await.status,
            400,
            "{realm}"
        );
        let path = domain
            .wsfed("", &[])
            .replace("%3AMicrosoftOnline", "%3Amicrosoftonline");
        assert_eq!(browser.get(&path).await.status, 400);
    }
    let known = "AssertionConsumerServiceURL=\"https://login.microsoftonline.com/login.srf\" \
                 AssertionConsumerServiceIndex=\"0\"";
    let page = domain
        .sign_in(&browser, &domain.saml(&authn_request("_b", known, ""), ""))
        .await;
    assert!(page.body.contains(&format!("action=\"{REPLY}\"")));
}

#[tokio::test]
async fn a04_reply_addresses_that_only_look_right_lead_nowhere() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    for address in [
        "https://login.microsoftonline.com.evil.example/login.srf",
        "https://login.microsoftonline.com@evil.example/login.srf",
        "https://evil@login.microsoftonline.com/login.srf",
        "//evil.example",
        "javascript:alert(1)",
        "https://login.microsoftonline.com./login.srf",
        "https://login.microsoftonline.com:8443/login.srf",
        "https:\\\\evil.example",
        "https://evil.example\\@login.microsoftonline.com/",
        "http://login.microsoftonline.com/login.srf",
        "https://login.microsoftonline.com/\r\nLocation: https://evil.example",
    ] {
        let path = domain.wsfed("c", &[("wreply", address)]);
        assert_eq!(browser.get(&path).await.status, 400, "{address}");
        let out = format!("/federation/{}/sign-out", domain.id);
        let path = with_pairs(&out, &[("wa", "wsignout1.0"), ("wreply", address)]);
        let answer = browser.get(&path).await;
        let to = answer.location();
        let ours = to == "/signed-out" || to.starts_with("https://login.microsoftonline.com/");
        assert!(ours && !to.contains("evil.example/"), "{address}: {to}");
    }
    let path = domain.wsfed(
        "c",
        &[("wreply", "HTTPS://LOGIN.MICROSOFTONLINE.COM/login.srf")],
    );
    assert_eq!(
        browser.get(&path).await.status,
        400,
        "exactly, or not at all"
    );
}

#[tokio::test]
async fn a05_what_goes_back_goes_back_unchanged_and_harmless() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    domain.sign_in(&browser, &domain.wsfed("first", &[])).await;
    let long = "<\"'&>".repeat(1_600);
    for context in [
        "\"><script>alert(1)</script>",
        "</textarea></form><form action=//evil>",
        "&amp;&#34;&quot;",
        "tab\there",
        "",
        long.as_str(),
    ] {
        let (_, page) = domain.begin(&browser, &domain.wsfed(context, &[])).await;
        assert_eq!(posted_value(&page, "wctx").as_deref(), Some(context));
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
        assert_eq!(page.body.matches("<form").count(), 1, "{}", page.body);
    }
    for broken in ["%00", "a%0Ab", "a%0Db", "%FF", "%C3%28"] {
        let path = domain.wsfed("CONTEXT", &[]).replace("CONTEXT", broken);
        assert_eq!(browser.get(&path).await.status, 400, "{broken}");
    }
    let other = domain.app.browser();
    let hostile = "\"><script>alert(1)</script>@contoso.example";
    let more = [("username", hostile), ("mkt", hostile), ("lc", hostile)];
    let (_, page) = domain.begin(&other, &domain.wsfed("x", &more)).await;
    assert!(!page.body.contains("alert(1)"), "{}", page.body);
    for id in [
        "_a b",
        "_a&quot;/&gt;",
        "1",
        "",
        "a:b",
        &"a".repeat(129),
        "_ä",
    ] {
        let path = domain.saml(&authn_request(id, "", ""), "");
        assert_eq!(other.get(&path).await.status, 400, "{id}");
    }
}

#[tokio::test]
async fn a06_parameters_that_two_readers_would_read_differently_are_refused() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let good = domain.wsfed("c", &[]);
    for more in [
        "&wctx=d",
        "&WCTX=d",
        "&wa=wsignout1.0",
        "&wtrealm=x",
        "&x=1&x=2",
    ] {
        assert_eq!(
            browser.get(&format!("{good}{more}")).await.status,
            400,
            "{more}"
        );
    }
    let path = domain.sign_in_path();
    let request = STANDARD.encode(authn_request("_a", "", ""));
    let both = [("SAMLRequest", request.as_str()), ("SAMLResponse", "x")];
    assert_eq!(post_saml(&domain, &path, &both).await.status, 400);
    let mixed = format!("{path}?RelayState=x");
    let fields = [("SAMLRequest", request.as_str())];
    assert_eq!(post_saml(&domain, &mixed, &fields).await.status, 400);
    let twice = [
        ("SAMLRequest", request.as_str()),
        ("SAMLRequest", request.as_str()),
    ];
    assert_eq!(post_saml(&domain, &path, &twice).await.status, 400);
    let wsfed = [("wa", "wsignin1.0"), ("wtrealm", REALM)];
    assert_eq!(
        post_saml(&domain, &path, &wsfed).await.status,
        400,
        "only by GET"
    );
}

#[tokio::test]
async fn a07_one_request_gets_one_token() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let path = domain.saml(&authn_request("_replayed", "", ""), "");
    let (at, page) = domain.begin(&browser, &path).await;
    let done = domain.give_password(&browser, &page, ADA_NAME).await;
    assert!(has_token(&done));
    let back = browser.get(&at).await;
    assert!(
        !has_token(&back) && back.body.contains("Already done"),
        "the back button"
    );
    let again = domain.give_password(&browser, &page, ADA_NAME).await;
    assert!(!has_token(&again), "the same form again");
    assert_eq!(
        browser.get(&path).await.status,
        400,
        "the same message again"
    );
    let stranger = domain.app.browser();
    assert_eq!(stranger.get(&path).await.status, 400, "from elsewhere too");

    domain.app.clock.advance_millis(1);
    let (at, page) = domain
        .begin(&browser, &domain.wsfed("late", &[("wfresh", "0")]))
        .await;
    domain.app.clock.advance_millis(16 * MINUTE_MS);
    let late = domain.give_password(&browser, &page, ADA_NAME).await;
    assert!(
        !has_token(&late) && late.body.contains("Start again"),
        "{}",
        late.body
    );
    assert!(!has_token(&browser.get(&at).await));
}

#[tokio::test]
async fn a08_nobody_elses_page_signs_anybody_in_or_out() {
    let domain = Domain::new().await;
    let (browser, attacker) = (domain.app.browser(), domain.app.browser());
    let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
    let request = hidden_value(&page.body, "request").unwrap();
    let (_, theirs) = domain.begin(&attacker, &domain.wsfed("theirs", &[])).await;
    let their_proof = hidden_value(&theirs.body, "proof").unwrap();
    let their_request = hidden_value(&theirs.body, "request").unwrap();
    for proof in ["", "x", &their_proof] {
        let fields = [
            ("request", request.as_str()),
            ("proof", proof),
            ("user_name", ADA_NAME),
            ("password", PASSWORD),
        ];
        assert_eq!(
            browser.post("/api/login/password", &fields).await.status,
            409,
            "{proof}"
        );
    }
    // Login CSRF: the attacker's request in the victim's browser.
    let stolen = browser
        .get(&format!("/login?request={their_request}"))
        .await;
    assert!(stolen.body.contains("Start again"), "{}", stolen.body);
    let fields = [
        ("request", their_request.as_str()),
        ("proof", &their_proof),
        ("user_name", ADA_NAME),
        ("password", PASSWORD),
    ];
    let page = browser.submit("/api/login/password", &fields).await;
    assert!(!has_token(&page));
    for path in [
        "/api/login/password",
        "/api/login/code",
        "/api/login/start-over",
        "/api/me/sign-out",
        "/api/welcome",
    ] {
        let request = browser
            .client
            .post(format!("{}{path}", domain.app.url))
            .header(ORIGIN, "https://evil.example")
            .header("sec-fetch-site", "cross-site")
            .form(&[("user_name", ADA_NAME)]);
        assert_eq!(send(request).await.status, 403, "{path}");
    }
    let path = domain.wsfed("c", &[]);
    let to = browser.get(&path).await;
    let fresh = domain.app.browser();
    let page = fresh.get(to.location()).await;
    let cookie = page.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
}

#[tokio::test]
async fn a09_cookies_from_before_are_worth_nothing_after() {
    let domain = Domain::new().await;
    domain.add_totp(ADA).await;
    let known = "00000000000000000000000000000000";
    let (_, asked) = {
        let browser = domain.app.browser();
        let to = browser.get(&domain.wsfed("c", &[])).await;
        let planted = format!("signpost-login={known}; signpost-user={known}");
        let request = browser
            .client
            .get(format!("{}{}", domain.app.url, to.location()))
            .header("cookie", planted);
        (browser, send(request).await)
    };
    let request = hidden_value(&asked.body, "request").unwrap();
    let proof = hidden_value(&asked.body, "proof").unwrap();
    let bare = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let post = bare
        .post(format!("{}/api/login/password", domain.app.url))
        .header(ORIGIN, &domain.app.url)
        .header("sec-fetch-site", "same-origin")
        .header("cookie", format!("signpost-login={known}"))
        .form(&[
            ("request", request.as_str()),
            ("proof", &proof),
            ("user_name", ADA_NAME),
            ("password", PASSWORD),
        ]);
    let answer = send(post).await;
    let renamed: Vec<&str> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|value| value.starts_with("signpost-login="))
        .collect();
    assert_eq!(renamed.len(), 1, "{:?}", answer.headers);
    assert!(!renamed[0].contains(known));
    // The one who planted the cookie follows along, and finds nothing.
    let follow = bare
        .get(format!("{}/login?request={request}", domain.app.url))
        .header(
            "cookie",
            format!("signpost-login={known}; signpost-user={known}"),
        );
    let page = send(follow).await;
    assert!(page.body.contains("Start again"), "{}", page.body);
    let own = bare
        .get(format!("{}/me", domain.app.url))
        .header("cookie", format!("signpost-user={known}"));
    assert_eq!(send(own).await.location(), "/login");
}

#[tokio::test]
async fn a10_no_page_can_be_framed() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let (at, _) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
    let token = domain.sign_in(&browser, &domain.wsfed("d", &[])).await;
    for answer in [
        browser.get(&at).await,
        token,
        browser.get("/me").await,
        browser.get("/signed-out").await,
    ] {
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
    }
    let out = format!("/federation/{}/sign-out?wa=wsignoutcleanup1.0", domain.id);
    let cleanup = browser.get(&out).await;
    assert_eq!((cleanup.status.as_u16(), cleanup.body.as_str()), (200, ""));
    assert_eq!(
        browser.get("/me").await.location(),
        "/login",
        "the session is gone"
    );
}

#[tokio::test]
async fn a11_the_token_page_runs_one_script_and_posts_to_one_address() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let page = domain.sign_in(&browser, &domain.wsfed("c", &[])).await;
    let policy = page.header("content-security-policy");
    let nonce = policy
        .split("'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    for tag in page
        .body
        .split("<script")
        .skip(1)
        .chain(page.body.split("<style").skip(1))
    {
        assert!(tag.split('>').next().unwrap().contains(nonce), "{tag}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(
        policy.contains("form-action https://login.microsoftonline.com"),
        "{policy}"
    );
    assert!(page.body.contains("document.forms[0].submit()"));
    assert_eq!(page.body.matches("<form").count(), 1);
    assert!(page.body.contains("Continue</button>"), "without scripts");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(
        page.header("referrer-policy"),
        "same-origin",
        "nothing goes to Microsoft"
    );
}

#[tokio::test]
async fn a12_answers_do_not_tell_who_exists() {
    let domain = Domain::new().await;
    domain.add_user(1002, "bob@contoso.example").await;
    let carol = domain.add_user(1003, "carol@contoso.example").await;
    domain.set_password(carol.id).await;
    let mut tx = domain.app.portal.store.write().await.unwrap();
    users::disable(&mut tx, &[carol.id], &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut seen = Vec::new();
    for (name, password) in [
        ("nobody@contoso.example", PASSWORD),
        (ADA_NAME, "wrong password here"),
        ("bob@contoso.example", PASSWORD),
        ("carol@contoso.example", PASSWORD),
    ] {
        let browser = domain.app.browser();
        let (at, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
        let fields = [("user_name", name), ("password", password)];
        let page = domain
            .give(&browser, &page, "/api/login/password", &fields)
            .await;
        let request = at.split('=').nth(1).unwrap();
        let mut body = page.body.replace(name, "NAME").replace(request, "REQUEST");
        body = body.replace(&hidden_value(&page.body, "proof").unwrap(), "PROOF");
        let nonce = page
            .header("content-security-policy")
            .split("'nonce-")
            .nth(1)
            .unwrap();
        let nonce = nonce.split('\'').next().unwrap();
        seen.push((page.status, body.replace(nonce, "NONCE")));
    }
    assert!(
        seen[0]
            .1
            .contains("The user name or password is not correct."),
        "{}",
        seen[0].1
    );
    for other in &seen[1..] {
        assert_eq!(*other, seen[0]);
    }
}

#[tokio::test]
async fn a13_guessing_is_slowed_and_nobody_is_locked_out_for_good() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
    let guess = |password: &'static str| {
        let (browser, page, domain) = (&browser, &page, &domain);
        async move {
            let fields = [("user_name", ADA_NAME), ("password", password)];
            domain
                .give(browser, page, "/api/login/password", &fields)
                .await
        }
    };
    // At once, so that counting after the check would let all of them pass.
    let tries = futures::future::join_all((0..12).map(|_| guess("wrong guess here"))).await;
    let slowed = tries
        .iter()
        .filter(|page| page.body.contains("Too many tries"))
        .count();
    assert!(slowed >= 6, "{slowed}");
    let right = guess(PASSWORD).await;
    assert!(
        right.body.contains("Too many tries"),
        "the right one waits too"
    );
    let spoofed = browser
        .client
        .post(format!("{}/api/login/password", domain.app.url))
        .header(ORIGIN, &domain.app.url)
        .header("x-forwarded-for", "198.51.100.7")
        .form(&[
            ("request", hidden_value(&page.body, "request").unwrap()),
            ("proof", hidden_value(&page.body, "proof").unwrap()),
            ("user_name", ADA_NAME.to_owned()),
            ("password", PASSWORD.to_owned()),
        ]);
    let answer = send(spoofed).await;
    assert!(
        !has_token(&browser.get(answer.location()).await),
        "no proxy is trusted"
    );
    domain.app.clock.advance_millis(16 * MINUTE_MS);
    let page = domain.sign_in(&browser, &domain.wsfed("d", &[])).await;
    assert!(
        has_token(&page),
        "after a while the right password works again"
    );

    domain.add_totp(ADA).await;
    domain.app.clock.advance_millis(HOUR_MS * 13);
    let mut page = domain.sign_in(&browser, &domain.wsfed("e", &[])).await;
    for _ in 0..7 {
        page = domain
            .give(&browser, &page, "/api/login/code", &[("code", "000000")])
            .await;
    }
    assert!(page.body.contains("Too many tries"), "{}", page.body);
    let code = domain.code();
    let page = domain
        .give(&browser, &page, "/api/login/code", &[("code", &code)])
        .await;
    assert!(!has_token(&page));
    domain.app.clock.advance_millis(14 * MINUTE_MS);
    let code = domain.code();
    let page = domain
        .give(&browser, &page, "/api/login/code", &[("code", &code)])
        .await;
    assert!(has_token(&page), "{}", page.body);
    let other = domain.app.browser();
    let page = domain.sign_in(&other, &domain.wsfed("f", &[])).await;
    let page = domain
        .give(&other, &page, "/api/login/code", &[("code", &code)])
        .await;
    assert!(!has_token(&page), "a code works once");
}

#[tokio::test]
async fn a14_there_is_no_way_around_the_second_factor() {
    let domain = Domain::new().await;
    domain.add_totp(ADA).await;
    domain.set_policy(FactorPolicy::Required, 0).await;
    let mallory = domain.add_user(1066, "mallory@contoso.example").await;
    domain.set_password(mallory.id).await;
    let browser = domain.app.browser();
    let page = domain
        .sign_in(&browser, &domain.wsfed("c", &[("wauth", MULTI_FACTOR)]))
        .await;
    let request = hidden_value(&page.body, "request").unwrap();
    for path in [
        format!("/login?request={request}"),
        format!("/login?request={request}&wauth=password&strength=multi_factor"),
        "/me".to_owned(),
    ] {
        let answer = browser.get(&path).await;
        assert!(!has_token(&answer) && answer.location() != "/", "{path}");
    }
    let (_, next) = domain.begin(&browser, &domain.wsfed("d", &[])).await;
    assert!(!has_token(&next), "another request begins at the beginning");
    // Another person's name in the second step changes nobody.
    let code = domain.code();
    let fields = [
        ("code", code.as_str()),
        ("user_name", "mallory@contoso.example"),
        ("user_id", "x"),
    ];
    let done = domain
        .give(&browser, &page, "/api/login/code", &fields)
        .await;
    let token = posted_value(&done, "wresult").unwrap();
    assert!(token.contains(ADA_NAME) && !token.contains("mallory"));

    // A password alone never claims more, whatever was asked for.
    domain.set_policy(FactorPolicy::Off, 0).await;
    let other = domain.app.browser();
    let page = domain
        .sign_in(
            &other,
            &domain.wsfed("e", &[("wauth", "urn:oasis:names:tc:SAML:1.0:am:password")]),
        )
        .await;
    let token = posted_value(&page, "wresult").unwrap();
    assert!(!token.contains(MULTI_FACTOR));
    let context = "<samlp:RequestedAuthnContext><AuthnContextClassRef xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
         http://schemas.microsoft.com/claims/multipleauthn</AuthnContextClassRef></samlp:RequestedAuthnContext>";
    let (_, page) = domain
        .begin(&other, &domain.saml(&authn_request("_m", "", context), ""))
        .await;
    assert!(!has_token(&page) && page.body.contains("Verification code"));
}

#[tokio::test]
async fn a15_a_fresh_sign_in_is_really_fresh() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    domain.sign_in(&browser, &domain.wsfed("c", &[])).await;
    domain.app.clock.advance_millis(10 * MINUTE_MS);
    for path in [
        domain.wsfed("1", &[("wfresh", "0")]),
        domain.wsfed("2", &[("wfresh", "5")]),
        domain.wsfed("3", &[("prompt", "login")]),
        domain.saml(&authn_request("_f", "ForceAuthn=\"true\"", ""), ""),
    ] {
        let (_, page) = domain.begin(&browser, &path).await;
        assert!(!has_token(&page), "{path}");
    }
    let (_, page) = domain
        .begin(&browser, &domain.wsfed("4", &[("wfresh", "60")]))
        .await;
    assert!(has_token(&page), "that is fresh enough");
    let page = domain
        .sign_in(&browser, &domain.wsfed("5", &[("wfresh", "0")]))
        .await;
    let token = posted_value(&page, "wresult").unwrap();
    assert!(
        token.contains("AuthenticationInstant=\"2026-11-18T11:16:40.000Z\""),
        "{token}"
    );
    let stranger = domain.app.browser();
    let passive = authn_request("_p", "IsPassive=\"true\"", "");
    let (_, page) = domain.begin(&stranger, &domain.saml(&passive, "")).await;
    assert!(
        saml_response(&page).contains("status:NoPassive"),
        "{}",
        page.body
    );
    assert!(!saml_response(&page).contains("Assertion ID"));
}

#[tokio::test]
async fn a16_who_may_no_longer_sign_in_gets_no_token_from_a_live_session() {
    for change in [
        "disabled",
        "deleted",
        "new password",
        "factors removed",
        "sessions ended",
    ] {
        let domain = Domain::new().await;
        let browser = domain.app.browser();
        domain.sign_in(&browser, &domain.wsfed("c", &[])).await;
        let ada = domain.user(ADA).await;
        let mut tx = domain.app.portal.store.write().await.unwrap();
        match change {
            "disabled" => drop(users::disable(&mut tx, &[ADA], &AUTHOR, NOW).await.unwrap()),
            "deleted" => drop(users::delete(&mut tx, &[ADA], &AUTHOR, NOW).await.unwrap()),
            "new password" => credentials::set_password(&mut tx, &ada, "x", None, &AUTHOR, NOW)
                .await
                .unwrap(),
            "factors removed" => credentials::remove_factors(&mut tx, &ada, &AUTHOR, NOW)
                .await
                .unwrap(),
            _ => drop(
                signpost_store::user_sessions::end_others(&mut tx, &ada, None, &AUTHOR, NOW)
                    .await
                    .unwrap(),
            ),
        }
        tx.commit().await.unwrap();
        let (_, page) = domain.begin(&browser, &domain.wsfed("d", &[])).await;
        assert!(!has_token(&page), "{change}");
        assert_eq!(browser.get("/me").await.location(), "/login", "{change}");
    }
}

#[tokio::test]
async fn a17_an_issuer_speaks_for_the_people_of_its_own_domain_only() {
    let domain = Domain::new().await;
    let eve = domain.add_user(1004, "eve@fabrikam.example").await;
    let sub = domain.add_user(1005, "sue@sub.contoso.example").await;
    for user in [&eve, &sub] {
        domain.set_password(user.id).await;
        let browser = domain.app.browser();
        let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
        let page = domain
            .give_password(&browser, &page, &user.profile.user_name)
            .await;
        assert!(
            !has_token(&page) && page.body.contains("does not have this application"),
            "{}",
            page.body
        );
    }
    let other = add_application(&domain.app, "Fabrikam", "fabrikam.example").await;
    let browser = domain.app.browser();
    let path = domain
        .wsfed("c", &[])
        .replace(&domain.id.to_string(), &other.to_string());
    let (_, page) = domain.begin(&browser, &path).await;
    let page = domain.give_password(&browser, &page, ADA_NAME).await;
    assert!(!has_token(&page), "Ada is not Fabrikam's");
    let (_, page) = domain.begin(&browser, &domain.wsfed("d", &[])).await;
    assert!(has_token(&page), "her session is good for her own");

    for name in [
        "аda@contoso.example",
        "ada@contoso.example<!---->",
        "ada@contoso.example\u{0}",
        "ada@contoso.example.",
    ] {
        let browser = domain.app.browser();
        let (_, page) = domain.begin(&browser, &domain.wsfed("e", &[])).await;
        let page = domain.give_password(&browser, &page, name).await;
        assert!(!has_token(&page), "{name}");
    }
    let browser = domain.app.browser();
    let (_, page) = domain.begin(&browser, &domain.wsfed("f", &[])).await;
    let page = domain
        .give_password(&browser, &page, " ADA@Contoso.Example ")
        .await;
    assert!(
        posted_value(&page, "wresult")
            .unwrap()
            .contains(">ada@contoso.example<"),
        "as it is stored"
    );
}

#[tokio::test]
async fn a18_addresses_come_from_the_settings_never_from_a_request() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    for (name, value) in [
        (HOST.as_str(), "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
    ] {
        for path in [
            format!("/federation/{}/metadata.xml", domain.id),
            domain.wsfed("c", &[]),
            "/login".to_owned(),
        ] {
            let request = browser
                .client
                .get(format!("{}{path}", domain.app.url))
                .header(name, value);
            let answer = send(request).await;
            assert!(
                !answer.body.contains("evil.example")
                    && !answer.location().contains("evil.example"),
                "{name} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a19_no_address_of_a_request_is_ever_fetched() {
    let domain = Domain::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bait = format!("http://{}/x", listener.local_addr().unwrap());
    let browser = domain.app.browser();
    let more = [
        ("wreqptr", bait.as_str()),
        ("wreq", &bait),
        ("wresultptr", &bait),
        ("wattr", &bait),
        ("wp", &bait),
    ];
    let page = domain.sign_in(&browser, &domain.wsfed("c", &more)).await;
    assert!(has_token(&page));
    let extension = format!("<samlp:Extensions><jku>{bait}</jku></samlp:Extensions>");
    let path = domain.saml(
        &authn_request("_a", &format!("ProviderName=\"{bait}\""), &extension),
        &bait,
    );
    browser.get(&path).await;
    let came = tokio::select! {
        biased;
        came = listener.accept() => came.is_ok(),
        () = std::future::ready(()) => false,
    };
    assert!(!came, "somebody came for {bait}");
}

#[tokio::test]
async fn a20_the_signing_key_is_sealed_and_shown_nowhere() {
    let database = Database::create(Engine::Sqlite).await;
    let domain = Domain::of(TestApp::start(database.store.clone()).await).await;
    let browser = domain.app.browser();
    domain.sign_in(&browser, &domain.wsfed("c", &[])).await;
    let store = &domain.app.portal.store;
    let key = signing_keys::find(
        &mut store.read().await.unwrap(),
        store.sealer(),
        domain.id,
        SigningKeyState::Current,
    )
    .await
    .unwrap()
    .unwrap();
    let secret = key.private_key.expose()[40..120].to_owned();
    assert!(!format!("{key:?} {:?}", domain.app.portal).contains(&secret));
    let owner = domain.app.sign_in(signpost_model::Role::Owner).await;
    for path in ["sign-on", "powershell", "powershell/federate.ps1"] {
        let page = owner
            .get(&format!("/applications/{}/{path}", domain.id))
            .await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(!page.body.contains(&secret), "{path}");
    }
    let backup = tempfile::tempdir().unwrap();
    let copy = backup.path().join("copy.db");
    signpost_store::backup::backup(store, &copy).await.unwrap();
    let bytes = std::fs::read(&copy).unwrap();
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(!holds(&secret) && holds(&key.certificate[..60]));
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a21_tokens_and_passwords_stand_in_no_log_and_no_address() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let page = domain
        .sign_in(&browser, &domain.wsfed("planted-context", &[]))
        .await;
    let token = posted_value(&page, "wresult").unwrap();
    let signature = token.split("<ds:SignatureValue>").nth(1).unwrap()[..40].to_owned();
    domain
        .sign_in(
            &domain.app.browser(),
            &domain.saml(&authn_request("_a", "", ""), "planted-state"),
        )
        .await;
    let logged = lines.0.lock().unwrap();
    let text = String::from_utf8_lossy(&logged);
    // What the test's own client logs of the forms it sends is not the server's.
    let own: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("signpost"))
        .collect();
    for secret in [signature.as_str(), PASSWORD, "wresult"] {
        assert!(!own.iter().any(|line| line.contains(secret)), "{secret}");
    }
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a22_nothing_a_person_is_called_can_change_what_is_signed() {
    let domain = Domain::new().await;
    let admin = domain
        .app
        .sign_in(signpost_model::Role::Administrator)
        .await;
    for name in [
        "a\"b@contoso.example",
        "a<b>@contoso.example",
        "a\u{1}@contoso.example",
        "a\u{fffe}@contoso.example",
        "a&b@contoso.example",
    ] {
        let fields = [("user_name", name), ("display_name", "Somebody")];
        admin.post("/api/users/create", &fields).await;
        let mut read = domain.app.portal.store.read().await.unwrap();
        assert!(
            users::find_by_user_name(&mut read, name)
                .await
                .unwrap()
                .is_none(),
            "{name}"
        );
    }
    let hostile = "</saml:Assertion><saml:Attribute AttributeName=\"UPN\">";
    let mut ada = domain.user(ADA).await;
    ada.profile.display_name = hostile.to_owned();
    ada.profile.job_title = hostile.to_owned();
    let mut tx = domain.app.portal.store.write().await.unwrap();
    users::update(&mut tx, ADA, ada.version, &ada.profile, &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let page = domain
        .sign_in(&domain.app.browser(), &domain.wsfed("c", &[]))
        .await;
    let token = posted_value(&page, "wresult").unwrap();
    assert_eq!(token.matches("</saml:Assertion>").count(), 1);
    assert_eq!(token.matches("AttributeName=\"UPN\"").count(), 1);
}

#[tokio::test]
async fn a23_a_clock_that_jumps_makes_no_token_from_the_future() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let page = domain.sign_in(&browser, &domain.wsfed("c", &[])).await;
    let token = posted_value(&page, "wresult").unwrap();
    assert!(
        token.contains("NotBefore=\"2026-11-18T11:01:40.000Z\""),
        "for clocks behind ours"
    );
    assert!(
        token.contains("NotOnOrAfter=\"2026-11-18T12:06:40.000Z\""),
        "an hour at most"
    );
    domain.app.clock.advance_millis(-10 * MINUTE_MS);
    let answer = browser.get(&domain.wsfed("d", &[])).await;
    let page = browser.get(answer.location()).await;
    assert!(
        !has_token(&page),
        "the sign-in lies ahead: {}",
        domain.app.clock.now()
    );
}

#[tokio::test]
async fn a24_metadata_is_public_and_holds_nothing_private() {
    let database = Database::create(Engine::Sqlite).await;
    let setting = Setting {
        public_url: Some("https://signpost.contoso.example".to_owned()),
        ..Setting::default()
    };
    let domain = Domain::of(TestApp::start_with(database.store.clone(), setting).await).await;
    let browser: Browser = domain.app.browser();
    let path = format!("/federation/{}/metadata.xml", domain.id);
    let answer = browser.get(&path).await;
    assert_eq!(answer.status, 200);
    for private in [
        "PRIVATE",
        "@",
        "Owner",
        "11111111-1111",
        "22222222-2222",
        "http://127",
    ] {
        assert!(!answer.body.contains(private), "{private}");
    }
    assert!(
        answer
            .body
            .contains("https://signpost.contoso.example/federation/")
    );
    assert!(
        answer
            .header("strict-transport-security")
            .contains("max-age")
    );
    let nothing = "/federation/00000000-0000-7000-8000-000000000000/metadata.xml";
    assert_eq!(browser.get(nothing).await.status, 404);
    assert_eq!(browser.get("/federation/../metadata.xml").await.status, 404);
}
