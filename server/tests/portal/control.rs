//! What operators steer, through the real pages against the practice tenant.

use serde_json::json;
use signpost_model::policy::DriftRule;
use signpost_model::run::{Run, RunScope, RunState, Trigger};
use signpost_model::{Policy, Role, RunId};
use signpost_server::mailer;
use signpost_store::runs::find_last_finished;
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{both_engines, policies};

use crate::mail;
use crate::support::{Answer, email};
use crate::syncing::{E3, Rehearsal, VISIO, grant, has_license};

const ANA: &str = "ana.silva@contoso.example";

impl Rehearsal {
    async fn set_policy(&self, policy: Policy) {
        let mut tx = self.app.portal.store.write().await.unwrap();
        policies::set_policy(&mut tx, self.application, &policy, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    fn page(&self, name: &str) -> String {
        format!("/applications/{}/{name}", self.application)
    }

    /// Posts a form of the application and gets the page it leads to.
    async fn post(&self, endpoint: &str, fields: &[(&str, &str)]) -> Answer {
        let application = self.application.to_string();
        let mut all = vec![("application", application.as_str())];
        all.extend_from_slice(fields);
        let path = format!("/api/control/{endpoint}");
        self.browser.submit(&path, &all).await
    }

    /// Posts a form that starts a run, and waits for it.
    async fn start(&self, endpoint: &str, fields: &[(&str, &str)]) -> Run {
        let application = self.application.to_string();
        let mut all = vec![("application", application.as_str())];
        all.extend_from_slice(fields);
        let answer = self
            .browser
            .post(&format!("/api/control/{endpoint}"), &all)
            .await;
        let id: RunId = answer
            .location()
            .rsplit('/')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        self.until_it_rests(self.run(id).await).await
    }
}

fn says(page: &Answer, words: &[&str]) {
    for word in words {
        let main = page.body.split("<main").nth(1).unwrap_or(&page.body);
        assert!(page.body.contains(word), "«{word}» in {main}");
    }
}

both_engines! {
    async fn a_leaver_is_restored_with_sign_in_and_licenses_and_stays_so(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let policy = Policy { remove_licenses: true, ..Policy::default() };
        rehearsal.set_policy(policy).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        rehearsal.sync().await;
        rehearsal.unassign(&[ana]).await;
        let left = rehearsal.sync().await;
        let account = rehearsal.account(ANA).await.unwrap();
        assert_eq!(account["accountEnabled"], false);
        assert!(!has_license(&account, E3));
        let run_page = rehearsal.browser.get(&format!("/runs/{}", left.id)).await;
        let address = rehearsal.page(&format!("users/{ana}/restore"));
        says(&run_page, &[&address]);
        let page = rehearsal.browser.get(&address).await;
        says(&page, &["Restore Ana Silva", "Microsoft 365 E3", "Allowed"]);
        let (user, snapshot) = (ana.to_string(), left.id.to_string());
        let wish = [("user", user.as_str()), ("snapshot", snapshot.as_str())];
        let refused = rehearsal.post("restore", &[&wish[..], &[("days", "no")]].concat()).await;
        says(&refused, &["Enter the days as a number"]);
        let run = rehearsal.start("restore", &[&wish[..], &[("days", "7")]].concat()).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let account = rehearsal.account(ANA).await.unwrap();
        assert_eq!(account["accountEnabled"], true);
        assert!(has_license(&account, E3));
        rehearsal.sync().await;
        let account = rehearsal.account(ANA).await.unwrap();
        assert!(has_license(&account, E3), "nothing is taken again while it is held");
        let leavers = rehearsal.browser.get(&rehearsal.page("leavers")).await;
        says(&leavers, &["Ana Silva", "Postponed until"]);
        let fields = [("user", user.as_str()), ("act", "go_on")];
        let answer = rehearsal.post("postpone", &fields).await;
        says(&answer, &["go on as the Actions say"]);
        rehearsal.sync().await;
        assert_eq!(rehearsal.account(ANA).await.unwrap()["accountEnabled"], false);
    }

    async fn a_deleted_account_comes_back_from_the_deleted_items(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let policy = Policy {
            delete_accounts: true,
            days_before_deletion: 0,
            ..Policy::default()
        };
        rehearsal.set_policy(policy).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        rehearsal.sync().await;
        rehearsal.unassign(&[ana]).await;
        let left = rehearsal.sync().await;
        assert_eq!(rehearsal.account(ANA).await, None);
        let (user, snapshot) = (ana.to_string(), left.id.to_string());
        let page = rehearsal.browser.get(&rehearsal.page(&format!("users/{ana}/restore"))).await;
        says(&page, &["deleted items"]);
        let fields = [("user", user.as_str()), ("snapshot", snapshot.as_str()), ("days", "7")];
        let run = rehearsal.start("restore", &fields).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let account = rehearsal.account(ANA).await.unwrap();
        assert_eq!(account["accountEnabled"], true);
        assert!(has_license(&account, E3));
    }

    async fn why_explains_each_step_and_sync_now_takes_one_user(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        let address = rehearsal.page(&format!("users/{ana}/why"));
        let before = rehearsal.browser.get(&address).await;
        says(&before, &[
            "Source", "Assigned directly.", "No account is linked.", "Mapping",
            "What the next plan would do", "Create account", "No calls yet",
        ]);
        let user_page = rehearsal.browser.get(&format!("/users/{ana}")).await;
        says(&user_page, &["Sync now", "Why?", "Restore"]);
        let user = ana.to_string();
        let run = rehearsal.start("sync-user", &[("user", user.as_str())]).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        assert_eq!(run.only_user, Some(ana));
        let after = rehearsal.browser.get(&address).await;
        says(&after, &["Linked with ana.silva@contoso.example", "Last calls", "Request ID"]);
        let json = rehearsal.browser.get(&format!("/runs/{}/actions.json", run.id)).await;
        let parsed: serde_json::Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!(parsed["actions"][0]["action"]["kind"], "create_account");
    }

    async fn a_failed_user_says_when_the_next_try_is_and_has_a_button(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let refused = json!({
            "method": "POST", "route": "/users", "status": 400, "once": true,
            "body": {"error": {"code": "Request_BadRequest", "message": "Not today."}},
        });
        rehearsal.control("faults", refused).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        assert_eq!(rehearsal.sync().await.state, RunState::CompletedWithFailures);
        let page = rehearsal.browser.get(&format!("/users/{ana}")).await;
        says(&page, &["Failed", "Next try", "Retry"]);
        let why = rehearsal.browser.get(&rehearsal.page(&format!("users/{ana}/why"))).await;
        says(&why, &["1 try failed.", "Not today."]);
        let user = ana.to_string();
        let run = rehearsal.start("sync-user", &[("user", user.as_str())]).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let page = rehearsal.browser.get(&format!("/users/{ana}")).await;
        assert!(!page.body.contains("Next try"));
    }

    async fn a_pause_stands_on_every_page_until_it_ends(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let settings = rehearsal.page("settings");
        says(&rehearsal.browser.get(&settings).await, &["Schedule", "Pause"]);
        rehearsal.post("pause", &[]).await;
        let auditor = rehearsal.app.sign_in(Role::Auditor).await;
        let overview = auditor.get("/").await;
        says(&overview, &["is paused by", "Resume"]);
        let resumed = rehearsal.post("resume", &[]).await;
        assert!(!resumed.body.contains("is paused by"));
        let wrong = [("look_minutes", "1"), ("full_hours", "24")];
        says(&rehearsal.post("schedule", &wrong).await, &["Enter a number from 5 to 1440"]);
        let good = [("look_minutes", "15"), ("full_hours", "48")];
        says(&rehearsal.post("schedule", &good).await, &["Schedule saved.", "value=\"15\""]);
    }

    async fn a_failing_connection_says_why_until_a_run_succeeds(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(1, "Ana", "Silva").await;
        let server = mail::with_login().await;
        mail::set_up(&rehearsal.app.sign_in(Role::Owner).await, &server, &[]).await;
        let token = json!({
            "method": "POST", "route": "/{tenant}/oauth2/v2.0/token", "status": 401, "times": 3,
            "body": {"error": "invalid_client", "error_codes": [7000222],
                     "error_description": "AADSTS7000222: The provided client secret keys are expired."},
        });
        rehearsal.control("faults", token).await;
        for _ in 0..2 {
            assert_eq!(rehearsal.sync().await.state, RunState::Failed);
        }
        let overview = rehearsal.browser.get("/users").await;
        says(&overview, &["failed 2 times in a row", "secret"]);
        assert_eq!(rehearsal.sync().await.state, RunState::Failed);
        // Whoever can do something about it is told once, by mail.
        mailer::work_off(&rehearsal.app.portal).await.unwrap();
        let arrived = server.arrived();
        let mut told: Vec<String> = arrived.iter().map(|mail| mail.to.clone()).collect();
        told.sort();
        assert_eq!(told, [email(Role::Administrator), email(Role::Owner)]);
        let text = arrived[0].text();
        assert!(text.contains("secret") && text.contains("/runs"), "{text}");
        let run = rehearsal.start("try-again", &[]).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let overview = rehearsal.browser.get("/users").await;
        assert!(!overview.body.contains("times in a row"));
    }

    async fn matches_are_reviewed_with_what_adoption_would_change(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        // The tenant is known once it was read.
        rehearsal.add(9, "Zoe", "Quist").await;
        rehearsal.sync().await;
        let account = json!({
            "userPrincipalName": ANA, "displayName": "Ana at the front desk",
            "mail": "ana.silva@contoso.example", "usageLocation": "PT",
        });
        rehearsal.control("accounts", account).await;
        rehearsal.sync().await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        let page = rehearsal.browser.get(&rehearsal.page("matches")).await;
        says(&page, &["Ana Silva", "Exact", "ImmutableId", "(kept)", "Ana at the front desk"]);
        let user = ana.to_string();
        let never = [("ids", user.as_str()), ("act", "never")];
        says(&rehearsal.post("match", &never).await, &["1 user decided", "Never linked"]);
        let choice = format!("choice-{ana}");
        let again = [("act", "save"), (choice.as_str(), "reopen")];
        says(&rehearsal.post("match", &again).await, &["Exact"]);
        let object = rehearsal.account(ANA).await.unwrap()["id"].as_str().unwrap().to_owned();
        let matched = format!("match-{ana}");
        let accept = [("ids", user.as_str()), ("act", "accept"), (matched.as_str(), object.as_str())];
        rehearsal.post("match", &accept).await;
        rehearsal.sync().await;
        let page = rehearsal.browser.get(&rehearsal.page("matches")).await;
        assert!(!page.body.contains("Ana Silva"), "she has her account now");
        assert_eq!(rehearsal.account(ANA).await.unwrap()["displayName"], "Ana at the front desk");
    }

    async fn a_match_that_waits_shows_what_it_would_change_and_is_accepted(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(9, "Zoe", "Quist").await;
        rehearsal.sync().await;
        let page = rehearsal.browser.get(&rehearsal.page("matches")).await;
        let version = crate::support::hidden_value(&page.body, "version").unwrap();
        let rule = [("version", version.as_str()), ("rule", "ask_always")];
        says(&rehearsal.post("adoption", &rule).await, &["Rule saved."]);
        let account = json!({"userPrincipalName": ANA, "displayName": "Front desk", "usageLocation": "PT"});
        rehearsal.control("accounts", account).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        // Her own run may have come first: then this one finds nothing new to say.
        assert_eq!(rehearsal.sync().await.state, RunState::Succeeded);
        let page = rehearsal.browser.get(&rehearsal.page("matches")).await;
        says(&page, &["Exact", "fits by User principal name", "(kept)", "Front desk", "ImmutableId"]);
        let user = ana.to_string();
        let matched = format!("match-{ana}");
        let object = crate::support::hidden_value(&page.body, &matched).unwrap();
        let accept = [("ids", user.as_str()), ("act", "accept"), (matched.as_str(), object.as_str())];
        rehearsal.post("match", &accept).await;
        rehearsal.sync().await;
        let account = rehearsal.account(ANA).await.unwrap();
        assert_eq!(account["onPremisesImmutableId"].as_str().map(str::len), Some(32), "{account:#}");
    }

    async fn sync_users_reads_what_changed_and_the_schedule_reads_everything(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.add(1, "Ana", "Silva").await;
        rehearsal.sync().await;
        let id = rehearsal.application.to_string();
        let press = async || {
            rehearsal.control("reset", json!({"what": "calls"})).await;
            let sync = [("application", id.as_str())];
            let answer = rehearsal.browser.post("/api/applications/sync", &sync).await;
            let run = answer.location().rsplit('/').next().unwrap().parse().unwrap();
            let run = rehearsal.until_it_rests(rehearsal.run(run).await).await;
            assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
            rehearsal.calls().await
        };
        let calls = press().await;
        assert_eq!(calls["writes"], 0, "{calls:#}");
        assert_eq!(calls["by_route"]["GET /users"], serde_json::Value::Null, "{calls:#}");
        assert!(calls["total"].as_i64().unwrap() <= 3, "{calls:#}");
        // A day later the schedule is due, and nobody has pressed anything.
        rehearsal.control("reset", json!({"what": "calls"})).await;
        rehearsal.app.clock.advance_millis(25 * 3_600_000);
        rehearsal.app.portal.worker.notify_one();
        let portal = &rehearsal.app.portal;
        let scheduled = async {
            loop {
                let mut read = portal.store.read().await.unwrap();
                let last = find_last_finished(&mut read, rehearsal.application, RunScope::Everyone);
                let last = last.await.unwrap();
                if let Some(run) = last.filter(|run| run.trigger == Trigger::Schedule) {
                    return run;
                }
                drop(read);
                tokio::task::yield_now().await;
            }
        };
        let limit = std::time::Duration::from_secs(60);
        let run = tokio::time::timeout(limit, scheduled).await.unwrap();
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let calls = rehearsal.calls().await;
        assert!(calls["by_route"]["GET /users"].as_i64().unwrap() >= 1, "{calls:#}");
    }

    async fn drift_is_listed_and_reverted_when_somebody_says_so(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let mut policy = Policy::default();
        policy.drift.rule = DriftRule::Ask;
        rehearsal.set_policy(policy).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        rehearsal.sync().await;
        let changed = json!({"userPrincipalName": ANA, "displayName": "Somebody else's words"});
        rehearsal.control("accounts", changed).await;
        assert_eq!(rehearsal.sync().await.tally.actions, 0);
        let page = rehearsal.browser.get(&rehearsal.page("drift")).await;
        says(&page, &["Somebody else", "Display name", "Accept", "Revert", "Ignore"]);
        let which = format!("{ana} display_name");
        let fields = [("which", which.as_str()), ("choice", "revert")];
        says(&rehearsal.post("drift", &fields).await, &["will be written again"]);
        rehearsal.sync().await;
        assert_eq!(rehearsal.account(ANA).await.unwrap()["displayName"], "Ana Silva");
        let page = rehearsal.browser.get(&rehearsal.page("drift")).await;
        says(&page, &["Nothing waits for a decision"]);
    }

    async fn who_waits_for_a_seat_is_listed_and_a_fallback_serves_them(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let portal = &rehearsal.app.portal;
        let mut tx = portal.store.write().await.unwrap();
        grant(&mut tx, portal.random.as_ref(), rehearsal.application, &[VISIO]).await;
        tx.commit().await.unwrap();
        for number in 1..=6 {
            rehearsal.add(number, "Person", &format!("N{number}")).await;
        }
        rehearsal.sync().await;
        let page = rehearsal.browser.get(&rehearsal.page("seats")).await;
        says(&page, &["Person N6", "1 user waits", "instead of"]);
        let version = crate::support::hidden_value(&page.body, "version").unwrap();
        let field = format!("fallback-{VISIO}-0");
        let fields = [("version", version.as_str()), (field.as_str(), E3)];
        says(&rehearsal.post("fallbacks", &fields).await, &["Fallbacks saved."]);
        rehearsal.sync().await;
        let account = rehearsal.account("person.n6@contoso.example").await.unwrap();
        assert!(has_license(&account, E3), "{account:#}");
        let page = rehearsal.browser.get(&rehearsal.page("seats")).await;
        says(&page, &["Nobody waits"]);
    }
}
