//! Readiness against the practice tenant: checks, what is missing, what operators answer for,
//! accounts read in the background, plans, and the certificate.

use reqwest::StatusCode;
use serde_json::{Value, json};
use signpost_app::connector::{Connector, stored};
use signpost_model::connection::{CredentialKind, Findings};
use signpost_model::random::SeededRandom;
use signpost_model::readiness::{CheckKey, CheckState, MfaTally};
use signpost_model::run::RunState;
use signpost_model::{AccessType, ConnectionState, Role};
use signpost_server::readings;
use signpost_store::account_readings::{self, Phase, Registrations};
use signpost_store::connection_certificates::{self, Which};
use signpost_store::connections::ConnectionUpdate;
use signpost_store::readiness::KnownCheck;
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{PageRequest, applications, audit, both_engines, connections, readiness};

use crate::support::Answer;
use crate::syncing::Rehearsal;

impl Rehearsal {
    fn readiness_page(&self) -> String {
        format!("/applications/{}/readiness", self.application)
    }

    async fn press(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let id = self.application.to_string();
        let mut all = vec![("application", id.as_str())];
        all.extend_from_slice(fields);
        let from = self.readiness_page();
        let path = format!("/api/readiness/{path}");
        let answer = self.browser.post_from(&from, &path, &all).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{path}: {}",
            answer.body
        );
        answer
    }

    /// Presses a button and reads the page that it leads to.
    async fn press_and_read(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.press(path, fields).await;
        let page = self.browser.get(answer.location()).await;
        assert_eq!(page.status, 200);
        page.body
    }

    async fn check_all(&self) -> Vec<KnownCheck> {
        self.press("check", &[]).await;
        self.known_checks().await
    }

    async fn known_checks(&self) -> Vec<KnownCheck> {
        let mut db = self.app.portal.store.read().await.unwrap();
        readiness::list(&mut db, self.application).await.unwrap()
    }

    async fn check(&self, key: CheckKey) -> KnownCheck {
        let mut all = self.known_checks().await;
        all.retain(|known| known.check.key == key);
        all.remove(0)
    }

    async fn read_accounts(&self) -> account_readings::AccountReading {
        self.press("read-accounts", &[]).await;
        assert!(readings::work_once(&self.app.portal, "test").await.unwrap());
        let mut db = self.app.portal.store.read().await.unwrap();
        let found = account_readings::find(&mut db, self.application).await;
        found.unwrap().unwrap()
    }

    /// What an administrator clicks in the practice tenant.
    async fn admin(&self, fields: &[(&str, &str)]) {
        let url = format!("{}/_practice/admin", self.tenant);
        let answer = self.http.post(url).form(fields).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
    }

    async fn set_mfa(&self, account: &str, state: &str) {
        self.admin(&[("what", "mfa"), ("account", account), ("state", state)])
            .await;
    }

    async fn revoke(&self, permissions: &[&str]) {
        self.control("applications", json!({"revoke": permissions}))
            .await;
    }

    /// Applies the plan on whose page the answer leads.
    async fn apply_plan(&self, answer: &Answer) -> signpost_model::run::Run {
        let run = self.planned_run(answer).await;
        assert_eq!(run.state, RunState::AwaitingApproval, "{run:#?}");
        let (id, hash) = (run.id.to_string(), run.plan_hash.clone().unwrap());
        let fields = [("run", id.as_str()), ("hash", hash.as_str())];
        self.browser.post("/api/runs/apply", &fields).await;
        self.until_it_rests(run).await
    }
}

fn state_of(checks: &[KnownCheck], key: CheckKey) -> CheckState {
    let known = checks.iter().find(|known| known.check.key == key);
    known.unwrap().state()
}

const BOB: &str = "bob.keller@contoso.example";
const CAROL: &str = "c.whitfield@contoso.example";
const HELPDESK: &str = "helpdesk@contoso.example";

