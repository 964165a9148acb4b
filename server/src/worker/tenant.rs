//! Runs about a tenant itself: what was asked is planned from what is there, then carried out.

use std::collections::HashMap;
use std::sync::Arc;

use app::portal::Portal;
use signpost_app as app;
use signpost_graph::{Client, ErrorKind, ObjectId};
use signpost_model::readiness::PerUserMfa;
use signpost_model::run::{Outcome, Run, RunMode, WaitsFor};
use signpost_model::{Author, KeptValue, PlannedTenantAction, TenantRequest, Timestamp};
use signpost_store::runs::actions::ActionState;
use signpost_store::runs::tenant_actions::{self, StoredTenantAction};
use signpost_store::runs::{self, RunLease};
use signpost_store::{Error, Result, account_readings, kept_values, readiness};
use signpost_sync::tenant::{
    self, AskedAccount, Ended, GraphSettings, Signal, Step, Surroundings, TenantJournal, TenantPlan,
};
use signpost_sync::translate::run_failure;

use super::journal::signal;
use super::own_credential::StoredCredential;
use super::{Interrupted, Worker, federation, renewing};

/// Remembered values read at a time.
const CHUNK: i64 = 200;

/// Accounts that one plan changes at most; those after them come with the next plan.
const MOST_ACCOUNTS: i64 = 10_000;

/// Plans what the run's request asks for and closes the plan; afterwards it waits for a person, or
/// is applied at once when nobody has to look at it.
pub(super) async fn make(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    client: &Client,
) -> std::result::Result<Run, Interrupted> {
    let store = &worker.portal.store;
    let Some(request) = &run.request else {
        return Err(Interrupted::Cancelled);
    };
    let changes = match plan(worker, lease, run, request, client).await? {
        TenantPlan::Changes(changes) => changes,
        TenantPlan::Refused(failure) => return Err(Interrupted::Failed(failure)),
    };
    tenant_actions::write(store, lease, &changes, worker.now()).await?;
    let waits = run.mode == RunMode::Preview && !changes.is_empty();
    let (hash, waits_for) = (tenant::hash(&changes), waits.then_some(WaitsFor::Preview));
    let now = worker.now();
    Ok(runs::plan::finish(store, lease, &hash, waits_for.as_ref(), now).await?)
}

async fn plan(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    request: &TenantRequest,
    client: &Client,
) -> std::result::Result<TenantPlan, Interrupted> {
    match request {
        TenantRequest::Federate {
            setup,
            metadata,
            tester,
            confirm_minutes,
        } => {
            let asked = federation::Asked {
                setup,
                metadata,
                tester,
                confirm_minutes: *confirm_minutes,
            };
            federation::plan_federate(worker, lease, run, client, asked).await
        }
        TenantRequest::UpdateFederation { setup } => {
            federation::plan_update(worker, lease, client, setup).await
        }
        TenantRequest::RevertFederation { because, issuer } => {
            let plan = federation::plan_revert(worker, lease, client, issuer, *because).await?;
            with_old_values(plan, worker, lease, client).await
        }
        TenantRequest::RepairImmutableIds { only } => {
            federation::plan_repair(worker, lease, run, client, only.as_deref()).await
        }
        TenantRequest::SetSecurityDefaults { enabled } => {
            let now = client.security_defaults().await.map_err(unread)?;
            Ok(tenant::set_security_defaults(now.is_enabled, *enabled))
        }
        TenantRequest::TurnOffPerUserMfa { administrators } => {
            let accounts = asked_accounts(worker, lease, *administrators, client).await?;
            Ok(tenant::turn_off_per_user_mfa(&accounts))
        }
        TenantRequest::RenewSecret => renewing::secret(worker, lease, client).await,
        TenantRequest::UseCertificate => renewing::certificate(worker, lease, client).await,
        TenantRequest::PutBack => Ok(TenantPlan::Changes(put_back(worker, lease, client).await?)),
    }
}

