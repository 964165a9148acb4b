//! A practice tenant over real HTTP, on a clock that waiting moves on.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use signpost_graph::{Client, Clock, Cloud, Config, Credential, SecretText};
use signpost_practice_tenant::{Options, PracticeTenant};
use tokio::net::TcpListener;
use url::Url;

/// The practice tenant's clock, which waiting moves on.
#[derive(Debug)]
pub(crate) struct Shared(signpost_practice_tenant::Clock);

impl Clock for Shared {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let millis = i64::try_from(duration.as_micros().div_ceil(1_000)).unwrap();
        self.0.advance(millis);
        Box::pin(tokio::task::yield_now())
    }
}

pub(crate) struct Practice {
    base: Url,
    pub(crate) clock: Arc<Shared>,
    http: reqwest::Client,
}

impl Practice {
    pub(crate) async fn start(replication_delay_ms: u64) -> Self {
        let options = Options {
            clock: signpost_practice_tenant::Clock::simulated(1_790_000_000_000),
            replication_delay_ms,
            ..Options::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let clock = Arc::new(Shared(options.clock.clone()));
        let tenant = PracticeTenant::new(options);
        tokio::spawn(async move { tenant.serve(listener, std::future::pending()).await });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base, clock, http }
    }

    pub(crate) async fn ask(&self, path: &str) -> Value {
        let url = self.base.join("/_practice/").unwrap().join(path).unwrap();
        let answer = self.http.get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }

    pub(crate) async fn tell(&self, path: &str, body: Value) -> Value {
        let url = self.base.join("/_practice/").unwrap().join(path).unwrap();
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    pub(crate) async fn remove(&self, path: &str) {
        let url = self.base.join("/_practice/").unwrap().join(path).unwrap();
        let answer = self.http.delete(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    /// Makes something go wrong on this route.
    pub(crate) async fn fault(&self, route: &str, fault: Value) {
        let (method, template) = route.split_once(' ').unwrap();
        let mut body = json!({"method": method, "route": template});
        for (name, value) in fault.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.tell("faults", body).await;
    }

    /// Calls since they were last forgotten.
    pub(crate) async fn calls(&self) -> Value {
        self.ask("calls").await
    }

    pub(crate) async fn forget_calls(&self) {
        self.tell("reset", json!({"what": "calls"})).await;
    }

    /// The accounts by user principal name; deleted ones by their old name with a sign before.
    pub(crate) async fn account(&self, name: &str) -> Option<Value> {
        let answer = self.ask("accounts").await;
        let accounts = answer["accounts"].as_array().unwrap();
        let is_it = |account: &&Value| {
            let upn = account["userPrincipalName"].as_str().unwrap();
            upn.eq_ignore_ascii_case(name) && account["deletedDateTime"].is_null()
        };
        accounts.iter().find(is_it).cloned()
    }

    /// Everything an account is, apart from what two runs can never have in common.
    pub(crate) async fn digest(&self) -> Vec<String> {
        let answer = self.ask("accounts").await;
        let accounts = answer["accounts"].as_array().unwrap();
        let names: Vec<(&str, &str)> = (accounts.iter())
            .map(|account| (text(&account["id"]), text(&account["userPrincipalName"])))
            .collect();
        let mut lines: Vec<String> = (accounts.iter())
            .map(|account| line(account, &names))
            .collect();
        lines.sort();
        lines
    }

    pub(crate) async fn client(&self) -> Client {
        let credentials = self.ask("credentials").await;
        let config = Config::new(
            Cloud::Custom {
                authority: self.base.clone(),
                graph: self.base.clone(),
            },
            text(&credentials["tenant_id"]).parse().unwrap(),
            text(&credentials["client_id"]).parse().unwrap(),
            Credential::Secret(SecretText::new(text(&credentials["secret"]))),
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            42,
        );
        Client::new(config).unwrap()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn line(account: &Value, names: &[(&str, &str)]) -> String {
    let id = text(&account["id"]).replace('-', "");
    let name = text(&account["userPrincipalName"]).trim_start_matches(id.as_str());
    let manager = names
        .iter()
        .find(|(id, _)| *id == text(&account["manager"]));
    let mut kept = json!({
        "deleted": !account["deletedDateTime"].is_null(),
        "manager": manager.map(|(_, name)| *name),
    });
    for property in [
        "accountEnabled",
        "displayName",
        "givenName",
        "surname",
        "mailNickname",
        "jobTitle",
        "department",
        "city",
        "usageLocation",
        "businessPhones",
        "onPremisesImmutableId",
        "assignedLicenses",
    ] {
        kept[property] = account[property].clone();
    }
    format!("{name} {kept}")
}
