//! Changes to the tenant itself: planned, shown, applied once, and put back.

use reqwest::StatusCode;
use serde_json::json;
use signpost_model::TenantRequest;
use signpost_model::run::{Run, RunMode, RunState, Trigger};
use signpost_store::runs::NewRun;
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{both_engines, runs};

use crate::syncing::Rehearsal;

const POLICY: &str = "/policies/identitySecurityDefaultsEnforcementPolicy";

impl Rehearsal {
    /// Grants the application more permissions; they count from the next token on.
    pub(crate) async fn permit(&self, permissions: &[&str]) {
        self.control("applications", json!({"grant": permissions}))
            .await;
    }

    /// Connected, and allowed to change the policies of its tenant.
    async fn begin_with_policies(store: signpost_store::Store) -> Self {
        let rehearsal = Self::begin(store).await;
        rehearsal
            .permit(&["Policy.Read.All", "Policy.ReadWrite.SecurityDefaults"])
            .await;
        rehearsal
    }

    /// Queues a run about the tenant itself and waits until it is over or waits for an answer.
    pub(crate) async fn ask_tenant(&self, request: TenantRequest, mode: RunMode) -> Run {
        let portal = &self.app.portal;
        let new = NewRun::of_tenant(self.application, request, Trigger::Operator, mode);
        let mut tx = portal.store.write().await.unwrap();
        let random = portal.random.as_ref();
        let queued = runs::queue(&mut tx, random, &new, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        portal.worker.notify_one();
        self.until_it_rests(queued.run().clone()).await
    }

    async fn turn_off_security_defaults(&self) -> Run {
        let request = TenantRequest::SetSecurityDefaults { enabled: false };
        self.ask_tenant(request, RunMode::Sync).await
    }

    /// How often the tenant was told to change its security defaults.
    async fn changes(&self) -> i64 {
        let calls = self.calls().await;
        let route = format!("PATCH {POLICY}");
        calls["by_route"][route].as_i64().unwrap_or(0)
    }
}

both_engines! {
    async fn a_plan_for_the_tenant_waits_and_is_applied_once(store: Store) {
        let rehearsal = Rehearsal::begin_with_policies(store).await;
        let request = TenantRequest::SetSecurityDefaults { enabled: false };
        let run = rehearsal.ask_tenant(request, RunMode::Preview).await;
        assert_eq!(run.state, RunState::AwaitingApproval, "{run:#?}");
        assert_eq!(rehearsal.changes().await, 0);
        let page = rehearsal.browser.get(&format!("/runs/{}", run.id)).await;
        assert!(page.body.contains("Changes to the tenant"), "{}", page.body);
        assert!(page.body.contains("Turn off security defaults"));

        let (id, hash) = (run.id.to_string(), run.plan_hash.clone().unwrap());
        let fields = [("run", id.as_str()), ("hash", hash.as_str())];
        let answer = rehearsal.browser.post("/api/runs/apply", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let run = rehearsal.until_it_rests(run).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        assert_eq!((run.tally.applied, rehearsal.changes().await), (1, 1));

        let again = rehearsal.turn_off_security_defaults().await;
        assert_eq!((again.state, again.tally.actions), (RunState::Succeeded, 0));
        assert_eq!(rehearsal.changes().await, 1);
    }

    async fn without_the_permission_nothing_is_changed_and_the_run_names_it(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        rehearsal.permit(&["Policy.Read.All"]).await;
        let run = rehearsal.turn_off_security_defaults().await;
        assert_eq!(run.state, RunState::Failed);
        let failure = run.failure.unwrap();
        assert!(failure.text.contains("Policy.ReadWrite.SecurityDefaults"), "{failure:?}");
    }

    async fn what_was_changed_is_put_back_as_it_was(store: Store) {
        let rehearsal = Rehearsal::begin_with_policies(store).await;
        assert_eq!(rehearsal.turn_off_security_defaults().await.tally.applied, 1);
        let back = rehearsal.ask_tenant(TenantRequest::PutBack, RunMode::Sync).await;
        assert_eq!((back.state, back.tally.applied), (RunState::Succeeded, 1));
        // On again: turning them off is a change.
        assert_eq!(rehearsal.turn_off_security_defaults().await.tally.applied, 1);
        let back = rehearsal.ask_tenant(TenantRequest::PutBack, RunMode::Sync).await;
        assert_eq!(back.tally.applied, 1);
        let nothing = rehearsal.ask_tenant(TenantRequest::PutBack, RunMode::Sync).await;
        assert_eq!(nothing.tally.actions, 0);
    }

    async fn a_lost_answer_about_the_tenant_is_read_back_and_not_repeated(store: Store) {
        let rehearsal = Rehearsal::begin_with_policies(store).await;
        let fault = json!({"method": "PATCH", "route": POLICY, "drop_after": true, "once": true});
        rehearsal.control("faults", fault).await;
        let run = rehearsal.turn_off_security_defaults().await;
        assert_eq!((run.state, run.tally.applied), (RunState::Succeeded, 1), "{run:#?}");
        assert_eq!(rehearsal.changes().await, 1);
    }

    async fn a_refusal_about_the_tenant_is_shown_and_can_be_tried_again(store: Store) {
        let rehearsal = Rehearsal::begin_with_policies(store).await;
        let fault = json!({"method": "PATCH", "route": POLICY, "status": 400, "code": "BadRequest",
            "once": true});
        rehearsal.control("faults", fault).await;
        let run = rehearsal.turn_off_security_defaults().await;
        assert_eq!(run.state, RunState::CompletedWithFailures, "{run:#?}");
        let id = run.id.to_string();
        let answer = rehearsal.browser.post("/api/runs/retry", &[("run", id.as_str())]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let again = answer.location().trim_start_matches("/runs/").parse().unwrap();
        let again = rehearsal.until_it_rests(rehearsal.run(again).await).await;
        assert_eq!((again.state, again.tally.applied), (RunState::Succeeded, 1), "{again:#?}");
    }
}
