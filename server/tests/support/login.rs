//! A domain that is federated to the portal, and users who sign in to it.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use signpost_model::connection::{ConnectionSettings, Findings};
use signpost_model::random::SeededRandom;
use signpost_model::sign_on::FactorPolicy;
use signpost_model::{
    AccessType, Application, ApplicationId, Cloud, ConnectionState, Profile, Secret, Source,
    SourceAnchor, User, UserId,
};
use signpost_store::connections::ConnectionUpdate;
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::users::{self, NewUser};
use signpost_store::{applications, connections, credentials, sign_on};

use super::{Answer, Browser, PASSWORD, TestApp, hidden_value, password_hash};

/// Microsoft's side, as the fixed list has it.
pub(crate) const REPLY: &str = "https://login.microsoftonline.com/login.srf";
pub(crate) const REALM: &str = "urn:federation:MicrosoftOnline";
pub(crate) const DOMAIN: &str = "contoso.example";
pub(crate) const ADA: UserId = UserId::from_number(1001);
pub(crate) const ADA_NAME: &str = "ada@contoso.example";
pub(crate) const MULTI_FACTOR: &str = "http://schemas.microsoft.com/claims/multipleauthn";
pub(crate) const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// A portal with an application for contoso.example, and Ada who has it and a password.
pub(crate) struct Domain {
    pub(crate) app: TestApp,
    pub(crate) id: ApplicationId,
}

impl Domain {
    pub(crate) async fn new() -> Self {
        Self::of(TestApp::new().await).await
    }

    pub(crate) async fn of(app: TestApp) -> Self {
        let id = add_application(&app, "Microsoft 365", DOMAIN).await;
        let domain = Self { app, id };
        domain.add_user(1001, ADA_NAME).await;
        domain.set_password(ADA).await;
        domain
    }

    /// A user of this name; without a password.
    pub(crate) async fn add_user(&self, number: u128, name: &str) -> User {
        let id = UserId::from_number(number);
        let new = NewUser {
            id,
            source_anchor: SourceAnchor::mint(&SeededRandom::new(u64::try_from(number).unwrap())),
            source: Source::Local,
            profile: Profile {
                user_name: name.to_owned(),
                display_name: name.split('@').next().unwrap().to_owned(),
                mail: name.to_owned(),
                ..Profile::default()
            },
            enabled: true,
        };
        let mut tx = self.app.portal.store.write().await.unwrap();
        users::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
        let user = users::find(&mut tx, id).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        user
    }