/// A revert brings back what Signpost changed for the federation's sake. What cannot be read stays
/// remembered: it must not keep the domain from being taken back.
async fn with_old_values(
    plan: TenantPlan,
    worker: &Worker,
    lease: &RunLease,
    client: &Client,
) -> std::result::Result<TenantPlan, Interrupted> {
    let TenantPlan::Changes(mut changes) = plan else {
        return Ok(plan);
    };
    match put_back(worker, lease, client).await {
        Ok(back) => changes.extend(back),
        Err(Interrupted::Failed(failure)) => {
            tracing::warn!(run.id = %lease.run_id, cause = failure.text, "old values stay remembered");
        }
        Err(other) => return Err(other),
    }
    Ok(TenantPlan::Changes(changes))
}

/// Accounts that Microsoft asked for a second factor when they were last read, each read again:
/// the plan is made from what is, not from what was.
async fn asked_accounts(
    worker: &Worker,
    lease: &RunLease,
    administrators: bool,
    client: &Client,
) -> std::result::Result<Vec<AskedAccount>, Interrupted> {
    let known = {
        let mut db = worker.portal.store.read().await?;
        let application = lease.application_id;
        account_readings::list_asked(&mut db, application, administrators, MOST_ACCOUNTS).await?
    };
    let ids = known.iter().map(|account| account.object_id.clone());
    let states = read_states(client, ids.collect()).await?;
    let accounts = known.into_iter().zip(states);
    Ok(accounts
        .map(|(known, state)| AskedAccount {
            account: known.object_id,
            name: known.name,
            state,
        })
        .collect())
}

/// Per-user MFA of accounts as it is now, in their order; `None` for one that cannot be read. A
/// permission that is missing is missing for all of them.
async fn read_states(
    client: &Client,
    accounts: Vec<String>,
) -> std::result::Result<Vec<Option<PerUserMfa>>, Interrupted> {
    let ids: Vec<Option<ObjectId>> = accounts.iter().map(|id| id.parse().ok()).collect();
    let asked = ids.iter().copied().flatten().collect();
    let mut answers = HashMap::new();
    for (id, answer) in client.per_user_mfa_of(asked).await {
        match answer {
            Ok(state) => {
                answers.insert(id, tenant::per_user_mfa(state));
            }
            Err(error) => match error.kind() {
                ErrorKind::Forbidden {
                    missing: Some(_), ..
                }
                | ErrorKind::Unauthorized(_) => return Err(unread(error)),
                _ => {}
            },
        }
    }
    let state = |id: Option<ObjectId>| id.and_then(|id| answers.get(&id).copied().flatten());
    Ok(ids.into_iter().map(state).collect())
}

/// The changes that put every remembered value back; what already is as it was is noted.
async fn put_back(
    worker: &Worker,
    lease: &RunLease,
    client: &Client,
) -> std::result::Result<Vec<PlannedTenantAction>, Interrupted> {
    let store = &worker.portal.store;
    let (mut changes, mut after) = (Vec::new(), None);
    loop {
        let kept = {
            let mut db = store.read().await?;
            let application = lease.application_id;
            kept_values::list_open(&mut db, application, after.as_ref(), CHUNK).await?
        };
        let Some(last) = kept.last() else {
            return Ok(changes);
        };
        after = Some(last.subject.clone());
        let read = read_now(client, kept).await?;
        let plan = tenant::put_back(&read);
        let mut tx = store.write().await?;
        let now = worker.now();
        kept_values::mark_put_back(&mut tx, lease.application_id, &plan.settled, now).await?;
        tx.commit().await?;
        changes.extend(plan.changes);
    }
}

