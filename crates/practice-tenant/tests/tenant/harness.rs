//! A tenant on a real socket, and a caller with a token.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use signpost_graph_schema::{Conformance, Side};
use signpost_practice_tenant::{Clock, Options, PracticeTenant};

/// 2026-09-01T08:00:00Z.
pub(crate) const START_MS: i64 = 1_788_249_600_000;
pub(crate) const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";
pub(crate) const SPB: &str = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46";
pub(crate) const VISIO: &str = "c5928f49-12ba-48f7-ada3-0d743a3601d5";

pub(crate) struct World {
    pub(crate) practice: Arc<PracticeTenant>,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
    conformance: Conformance,
}

/// An answer read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn value(&self) -> &[Value] {
        self.body["value"].as_array().map_or(&[], Vec::as_slice)
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

/// A tenant with a clock that stands still.
pub(crate) fn options() -> Options {
    Options {
        clock: Clock::simulated(START_MS),
        ..Options::default()
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let practice = PracticeTenant::new(options);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let conformance = Conformance::new();
        let router = conformance.record(practice.router());
        tokio::spawn(Arc::clone(&practice).serve_router(listener, router, std::future::pending()));
        let http = reqwest::Client::builder().build().unwrap();
        let mut world = Self {
            practice,
            base,
            http,
            token: String::new(),
            conformance,
        };
        world.sign_in("full").await;
        world
    }

    pub(crate) async fn credentials(&self) -> Value {
        self.practice_call(Method::GET, "credentials", None)
            .await
            .body
    }

    /// Takes a token as one of the tenant's applications.
    pub(crate) async fn sign_in(&mut self, key: &str) {
        let credentials = self.credentials().await;
        let application = credentials["applications"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["key"] == key)
            .unwrap();
        let tenant = credentials["tenant_id"].as_str().unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", application["client_id"].as_str().unwrap()),
            ("client_secret", application["secret"].as_str().unwrap()),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let answer = self.post_token(tenant, &form).await.expect(200);
        self.token = answer.body["access_token"].as_str().unwrap().to_owned();
    }

    pub(crate) async fn post_token(&self, tenant: &str, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.base);
        read(self.http.post(url).form(form).send().await.unwrap()).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/v1.0{path}", self.base)
        };
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn get_advanced(&self, path: &str) -> Answer {
        read(
            self.request(Method::GET, path)
                .header("ConsistencyLevel", "eventual")
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        read(self.request(method, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        read(self.request(Method::DELETE, path).send().await.unwrap()).await
    }

    pub(crate) async fn practice_call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = self
            .http
            .request(method, format!("{}/_practice/{path}", self.base));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn tell(&self, path: &str, body: Value) -> Value {
        self.practice_call(Method::POST, path, Some(body))
            .await
            .expect(200)
            .body
    }

    pub(crate) async fn calls(&self) -> Value {
        self.practice_call(Method::GET, "calls", None).await.body
    }

    /// One account as the tenant holds it.
    pub(crate) async fn account(&self, key: &str) -> Value {
        let found = self
            .practice_call(Method::GET, &format!("accounts?key={key}"), None)
            .await
            .body;
        found["accounts"][0].clone()
    }

    /// Creates a user and returns its id.
    pub(crate) async fn user(&self, name: &str) -> String {
        let created = self.post("/users", new_user(name)).await.expect(201);
        created.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn group(&self, name: &str) -> String {
        let body = json!({"displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true, "groupTypes": []});
        self.post("/groups", body).await.expect(201).body["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

pub(crate) fn new_user(name: &str) -> Value {
    json!({
        "accountEnabled": true, "displayName": name, "mailNickname": name, "userPrincipalName": format!("{name}@contoso.example"),
        "usageLocation": "TR", "passwordProfile": {"password": "Str0ng!passw0rd", "forceChangePasswordNextSignIn": false},
    })
}

async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let bytes = response.bytes().await.unwrap();
    assert!(status != StatusCode::NO_CONTENT || bytes.is_empty());
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Answer {
        status,
        headers,
        body,
    }
}

/// Whatever a test asked, each answer it got must conform to Graph's description. Requests are not
/// judged here: many of these tests send wrong ones on purpose.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let violations = self.conformance.violations();
        let answers: Vec<String> = violations
            .iter()
            .filter(|one| one.side == Side::Response)
            .map(ToString::to_string)
            .collect();
        assert!(answers.is_empty(), "{}", answers.join("\n"));
    }
}
