//! The practice tenant of a test: in this process, so that it outlives the ones that are killed.

use std::time::Duration;

use serde_json::{Value, json};
use signpost_practice_tenant::{Credentials, Options, PracticeTenant};
use tokio::net::TcpListener;

/// Longer than anything here takes; what does not come by then never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A tenant over real HTTP.
pub(crate) struct Tenant {
    pub(crate) url: String,
    pub(crate) credentials: Credentials,
    http: reqwest::Client,
}

impl Tenant {
    pub(crate) async fn start(options: Options) -> Self {
        let tenant = PracticeTenant::new(options);
        let credentials = tenant.credentials().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { tenant.serve(listener, std::future::pending()).await });
        Self {
            url,
            credentials,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) async fn ask(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}/_practice/{path}", self.url));
        let answer = request.timeout(PATIENCE).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    pub(crate) async fn tell(&self, path: &str, body: Value) -> Value {
        let request = self
            .http
            .post(format!("{}/_practice/{path}", self.url))
            .json(&body);
        let answer = request.send().await.unwrap();
        let is_fine = answer.status().is_success();
        let text = answer.text().await.unwrap();
        assert!(is_fine, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn remove(&self, path: &str) {
        let request = self.http.delete(format!("{}/_practice/{path}", self.url));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    /// Arms a fault and returns its number.
    pub(crate) async fn fault(&self, fault: Value) -> u64 {
        self.tell("faults", fault).await["id"].as_u64().unwrap()
    }

    /// Arms a fault on one route.
    pub(crate) async fn fault_on(&self, route: &str, fault: Value) -> u64 {
        let (method, template) = route.split_once(' ').unwrap();
        let mut body = json!({"method": method, "route": template});
        for (name, value) in fault.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.fault(body).await
    }

    /// Completes when the fault has happened.
    pub(crate) async fn happened(&self, fault: u64) {
        self.ask(&format!("faults/{fault}/happened")).await;
    }

    /// Lets the held requests of a fault go on.
    pub(crate) async fn release(&self, fault: u64) {
        self.tell(&format!("faults/{fault}/release"), json!({}))
            .await;
    }

    /// No fault happens any more, and held requests are cut.
    pub(crate) async fn calm(&self) {
        self.remove("faults").await;
    }

    /// Everything the tenant holds, without what two tenants can never have in common.
    pub(crate) async fn digest(&self) -> Vec<String> {
        let (accounts, groups) = (self.ask("accounts").await, self.ask("groups").await);
        let (accounts, groups) = (list(&accounts["accounts"]), list(&groups["groups"]));
        let mut names: Vec<(&str, &str)> = Vec::new();
        for account in accounts {
            names.push((text(&account["id"]), text(&account["userPrincipalName"])));
        }
        for group in groups {
            names.push((text(&group["id"]), text(&group["displayName"])));
        }
        let mut lines: Vec<String> = accounts
            .iter()
            .map(|account| account_line(account, &names))
            .chain(groups.iter().map(|group| group_line(group, &names)))
            .collect();
        lines.sort();
        lines
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn name_of<'a>(id: &Value, names: &[(&str, &'a str)]) -> Option<&'a str> {
    let found = names.iter().find(|(known, _)| *known == text(id));
    found.map(|(_, name)| *name)
}

fn names_of(ids: &Value, names: &[(&str, &str)]) -> Vec<String> {
    let mut found: Vec<String> = list(ids)
        .iter()
        .map(|id| name_of(id, names).unwrap_or("?").to_owned())
        .collect();
    found.sort();
    found
}

fn account_line(account: &Value, names: &[(&str, &str)]) -> String {
    // A deleted account's name begins with its id.
    let id = text(&account["id"]).replace('-', "");
    let name = text(&account["userPrincipalName"]).trim_start_matches(id.as_str());
    let mut kept = json!({
        "deleted": !account["deletedDateTime"].is_null(),
        "manager": name_of(&account["manager"], names),
        "groups": names_of(&account["memberOf"], names),
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
        "roles",
    ] {
        kept[property] = account[property].clone();
    }
    format!("account {name} {kept}")
}

fn group_line(group: &Value, names: &[(&str, &str)]) -> String {
    let kept = json!({
        "deleted": !group["deletedDateTime"].is_null(),
        "description": group["description"],
        "types": group["groupTypes"],
        "members": names_of(&group["members"], names),
        "licenses": group["assignedLicenses"],
    });
    format!("group {} {kept}", text(&group["displayName"]))
}
