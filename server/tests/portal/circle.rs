//! The whole circle over HTTP: Microsoft's side sends a user here, they sign in, and the tenant,
//! which shares no code with the issuer, lets them in.

use std::sync::Arc;

use reqwest::header::{LOCATION, ORIGIN};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use signpost_app::portal::Practice;
use signpost_model::connection::{ConnectionSettings, Findings};
use signpost_model::random::SeededRandom;
use signpost_model::{Cloud, ConnectionState};
use signpost_practice_tenant::{Clock, Options, PracticeTenant};
use signpost_store::connections::ConnectionUpdate;
use signpost_store::testing::{AUTHOR, Database, NOW};
use signpost_store::{Engine, connections};

use crate::support::login::{ADA, ADA_NAME, DOMAIN, Domain, posted_value};
use crate::support::{Answer, Setting, TestApp, hidden_value, send};

/// A practice tenant at the instant of the tests.
async fn start_tenant() -> (String, Practice, reqwest::Client) {
    let tenant = PracticeTenant::new(Options {
        clock: Clock::simulated(NOW.as_millis()),
        ..Options::default()
    });
    let credentials = tenant.credentials().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(Arc::clone(&tenant).serve(listener, std::future::pending()));
    let practice = Practice {
        authority: base.clone(),
        graph: base.clone(),
        page: format!("{base}/_practice/"),
        tenant_id: credentials.tenant_id,
        client_id: credentials.client_id,
        secret: credentials.secret,
        domain: credentials.domain,
        throttled: false,
    };
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .build();
    (base, practice, client.unwrap())
}

async fn connect(domain: &Domain, practice: &Practice) {
    let settings = ConnectionSettings {
        cloud: Cloud::Practice,
        domain: DOMAIN.to_owned(),
        tenant_id: practice.tenant_id.clone(),
        client_id: practice.client_id.clone(),
    };
    let update = ConnectionUpdate {
        settings: &settings,
        secret: None,
        state: ConnectionState::Connected,
        findings: &Findings::default(),
    };
    let store = &domain.app.portal.store;
    let mut tx = store.write().await.unwrap();
    let random = SeededRandom::new(3);
    connections::save(
        &mut tx,
        store.sealer(),
        &random,
        domain.id,
        update,
        &AUTHOR,
        NOW,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// Lets the tenant trust this provider, and know Ada.
async fn federate(domain: &Domain, base: &str, http: &reqwest::Client, protocol: &str) {
    let credentials = json_of(http.get(format!("{base}/_practice/credentials"))).await;
    let all = credentials["applications"].as_array().unwrap();
    let full = all.iter().find(|one| one["key"] == "full").unwrap();
    let tenant = credentials["tenant_id"].as_str().unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", full["client_id"].as_str().unwrap()),
        ("client_secret", full["secret"].as_str().unwrap()),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let token = http.post(format!("{base}/{tenant}/oauth2/v2.0/token"));
    let token = json_of(token.form(&form)).await;
    let ada = domain.user(ADA).await;
    let account = json!({
        "userPrincipalName": ADA_NAME,
        "displayName": "Ada",
        "onPremisesImmutableId": ada.source_anchor.as_str(),
    });
    json_of(
        http.post(format!("{base}/_practice/accounts"))
            .json(&account),
    )
    .await;
    let own = format!("{}/federation/{}", domain.app.url, domain.id);
    let metadata = domain
        .app
        .browser()
        .get(&format!("/federation/{}/metadata.xml", domain.id))
        .await;
    let certificate = metadata.body.split("<ds:X509Certificate>").nth(1).unwrap();
    let body = json!({
        "@odata.type": "#microsoft.graph.internalDomainFederation",
        "displayName": "Signpost",
        "issuerUri": own,
        "passiveSignInUri": format!("{own}/sign-in"),
        "signOutUri": format!("{own}/sign-out"),
        "preferredAuthenticationProtocol": protocol,
        "signingCertificate": certificate.split('<').next().unwrap(),
        "promptLoginBehavior": "nativeSupport",
    });
    let url = format!("{base}/v1.0/domains/{DOMAIN}/federationConfiguration");
    let token = token["access_token"].as_str().unwrap();
    json_of(http.post(url).bearer_auth(token).json(&body)).await;
}

/// Ada begins at Microsoft: where her browser goes on at the provider.
async fn begin(domain: &Domain, base: &str, http: &reqwest::Client) -> String {
    let start = http.post(format!("{base}/_practice/sign-in"));
    let answer = send(start.form(&[("username", ADA_NAME)])).await;
    let to_path = |url: &str| url.strip_prefix(&domain.app.url).unwrap().to_owned();
    if let Some(location) = answer.headers.get(LOCATION) {
        return to_path(location.to_str().unwrap());
    }
    // A form that posts across sites.
    let fields: Vec<(&str, String)> = ["SAMLRequest", "RelayState"]
        .into_iter()
        .filter_map(|name| Some((name, hidden_value(&answer.body, name)?)))
        .collect();
    let post = http
        .post(format!("{}{}", domain.app.url, domain.sign_in_path()))
        .header(ORIGIN, base)
        .header("sec-fetch-site", "cross-site")
        .form(&fields);
    send(post).await.location().to_owned()
}

/// Hands the token page in, and follows to how it was judged.
async fn hand_in(base: &str, http: &reqwest::Client, page: &Answer) -> String {
    assert!(
        page.body.contains(&format!("action=\"{base}/login.srf\"")),
        "{}",
        page.body
    );
    let fields: Vec<(&str, String)> = ["wa", "wresult", "wctx", "SAMLResponse", "RelayState"]
        .into_iter()
        .filter_map(|name| Some((name, posted_value(page, name)?)))
        .collect();
    let answer = send(http.post(format!("{base}/login.srf")).form(&fields)).await;
    let to = answer.location();
    let to = if to.starts_with('/') {
        format!("{base}{to}")
    } else {
        to.to_owned()
    };
    send(http.get(to)).await.body
}

#[tokio::test]
async fn a_user_walks_from_microsoft_to_signpost_and_back_in_by_both_protocols() {
    for protocol in ["wsFed", "saml"] {
        let (base, practice, http) = start_tenant().await;
        let database = Database::create(Engine::Sqlite).await;
        let setting = Setting {
            practice: Some(practice.clone()),
            ..Setting::default()
        };
        let app = TestApp::start_with(database.store.clone(), setting).await;
        let domain = Domain::of(app).await;
        connect(&domain, &practice).await;
        federate(&domain, &base, &http, protocol).await;

        let browser = domain.app.browser();
        let mut to = begin(&domain, &base, &http).await;
        let mut page = browser.get(&to).await;
        if page.status.is_redirection() {
            to = page.location().to_owned();
            page = browser.get(&to).await;
        }
        assert!(page.body.contains(&format!("value=\"{ADA_NAME}\"")) || protocol == "saml");
        let page = domain.give_password(&browser, &page, ADA_NAME).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains(&format!("form-action {base}")), "{policy}");
        let judged = hand_in(&base, &http, &page).await;
        assert!(
            judged.contains("igned in") && judged.contains(ADA_NAME),
            "{protocol}: {judged}"
        );
        assert!(!judged.contains("AADSTS"), "{protocol}: {judged}");
    }
}