both_engines! {
    async fn every_check_is_made_kept_and_shown_with_what_to_do_next(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let before = rehearsal.browser.get(&rehearsal.readiness_page()).await;
        assert!(before.body.contains("Not checked yet"));
        let checks = rehearsal.check_all().await;
        assert_eq!(checks.len(), CheckKey::ALL.len());
        for (key, state) in [
            (CheckKey::SignIn, CheckState::Passed),
            (CheckKey::Permissions, CheckState::Passed),
            (CheckKey::DomainVerified, CheckState::Passed),
            (CheckKey::DomainNotDefault, CheckState::Passed),
            (CheckKey::BreakGlass, CheckState::Passed),
            (CheckKey::SecurityDefaults, CheckState::Attention),
            (CheckKey::MfaRemains, CheckState::Passed),
            (CheckKey::PerUserMfa, CheckState::Unknown),
            (CheckKey::Registration, CheckState::Unknown),
            (CheckKey::PublicAddress, CheckState::Passed),
            (CheckKey::Tls, CheckState::Passed),
            (CheckKey::Metadata, CheckState::Passed),
        ] {
            assert_eq!(state_of(&checks, key), state, "{key:?}: {checks:#?}");
        }
        let page = rehearsal.browser.get(&rehearsal.readiness_page()).await.body;
        for key in CheckKey::ALL {
            assert!(page.contains(key.label()), "{key:?}");
        }
        let overview = rehearsal.browser.get("/").await.body;
        assert!(overview.contains("Readiness of"));
        let history = format!("{}/security_defaults/history", rehearsal.readiness_page());
        let history = rehearsal.browser.get(&history).await;
        assert!(history.body.contains("They are on"), "{}", history.body);
        rehearsal.conformance.assert_clean();
    }

    async fn a_missing_permission_makes_its_checks_unknown_and_is_named(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let needed = [
            (CheckKey::SecurityDefaults, "Policy.Read.All"),
            (CheckKey::BreakGlass, "RoleManagement.Read.Directory"),
            (CheckKey::CredentialEnd, "Application.Read.All"),
        ];
        rehearsal.revoke(&needed.map(|(_, permission)| permission)).await;
        let checks = rehearsal.check_all().await;
        for (key, permission) in needed {
            let known = checks.iter().find(|known| known.check.key == key).unwrap();
            assert_eq!(known.state(), CheckState::Unknown);
            assert_eq!(known.check.missing.as_deref(), Some(permission));
            assert!(known.check.next.contains(&format!("Grant {permission}")), "{known:#?}");
        }
        assert_eq!(state_of(&checks, CheckKey::DomainVerified), CheckState::Passed);
        assert_eq!(state_of(&checks, CheckKey::Permissions), CheckState::Failed);
        let page = rehearsal.browser.get(&rehearsal.readiness_page()).await.body;
        assert!(page.contains("the permission Policy.Read.All is missing"));
        rehearsal.revoke(&["Domain.Read.All"]).await;
        let checks = rehearsal.check_all().await;
        for key in [
            CheckKey::DomainVerified, CheckKey::DomainNotDefault, CheckKey::DomainRoot,
            CheckKey::UserNames, CheckKey::MfaHandover,
        ] {
            let known = checks.iter().find(|known| known.check.key == key).unwrap();
            assert_eq!(known.state(), CheckState::Unknown, "{known:#?}");
            assert!(known.check.missing.is_some(), "{known:#?}");
        }
    }

    async fn a_bad_answer_makes_its_check_unknown_with_the_reason_and_leaves_the_others(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        // While security defaults ask everybody, nobody has to know the other policies.
        rehearsal.admin(&[("what", "security-defaults"), ("to", "off")]).await;
        let about = [
            ("/policies/identitySecurityDefaultsEnforcementPolicy", &[CheckKey::SecurityDefaults][..]),
            ("/identity/conditionalAccess/policies", &[CheckKey::MfaRemains]),
            ("/domains", &[CheckKey::DomainVerified, CheckKey::DomainNotDefault, CheckKey::DomainRoot, CheckKey::UserNames]),
            ("/domains/{id}/federationConfiguration", &[CheckKey::MfaHandover]),
            ("/directoryRoles", &[CheckKey::BreakGlass]),
            ("/applications(appId='{id}')", &[CheckKey::CredentialEnd]),
            ("/organization", &[CheckKey::Clock]),
        ];
        let all: Vec<CheckKey> = about.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
        for (effect, words) in [
            (json!({"status": 200, "body": "<html>sign in</html>"}), "could not be read"),
            (json!({"status": 200, "body": {"isEnabled": "perhaps", "value": 7,
                "passwordCredentials": "none"}}), "could not be read"),
            (json!({"status": 403, "code": "Authorization_RequestDenied"}), "does not allow it"),
            (json!({"status": 429, "headers": {"Retry-After": "60"}, "code": "TooManyRequests"}), "asked to slow down"),
            (json!({"status": 503, "body": "down"}), "did not answer"),
        ] {
            for (route, _) in about {
                let mut fault = effect.clone();
                fault["method"] = json!("GET");
                fault["route"] = json!(route);
                rehearsal.control("faults", fault).await;
            }
            let checks = rehearsal.check_all().await;
            for known in &checks {
                let key = known.check.key;
                if !all.contains(&key) {
                    continue;
                }
                // Our clock needs the date of any answer, and no more of it.
                if key == CheckKey::Clock && effect["status"] == 200 {
                    continue;
                }
                assert_eq!(known.state(), CheckState::Unknown, "{effect}: {known:#?}");
                assert!(known.check.sentence.contains(words), "{effect}: {known:#?}");
                assert!(!known.check.next.is_empty(), "{known:#?}");
            }
            assert_eq!(state_of(&checks, CheckKey::SignIn), CheckState::Passed);
            assert_eq!(state_of(&checks, CheckKey::Metadata), CheckState::Passed);
            let url = format!("{}/_practice/faults", rehearsal.tenant);
            rehearsal.http.delete(url).send().await.unwrap();
        }
    }

    async fn without_a_sign_in_nothing_is_passed_that_the_tenant_decides(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.control("applications", json!({"secret_expires_in_days": -1})).await;
        let checks = rehearsal.check_all().await;
        assert_eq!(state_of(&checks, CheckKey::SignIn), CheckState::Failed);
        for key in [CheckKey::DomainVerified, CheckKey::BreakGlass, CheckKey::MfaHandover] {
            assert_eq!(state_of(&checks, key), CheckState::Unknown, "{key:?}");
        }
    }

    async fn the_end_of_the_secret_is_told_60_30_and_7_days_before(store: Store) {
        let mut rehearsal = Rehearsal::begin(store).await;
        rehearsal.meet_the_tenants_clock().await;
        for (days, state, overview) in [
            (62, CheckState::Passed, "Nothing to do yet"),
            (59, CheckState::Attention, "Replace it in time"),
            (29, CheckState::Attention, "Replace it in time"),
            (6, CheckState::Failed, "Replace it now"),
        ] {
            rehearsal.control("applications", json!({"secret_expires_in_days": days})).await;
            let checks = rehearsal.check_all().await;
            assert_eq!(state_of(&checks, CheckKey::CredentialEnd), state, "{days}");
            let page = rehearsal.browser.get("/").await.body;
            assert!(page.contains(overview), "{days}: {page}");
        }
    }

    async fn an_operator_answers_for_a_check_with_a_reason_until_it_is_withdrawn(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.check_all().await;
        let key = CheckKey::SecurityDefaults;
        let (check, state) = ("security_defaults", "attention");
        let without = [("check", check), ("state", state)];
        let page = rehearsal.press_and_read("waive", &without).await;
        assert!(page.contains("Enter why it may stay"), "{page}");
        let with = [("check", check), ("state", state), ("reason-security_defaults", "Next week")];
        let page = rehearsal.press_and_read("waive", &with).await;
        assert!(page.contains("Waived by") && page.contains("Next week"));
        assert_eq!(rehearsal.check(key).await.state(), CheckState::Waived);
        let stale = [("check", check), ("state", "failed"), ("reason-security_defaults", "Old")];
        let page = rehearsal.press_and_read("waive", &stale).await;
        assert!(page.contains("came out differently"));
        rehearsal.press("withdraw", &[("check", check)]).await;
        assert_eq!(rehearsal.check(key).await.state(), CheckState::Attention);
        // What locks people out is nobody's to wave through.
        rehearsal.control("accounts", json!({"accounts": [
            {"userPrincipalName": "breakglass1@contoso-practice.onmicrosoft.com", "roles": []},
            {"userPrincipalName": "breakglass2@contoso-practice.onmicrosoft.com", "roles": []},
        ]})).await;
        let checks = rehearsal.check_all().await;
        assert_eq!(state_of(&checks, CheckKey::BreakGlass), CheckState::Failed);
        let fields = [("check", "break_glass"), ("state", "failed"), ("reason-break_glass", "No")];
        rehearsal.press("waive", &fields).await;
        assert_eq!(rehearsal.check(CheckKey::BreakGlass).await.state(), CheckState::Failed);
    }

    async fn what_cannot_be_read_is_ticked_by_hand_with_a_name(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.check_all().await;
        let fields = [("mark", "registration_off"), ("ticked", "yes")];
        let page = rehearsal.press_and_read("mark", &fields).await;
        assert!(page.contains("Administrator of Contoso"), "{page}");
        assert!(page.contains("up to an hour"));
        let key = CheckKey::Registration;
        assert_eq!(rehearsal.check(key).await.state(), CheckState::Passed);
        rehearsal.press("mark", &[("mark", "registration_off"), ("ticked", "no")]).await;
        assert_eq!(rehearsal.check(key).await.state(), CheckState::Unknown);
    }

    async fn accounts_are_read_in_batches_and_told_apart(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.check_all().await;
        for (account, state) in [(BOB, "enforced"), (CAROL, "enabled"), (HELPDESK, "enforced")] {
            rehearsal.set_mfa(account, state).await;
        }
        let reading = rehearsal.read_accounts().await;
        assert_eq!(reading.phase, Phase::Done, "{reading:#?}");
        let MfaTally { asked, administrators_asked, unreadable, unread, .. } = reading.tally;
        assert_eq!((asked, administrators_asked, unreadable, unread), (2, 1, 0, 0));
        assert!(matches!(reading.registrations, Some(Registrations::Known(tally)) if tally.users > 0));
        assert_eq!(rehearsal.check(CheckKey::PerUserMfa).await.state(), CheckState::Attention);
        assert_eq!(rehearsal.check(CheckKey::PasswordReset).await.state(), CheckState::Passed);
        let calls = rehearsal.calls().await;
        let asked = calls["by_route"]["GET /users/{id}/authentication/requirements"].as_i64();
        assert_eq!(asked, Some(reading.tally.accounts));
        rehearsal.conformance.assert_clean();
    }

    async fn an_account_that_cannot_be_read_is_never_taken_for_disabled(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.check_all().await;
        let route = "/users/{id}/authentication/requirements";
        let fault = json!({"method": "GET", "route": route, "status": 500, "code": "InternalServerError"});
        rehearsal.control("faults", fault).await;
        let reading = rehearsal.read_accounts().await;
        assert_eq!(reading.phase, Phase::Done);
        assert_eq!(reading.tally.unreadable, reading.tally.accounts);
        assert_eq!(reading.tally.disabled, 0);
        assert_eq!(rehearsal.check(CheckKey::PerUserMfa).await.state(), CheckState::Unknown);
    }

    async fn a_reading_without_its_permission_stops_and_names_it(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.revoke(&["Policy.Read.All"]).await;
        rehearsal.check_all().await;
        let reading = rehearsal.read_accounts().await;
        assert_eq!(reading.phase, Phase::Failed);
        assert!(reading.failure.unwrap().contains("Policy.Read.All"));
        assert_eq!(rehearsal.check(CheckKey::PerUserMfa).await.state(), CheckState::Unknown);
    }

    async fn per_user_mfa_is_turned_off_by_a_plan_and_put_back_as_it_was(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.permit(&["Policy.ReadWrite.AuthenticationMethod"]).await;
        rehearsal.check_all().await;
        for (account, state) in [(BOB, "enforced"), (CAROL, "enabled"), (HELPDESK, "enforced")] {
            rehearsal.set_mfa(account, state).await;
        }
        rehearsal.read_accounts().await;
        let answer = rehearsal.press("per-user-mfa", &[]).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 2), "{run:#?}");
        assert_eq!(rehearsal.mfa(BOB).await, "disabled");
        assert_eq!(rehearsal.mfa(HELPDESK).await, "enforced", "administrators are left alone");
        let page = rehearsal.browser.get(&rehearsal.readiness_page()).await.body;
        assert!(page.contains("Changed by Signpost") && page.to_lowercase().contains(BOB), "{page}");
        let answer = rehearsal.press("put-back", &[]).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 2), "{run:#?}");
        assert_eq!(rehearsal.mfa(BOB).await, "enforced");
        assert_eq!(rehearsal.mfa(CAROL).await, "enabled");
        rehearsal.conformance.assert_clean();
    }

    async fn the_application_renews_its_secret_and_the_old_one_is_gone(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.permit(&["Application.ReadWrite.OwnedBy"]).await;
        let before = rehearsal.secret().await;
        let answer = rehearsal.press("renew-secret", &[]).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 2), "{run:#?}");
        assert_ne!(rehearsal.secret().await, before);
        let checks = rehearsal.check_all().await;
        assert_eq!(state_of(&checks, CheckKey::SignIn), CheckState::Passed);
        let page = rehearsal.browser.get(&format!("/runs/{}", run.id)).await;
        assert!(!page.body.contains(&rehearsal.secret().await));
        rehearsal.conformance.assert_clean();
    }

    async fn without_the_permission_the_secret_stays(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let before = rehearsal.secret().await;
        let answer = rehearsal.press("renew-secret", &[]).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_ne!(run.state, RunState::Succeeded, "{run:#?}");
        assert_eq!(rehearsal.secret().await, before);
        let checks = rehearsal.check_all().await;
        assert_eq!(state_of(&checks, CheckKey::SignIn), CheckState::Passed);
    }

    async fn a_certificate_is_used_only_once_microsoft_accepts_it(store: Store) {
        let mut rehearsal = Rehearsal::begin(store).await;
        rehearsal.meet_the_tenants_clock().await;
        rehearsal.press("certificate", &[]).await;
        let file = format!("{}/files/signpost.cer", rehearsal.readiness_page());
        let file = rehearsal.browser.get(&file).await;
        assert!(file.body.starts_with("-----BEGIN CERTIFICATE-----"), "{}", file.body);
        assert!(!file.body.contains("PRIVATE KEY"));
        let page = rehearsal.press_and_read("certificate/use", &[]).await;
        assert!(page.contains("Microsoft does not accept the certificate"), "{page}");
        assert_eq!(rehearsal.credential().await, CredentialKind::Secret);
        let fields = [("what", "certificate"), ("certificate", file.body.as_str())];
        rehearsal.admin(&fields).await;
        let page = rehearsal.press_and_read("certificate/use", &[]).await;
        assert!(page.contains("signs in with the certificate now"), "{page}");
        assert_eq!(rehearsal.credential().await, CredentialKind::Certificate);
        let checks = rehearsal.check_all().await;
        assert_eq!(state_of(&checks, CheckKey::SignIn), CheckState::Passed);
        assert_eq!(state_of(&checks, CheckKey::CredentialEnd), CheckState::Passed);
        let (_, key) = {
            let portal = &rehearsal.app.portal;
            let mut db = portal.store.read().await.unwrap();
            let (sealer, which) = (portal.store.sealer(), Which::Current);
            let opened = connection_certificates::open(&mut db, sealer, rehearsal.application, which);
            opened.await.unwrap().unwrap()
        };
        let page = rehearsal.browser.get(&format!("{}/registration", rehearsal.readiness_page())).await;
        assert!(!page.body.contains(key.expose()));
    }

    async fn the_next_certificate_is_uploaded_tried_and_used_and_the_secret_goes_last(store: Store) {
        let mut rehearsal = Rehearsal::begin(store).await;
        rehearsal.meet_the_tenants_clock().await;
        rehearsal.permit(&["Application.ReadWrite.OwnedBy"]).await;
        let others = rehearsal.registered().await;
        rehearsal.press("certificate", &[]).await;
        let answer = rehearsal.press("certificate/upload", &[]).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 2), "{run:#?}");
        assert_eq!(rehearsal.credential().await, CredentialKind::Certificate);
        let held = rehearsal.registered().await;
        assert_eq!((held.secrets.len(), held.certificates.len()), (others.secrets.len() - 1, 1));
        let checks = rehearsal.check_all().await;
        assert_eq!(state_of(&checks, CheckKey::SignIn), CheckState::Passed);
        // From one certificate to the next no permission is needed: the old key vouches for it.
        rehearsal.revoke(&["Application.ReadWrite.OwnedBy"]).await;
        let first = held.certificates[0].key_id;
        rehearsal.press("certificate", &[]).await;
        let answer = rehearsal.press("certificate/upload", &[]).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 2), "{run:#?}");
        let held = rehearsal.registered().await;
        assert_eq!(held.certificates.len(), 1);
        assert_ne!(held.certificates[0].key_id, first);
        let checks = rehearsal.check_all().await;
        assert_eq!(state_of(&checks, CheckKey::SignIn), CheckState::Passed);
        assert_eq!(state_of(&checks, CheckKey::CredentialEnd), CheckState::Passed);
        let mut db = rehearsal.app.portal.store.read().await.unwrap();
        let events = audit::list(&mut db, &audit::AuditFilter::default(), &PageRequest::first(50)).await;
        let used = events.unwrap().items.iter().filter(|event| event.action == "connection.certificate_used").count();
        assert_eq!(used, 2);
        rehearsal.conformance.assert_clean();
    }

    async fn runs_sign_in_with_the_new_certificate_from_the_switch_on(store: Store) {
        let mut rehearsal = Rehearsal::begin(store).await;
        rehearsal.meet_the_tenants_clock().await;
        rehearsal.permit(&["Application.ReadWrite.OwnedBy"]).await;
        rehearsal.add(1, "Ana", "Silva").await;
        // The second time the first certificate is gone from the registration.
        for _ in 0..2 {
            rehearsal.press("certificate", &[]).await;
            let answer = rehearsal.press("certificate/upload", &[]).await;
            let run = rehearsal.apply_plan(&answer).await;
            assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 2), "{run:#?}");
            rehearsal.control("tokens/expire", json!({})).await;
            let run = rehearsal.sync().await;
            assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        }
    }

    async fn what_another_application_signs_in_with_stays(store: Store) {
        let mut rehearsal = Rehearsal::begin(store).await;
        rehearsal.meet_the_tenants_clock().await;
        rehearsal.permit(&["Application.ReadWrite.OwnedBy"]).await;
        rehearsal.connect_another().await;
        let before = rehearsal.registered().await;
        rehearsal.press("certificate", &[]).await;
        let answer = rehearsal.press("certificate/upload", &[]).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 1), "{run:#?}");
        assert_eq!(rehearsal.registered().await.secrets, before.secrets);
    }

    async fn an_answer_without_the_list_of_keys_replaces_nobodys(store: Store) {
        let mut rehearsal = Rehearsal::begin(store).await;
        rehearsal.meet_the_tenants_clock().await;
        rehearsal.permit(&["Application.ReadWrite.OwnedBy"]).await;
        let id = rehearsal.registered().await.id;
        rehearsal.press("certificate", &[]).await;
        let answer = rehearsal.press("certificate/upload", &[]).await;
        rehearsal.control("faults", json!({"method": "GET", "contains": "select=id,keyCredentials",
            "status": 200, "body": {"id": id}})).await;
        rehearsal.control("reset", json!({"what": "calls"})).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_eq!(run.tally.applied, 0, "{run:#?}");
        assert_eq!(rehearsal.calls().await["by_route"]["PATCH /applications/{id}"], Value::Null);
        assert_eq!(rehearsal.credential().await, CredentialKind::Secret);
    }

    async fn without_the_permission_the_certificate_goes_by_hand_and_the_reason_is_named(store: Store) {
        let mut rehearsal = Rehearsal::begin(store).await;
        rehearsal.meet_the_tenants_clock().await;
        rehearsal.press("certificate", &[]).await;
        let page = rehearsal.browser.get(&format!("{}/registration", rehearsal.readiness_page())).await;
        assert!(!page.body.contains("Plan to upload"), "{}", page.body);
        let answer = rehearsal.press("certificate/upload", &[]).await;
        let run = rehearsal.planned_run(&answer).await;
        assert_eq!(run.state, RunState::Failed, "{run:#?}");
        let why = run.failure.unwrap().text;
        assert!(why.contains("Application.ReadWrite.OwnedBy") && why.contains("upload it in Entra"), "{why}");
        assert_eq!(rehearsal.credential().await, CredentialKind::Secret);
    }

    async fn a_refused_upload_leaves_the_secret_in_use_and_removes_nothing(store: Store) {
        let mut rehearsal = Rehearsal::begin(store).await;
        rehearsal.meet_the_tenants_clock().await;
        rehearsal.permit(&["Application.ReadWrite.OwnedBy"]).await;
        let before = rehearsal.registered().await;
        // Granted, but somebody else owns the registration.
        rehearsal.control("faults", json!({"method": "PATCH", "route": "/applications/{id}",
            "status": 403, "code": "Authorization_RequestDenied"})).await;
        rehearsal.press("certificate", &[]).await;
        let answer = rehearsal.press("certificate/upload", &[]).await;
        let run = rehearsal.apply_plan(&answer).await;
        assert_eq!(run.tally.applied, 0, "{run:#?}");
        assert_eq!(rehearsal.credential().await, CredentialKind::Secret);
        assert_eq!(rehearsal.registered().await.secrets.len(), before.secrets.len());
        let page = rehearsal.browser.get(&format!("/runs/{}", run.id)).await;
        assert!(page.body.contains("does not let Signpost change its own registration"), "{}", page.body);
        let checks = rehearsal.check_all().await;
        assert_eq!(state_of(&checks, CheckKey::SignIn), CheckState::Passed);
    }
}

