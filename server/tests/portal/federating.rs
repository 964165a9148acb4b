//! Federating a domain from the portal and taking it back: against a practice tenant, whatever
//! Microsoft answers.

use reqwest::StatusCode;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use signpost_model::Clock as _;
use signpost_model::federation::{Federation, FederationState, ImmutableIdState, ProviderKind};
use signpost_model::plan::ObjectId;
use signpost_model::run::{Run, RunMode, RunState};
use signpost_model::time::MINUTE_MS;
use signpost_model::{RunId, TenantRequest, UserId};
use signpost_practice_tenant::{Clock, Options};
use signpost_server::worker::{self, Presence};
use signpost_store::immutable_ids::{self, Counts, Shown, Ward};
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{PageRequest, Store, both_engines, credentials, federations, runs, users};

use crate::support::login::posted_value;
use crate::support::{Answer, PASSWORD, hidden_value, password_hash, send};
use crate::syncing::Rehearsal;

const ADA: UserId = UserId::from_number(1);
const ADA_NAME: &str = "ada.lovelace@contoso.example";
const DOMAIN: &str = "contoso.example";
const CONFIGURATION: &str = "/domains/{id}/federationConfiguration";

/// How long a test waits for what a worker does by itself.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

impl Rehearsal {
    /// Ada has an account and a password here; everybody else of the domain is waived.
    async fn begin_ready(store: Store) -> Self {
        // One time on both sides: tokens are judged by it.
        let options = Options {
            clock: Clock::simulated(NOW.as_millis()),
            ..Options::default()
        };
        let rehearsal = Self::begin_with(store, options).await;
        rehearsal
            .permit(&[
                "Domain-InternalFederation.ReadWrite.All",
                "RoleManagement.Read.Directory",
            ])
            .await;
        rehearsal.grant_findings().await;
        rehearsal.add(1, "Ada", "Lovelace").await;
        let synced = rehearsal.sync().await;
        assert_eq!(synced.state, RunState::Succeeded, "{synced:#?}");
        rehearsal.set_password().await;
        rehearsal.waive_everybody().await;
        rehearsal
    }

