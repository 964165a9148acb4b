//! Contoso's provider and a practice tenant that trusts it.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use signpost_federation::saml::{AuthnRequest, SamlRequest};
use signpost_federation::wsfed::{SignInRequest, WsFedRequest};
use signpost_federation::{
    Certificate, IdentityProvider, PostForm, RelyingParty, SignIn, Signer, SigningKey, Strength,
};
use signpost_model::random::SeededRandom;
use signpost_model::{Secret, Timestamp};
use signpost_practice_tenant::{Clock, Options, PracticeTenant};

/// 18 November 2026, 11:06:40 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
pub(crate) const ISSUER: &str = "https://login.signpost.example/federation/contoso.example";
const SIGN_IN: &str = "https://login.signpost.example/federation/contoso.example/sign-in";
const SIGN_OUT: &str = "https://login.signpost.example/federation/contoso.example/sign-out";
const CERTIFICATE: &str = include_str!("../fixtures/signing-certificate.pem");
pub(crate) const ALICE: &str = "alice@contoso.example";
pub(crate) const ALICES_ID: &str = "k3v9x0m2q7w5t1r8y6u4p0s2d9f7g5h3";

pub(crate) struct World {
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) random: SeededRandom,
    http: reqwest::Client,
    token: String,
    configuration: String,
}

/// What arrived at the provider.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Saml(AuthnRequest),
    WsFed(SignInRequest),
}

