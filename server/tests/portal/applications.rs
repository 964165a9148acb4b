//! Applications from the first name to a connected tenant, by the forms alone.

use std::sync::Arc;

use serde_json::{Value, json};
use signpost_app::portal::Practice;
use signpost_model::{Cloud, Profile, Role, Source, SourceAnchor, UserId};
use signpost_practice_tenant::{Options, PracticeTenant};
use signpost_store::connections::{self, Connection};
use signpost_store::groups::{self, NewGroup};
use signpost_store::testing::{AUTHOR, Database, NOW};
use signpost_store::users::{self, NewUser};
use signpost_store::{Engine, licenses, policies};

use crate::support::{Answer, Browser, Setting, TestApp, hidden_value};

const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";
const NOBODY: &str = "8c1ef6f0-0000-4000-8000-000000000000";
const UPDATE: &str = "/api/applications/update-settings";

/// A portal whose practice tenant answers over HTTP, and an administrator's browser.
struct Stage {
    app: TestApp,
    browser: Browser,
    practice: Practice,
    tenant: String,
    http: reqwest::Client,
    _database: Database,
}

impl Stage {
    async fn set() -> Self {
        let tenant = PracticeTenant::new(Options::default());
        let credentials = tenant.credentials().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(Arc::clone(&tenant).serve(listener, std::future::pending()));
        let practice = Practice {
            authority: url.clone(),
            graph: url.clone(),
            page: format!("{url}/_practice/"),
            tenant_id: credentials.tenant_id,
            client_id: credentials.client_id,
            secret: credentials.secret,
            domain: credentials.domain,
            throttled: false,
        };
        Self::with(practice, url).await
    }