    /// Gives a user [`PASSWORD`].
    pub(crate) async fn set_password(&self, id: UserId) {
        let user = self.user(id).await;
        let hash = password_hash().await;
        let mut tx = self.app.portal.store.write().await.unwrap();
        credentials::set_password(&mut tx, &user, hash, None, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Gives a user an authenticator app with [`SEED`].
    pub(crate) async fn add_totp(&self, id: UserId) {
        let user = self.user(id).await;
        let store = &self.app.portal.store;
        let mut tx = store.write().await.unwrap();
        let seed = Secret::new(SEED);
        credentials::begin_totp(&mut tx, store.sealer(), id, &seed, &SeededRandom::new(5))
            .await
            .unwrap();
        credentials::confirm_totp(&mut tx, &user, 1, &[], None, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn user(&self, id: UserId) -> User {
        let mut read = self.app.portal.store.read().await.unwrap();
        users::find(&mut read, id).await.unwrap().unwrap()
    }

    /// Changes the Sign-on settings.
    pub(crate) async fn set_policy(&self, policy: FactorPolicy, device_days: i64) {
        let mut tx = self.app.portal.store.write().await.unwrap();
        let mut settings = sign_on::find(&mut tx, self.id).await.unwrap();
        settings.factor_policy = policy;
        settings.device_days = device_days;
        sign_on::save(&mut tx, self.id, &settings, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// The code that Ada's app shows now.
    pub(crate) fn code(&self) -> String {
        use signpost_model::Clock as _;
        let seed = totp_rs::Secret::Encoded(SEED.to_owned())
            .to_bytes()
            .unwrap();
        let totp = totp_rs::TOTP::new(totp_rs::Algorithm::SHA1, 6, 0, 30, seed).unwrap();
        let seconds = self.app.clock.now().as_millis() / 1_000;
        totp.generate(u64::try_from(seconds).unwrap())
    }

    /// The path that Microsoft sends people to.
    pub(crate) fn sign_in_path(&self) -> String {
        format!("/federation/{}/sign-in", self.id)
    }

    /// A WS-Federation request with this state and more parameters.
    pub(crate) fn wsfed(&self, context: &str, more: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("wa", "wsignin1.0");
        query.append_pair("wtrealm", REALM);
        query.append_pair("wctx", context);
        query.extend_pairs(more);
        format!("{}?{}", self.sign_in_path(), query.finish())
    }

    /// A SAML request of this id by redirect.
    pub(crate) fn saml(&self, xml: &str, relay_state: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("SAMLRequest", &deflated(xml));
        query.append_pair("RelayState", relay_state);
        format!("{}?{}", self.sign_in_path(), query.finish())
    }

    /// Follows a request to the login page; returns the page's path and what it shows.
    pub(crate) async fn begin(&self, browser: &Browser, path: &str) -> (String, Answer) {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        let to = answer.location().to_owned();
        assert!(to.starts_with("/login?request="), "{to}");
        let page = browser.get(&to).await;
        (to, page)
    }

    /// Signs in as this user with [`PASSWORD`]; returns the page that follows.
    pub(crate) async fn give_password(
        &self,
        browser: &Browser,
        page: &Answer,
        name: &str,
    ) -> Answer {
        self.give(
            browser,
            page,
            "/api/login/password",
            &[("user_name", name), ("password", PASSWORD)],
        )
        .await
    }

    /// Posts a form of the login page; returns the page that follows.
    pub(crate) async fn give(
        &self,
        browser: &Browser,
        page: &Answer,
        to: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let request = hidden_value(&page.body, "request").unwrap();
        let proof = hidden_value(&page.body, "proof").unwrap();
        let mut all = vec![("request", request.as_str()), ("proof", proof.as_str())];
        all.extend_from_slice(fields);
        browser.submit(to, &all).await
    }

    /// From a request to the token page, by password.
    pub(crate) async fn sign_in(&self, browser: &Browser, path: &str) -> Answer {
        let (_, page) = self.begin(browser, path).await;
        self.give_password(browser, &page, ADA_NAME).await
    }
}

/// An application that everybody has, connected with a tenant for this domain.
pub(crate) async fn add_application(app: &TestApp, name: &str, domain: &str) -> ApplicationId {
    let mut tx = app.portal.store.write().await.unwrap();
    let seed = u64::try_from(name.len() * 31 + domain.len()).unwrap();
    let application: Application = applications::create(
        &mut tx,
        &SeededRandom::new(seed),
        name,
        &AccessType::AllUsers,
        &AUTHOR,
        NOW,
    )
    .await
    .unwrap();
    let settings = ConnectionSettings {
        cloud: Cloud::Microsoft365,
        domain: domain.to_owned(),
        tenant_id: "11111111-1111-1111-1111-111111111111".to_owned(),
        client_id: "22222222-2222-2222-2222-222222222222".to_owned(),
    };
    let update = ConnectionUpdate {
        settings: &settings,
        secret: None,
        state: ConnectionState::Connected,
        findings: &Findings::default(),
    };
    let sealer = app.portal.store.sealer();
    let random = SeededRandom::new(3);
    connections::save(
        &mut tx,
        sealer,
        &random,
        application.id,
        update,
        &AUTHOR,
        NOW,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    application.id
}

/// An `AuthnRequest` as Microsoft sends it.
pub(crate) fn authn_request(id: &str, attributes: &str, children: &str) -> String {
    format!(
        "<samlp:AuthnRequest ID=\"{id}\" Version=\"2.0\" IssueInstant=\"2026-11-18T11:06:40.000Z\" \
         {attributes} xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
         <Issuer xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">{REALM}</Issuer>\
         <samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"/>\
         {children}</samlp:AuthnRequest>"
    )
}

/// As the redirect binding carries XML.
pub(crate) fn deflated(xml: &str) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(xml.as_bytes()).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}

/// The value of a hidden field as the browser would post it.
pub(crate) fn posted_value(page: &Answer, name: &str) -> Option<String> {
    let value = hidden_value(&page.body, name)?;
    Some(
        value
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

/// The SAML response of a token page, as XML.
pub(crate) fn saml_response(page: &Answer) -> String {
    let encoded = posted_value(page, "SAMLResponse").unwrap();
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}

/// Whether the page posts a token to anybody.
pub(crate) fn has_token(page: &Answer) -> bool {
    ["wresult", "SAMLResponse"]
        .iter()
        .any(|name| page.body.contains(&format!("name=\"{name}\"")))
}
