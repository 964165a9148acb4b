//! Runs against the practice tenant: the whole way from a change in the directory to the tenant.

use serde_json::{Value, json};
use signpost_app::portal::Practice;
use signpost_graph_schema::Conformance;
use signpost_model::connection::{ConnectionSettings, Findings, FoundDomain};
use signpost_model::run::{Run, RunMode, RunScope, RunState, Trigger};
use signpost_model::{
    AccessType, ApplicationId, Cloud, ConnectionState, Principal, Profile, Random, Role, Secret,
    Source, SourceAnchor, UserId,
};
use signpost_practice_tenant::{Options, PracticeTenant};
use signpost_server::worker::{self, Presence};
use signpost_store::assignments::AssignmentFilter;
use signpost_store::connections::ConnectionUpdate;
use signpost_store::licenses::NewGrant;
use signpost_store::runs::NewRun;
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::users::{self, NewUser};
use signpost_store::{
    PageRequest, Write, applications, assignments, both_engines, connections, licenses, runs,
};

use crate::support::{Browser, Setting, TestApp};

/// Microsoft 365 E3, of which the practice tenant has 300 seats.
pub(crate) const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";
/// Visio Plan 2, of which it has five.
pub(crate) const VISIO: &str = "c5928f49-12ba-48f7-ada3-0d743a3601d5";

/// A portal with its worker, connected to a practice tenant of its own.
pub(crate) struct Rehearsal {
    pub(crate) app: TestApp,
    pub(crate) application: ApplicationId,
    pub(crate) browser: Browser,
    pub(crate) tenant: String,
    pub(crate) conformance: Conformance,
    pub(crate) http: reqwest::Client,
}

impl Rehearsal {
    /// Connected, with nobody assigned and E3 granted to everyone who has the application.
    pub(crate) async fn begin(store: signpost_store::Store) -> Self {
        Self::begin_with(store, Options::default()).await
    }

    /// The same, with a tenant that differs from the usual one.
    pub(crate) async fn begin_with(store: signpost_store::Store, options: Options) -> Self {
        let conformance = Conformance::new();
        let tenant = PracticeTenant::new(options);
        let credentials = tenant.credentials().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = conformance.record(tenant.router());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

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
        let setting = Setting {
            practice: Some(practice),
            ..Setting::default()
        };
        let app = TestApp::start_with(store, setting).await;
        let application = connect(&app).await;
        tokio::spawn(worker::run(
            app.portal.clone(),
            Presence::unseen(app.portal.random.as_ref()),
        ));
        Self {
            browser: app.sign_in(Role::Administrator).await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            app,
            application,
            tenant: url,
            conformance,
        }
    }