    /// A portal whose practice tenant does not answer.
    async fn without_network() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let practice = Practice {
            authority: url.clone(),
            graph: url.clone(),
            page: url.clone(),
            tenant_id: NOBODY.to_owned(),
            client_id: NOBODY.to_owned(),
            secret: "not~checked".to_owned(),
            domain: "contoso.example".to_owned(),
            throttled: false,
        };
        Self::with(practice, url).await
    }

    async fn with(practice: Practice, tenant: String) -> Self {
        let database = Database::create(Engine::Sqlite).await;
        let setting = Setting {
            practice: Some(practice.clone()),
            ..Setting::default()
        };
        let app = TestApp::start_with(database.store.clone(), setting).await;
        Self {
            browser: app.sign_in(Role::Administrator).await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            app,
            practice,
            tenant,
            _database: database,
        }
    }

    async fn practice_get(&self, path: &str) -> Value {
        let url = format!("{}/_practice/{path}", self.tenant);
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn practice_post(&self, path: &str, body: &Value) {
        let url = format!("{}/_practice/{path}", self.tenant);
        let answer = self.http.post(url).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
    }

    /// The values of one of the practice tenant's registrations.
    async fn registration(&self, key: &str) -> (String, String) {
        let credentials = self.practice_get("credentials").await;
        let all = credentials["applications"].as_array().unwrap();
        let one = all.iter().find(|one| one["key"] == key).unwrap();
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        (text("client_id"), text("secret"))
    }

    /// An application by the two steps; returns its id.
    async fn create(&self, name: &str, access: &[(&str, &str)]) -> String {
        let named = self
            .browser
            .post("/api/applications/name", &[("name", name)])
            .await;
        assert_eq!(
            named.location(),
            "/applications/new/access",
            "{}",
            named.body
        );
        let mut fields = access.to_vec();
        fields.push(("do", "finish"));
        let made = self.browser.post("/api/applications/create", &fields).await;
        let parts: Vec<_> = made.location().split('/').collect();
        assert_eq!(parts.last(), Some(&"assignments"), "{}", made.body);
        parts[2].to_owned()
    }

    async fn page(&self, id: &str) -> Answer {
        self.browser
            .get(&format!("/applications/{id}/provisioning"))
            .await
    }

    async fn version(&self, id: &str) -> String {
        hidden_value(&self.page(id).await.body, "version").unwrap()
    }

    /// Posts the provisioning form with these fields instead of the usual ones.
    async fn update(&self, id: &str, fields: &[(&str, &str)]) -> Answer {
        let version = self.version(id).await;
        self.update_from(id, &version, fields).await
    }

    async fn update_from(&self, id: &str, version: &str, changed: &[(&str, &str)]) -> Answer {
        let practice = &self.practice;
        let usual = [
            ("application", id),
            ("version", version),
            ("cloud", Cloud::Practice.key()),
            ("domain", practice.domain.as_str()),
            ("tenant_id", practice.tenant_id.as_str()),
            ("client_id", practice.client_id.as_str()),
            ("secret", practice.secret.as_str()),
            ("create_accounts", "on"),
            ("update_profiles", "on"),
            ("assign_licenses", "on"),
            ("block_sign_in", "on"),
            ("end_sessions", "on"),
            ("days_before_deletion", "30"),
            ("limit_percent", "5"),
            ("limit_floor", "5"),
            ("limit_ceiling", "500"),
            ("protected", ""),
            ("form_end", "1"),
        ];
        let mut fields: Vec<_> = usual
            .into_iter()
            .filter(|(name, _)| !changed.iter().any(|(other, _)| other == name))
            .collect();
        fields.extend(changed);
        self.browser.submit(UPDATE, &fields).await
    }

    async fn connection(&self, id: &str) -> Option<Connection> {
        let mut read = self.app.portal.store.read().await.unwrap();
        connections::find(&mut read, id.parse().unwrap())
            .await
            .unwrap()
    }

    async fn add_user(&self, number: u128, given_name: &str, department: &str) {
        let new = NewUser {
            id: UserId::from_number(number),
            source_anchor: SourceAnchor::mint(self.app.portal.random.as_ref()),
            source: Source::Local,
            profile: Profile {
                user_name: format!("{}@contoso.example", given_name.to_lowercase()),
                display_name: given_name.to_owned(),
                given_name: given_name.to_owned(),
                department: department.to_owned(),
                ..Profile::default()
            },
            enabled: true,
        };
        let mut tx = self.app.portal.store.write().await.unwrap();
        users::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn assert_says(page: &Answer, words: &str) {
    assert!(
        text_of(&page.body).contains(words),
        "«{words}» in {}",
        text_of(&page.body)
    );
}

/// What a reader sees: tags out, the usual entities in.
fn text_of(html: &str) -> String {
    let main = html.split("<main").nth(1).unwrap_or(html);
    let mut text = String::new();
    let mut inside = false;
    for c in main.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.replace("&#x27;", "'")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

#[tokio::test]
async fn two_steps_lead_to_assignments_and_practice_values_to_a_connected_tenant() {
    let stage = Stage::set().await;
    let empty = stage.browser.get("/applications").await;
    assert_says(&empty, "No applications yet");
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    let own = stage.browser.get(&format!("/applications/{id}")).await;
    assert_eq!(own.location(), format!("/applications/{id}/assignments"));
    let assignments = stage.browser.get(own.location()).await;
    assert_says(&assignments, "Application User Assignments");
    let before = stage.page(&id).await;
    assert_says(&before, "No licenses yet");
    assert!(
        before.body.contains("disabled"),
        "no sync without a connection"
    );

    let after = stage.update(&id, &[("do", "practice")]).await;
    assert_says(
        &after,
        "Settings saved. Connected to Contoso Practice. 6 of 6 permissions granted, 7 licenses loaded.",
    );
    for words in [
        "Microsoft 365 E3",
        "SPE_E3",
        "contoso.example",
        "Managed",
        "Not verified",
        "User.ReadWrite.All",
    ] {
        assert_says(&after, words);
    }
    let connection = stage.connection(&id).await.unwrap();
    assert_eq!(connection.settings.tenant_id, stage.practice.tenant_id);
    assert!(connection.findings.secret_expires_at.is_some());
    let field = after.body.split("name=\"secret\"").nth(1).unwrap();
    assert!(
        !field.split('>').next().unwrap().contains("value"),
        "the secret's field is empty"
    );
}

#[tokio::test]
async fn a_refused_credential_is_explained_and_leaves_the_connection_as_it_was() {
    let stage = Stage::set().await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    stage.update(&id, &[]).await;
    let known = stage.connection(&id).await.unwrap();
    let (expired, old_secret) = stage.registration("expired-secret").await;
    let cases = [
        (
            vec![("secret", "wrong~value")],
            "secret",
            "does not accept the client secret",
            "AADSTS7000215",
        ),
        (
            vec![
                ("client_id", expired.as_str()),
                ("secret", old_secret.as_str()),
            ],
            "secret",
            "The client secret has ended",
            "AADSTS7000222",
        ),
        (
            vec![("tenant_id", NOBODY)],
            "tenant_id",
            "Microsoft knows no tenant with this ID",
            "AADSTS90002",
        ),
        (
            vec![("client_id", NOBODY)],
            "client_id",
            "no app registration with this client ID",
            "AADSTS700016",
        ),
    ];
    for (mut fields, field, words, code) in cases {
        // Licenses and Actions are saved in every case.
        fields.push(("delete_accounts", "on"));
        fields.push(("domain", "typed.example"));
        let page = stage.update(&id, &fields).await;
        assert_says(&page, words);
        assert_says(&page, code);
        assert_says(&page, "Details for support");
        assert!(
            page.body.contains(&format!("id=\"{field}-error\"")),
            "{field} is tied to its error"
        );
        assert!(page.body.contains("typed.example"), "what was typed stays");
        assert!(!page.body.contains("wrong~value") && !page.body.contains(&old_secret));
        let now = stage.connection(&id).await.unwrap();
        assert_eq!(now.settings, known.settings);
        assert_eq!(now.state, known.state);
    }
    let mut read = stage.app.portal.store.read().await.unwrap();
    let policy = policies::find_policy(&mut read, id.parse().unwrap())
        .await
        .unwrap();
    assert!(policy.delete_accounts);
}

#[tokio::test]
async fn wrong_shapes_are_named_before_any_call() {
    let stage = Stage::set().await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    let fields = [
        ("domain", "https://contoso.com"),
        ("tenant_id", "contoso"),
        ("client_id", ""),
        ("secret", NOBODY),
        ("days_before_deletion", "soon"),
    ];
    let page = stage.update(&id, &fields).await;
    for words in [
        "5 things to fix",
        "Enter a domain name such as contoso.com",
        "Enter the tenant ID as 32 letters and digits with dashes",
        "Enter the Application (client) ID",
        "This is a Secret ID. Paste the secret's Value.",
        "Enter the days as a number from 0 to 3650",
    ] {
        assert_says(&page, words);
    }
    let calls = stage.practice_get("calls").await;
    assert_eq!((&calls["total"], &calls["tokens"]), (&json!(0), &json!(0)));
    assert_eq!(stage.connection(&id).await, None);
}

#[tokio::test]
async fn an_unreachable_microsoft_saves_the_connection_as_not_checked() {
    let stage = Stage::without_network().await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    let page = stage.update(&id, &[]).await;
    assert_says(
        &page,
        "Settings saved, not checked. Microsoft did not answer",
    );
    assert!(
        stage
            .connection(&id)
            .await
            .unwrap()
            .secret_saved_at
            .is_some()
    );
}

#[tokio::test]
async fn missing_and_excess_permissions_are_named_with_what_they_are_for() {
    let stage = Stage::set().await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    stage
        .practice_post(
            "applications",
            &json!({"key": "good", "revoke": ["Domain.Read.All"]}),
        )
        .await;
    let page = stage.update(&id, &[]).await;
    assert_says(&page, "permission Domain.Read.All is missing");
    assert_says(&page, "Read which domains are verified");
    assert_says(&page, "5 of 6 permissions granted");

    let (client, secret) = stage.registration("excess").await;
    let page = stage
        .update(&id, &[("client_id", &client), ("secret", &secret)])
        .await;
    assert_says(&page, "More than Signpost needs");
    assert_says(&page, "AppRoleAssignment.ReadWrite.All");

    let (client, secret) = stage.registration("no-consent").await;
    let page = stage
        .update(&id, &[("client_id", &client), ("secret", &secret)])
        .await;
    assert_says(&page, "no permission is granted");
    assert_says(&page, "Grant admin consent");
}

#[tokio::test]
async fn two_operators_at_once_lose_nothing_and_a_double_click_is_harmless() {
    let stage = Stage::set().await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    let version = stage.version(&id).await;
    stage.update_from(&id, &version, &[]).await;
    let again = stage.update_from(&id, &version, &[]).await;
    assert_says(&again, "Settings saved.");

    let second = stage
        .update_from(&id, &version, &[("domain", "second.example")])
        .await;
    assert_says(
        &second,
        "Somebody else changed this meanwhile. Your entries are still here",
    );
    assert!(second.body.contains("second.example"));
    let stored = stage.connection(&id).await.unwrap();
    assert_eq!(stored.settings.domain, stage.practice.domain);

    let first = stage
        .browser
        .post("/api/applications/sync", &[("application", &id)])
        .await;
    let other = stage
        .browser
        .post("/api/applications/sync", &[("application", &id)])
        .await;
    assert!(first.location().starts_with("/runs/"));
    assert_eq!(first.location(), other.location());
}

#[tokio::test]
async fn licenses_go_to_everyone_or_to_groups_with_services_switched_off() {
    let stage = Stage::set().await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    stage.update(&id, &[]).await;
    let group = NewGroup {
        id: signpost_model::GroupId::from_number(9),
        name: "Sales".to_owned(),
        description: String::new(),
    };
    let mut tx = stage.app.portal.store.write().await.unwrap();
    groups::create(&mut tx, &group, &AUTHOR, NOW).await.unwrap();
    tx.commit().await.unwrap();
    let products = {
        let mut read = stage.app.portal.store.read().await.unwrap();
        licenses::list_products(&mut read, id.parse().unwrap())
            .await
            .unwrap()
    };
    let e3 = products
        .iter()
        .find(|product| product.sku_id == E3)
        .unwrap();
    let plans: Vec<_> = e3
        .service_plans
        .iter()
        .filter(|plan| plan.for_users)
        .collect();
    let (plan, who, shown) = (
        format!("plan:{E3}"),
        format!("who:{E3}"),
        format!("plans:{E3}"),
    );
    let mut fields = vec![
        ("licenses", "shown"),
        ("grant", E3),
        (shown.as_str(), "shown"),
    ];
    fields.extend(
        plans
            .iter()
            .skip(1)
            .map(|one| (plan.as_str(), one.id.as_str())),
    );

    let mut wrong = fields.clone();
    wrong.push((&who, "Nobody's group"));
    let page = stage.update(&id, &wrong).await;
    assert_says(&page, "there is no group called “Nobody's group”");

    fields.push((&who, "sales"));
    let page = stage.update(&id, &fields).await;
    assert_says(&page, "Who gets it: Sales");
    let mut read = stage.app.portal.store.read().await.unwrap();
    let grants = licenses::list_grants(&mut read, id.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(grants.len(), 1);
    assert_eq!(grants[0].group_id, Some(group.id));
    assert_eq!(grants[0].disabled_plans, [plans[0].id.clone()]);
}

#[tokio::test]
async fn a_rule_shows_whom_it_matches_before_anything_is_saved() {
    let stage = Stage::set().await;
    stage.add_user(1, "Ada", "Sales").await;
    stage.add_user(2, "Bob", "Marketing").await;
    stage
        .browser
        .post("/api/applications/name", &[("name", "Sales only")])
        .await;
    let rule = [
        ("access", "rule"),
        ("combine", "all"),
        ("attribute", "department"),
        ("comparison", "is"),
        ("value", "sales"),
    ];
    let mut shown = rule.to_vec();
    shown.push(("do", "edit:add"));
    let page = stage
        .browser
        .submit("/api/applications/create", &shown)
        .await;
    assert!(page.body.contains("Value of condition 2"), "one row more");
    shown.pop();
    shown.push(("do", "edit:show"));
    let page = stage
        .browser
        .submit("/api/applications/create", &shown)
        .await;
    assert_says(&page, "1 of 2 users match now.");
    assert_says(&page, "Ada (ada@contoso.example)");
    let id = stage.create("Sales only", &rule).await;
    let page = stage
        .browser
        .get(&format!("/applications/{id}/assignments"))
        .await;
    assert_says(&page, "Whoever matches the rule has this application.");
    assert!(page.body.contains("ada@contoso.example") && !page.body.contains("bob@"));
}

#[tokio::test]
async fn people_are_assigned_and_taken_back_with_the_effect_said() {
    let stage = Stage::set().await;
    stage.add_user(1, "Ada", "Sales").await;
    stage.add_user(2, "Bob", "Sales").await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    let candidates = stage
        .browser
        .get(&format!("/applications/{id}/assignments/new?q=ada"))
        .await;
    assert!(candidates.body.contains("aria-label=\"Ada\""));
    let ada = format!("user:{}", UserId::from_number(1));
    let bob = format!("user:{}", UserId::from_number(2));
    let fields = [
        ("application", id.as_str()),
        ("principal", ada.as_str()),
        ("principal", bob.as_str()),
    ];
    let page = stage
        .browser
        .submit("/api/applications/assign", &fields)
        .await;
    assert_says(&page, "2 assignments were added.");
    let again = stage
        .browser
        .submit("/api/applications/assign", &fields)
        .await;
    assert_says(&again, "They have the application already.");
    let button = page.body.split("value=\"one:").nth(1).unwrap();
    let act = format!("one:{}", button.split('"').next().unwrap());
    let fields = [("application", id.as_str()), ("do", act.as_str())];
    let page = stage
        .browser
        .submit("/api/applications/unassign", &fields)
        .await;
    assert_says(
        &page,
        "1 assignment was removed. Removing users blocks their sign-in",
    );
    assert_says(&page, "1 user has it");
}

#[tokio::test]
async fn all_that_match_a_search_are_assigned_and_taken_back_beyond_the_page() {
    let stage = Stage::set().await;
    for number in 1..=120 {
        stage
            .add_user(number, &format!("Ada-{number:03}"), "Sales")
            .await;
    }
    stage.add_user(200, "Bob", "Sales").await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    let page = format!("/applications/{id}/assignments/new");
    let all = stage.browser.get(&format!("{page}?q=ada")).await;
    assert_says(&all, "All 120 users and groups that match");
    let few = stage.browser.get(&format!("{page}?q=bob")).await;
    assert!(!few.body.contains("all_matching"), "a page holds them all");

    let fields = [
        ("application", id.as_str()),
        ("q", "ada"),
        ("all_matching", "on"),
    ];
    let page = stage
        .browser
        .submit("/api/applications/assign", &fields)
        .await;
    assert_says(&page, "120 assignments were added.");
    assert_says(&page, "All 120 users and groups that match");
    assert_says(&page, "120 users have it");

    let fields = [
        ("application", id.as_str()),
        ("q", "ada-01"),
        ("state", ""),
        ("all_matching", "on"),
        ("do", "selected"),
    ];
    let page = stage
        .browser
        .submit("/api/applications/unassign", &fields)
        .await;
    assert_says(&page, "10 assignments were removed.");
    assert_says(&page, "110 users have it");
}

#[tokio::test]
async fn a_template_is_shown_for_a_user_checked_saved_and_reset() {
    let stage = Stage::set().await;
    stage.add_user(1, "Ada", "Sales").await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    let page = stage
        .browser
        .get(&format!("/applications/{id}/mapping"))
        .await;
    let version = hidden_value(&page.body, "version").unwrap();
    let post = |template: &'static str, act: &'static str| {
        let fields = [
            ("application", id.clone()),
            ("version", version.clone()),
            ("user", "ada@contoso.example".to_owned()),
            ("department", template.to_owned()),
            ("do", act.to_owned()),
        ];
        let browser = stage.browser.clone();
        async move {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            browser.submit("/api/applications/mapping", &fields).await
        }
    };
    let shown = post("{{ user.department|upper }}", "show").await;
    assert_says(&shown, "SALES");
    assert_says(&shown, "Not saved yet");
    let wrong = post("{{ user.shoe_size }}", "save").await;
    assert_says(&wrong, "a user has no attribute “shoe_size”");
    assert!(wrong.body.contains("id=\"department-error\""));
    let saved = post("{{ user.department|upper }}", "save").await;
    assert_says(&saved, "The mapping is saved.");
    assert_says(&saved, "Reset");
    let reset = [
        ("application", id.as_str()),
        ("version", &hidden_value(&saved.body, "version").unwrap()),
        ("do", "reset:department"),
    ];
    let page = stage
        .browser
        .submit("/api/applications/mapping", &reset)
        .await;
    assert_says(&page, "Department is filled by its default again.");
}

#[tokio::test]
async fn scripts_are_filled_and_keep_their_certificate() {
    let stage = Stage::set().await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    let none = stage
        .browser
        .get(&format!("/applications/{id}/powershell"))
        .await;
    assert_says(&none, "No domain yet");
    stage.update(&id, &[]).await;
    let page = stage
        .browser
        .get(&format!("/applications/{id}/powershell"))
        .await;
    assert!(page.body.contains("aria-labelledby=\"federate-title\""));
    assert!(page.body.contains("aria-labelledby=\"revert-title\""));
    assert!(!page.body.contains("not part of this version"));
    let path = format!("/applications/{id}/powershell/federate.ps1");
    let (first, second) = (
        stage.browser.get(&path).await,
        stage.browser.get(&path).await,
    );
    assert_eq!(first.body, second.body);
    assert!(first.body.contains("contoso.example") && first.body.contains("\r\n"));
    assert!(
        first
            .header("content-disposition")
            .contains("federate-contoso.example.ps1")
    );
    let unknown = format!("/applications/{id}/powershell/format-disk.ps1");
    assert_eq!(stage.browser.get(&unknown).await.status, 404);
}

#[tokio::test]
async fn an_application_is_renamed_and_ends_once_its_name_is_typed() {
    let stage = Stage::set().await;
    let id = stage
        .create("Microsoft 365", &[("access", "assigned")])
        .await;
    stage.create("Other", &[("access", "all_users")]).await;
    let settings = format!("/applications/{id}/settings");
    let version = hidden_value(&stage.browser.get(&settings).await.body, "version").unwrap();
    let base = [("application", id.as_str()), ("version", version.as_str())];
    let taken = [&base[..], &[("name", "other")]].concat();
    let page = stage
        .browser
        .submit("/api/applications/rename", &taken)
        .await;
    assert_says(&page, "Another application is already called “other”");
    let wrong = [&base[..], &[("confirm", "microsoft")]].concat();
    let page = stage
        .browser
        .submit("/api/applications/delete", &wrong)
        .await;
    assert_says(&page, "This does not match. Type Microsoft 365.");
    let right = [&base[..], &[("confirm", "Microsoft 365")]].concat();
    let page = stage
        .browser
        .submit("/api/applications/delete", &right)
        .await;
    assert_says(
        &page,
        "Microsoft 365 was deleted. Nothing was changed in Microsoft 365.",
    );
    let again = stage.browser.post("/api/applications/delete", &right).await;
    assert_eq!(again.location(), "/applications");
    assert_eq!(stage.browser.get(&settings).await.status, 404);
}