/// Each remembered value beside the one that the tenant holds now.
async fn read_now(
    client: &Client,
    kept: Vec<KeptValue>,
) -> std::result::Result<Vec<(KeptValue, Option<serde_json::Value>)>, Interrupted> {
    let of_account = |kept: &&KeptValue| kept.subject.kind == "per_user_mfa";
    let accounts: Vec<String> = kept
        .iter()
        .filter(of_account)
        .map(|kept| kept.subject.id.clone())
        .collect();
    let states = read_states(client, accounts).await?;
    let mut states = states.into_iter();
    let mut read = Vec::with_capacity(kept.len());
    for kept in kept {
        let now = match kept.subject.kind.as_str() {
            "per_user_mfa" => states
                .next()
                .flatten()
                .map(|state| serde_json::json!(state)),
            "security_defaults" => {
                let found = client.security_defaults().await.map_err(unread)?;
                Some(found.is_enabled.into())
            }
            _ => None,
        };
        read.push((kept, now));
    }
    Ok(read)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(super) fn unread(error: signpost_graph::Error) -> Interrupted {
    Interrupted::Failed(run_failure(&error))
}

/// What pages show of the tenant is looked at again after a run has changed it.
pub(super) async fn look_again(worker: &Worker, lease: &RunLease, run: &Run) -> Result<()> {
    let portal = &worker.portal;
    let application = lease.application_id;
    let known = {
        let mut db = portal.store.read().await?;
        readiness::list(&mut db, application).await?
    };
    let read_accounts = matches!(
        run.request,
        Some(
            TenantRequest::TurnOffPerUserMfa { .. }
                | TenantRequest::PutBack
                | TenantRequest::RevertFederation { .. }
        )
    );
    if read_accounts {
        let mut tx = portal.store.write().await?;
        if account_readings::find(&mut tx, application)
            .await?
            .is_some()
        {
            account_readings::ask(&mut tx, application, &Author::SIGNPOST, worker.now()).await?;
        }
        tx.commit().await?;
    }
    if !known.is_empty()
        && let Err(error) = app::readiness::look(portal, application).await
    {
        tracing::warn!(%application, error = %error, "checks were not made after the run");
    }
    Ok(())
}

/// Carries out what the plan still has to do to the tenant itself.
pub(super) async fn apply(worker: &Worker, lease: &RunLease, client: Client) -> Result<Ended> {
    let portal = &worker.portal;
    let kept = StoredCredential::of(worker, lease).await?;
    let journal = Journal {
        portal: portal.clone(),
        lease: lease.clone(),
    };
    let clock = Arc::clone(&portal.graph_clock);
    let own = kept.own;
    let settings = GraphSettings::new(client, own, Arc::new(kept), Arc::clone(&clock));
    let surroundings = Surroundings {
        clock: clock.as_ref(),
        random: portal.random.as_ref(),
    };
    tenant::apply(&settings, &journal, surroundings).await
}

/// The stored changes of one run, under its lease.
#[derive(Debug)]
struct Journal {
    portal: Portal,
    lease: RunLease,
}

impl Journal {
    fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }
}

impl TenantJournal for Journal {
    type Error = Error;

    async fn next(&self, after: i64, limit: usize) -> Result<Vec<Step>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut db = self.portal.store.read().await?;
        let open = tenant_actions::list_open(&mut db, self.lease.run_id, after, limit).await?;
        Ok(open.into_iter().map(step).collect())
    }

    async fn mark_sent(&self, sequences: &[i64]) -> Result<Signal> {
        let store = &self.portal.store;
        tenant_actions::mark_sent(store, &self.lease, sequences, self.now())
            .await
            .map(signal)
    }

    async fn record(&self, outcomes: &[(i64, Outcome)]) -> Result<Signal> {
        let store = &self.portal.store;
        tenant_actions::record(store, &self.lease, outcomes, self.now())
            .await
            .map(signal)
    }
}

fn step(stored: StoredTenantAction) -> Step {
    Step {
        sequence: stored.sequence,
        sent: stored.state == ActionState::Sent,
        action: stored.action,
    }
}