    /// The page offers to federate when the last check of the connection saw the permission.
    async fn grant_findings(&self) {
        let store = &self.app.portal.store;
        let mut tx = store.write().await.unwrap();
        let id = self.application;
        let known = signpost_store::connections::find(&mut tx, id)
            .await
            .unwrap()
            .unwrap();
        let mut findings = known.findings;
        findings.granted = vec!["Domain-InternalFederation.ReadWrite.All".to_owned()];
        let update = signpost_store::connections::ConnectionUpdate {
            settings: &known.settings,
            secret: None,
            state: known.state,
            findings: &findings,
        };
        let random = self.app.portal.random.as_ref();
        let sealer = store.sealer();
        signpost_store::connections::save(&mut tx, sealer, random, id, update, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn set_password(&self) {
        let mut tx = self.app.portal.store.write().await.unwrap();
        let ada = users::find(&mut tx, ADA).await.unwrap().unwrap();
        let hash = password_hash().await;
        credentials::set_password(&mut tx, &ada, hash, None, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    fn ward(&self) -> Ward {
        Ward {
            application: self.application,
            domains: vec![DOMAIN.to_owned()],
            provider: ProviderKind::Own,
        }
    }

    async fn counts(&self) -> Counts {
        let mut read = self.app.portal.store.read().await.unwrap();
        immutable_ids::count(&mut read, &self.ward()).await.unwrap()
    }

    /// By the page, as an administrator does.
    async fn waive_everybody(&self) {
        let mut read = self.app.portal.store.read().await.unwrap();
        let request = PageRequest::first(200);
        let open = immutable_ids::list(&mut read, &self.ward(), Shown::Open, &request)
            .await
            .unwrap();
        drop(read);
        let id = self.application.to_string();
        let ids: Vec<String> = open
            .items
            .iter()
            .map(|one| one.object_id.to_string())
            .collect();
        let mut fields = vec![("application", id.as_str()), ("act", "waive")];
        fields.extend(ids.iter().map(|id| ("which", id.as_str())));
        let page = self
            .browser
            .submit("/api/federation/immutable-ids", &fields)
            .await;
        assert!(page.body.contains("waived"), "{}", page.body);
    }

    async fn press_federation(&self, path: &str, more: &[(&str, &str)]) -> Answer {
        let id = self.application.to_string();
        let mut fields = vec![("application", id.as_str())];
        fields.extend_from_slice(more);
        self.browser.post(path, &fields).await
    }

    async fn domain_page(&self) -> String {
        let path = format!("/applications/{}/federation", self.application);
        self.browser.get(&path).await.body
    }

    async fn check_federation(&self) -> String {
        let answer = self.press_federation("/api/federation/check", &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        self.domain_page().await
    }

    /// The run that a post led to, once it rests.
    async fn run_of(&self, answer: &Answer) -> Run {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let id: RunId = answer
            .location()
            .trim_start_matches("/runs/")
            .parse()
            .unwrap_or_else(|_| panic!("not a run: {}", answer.location()));
        self.until_it_rests(self.run(id).await).await
    }

    async fn plan_federation(&self) -> Run {
        let fields = [("tester", ADA_NAME), ("minutes", "25")];
        let answer = self
            .press_federation("/api/federation/federate", &fields)
            .await;
        self.run_of(&answer).await
    }

    async fn apply(&self, run: Run) -> Run {
        assert_eq!(run.state, RunState::AwaitingApproval, "{run:#?}");
        let (id, hash) = (run.id.to_string(), run.plan_hash.clone().unwrap());
        let fields = [("run", id.as_str()), ("hash", hash.as_str())];
        let answer = self.browser.post("/api/runs/apply", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        self.until_it_rests(run).await
    }

    async fn federate(&self) -> Run {
        let planned = self.plan_federation().await;
        self.apply(planned).await
    }

    async fn federation(&self) -> Option<Federation> {
        let mut read = self.app.portal.store.read().await.unwrap();
        federations::find(&mut read, self.application)
            .await
            .unwrap()
    }

    /// Waits until the worker has taken the domain back by itself.
    async fn until_reverted(&self) -> Federation {
        let waiting = async {
            loop {
                let found = self.federation().await;
                if let Some(found) = found.filter(|one| one.state == FederationState::Reverted) {
                    return found;
                }
                self.app.portal.worker.notify_one();
                tokio::task::yield_now().await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("the domain is taken back by itself"))
    }

    /// Whether Microsoft shows the domain as federated, and with what.
    async fn seen(&self) -> Option<Value> {
        let credentials: Value = self.ask("credentials").await;
        let domain = credentials["domains"]
            .as_array()
            .unwrap()
            .iter()
            .find(|domain| domain["id"] == DOMAIN)
            .unwrap()
            .clone();
        (domain["authenticationType"] == "Federated").then_some(domain)
    }

    async fn ask(&self, path: &str) -> Value {
        let base = self
            .app
            .portal
            .settings
            .practice
            .as_ref()
            .unwrap()
            .authority
            .clone();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http
            .get(format!("{base}/_practice/{path}"))
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    }

    /// Ada begins at Microsoft, signs in at Signpost, and hands Microsoft the token.
    async fn ada_signs_in(&self) -> String {
        let practice = self.app.portal.settings.practice.as_ref().unwrap();
        let base = &practice.authority;
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let start = http.post(format!("{base}/_practice/sign-in"));
        let sent = send(start.form(&[("username", ADA_NAME)])).await;
        let to = sent
            .headers
            .get(LOCATION)
            .unwrap_or_else(|| panic!("{}", sent.body));
        let to = to
            .to_str()
            .unwrap()
            .strip_prefix(&self.app.url)
            .unwrap()
            .to_owned();
        let ada = self.app.browser();
        let kept = ada.get(&to).await;
        let login = ada.get(kept.location()).await;
        let (request, proof) = (
            hidden_value(&login.body, "request").unwrap(),
            hidden_value(&login.body, "proof").unwrap(),
        );
        let fields = [
            ("request", request.as_str()),
            ("proof", proof.as_str()),
            ("user_name", ADA_NAME),
            ("password", PASSWORD),
        ];
        let token = ada.submit("/api/login/password", &fields).await;
        let fields: Vec<(&str, String)> = ["wa", "wresult", "wctx"]
            .into_iter()
            .filter_map(|name| Some((name, posted_value(&token, name)?)))
            .collect();
        let judged = send(http.post(format!("{base}/login.srf")).form(&fields)).await;
        let to = judged.location();
        let to = if to.starts_with('/') {
            format!("{base}{to}")
        } else {
            to.to_owned()
        };
        send(http.get(to)).await.body
    }

    async fn confirm(&self, more: &[(&str, &str)]) -> String {
        let run = self.federation().await.unwrap().run_id.to_string();
        let mut fields = vec![("run", run.as_str())];
        fields.extend_from_slice(more);
        let answer = self
            .press_federation("/api/federation/confirm", &fields)
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        self.domain_page().await
    }

    /// Time passes, at Microsoft as well.
    async fn pass(&self, minutes: i64) {
        let millis = minutes * MINUTE_MS;
        self.app.clock.advance_millis(millis);
        self.control("clock", json!({ "advance_ms": millis })).await;
    }

    async fn fault(&self, fault: Value) {
        self.control("faults", fault).await;
    }
}

both_engines! {
    async fn a_domain_is_federated_tried_by_one_person_confirmed_and_taken_back(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        let page = rehearsal.check_federation().await;
        assert!(page.contains("Nothing stands in the way"), "{page}");
        let planned = rehearsal.plan_federation().await;
        let plan = rehearsal.browser.get(&format!("/runs/{}", planned.id)).await.body;
        assert!(plan.contains("Sign-in address") && plan.contains("25 minutes"), "{plan}");
        assert_eq!(rehearsal.seen().await, None, "a plan changes nothing");
        let run = rehearsal.apply(planned).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 1), "{run:#?}");
        assert!(rehearsal.seen().await.is_some());

        let page = rehearsal.domain_page().await;
        assert!(page.contains("25 minutes left"), "{page}");
        let everywhere = rehearsal.browser.get("/users").await.body;
        assert!(everywhere.contains("taken back by itself in 25 minutes"), "{everywhere}");
        rehearsal.pass(10).await;
        assert!(rehearsal.domain_page().await.contains("15 minutes left"));
        let refused = rehearsal.confirm(&[]).await;
        assert!(refused.contains("Sign in as ada.lovelace"), "{refused}");

        let judged = rehearsal.ada_signs_in().await;
        assert!(judged.contains("igned in") && judged.contains(ADA_NAME), "{judged}");
        assert!(rehearsal.domain_page().await.contains("got a token from Signpost"));
        let page = rehearsal.confirm(&[]).await;
        assert!(page.contains("stays federated"), "{page}");
        rehearsal.pass(20).await;
        assert_eq!(rehearsal.federation().await.unwrap().state, FederationState::Confirmed);

        let answer = rehearsal.press_federation("/api/federation/revert", &[]).await;
        let run = rehearsal.run_of(&answer).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 1), "{run:#?}");
        assert_eq!(rehearsal.seen().await, None);
        let page = rehearsal.domain_page().await;
        assert!(page.contains("was taken back on"), "{page}");
        assert!(page.contains("Plan federation"), "{page}");
        let answer = rehearsal.press_federation("/api/federation/revert", &[]).await;
        let again = rehearsal.run_of(&answer).await;
        assert_eq!((again.state, again.tally.actions), (RunState::Succeeded, 0), "a second click");
    }

    async fn without_confirmation_the_domain_is_taken_back_by_itself(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        rehearsal.check_federation().await;
        assert_eq!(rehearsal.federate().await.state, RunState::Succeeded);
        rehearsal.pass(25).await;
        let reverted = rehearsal.until_reverted().await;
        assert_eq!(reverted.confirmed_at, None);
        assert_eq!(rehearsal.seen().await, None);
        let page = rehearsal.confirm(&[("anyway", "on")]).await;
        assert!(page.contains("It was too late"), "{page}");
        assert!(page.contains("Nobody had confirmed"), "{page}");
    }

    async fn another_process_takes_back_what_one_that_died_federated(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        rehearsal.check_federation().await;
        // The answer is lost after the change was made, and the worker looks in vain: as if it had
        // died between the two.
        rehearsal.fault(json!({"method": "POST", "route": CONFIGURATION, "drop_after": true,
            "once": true})).await;
        let run = rehearsal.federate().await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 1), "{run:#?}");
        let federation = rehearsal.federation().await.unwrap();
        assert_eq!(federation.state, FederationState::Confirming);
        // A portal that is started anew knows of it from the database alone.
        let portal = rehearsal.app.portal.clone();
        rehearsal.pass(25).await;
        let presence = Presence::unseen(portal.random.as_ref());
        let other = tokio::spawn(worker::run(portal, presence));
        rehearsal.until_reverted().await;
        other.abort();
        assert_eq!(rehearsal.seen().await, None);
    }

    async fn what_does_not_read_back_as_sent_is_taken_back_at_once(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        rehearsal.check_federation().await;
        let planned = rehearsal.plan_federation().await;
        // From the third look on: the plan's own looks see the truth.
        let wrong = json!({"@odata.context": "x", "value": [{
            "id": "6b32a1b0-0000-4000-8000-000000000001",
            "issuerUri": "https://elsewhere.example/",
        }]});
        rehearsal.fault(json!({"method": "GET", "route": CONFIGURATION, "status": 200,
            "body": wrong, "skip": 1, "times": 1})).await;
        let run = rehearsal.apply(planned).await;
        assert_eq!(run.state, RunState::CompletedWithFailures, "{run:#?}");
        rehearsal.until_reverted().await;
        assert_eq!(rehearsal.seen().await, None);
    }

    async fn a_refused_permission_changes_nothing_and_leads_to_the_script(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        rehearsal.check_federation().await;
        rehearsal.fault(json!({"method": "POST", "route": CONFIGURATION, "status": 403,
            "code": "Authorization_RequestDenied"})).await;
        let run = rehearsal.federate().await;
        assert!([RunState::Failed, RunState::CompletedWithFailures].contains(&run.state), "{run:#?}");
        let federation = rehearsal.federation().await.unwrap();
        assert_eq!(federation.state, FederationState::Reverted);
        let page = rehearsal.domain_page().await;
        assert!(page.contains("The domain was not federated"), "{page}");
        assert!(page.contains("/powershell"), "{page}");
        assert_eq!(rehearsal.seen().await, None);
        let settings = rehearsal.browser.get(&format!("/applications/{}/provisioning", rehearsal.application)).await;
        assert!(!settings.body.contains("With problems"), "a refused plan is no broken connection");
    }

    async fn an_account_that_is_not_ready_keeps_the_switch_locked(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        assert_eq!(rehearsal.counts().await.open(), 0);
        rehearsal.check_federation().await;
        // Somebody clears an ImmutableId meanwhile: the plan looks again, whatever the page showed.
        let account = rehearsal.account(ADA_NAME).await.unwrap();
        rehearsal.press_federation("/api/control/pause", &[]).await;
        let id = account["id"].as_str().unwrap();
        let body = json!({"id": id, "onPremisesImmutableId": null});
        rehearsal.control("accounts", body).await;
        let run = rehearsal.plan_federation().await;
        assert_eq!(run.state, RunState::Failed, "{run:#?}");
        let why = run.failure.unwrap().text;
        assert!(why.contains("ImmutableId"), "{why}");
        assert_eq!(rehearsal.counts().await.of(ImmutableIdState::Missing), 1);
        assert_eq!(rehearsal.federation().await, None);
        assert_eq!(rehearsal.seen().await, None);
    }

    async fn immutable_ids_are_repaired_in_bulk_also_while_the_domain_is_federated(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        // Else a sync puts it right by itself.
        rehearsal.press_federation("/api/control/pause", &[]).await;
        let account = rehearsal.account(ADA_NAME).await.unwrap();
        let wanted = account["onPremisesImmutableId"].clone();
        let id = account["id"].as_str().unwrap();
        let write = async |value: Value| {
            let body = json!({"id": id, "onPremisesImmutableId": value});
            rehearsal.control("accounts", body).await;
        };
        let repair = async |only| {
            let request = TenantRequest::RepairImmutableIds { only };
            rehearsal.ask_tenant(request, RunMode::Sync).await
        };
        write(Value::Null).await;
        let run = repair(None).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 1), "{run:#?}");
        assert_eq!(rehearsal.account(ADA_NAME).await.unwrap()["onPremisesImmutableId"], wanted);
        assert_eq!(rehearsal.counts().await.of(ImmutableIdState::Ready), 1, "seen at once");
        let again = repair(None).await;
        assert_eq!(again.tally.actions, 0);