    /// Puts a person into the directory and gives them the application.
    pub(crate) async fn add(&self, number: u128, given_name: &str, surname: &str) -> UserId {
        let id = UserId::from_number(number);
        let mut profile = Profile {
            user_name: format!("{given_name}.{surname}@contoso.example").to_lowercase(),
            given_name: given_name.to_owned(),
            surname: surname.to_owned(),
            usage_location: "PT".to_owned(),
            ..Profile::default()
        };
        profile.mail = profile.user_name.clone();
        profile.normalize();
        let portal = &self.app.portal;
        let new = NewUser {
            id,
            source_anchor: SourceAnchor::mint(portal.random.as_ref()),
            source: Source::Local,
            profile,
            enabled: true,
        };
        let mut tx = portal.store.write().await.unwrap();
        users::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
        let principals = [Principal::User(id)];
        let random = portal.random.as_ref();
        assignments::assign(&mut tx, random, self.application, &principals, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(crate) async fn unassign(&self, users: &[UserId]) {
        let filter = AssignmentFilter::default();
        let mut tx = self.app.portal.store.write().await.unwrap();
        let request = PageRequest::first(100);
        let found = applications::find(&mut tx, self.application)
            .await
            .unwrap()
            .unwrap();
        let page = assignments::list_users(&mut tx, &found, &filter, &request)
            .await
            .unwrap();
        let ids: Vec<_> = page
            .items
            .iter()
            .filter(|assigned| users.contains(&assigned.user_id))
            .filter_map(|assigned| assigned.assignment)
            .collect();
        assert_eq!(ids.len(), users.len());
        assignments::unassign(&mut tx, self.application, &ids, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn assign(&self, user: UserId) {
        let portal = &self.app.portal;
        let mut tx = portal.store.write().await.unwrap();
        let (random, principals) = (portal.random.as_ref(), [Principal::User(user)]);
        assignments::assign(&mut tx, random, self.application, &principals, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Presses Sync Users and waits until the run is over or waits for an answer.
    pub(crate) async fn sync(&self) -> Run {
        let run = self.queue(RunMode::Sync).await;
        self.until_it_rests(run).await
    }

    async fn queue(&self, mode: RunMode) -> Run {
        let portal = &self.app.portal;
        let new = NewRun {
            application_id: self.application,
            trigger: Trigger::Operator,
            scope: RunScope::Changed,
            mode,
            only_user: None,
            request: None,
        };
        let mut tx = portal.store.write().await.unwrap();
        let random = portal.random.as_ref();
        let queued = runs::queue(&mut tx, random, &new, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        portal.worker.notify_one();
        queued.run().clone()
    }

    /// What one sync costs, as the tenant counts it.
    async fn calls_of_sync(&self) -> Value {
        self.control("reset", json!({"what": "calls"})).await;
        let run = self.sync().await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        self.calls().await
    }

    async fn change_title(&self, id: UserId, title: &str) {
        let mut tx = self.app.portal.store.write().await.unwrap();
        let user = users::find(&mut tx, id).await.unwrap().unwrap();
        let profile = Profile {
            job_title: title.to_owned(),
            ..user.profile
        };
        users::update(&mut tx, id, user.version, &profile, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// The page's own events say when: the stream ends.
    pub(crate) async fn until_it_rests(&self, run: Run) -> Run {
        let events = self.browser.get(&format!("/runs/{}/events", run.id)).await;
        assert!(events.body.contains("event: done"), "{}", events.body);
        self.run(run.id).await
    }

    pub(crate) async fn run(&self, id: signpost_model::RunId) -> Run {
        let mut read = self.app.portal.store.read().await.unwrap();
        runs::find(&mut read, id).await.unwrap().unwrap()
    }

    /// The live account with this user principal name, as the practice tenant shows it.
    pub(crate) async fn account(&self, name: &str) -> Option<Value> {
        let url = format!("{}/_practice/accounts?state=live&key={name}", self.tenant);
        let answer: Value = self
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["accounts"].as_array()?.first().cloned()
    }

    pub(crate) async fn calls(&self) -> Value {
        self.practice("calls").await
    }

    /// Every exchange was as Microsoft describes it.
    pub(crate) fn assert_clean(&self) {
        self.conformance.assert_clean();
    }

    /// What the practice tenant says about itself.
    pub(crate) async fn practice(&self, what: &str) -> Value {
        let url = format!("{}/_practice/{what}", self.tenant);
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn control(&self, path: &str, body: Value) {
        let request = self
            .http
            .post(format!("{}/_practice/{path}", self.tenant))
            .json(&body);
        let answer = request.send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{path}: {}",
            answer.text().await.unwrap()
        );
    }
}

async fn connect(app: &TestApp) -> ApplicationId {
    let portal = &app.portal;
    let practice = portal.settings.practice.as_ref().unwrap();
    let settings = ConnectionSettings {
        cloud: Cloud::Practice,
        domain: practice.domain.clone(),
        tenant_id: practice.tenant_id.clone(),
        client_id: practice.client_id.clone(),
    };
    let domain = |name: &str, initial: bool| FoundDomain {
        name: name.to_owned(),
        verified: true,
        federated: false,
        default: initial,
        initial,
    };
    let findings = Findings {
        domains: vec![
            domain("contoso.example", false),
            domain("contoso-practice.onmicrosoft.com", true),
        ],
        ..Findings::default()
    };
    let random = portal.random.as_ref();
    let mut tx = portal.store.write().await.unwrap();
    let application = applications::create(
        &mut tx,
        random,
        "Microsoft 365",
        &AccessType::Assigned,
        &AUTHOR,
        NOW,
    )
    .await
    .unwrap()
    .id;
    let secret = Secret::new(practice.secret.as_str());
    let update = ConnectionUpdate {
        settings: &settings,
        secret: Some(&secret),
        state: ConnectionState::Connected,
        findings: &findings,
    };
    let sealer = portal.store.sealer().clone();
    connections::save(&mut tx, &sealer, random, application, update, &AUTHOR, NOW)
        .await
        .unwrap();
    grant(&mut tx, random, application, &[E3]).await;
    tx.commit().await.unwrap();
    application
}

pub(crate) async fn grant(
    tx: &mut Write,
    random: &dyn Random,
    application: ApplicationId,
    skus: &[&str],
) {
    let grants: Vec<NewGrant> = skus
        .iter()
        .map(|sku| NewGrant {
            sku_id: (*sku).to_owned(),
            group_id: None,
            by_group: false,
            disabled_plans: vec![],
        })
        .collect();
    licenses::set_grants(tx, random, application, &grants, &AUTHOR, NOW)
        .await
        .unwrap();
}

pub(crate) fn has_license(account: &Value, sku: &str) -> bool {
    let licenses = account["assignedLicenses"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    licenses.iter().any(|license| license["skuId"] == sku)
}

both_engines! {
    async fn assigned_people_get_accounts_and_licenses(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(1, "Ana", "Silva").await;
        rehearsal.add(2, "Ben", "Okafor").await;
        let run = rehearsal.sync().await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        for name in ["ana.silva@contoso.example", "ben.okafor@contoso.example"] {
            let account = rehearsal.account(name).await.unwrap();
            assert_eq!(account["accountEnabled"], true);
            assert_eq!(account["usageLocation"], "PT");
            assert_eq!(account["onPremisesImmutableId"].as_str().unwrap().len(), 32);
            assert!(has_license(&account, E3), "{account:#}");
        }
        rehearsal.conformance.assert_clean();
    }

    async fn seats_that_a_sync_took_are_shown_as_taken(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(1, "Ana", "Silva").await;
        rehearsal.add(2, "Ben", "Okafor").await;
        let run = rehearsal.sync().await;
        assert_eq!(run.state, RunState::Succeeded);
        let mut read = rehearsal.app.portal.store.read().await.unwrap();
        let products = licenses::list_products(&mut read, rehearsal.application).await.unwrap();
        let e3 = products.iter().find(|product| product.sku_id == E3).unwrap();
        assert_eq!(e3.seats.used, 3, "somebody has one from the beginning");
    }

    async fn a_sync_without_changes_asks_for_changes_once_and_writes_nothing(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(1, "Ana", "Silva").await;
        assert_eq!(rehearsal.sync().await.state, RunState::Succeeded);
        rehearsal.control("reset", json!({"what": "calls"})).await;
        let run = rehearsal.sync().await;
        assert_eq!(run.state, RunState::Succeeded);
        assert_eq!(run.tally.actions, 0);
        let calls = rehearsal.calls().await;
        assert_eq!(calls["writes"], 0, "{calls:#}");
        assert!(calls["total"].as_i64().unwrap() <= 3, "{calls:#}");
    }

    async fn a_sync_costs_as_few_calls_as_graph_can_be_asked_with(store: Store) {
        const PEOPLE: i64 = 200;
        let rehearsal = Rehearsal::begin(store).await;
        let mut ids = Vec::new();
        for number in 1..=PEOPLE.unsigned_abs() {
            ids.push(rehearsal.add(number.into(), "Person", &number.to_string()).await);
        }
        // The delta's link, a page of accounts and of deleted ones, the products, the roles and
        // their members; then twenty creates or licenses to a call, and the products once more for
        // the seats that are left.
        let calls = rehearsal.calls_of_sync().await;
        assert_eq!(calls["writes"], 2 * PEOPLE, "{calls:#}");
        assert_eq!(calls["unchanged_writes"], 0, "{calls:#}");
        assert!(calls["total"].as_i64().unwrap() <= 7 + 2 * PEOPLE / 20, "{calls:#}");
        // What was written comes back once; afterwards nothing does.
        let calls = rehearsal.calls_of_sync().await;
        assert_eq!((&calls["writes"], &calls["total"]), (&json!(0), &json!(1)), "{calls:#}");
        for id in &ids[..2] {
            rehearsal.change_title(*id, "Director").await;
        }
        let calls = rehearsal.calls_of_sync().await;
        assert_eq!(calls["writes"], 2, "{calls:#}");
        assert!(calls["total"].as_i64().unwrap() <= 3, "{calls:#}");
    }

    async fn a_person_who_leaves_is_blocked_and_one_who_comes_back_is_let_in(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        rehearsal.sync().await;
        rehearsal.unassign(&[ana]).await;
        assert_eq!(rehearsal.sync().await.state, RunState::Succeeded);
        let name = "ana.silva@contoso.example";
        assert_eq!(rehearsal.account(name).await.unwrap()["accountEnabled"], false);
        rehearsal.assign(ana).await;
        assert_eq!(rehearsal.sync().await.state, RunState::Succeeded);
        let account = rehearsal.account(name).await.unwrap();
        assert_eq!(account["accountEnabled"], true);
        assert!(has_license(&account, E3));
    }

    async fn a_create_whose_answer_is_lost_is_found_again(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(1, "Ana", "Silva").await;
        rehearsal.add(2, "Ben", "Okafor").await;
        rehearsal
            .control("faults", json!({"method": "POST", "route": "/users", "drop_after": true, "once": true}))
            .await;
        let run = rehearsal.sync().await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let calls = rehearsal.calls().await;
        assert_eq!(calls["by_route"]["POST /users"], 2, "{calls:#}");
        assert!(rehearsal.account("ana.silva@contoso.example").await.is_some());
    }

    async fn an_ambiguous_match_waits_for_a_choice_and_takes_it(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        // Two accounts of the practice tenant carry this mail address.
        let dave = rehearsal.add(1, "Dave", "O'Brien").await;
        let run = rehearsal.sync().await;
        assert_eq!(run.state, RunState::AwaitingApproval);
        let page = rehearsal.browser.get(&format!("/runs/{}", run.id)).await;
        assert!(page.body.contains("Link to this account: dobrien@contoso.example"));
        let chosen = rehearsal.account("dobrien@contoso.example").await.unwrap();
        let object_id = chosen["id"].as_str().unwrap();
        let (field, id) = (format!("choice-{dave}"), run.id.to_string());
        let answer = rehearsal
            .browser
            .post("/api/runs/choose", &[("run", id.as_str()), (field.as_str(), object_id)])
            .await;
        let again = answer.location().rsplit('/').next().unwrap().parse().unwrap();
        let run = rehearsal.until_it_rests(rehearsal.run(again).await).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let calls = rehearsal.calls().await;
        assert_eq!(calls["by_route"]["POST /users"], Value::Null, "nobody was created");
    }

    async fn more_removals_than_the_limit_wait_for_a_person(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let mut people = Vec::new();
        for number in 1..=7 {
            people.push(rehearsal.add(number, "Person", &format!("N{number}")).await);
        }
        assert_eq!(rehearsal.sync().await.state, RunState::Succeeded);
        rehearsal.unassign(&people).await;
        let run = rehearsal.sync().await;
        assert_eq!(run.state, RunState::AwaitingApproval);
        let name = "person.n1@contoso.example";
        assert_eq!(rehearsal.account(name).await.unwrap()["accountEnabled"], true);
        let (id, hash) = (run.id.to_string(), run.plan_hash.clone().unwrap());
        let stale = [("run", id.as_str()), ("hash", "of another plan")];
        rehearsal.browser.post("/api/runs/apply", &stale).await;
        assert_eq!(rehearsal.account(name).await.unwrap()["accountEnabled"], true);
        let waiting = rehearsal.latest().await;
        let waiting = rehearsal.until_it_rests(waiting).await;
        let id = waiting.id.to_string();
        let hash = waiting.plan_hash.clone().unwrap_or(hash);
        let approval = [("run", id.as_str()), ("hash", hash.as_str())];
        rehearsal.browser.post("/api/runs/apply", &approval).await;
        let run = rehearsal.until_it_rests(waiting).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        assert_eq!(rehearsal.account(name).await.unwrap()["accountEnabled"], false);
    }

    async fn people_without_a_seat_wait_and_the_others_get_theirs(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let portal = &rehearsal.app.portal;
        let mut tx = portal.store.write().await.unwrap();
        grant(&mut tx, portal.random.as_ref(), rehearsal.application, &[VISIO]).await;
        tx.commit().await.unwrap();
        for number in 1..=7 {
            rehearsal.add(number, "Person", &format!("N{number}")).await;
        }
        let run = rehearsal.sync().await;
        assert!(run.state.is_over(), "{run:#?}");
        let mut licensed = 0;
        for number in 1..=7 {
            let name = format!("person.n{number}@contoso.example");
            let account = rehearsal.account(&name).await.unwrap();
            licensed += usize::from(has_license(&account, VISIO));
        }
        assert_eq!(licensed, 5);
        let page = rehearsal.browser.get(&format!("/runs/{}", run.id)).await;
        assert!(page.body.contains("No seats of"), "the page says who waits");
    }

    async fn a_preview_changes_nothing_until_it_is_applied(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(1, "Ana", "Silva").await;
        let queued = rehearsal.queue(RunMode::Preview).await;
        let run = rehearsal.until_it_rests(queued).await;
        assert_eq!(run.state, RunState::AwaitingApproval);
        assert_eq!(rehearsal.calls().await["writes"], 0);
        let (id, hash) = (run.id.to_string(), run.plan_hash.clone().unwrap());
        let approval = [("run", id.as_str()), ("hash", hash.as_str())];
        rehearsal.browser.post("/api/runs/apply", &approval).await;
        assert_eq!(rehearsal.until_it_rests(run).await.state, RunState::Succeeded);
        assert!(rehearsal.account("ana.silva@contoso.example").await.is_some());
    }

    async fn a_refused_secret_ends_the_run_in_plain_words(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(1, "Ana", "Silva").await;
        let token = json!({
            "method": "POST", "route": "/{tenant}/oauth2/v2.0/token", "status": 401,
            "body": {"error": "invalid_client", "error_codes": [7000222],
                     "error_description": "AADSTS7000222: The provided client secret keys are expired."},
        });
        rehearsal.control("faults", token).await;
        let run = rehearsal.sync().await;
        assert_eq!(run.state, RunState::Failed);
        let failure = run.failure.unwrap();
        assert!(failure.text.contains("secret"), "{failure:?}");
        assert_eq!(rehearsal.account("ana.silva@contoso.example").await, None);
    }
}

impl Rehearsal {
    async fn latest(&self) -> Run {
        let mut read = self.app.portal.store.read().await.unwrap();
        let request = PageRequest::first(1);
        let page = runs::list(&mut read, Some(self.application), &request)
            .await
            .unwrap();
        page.items.into_iter().next().unwrap()
    }
}