impl World {
    /// A tenant whose domain signs in with this protocol, and holds Alice.
    pub(crate) async fn start(protocol: &str) -> Self {
        let clock = Clock::simulated(NOW.as_millis());
        let practice = PracticeTenant::new(Options {
            clock: clock.clone(),
            ..Options::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(Arc::clone(&practice).serve(listener, std::future::pending()));
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .build()
            .unwrap();
        let mut world = Self {
            base,
            clock,
            random: SeededRandom::new(7),
            http,
            token: String::new(),
            configuration: String::new(),
        };
        world.take_token().await;
        let alice = json!({"userPrincipalName": ALICE, "displayName": "Alice", "onPremisesImmutableId": ALICES_ID});
        world.practice("accounts", Some(alice)).await;
        let body = json!({
            "@odata.type": "#microsoft.graph.internalDomainFederation", "displayName": "Signpost", "issuerUri": ISSUER,
            "passiveSignInUri": SIGN_IN, "signOutUri": SIGN_OUT, "preferredAuthenticationProtocol": protocol,
            "signingCertificate": Certificate::parse(CERTIFICATE).unwrap().base64(), "promptLoginBehavior": "nativeSupport",
        });
        let url = "domains/contoso.example/federationConfiguration";
        let created = world.graph(reqwest::Method::POST, url, body).await;
        world.configuration = format!("{url}/{}", created["id"].as_str().unwrap());
        world
    }

    async fn take_token(&mut self) {
        let credentials = self.practice("credentials", None).await;
        let all = credentials["applications"].as_array().unwrap();
        let full = all.iter().find(|one| one["key"] == "full").unwrap();
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            self.base,
            credentials["tenant_id"].as_str().unwrap()
        );
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", full["client_id"].as_str().unwrap()),
            ("client_secret", full["secret"].as_str().unwrap()),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let answer: Value = self
            .http
            .post(url)
            .form(&form)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        self.token = answer["access_token"].as_str().unwrap().to_owned();
    }

    async fn graph(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let url = format!("{}/v1.0/{path}", self.base);
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let answer = request.json(&body).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        answer.json().await.unwrap()
    }

    /// Changes the domain's federation.
    pub(crate) async fn configure(&self, body: Value) {
        self.graph(reqwest::Method::PATCH, &self.configuration, body)
            .await;
    }

    /// A call of the control API: a post when there is a body.
    pub(crate) async fn practice(&self, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/_practice/{path}", self.base);
        let request = match body {
            Some(body) => self.http.post(url).json(&body),
            None => self.http.get(url),
        };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
        answer.json().await.unwrap()
    }

    /// Alice begins at Microsoft, and her browser comes to the provider with what Microsoft sends.
    pub(crate) async fn begin(&self, wishes: &[(&str, &str)]) -> Request {
        let mut form = vec![("username", ALICE)];
        form.extend(wishes);
        let url = format!("{}/_practice/sign-in", self.base);
        let answer = self.http.post(url).form(&form).send().await.unwrap();
        let provider = self.provider();
        if let Some(location) = answer.headers().get(LOCATION) {
            let location = location.to_str().unwrap();
            let query = location
                .strip_prefix(SIGN_IN)
                .unwrap()
                .strip_prefix('?')
                .unwrap();
            return if query.contains("SAMLRequest=") {
                match SamlRequest::from_redirect(query, &provider, SIGN_IN).unwrap() {
                    SamlRequest::SignIn(request) => Request::Saml(request),
                    SamlRequest::SignOut(_) => panic!("a sign-out"),
                }
            } else {
                match WsFedRequest::parse(query, &provider).unwrap() {
                    WsFedRequest::SignIn(request) => Request::WsFed(request),
                    other => panic!("{other:?}"),
                }
            };
        }
        let page = answer.text().await.unwrap();
        let fields = hidden_fields(&page);
        let body = serde_urlencoded(&fields);
        match SamlRequest::from_post(body.as_bytes(), &provider, SIGN_IN).unwrap() {
            SamlRequest::SignIn(request) => Request::Saml(request),
            SamlRequest::SignOut(_) => panic!("a sign-out"),
        }
    }

    /// Begins a sign-out and returns the query that the provider gets.
    pub(crate) async fn begin_sign_out(&self) -> String {
        let url = format!("{}/_practice/sign-out", self.base);
        let answer = self
            .http
            .post(url)
            .form(&[("username", ALICE)])
            .send()
            .await
            .unwrap();
        let location = answer.headers()[LOCATION].to_str().unwrap().to_owned();
        location
            .strip_prefix(SIGN_OUT)
            .unwrap()
            .trim_start_matches('?')
            .to_owned()
    }

    pub(crate) fn provider(&self) -> IdentityProvider {
        let key = SigningKey::parse(&Secret::new(include_str!("../fixtures/signing-key.pem")));
        IdentityProvider {
            domain: "contoso.example".into(),
            issuer_uri: ISSUER.into(),
            relying_party: RelyingParty::practice(&self.base.parse().unwrap()).unwrap(),
            signer: Signer::new(key.unwrap(), Certificate::parse(CERTIFICATE).unwrap()).unwrap(),
        }
    }

    /// The provider's answer about a sign-in at this instant.
    pub(crate) fn answer(
        &self,
        provider: &IdentityProvider,
        request: &Request,
        sign_in: &SignIn,
        now: Timestamp,
    ) -> PostForm {
        match request {
            Request::Saml(request) => provider.answer_saml(request, sign_in, now, &self.random),
            Request::WsFed(request) => provider.answer_wsfed(request, sign_in, now, &self.random),
        }
        .unwrap()
    }

    /// The usual answer: Alice, now, with the demands met.
    pub(crate) fn right_answer(&self, request: &Request) -> PostForm {
        self.answer(&self.provider(), request, &alice(), NOW)
    }

    /// Hands an answer in, follows to the result, and tells how it was judged.
    pub(crate) async fn hand_in(&self, form: &PostForm) -> Judged {
        assert_eq!(form.action, format!("{}/login.srf", self.base));
        self.hand_in_fields(&form.fields).await
    }

    pub(crate) async fn hand_in_fields(&self, fields: &[(&'static str, String)]) -> Judged {
        let url = format!("{}/login.srf", self.base);
        let answer = self.http.post(url).form(fields).send().await.unwrap();
        let location = answer.headers()[LOCATION].to_str().unwrap().to_owned();
        let page = self.http.get(format!("{}{location}", self.base));
        let page = page.send().await.unwrap().text().await.unwrap();
        let all = self.practice("sign-ins", None).await;
        Judged {
            page,
            result: all["sign_ins"][0].clone(),
        }
    }
}

/// One answer as Microsoft sees it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) page: String,
    pub(crate) result: Value,
}

impl Judged {
    pub(crate) fn outcome(&self) -> &str {
        self.result["outcome"].as_str().unwrap()
    }

    pub(crate) fn codes(&self) -> Vec<&str> {
        let all = self.result["refusals"].as_array().unwrap();
        all.iter()
            .map(|one| one["code"].as_str().unwrap())
            .collect()
    }

    pub(crate) fn reasons(&self) -> String {
        let all = self.result["refusals"].as_array().unwrap();
        all.iter()
            .map(|one| one["because"].as_str().unwrap())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Alice, signed in with a second factor just now.
pub(crate) fn alice() -> SignIn {
    SignIn {
        user_name: ALICE.into(),
        immutable_id: ALICES_ID.into(),
        authenticated_at: NOW,
        strength: Strength::MultiFactor,
    }
}

/// A key and its certificate that nobody trusts yet.
pub(crate) fn other_signer() -> Signer {
    let key = SigningKey::generate().unwrap();
    let certificate = key
        .certify("contoso.example", [3; 16], NOW, NOW.plus_days(365))
        .unwrap();
    Signer::new(key, certificate).unwrap()
}

fn hidden_fields(page: &str) -> HashMap<String, String> {
    let unescape = |text: &str| {
        text.replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    };
    page.split("<input type=\"hidden\" name=\"")
        .skip(1)
        .map(|rest| {
            let (name, rest) = rest.split_once("\" value=\"").unwrap();
            let (value, _) = rest.split_once('"').unwrap();
            (name.to_owned(), unescape(value))
        })
        .collect()
}

fn serde_urlencoded(fields: &HashMap<String, String>) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}