        write(json!("0000000000000000")).await;
        let other = ObjectId::new("00000000-0000-0000-0000-000000000000");
        assert_eq!(repair(Some(vec![other])).await.tally.actions, 0, "only those that were named");
        assert_eq!(rehearsal.counts().await.of(ImmutableIdState::Different), 1);
        rehearsal.waive_everybody().await;
        rehearsal.check_federation().await;
        assert_eq!(rehearsal.federate().await.state, RunState::Succeeded);
        let run = repair(Some(vec![ObjectId::new(id)])).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 1), "{run:#?}");
        let after = rehearsal.account(ADA_NAME).await.unwrap();
        assert_eq!((&after["onPremisesImmutableId"], &after["id"]), (&wanted, &account["id"]));
        let mut read = rehearsal.app.portal.store.read().await.unwrap();
        let changes = runs::tenant_actions::list(&mut read, run.id, 0, 10).await.unwrap();
        let way = format!("{:?}", changes[0].action);
        assert!(way.contains("signpost-") && way.contains("onmicrosoft.com"), "{way}");
    }

    async fn an_update_tells_microsoft_the_next_certificate_and_the_switch_waits_for_it(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        rehearsal.check_federation().await;
        assert_eq!(rehearsal.federate().await.state, RunState::Succeeded);
        rehearsal.ada_signs_in().await;
        rehearsal.confirm(&[]).await;
        rehearsal.pass(1).await;
        let sign_on = format!("/applications/{}/sign-on", rehearsal.application);
        rehearsal.press_federation("/api/applications/certificates/next", &[("years", "1")]).await;
        let page = rehearsal.browser.get(&sign_on).await.body;
        assert!(page.contains("Signpost has not told it"), "{page}");
        let next = hidden_value(&page, "next").unwrap();
        rehearsal.press_federation("/api/applications/certificates/switch", &[("next", next.as_str())]).await;
        let page = rehearsal.browser.get(&sign_on).await.body;
        assert!(page.contains("Tell Microsoft first"), "{page}");

        let answer = rehearsal.press_federation("/api/federation/update", &[]).await;
        let planned = rehearsal.run_of(&answer).await;
        let run = rehearsal.apply(planned).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 1), "{run:#?}");
        let page = rehearsal.browser.get(&sign_on).await.body;
        assert!(page.contains("Microsoft was told of it"), "{page}");
        rehearsal.press_federation("/api/applications/certificates/switch", &[("next", next.as_str())]).await;
        let page = rehearsal.browser.get(&sign_on).await.body;
        assert!(page.contains("Nobody has signed in since the switch"), "{page}");
        let judged = rehearsal.ada_signs_in().await;
        assert!(judged.contains("igned in") && !judged.contains("AADSTS"), "{judged}");
        let page = rehearsal.browser.get(&sign_on).await.body;
        assert!(page.contains("Somebody got a token of it"), "{page}");
        rehearsal.pass(1).await;

        let answer = rehearsal.press_federation("/api/federation/update", &[]).await;
        let planned = rehearsal.run_of(&answer).await;
        assert_eq!(rehearsal.apply(planned).await.state, RunState::Succeeded);
        let page = rehearsal.browser.get(&sign_on).await.body;
        assert!(page.contains("Microsoft was told that it is the signing certificate"), "{page}");
        let previous = hidden_value(&page, "previous").unwrap();
        rehearsal.press_federation("/api/applications/certificates/retire", &[("previous", previous.as_str())]).await;
        let page = rehearsal.browser.get(&sign_on).await.body;
        assert!(page.contains("Retired") && page.contains("Create next certificate"), "{page}");
        let judged = rehearsal.ada_signs_in().await;
        assert!(judged.contains("igned in"), "{judged}");
    }

    async fn a_federated_application_is_not_deleted(store: Store) {
        let rehearsal = Rehearsal::begin_ready(store).await;
        rehearsal.check_federation().await;
        assert_eq!(rehearsal.federate().await.state, RunState::Succeeded);
        let settings = format!("/applications/{}/settings", rehearsal.application);
        let page = rehearsal.browser.get(&settings).await.body;
        let version = hidden_value(&page, "version").unwrap();
        let fields = [("version", version.as_str()), ("confirm", "Microsoft 365")];
        rehearsal.press_federation("/api/applications/delete", &fields).await;
        let page = rehearsal.browser.get(&settings).await.body;
        assert!(page.contains("Revert that under Sign-on first"), "{page}");
        let until = rehearsal.federation().await.unwrap().confirm_until;
        assert!(until > rehearsal.app.clock.now());
    }
}