impl Rehearsal {
    /// Another application of this portal with the same registration.
    async fn connect_another(&self) {
        let store = &self.app.portal.store;
        let mut tx = store.write().await.unwrap();
        let connection = connections::find(&mut tx, self.application).await.unwrap();
        let settings = connection.unwrap().settings;
        let random = SeededRandom::new(77);
        let access = AccessType::AllUsers;
        let other = applications::create(&mut tx, &random, "Another", &access, &AUTHOR, NOW)
            .await
            .unwrap();
        let update = ConnectionUpdate {
            settings: &settings,
            secret: None,
            state: ConnectionState::Connected,
            findings: &Findings::default(),
        };
        let sealer = store.sealer();
        connections::save(&mut tx, sealer, &random, other.id, update, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn mfa(&self, name: &str) -> String {
        let account: Value = self.account(name).await.unwrap();
        account["perUserMfaState"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    async fn secret(&self) -> String {
        let store = &self.app.portal.store;
        let mut db = store.read().await.unwrap();
        let opened = connections::open_secret(&mut db, store.sealer(), self.application);
        opened.await.unwrap().unwrap().expose().to_owned()
    }

    /// Assertions are valid for minutes: both sides must mean the same ones.
    async fn meet_the_tenants_clock(&mut self) {
        let url = format!("{}/_practice/clock", self.tenant);
        let answer: Value = self
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let theirs = answer["now_ms"].as_i64().unwrap();
        let ours = self.app.portal.clock.now().as_millis();
        self.app.clock.advance_millis(theirs - ours);
        self.browser = self.app.sign_in(Role::Administrator).await;
    }

    /// The registration as Microsoft lists it.
    async fn registered(&self) -> signpost_graph::Registration {
        let portal = &self.app.portal;
        let mut db = portal.store.read().await.unwrap();
        let known = stored(&portal.store, &mut db, self.application).await;
        let (connection, credential) = known.unwrap().unwrap();
        drop(db);
        let client = Connector::of(portal)
            .for_page(&connection.settings, &credential)
            .unwrap();
        let own = connection.settings.client_id.parse().unwrap();
        let found = client.application_credentials(own).await;
        found.unwrap().unwrap()
    }

    /// The run on whose page the answer leads, once it rests.
    async fn planned_run(&self, answer: &Answer) -> signpost_model::run::Run {
        let id = answer
            .location()
            .trim_start_matches("/runs/")
            .parse()
            .unwrap();
        self.until_it_rests(self.run(id).await).await
    }

    async fn credential(&self) -> CredentialKind {
        let mut db = self.app.portal.store.read().await.unwrap();
        let found = connections::find(&mut db, self.application).await.unwrap();
        found.unwrap().credential
    }
}

#[tokio::test]
async fn features_decide_which_permissions_the_script_asks_for() {
    let database = signpost_store::testing::Database::create(signpost_store::Engine::Sqlite).await;
    let rehearsal = Rehearsal::begin(database.store.clone()).await;
    let script = format!("{}/files/register.ps1", rehearsal.readiness_page());
    let usual = rehearsal.browser.get(&script).await.body;
    assert!(usual.contains("'Policy.Read.All' = '246dd0d5-5bd0-4def-940b-0421030a5b68'"));
    assert!(!usual.contains("Policy.ReadWrite"));
    let fields = [("feature", "switch_security_defaults")];
    let page = rehearsal.press_and_read("features", &fields).await;
    assert!(page.contains("Delegated permissions"), "{page}");
    let chosen = rehearsal.browser.get(&script).await.body;
    assert!(chosen.contains("'Policy.ReadWrite.SecurityDefaults'"));
    assert!(!chosen.contains("'Policy.Read.All'"));
    let auditor = rehearsal.app.sign_in(Role::Auditor).await;
    let page = auditor.get(&rehearsal.readiness_page()).await;
    assert!(page.status == 200 && !page.body.contains("Check readiness"));
}
